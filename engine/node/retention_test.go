package node_test

import (
	"io"
	"log/slog"
	"testing"
	"time"

	"github.com/coffer-dev/coffer/engine/config"
	"github.com/coffer-dev/coffer/engine/node"
	"github.com/coffer-dev/coffer/test/fixture/replicas"
)

// TestRetentionSurvivesItsLeader: whoever leads next knows the rules, finds what the
// one before has not, and all members come to the same state.
func TestRetentionSurvivesItsLeader(t *testing.T) {
	r := replicas.New(t, 3, func(c config.Config, name string) (replicas.Member, error) {
		return node.Start(node.Options{Config: c, Member: name, Version: "test", DigestEvery: 20, Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	})
	r.Form()
	leader := r.WaitLeader()
	if err := r.Redis(leader).Set(t.Context(), "user:before", "v", 0).Err(); err != nil {
		t.Fatal(err)
	}
	ends := func(key string) func() bool {
		return func() bool {
			ttl, err := r.Redis(leader).TTL(t.Context(), key).Result()
			return err == nil && ttl > 50*time.Minute && ttl <= time.Hour
		}
	}
	r.Settle(config.Settings{Version: config.SettingsVersion, Revision: "hour", Retention: []config.RetentionRule{{Match: "user:*", MaxAgeSeconds: 3600}}})
	r.Until("members that know the rules", func() bool {
		for i := range 3 {
			if s := r.Status(i).Settings; s == nil || s.Revision != "hour" {
				return false
			}
		}
		return true
	})
	r.Until("an expiry of a key from before", ends("user:before"))
	client := r.Redis(leader)
	if got := field(t, client, "retention_expiries"); got != "1" {
		t.Errorf("retention_expiries:%s", got)
	}
	// Nobody who leads has a moment to look at this one.
	if err := client.Set(t.Context(), "user:last", "v", 0).Err(); err != nil {
		t.Fatal(err)
	}
	before := leader
	r.Stop(before)
	r.Until("another leader", func() bool { leader = r.WaitLeader(); return leader != before })
	r.Until("an expiry of the last key", ends("user:last"))
	r.Start(before)
	begin := r.Status(leader).AppliedIndex
	n := 0
	r.Until("members that agree", func() bool {
		n++
		_ = r.Redis(leader).Set(t.Context(), "other", n, 0).Err()
		for i := range 3 {
			if r.Status(i).Group.AgreedIndex <= begin {
				return false
			}
		}
		return true
	})
	if ttl := r.Redis(leader).TTL(t.Context(), "other").Val(); ttl != -1 {
		t.Errorf("a key that no rule matches ends in %v", ttl)
	}
}
