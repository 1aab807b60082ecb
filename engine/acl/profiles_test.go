package acl

import "testing"

// TestProfilesEndWhereALibraryDoes: the libraries themselves run with them in
// test/conformance; here is what none of them must let through.
func TestProfilesEndWhereALibraryDoes(t *testing.T) {
	for name, p := range map[string]struct {
		Profile
		keys, others []string
	}{
		"BullMQ":  {BullMQ, []string{"bull:mail:wait"}, []string{"bull", "session:1"}},
		"Asynq":   {Asynq, []string{"asynq:{default}:pending"}, []string{"asynq", "session:1"}},
		"Sidekiq": {Sidekiq, []string{"queue:default", "web-1:17:0123456789ab", "web-1:17:0123456789ab:work", "stat:failed:2027-01-01"}, []string{"session:17:1", "web-1:17:0123456789ag", "queuesuser"}},
		"Celery":  {Celery, []string{"celery", "celery\x06\x163", "_kombu.binding.celery", "celery@host.celery.pidbox"}, []string{"celery2", "session:1", "unacked2"}},
	} {
		t.Run(name, func(t *testing.T) {
			user := identity(t, func(u *User) { u.Commands, u.Keys, u.ReadKeys, u.Channels = p.Commands, p.Keys, nil, p.Channels })
			write := func(key string) *Action { return action("zadd", "write sortedset fast", Write, key) }
			for _, key := range p.keys {
				if denied := user.Allows(write(key)); denied != nil {
					t.Errorf("%q: %v", key, denied)
				}
			}
			for _, key := range p.others {
				if user.Allows(write(key)) == nil {
					t.Errorf("it may write %q", key)
				}
			}
			for _, a := range []*Action{
				action("scan", "keyspace read slow", 0), action("keys", "keyspace read slow dangerous", 0),
				action("flushall", "keyspace write slow dangerous", 0), action("config|get", "admin slow dangerous", 0),
				action("client|kill", "admin slow dangerous connection", 0), action("monitor", "admin slow dangerous", 0),
				action("script|flush", "slow scripting", 0), action("sort", "write set sortedset list slow dangerous", Write, p.keys[0]),
				action("acl|list", "admin slow dangerous", 0),
			} {
				if user.Allows(a) == nil {
					t.Errorf("it may do %s", a.Command)
				}
			}
		})
	}
}
