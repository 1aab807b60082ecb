package node

import (
	"slices"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/coffer-dev/coffer/engine/adminapi"
	"github.com/coffer-dev/coffer/engine/config"
	"github.com/coffer-dev/coffer/engine/guard"
	"github.com/coffer-dev/coffer/engine/queue"
	"github.com/coffer-dev/coffer/engine/vault"
	"github.com/coffer-dev/coffer/test/fixture/keyring"
)

// TestQueueKeysFollowThePrimaryKey: the key of a queue is wrapped again when the
// primary key changes. Nobody is told that the old one is not needed before the
// new wrapping is durable, even where writes are acknowledged sooner: what a
// crash leaves then opens with the new key alone.
func TestQueueKeysFollowThePrimaryKey(t *testing.T) {
	fs := vfs.NewCrashableMem()
	everySecond := func(o *GroupOptions) { o.Parse, o.Durability = parseJob, config.EverySecond }
	ring := keyring.New(t, 1)
	g := startGroup(t, groupOptions(fs, under(ring), everySecond))
	guarded := guard.New(func() *vault.Ring { return ring })
	settings := &queue.Settings{Queues: []queue.QueueSettings{{Name: "people", EncryptFields: []string{"ssn"}}}}
	keys, refused := guarded.Prepare(settings, nil)
	if refused != nil || len(keys) != 1 {
		t.Fatal(keys, refused)
	}
	jobs(t, g, keys[0])
	if refused := guarded.Load(settings, g.queueKeys()); refused != nil {
		t.Fatal(refused)
	}
	sealed, refused := guarded.Seal("people", []byte(`{"ssn":"secret"}`))
	if refused != nil {
		t.Fatal(refused)
	}
	jobs(t, g, &queue.Push{Jobs: []queue.NewJob{{Queue: "people", Data: sealed}}})
	for n := byte(2); n < 6; n++ {
		g.SetKeys(keyring.New(t, n, n-1))
		waitKeys(t, g, only(keyring.New(t, n)))
		ring = keyring.New(t, n)
		crashed := startGroup(t, groupOptions(fs.CrashClone(vfs.CrashCloneCfg{}), under(ring), everySecond))
		again := guard.New(func() *vault.Ring { return ring })
		if refused := again.Load(settings, crashed.queueKeys()); refused != nil {
			t.Fatalf("key %d: %v", n, refused)
		}
		if n > 2 { // the push is durable by now
			job := jobs(t, crashed, &queue.Pull{Queue: "people", Count: 1}).Result
			if len(job) != 1 || again.Open(job[0].Payload, func(string) bool { return true }) != `{"ssn":"secret"}` {
				t.Fatalf("key %d: %v", n, job)
			}
		}
		if err := crashed.Stop(); err != nil {
			t.Fatal(err)
		}
	}
	if err := g.Stop(); err != nil {
		t.Fatal(err)
	}
}

// TestAQueueKeyThatCannotBeWrappedAgainIsInUse: nobody drops the key that it is
// under.
func TestAQueueKeyThatCannotBeWrappedAgainIsInUse(t *testing.T) {
	g := startGroup(t, groupOptions(vfs.NewMem(), under(keyring.New(t, 1)), func(o *GroupOptions) { o.Parse = parseJob }))
	defer g.Stop()
	old := keyring.New(t, 1).Primary()
	damaged := append(old[:], make([]byte, vault.WrappedSize-len(old))...)
	jobs(t, g, &queue.SetKey{Key: queue.Key{ID: [8]byte{1}, Queue: "people", Wrapped: damaged}})
	g.SetKeys(keyring.New(t, 2, 1))
	waitKeys(t, g, func(e adminapi.Encryption) bool { return e.Primary == keyring.New(t, 2).Primary().String() })
	time.Sleep(1500 * time.Millisecond) // it is tried again each second
	if e := g.Stats().Encryption; !slices.Contains(e.InUse, old.String()) {
		t.Errorf("%+v", e)
	}
}
