package node_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/coffer-dev/coffer/engine/adminapi"
	"github.com/coffer-dev/coffer/engine/client"
	"github.com/coffer-dev/coffer/engine/config"
	"github.com/coffer-dev/coffer/test/fixture/replicas"
)

// lazyReplicas is a group whose members say to have what their hosts' memory has.
func lazyReplicas(t *testing.T) *replicas.Group {
	t.Helper()
	r := replicas.New(t, 3, inProcess)
	for i := range r.Configs {
		r.Configs[i].Durability = config.EverySecond
	}
	r.Form()
	return r
}

// lostPower leaves of a member that is stopped what a host that goes down leaves:
// its log may have lacked its end in another boot than this.
func lostPower(t *testing.T, r *replicas.Group, i int) {
	t.Helper()
	path := filepath.Join(r.Configs[i].DataDir, "identity.json")
	data, err := os.ReadFile(path)
	id := map[string]any{}
	if err == nil {
		err = json.Unmarshal(data, &id)
	}
	if err != nil {
		t.Fatal(err)
	}
	id["version"], id["unsynced"] = 4, "a boot before"
	if data, err = json.Marshal(id); err == nil {
		err = os.WriteFile(path, data, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestReplicasTakeInWhoForgot, under another number, as one whose volume is lost.
// Until then it votes for nobody.
func TestReplicasTakeInWhoForgot(t *testing.T) {
	r := lazyReplicas(t)
	ctx := t.Context()
	if err := r.Redis(0).Set(ctx, "a", "1", 0).Err(); err != nil {
		t.Fatal(err)
	}
	one := (r.WaitLeader() + 1) % 3
	old, _ := r.ID(one)
	r.Stop(one)
	lostPower(t, r, one)
	r.Start(one)
	r.Until("the leader to know", func() bool {
		for _, m := range r.Status(r.WaitLeader()).Group.Members {
			if m.ID == old {
				return m.Blank
			}
		}
		return false
	})
	if s := r.Status(one); s.Role != "blank" || s.Ready || s.Group.ID != 0 || s.Group.Forgot != old || s.Group.LastIndex == 0 || len(s.Group.Members) != 3 || s.Group.Members[one].Name != r.Name(one) {
		t.Fatalf("%+v, %+v", s, s.Group)
	}
	if err := r.Admin(one).Change(ctx, adminapi.GroupChange{Operation: adminapi.GroupBegin}); !errors.Is(err, client.ErrRefused) {
		t.Errorf("it begins a group of its own: %v", err)
	}
	if err := r.Redis(r.WaitLeader()).Set(ctx, "a", "2", 0).Err(); err != nil {
		t.Fatal(err)
	}
	r.Leave(one)
	r.Join(one)
	r.Until("the member to serve", func() bool { return r.Status(one).Ready })
	if s := r.Status(one).Group; s.ID == old || s.Forgot != 0 || len(s.Members) != 3 {
		t.Errorf("%+v", s)
	}
	r.Stop(r.WaitLeader()) // so that it is needed
	r.WaitLeader()
	if got := r.Redis(one).Get(ctx, "a").Val(); got != "2" {
		t.Errorf("a is %q", got)
	}
}

// TestReplicasGoOnFromWhoForgot when all did: from the one that somebody names, and
// the others join it.
func TestReplicasGoOnFromWhoForgot(t *testing.T) {
	r := lazyReplicas(t)
	ctx := t.Context()
	if err := r.Redis(0).Set(ctx, "a", "1", 0).Err(); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		r.Stop(i)
		lostPower(t, r, i)
	}
	for i := range 3 {
		r.Start(i)
	}
	best := 0
	for i := range 3 {
		r.Until("a member that says what it has", func() bool { return r.Status(i).Group.Forgot != 0 })
		if r.Status(i).Group.LastIndex > r.Status(best).Group.LastIndex {
			best = i
		}
	}
	g := r.Status(best).Group
	change := adminapi.GroupChange{Operation: adminapi.GroupRecover, ID: g.Forgot, Index: g.LastIndex + 1}
	if err := r.Admin(best).Change(ctx, change); !errors.Is(err, client.ErrRefused) {
		t.Fatalf("from where its log does not end: %v", err)
	}
	change.Index = g.LastIndex
	if err := r.Admin(best).Change(ctx, change); err != nil {
		t.Fatal(err)
	}
	r.Until("it to lead", func() bool { return r.Status(best).Role == "leader" })
	if err := r.Admin(best).Change(ctx, change); err != nil {
		t.Errorf("asked again: %v", err)
	}
	if got := r.Redis(best).Get(ctx, "a").Val(); got != "1" {
		t.Errorf("a is %q", got)
	}
	for i := range 3 {
		if i != best {
			r.Join(i)
		}
	}
	after := r.Status(best).Group
	if after.Recovered == nil || *after.Recovered != (adminapi.Recovered{ID: g.Forgot, Index: g.LastIndex}) || after.Generation <= g.Generation {
		t.Errorf("%+v", after)
	}
	r.Stop(best)
	other := r.WaitLeader()
	if got := r.Redis(other).Get(ctx, "a").Val(); got != "1" {
		t.Errorf("of who joined, a is %q", got)
	}
	if s := r.Status(other).Group; s.Generation != after.Generation {
		t.Errorf("%+v", s)
	}
}
