package node_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coffer-dev/coffer/engine/adminapi"
	"github.com/coffer-dev/coffer/engine/client"
	"github.com/coffer-dev/coffer/engine/node"
	"github.com/coffer-dev/coffer/test/fixture/replicas"
)

// unled waits until a member knows that nobody leads.
func unled(r *replicas.Group, i int) adminapi.Group {
	r.Until("a member that knows of no leader", func() bool { s := r.Status(i); return s.Role == "follower" && s.Group.Leader == "" })
	return *r.Status(i).Group
}

// recoverFrom has a member go on alone, and starts it again as the kubelet does.
func recoverFrom(t *testing.T, r *replicas.Group, i int, g adminapi.Group) {
	t.Helper()
	change := adminapi.GroupChange{Operation: adminapi.GroupRecover, ID: g.ID, Index: g.LastIndex}
	// The member may be gone before its answer is: it is asked again then.
	if err := r.Admin(i).Change(t.Context(), change); errors.Is(err, client.ErrRefused) {
		t.Fatal(err)
	}
	if err := r.Take(i).(*node.Node).Run(t.Context()); !errors.Is(err, node.ErrRecovered) {
		t.Fatalf("a member that is to go on alone ends with %v", err)
	}
	r.Start(i)
	r.Until("it to lead", func() bool { return r.Status(i).Role == "leader" })
	if err := r.Admin(i).Change(t.Context(), change); err != nil {
		t.Fatalf("asked again: %v", err)
	}
}

// TestReplicasGoOnFromOne whose majority is lost with its volumes: what the one
// has is there, the group is one of three again, and the old members are heard by
// nobody.
func TestReplicasGoOnFromOne(t *testing.T) {
	r := replicas.New(t, 3, inProcess)
	r.Form()
	ctx := t.Context()
	for i := range 50 {
		if err := r.Redis(i%3).Set(ctx, fmt.Sprint("key", i), i, 0).Err(); err != nil {
			t.Fatal(err)
		}
	}
	one := (r.WaitLeader() + 1) % 3
	others := []int{(one + 1) % 3, (one + 2) % 3}
	index := r.Status(r.WaitLeader()).AppliedIndex
	r.Until("it to have all", func() bool { return r.Status(one).Group.LastIndex >= index })
	var kept []string // what comes back of the old members
	for _, i := range others {
		r.Stop(i)
		kept = append(kept, filepath.Join(t.TempDir(), "data"))
		if err := os.CopyFS(kept[len(kept)-1], os.DirFS(r.Configs[i].DataDir)); err != nil {
			t.Fatal(err)
		}
		r.Wipe(i)
	}
	before := unled(r, one)
	recoverFrom(t, r, one, before)
	after := r.Status(one).Group
	if after.ID == before.ID || after.Generation <= before.Generation || after.Recovered == nil || *after.Recovered != (adminapi.Recovered{ID: before.ID, Index: before.LastIndex}) || len(after.Members) != 1 {
		t.Fatalf("%+v, before %+v", after, before)
	}
	all := func() {
		t.Helper()
		for i := range 50 {
			if got := r.Redis(one).Get(ctx, fmt.Sprint("key", i)).Val(); got != fmt.Sprint(i) {
				t.Errorf("key%d is %q", i, got)
			}
		}
	}
	all()
	if err := r.Redis(one).Set(ctx, "since", "there", 0).Err(); err != nil {
		t.Fatal(err)
	}

	// An old member comes back, and asks for votes.
	wiped := r.Configs
	r.Configs = append(wiped[:0:0], wiped...)
	for n, i := range others {
		r.Configs[i].DataDir = kept[n]
	}
	r.Start(others[0])
	time.Sleep(2 * time.Second) // several election timeouts
	if s := r.Status(others[0]); s.Ready || s.Role == "leader" || r.Status(one).Role != "leader" {
		t.Errorf("a member of the time before: %+v", s)
	}
	r.Stop(others[0])
	r.Configs = wiped

	for _, i := range others {
		r.Start(i)
		r.Join(i)
	}
	for _, i := range others {
		if g := r.Status(i).Group; g.Generation != after.Generation {
			t.Errorf("who joined is of generation %x, who leads of %x", g.Generation, after.Generation)
		}
	}
	r.Stop(one) // the others go on with all
	r.WaitLeader()
	r.Start(one)
	r.Until("the member back", func() bool { return r.Status(one).Ready })
	all()
	if got := r.Redis(one).Get(ctx, "since").Val(); got != "there" {
		t.Errorf("what was written after the recovery is %q", got)
	}
	if g := r.Status(one).Group; g.ID != after.ID || len(g.Members) != 3 {
		t.Errorf("started again behind a recovery: %+v", g)
	}
}

// TestOnlyWhoIsMeantGoesOn: not with a leader, not another member, not from
// another place in the log, not one that has nothing.
func TestOnlyWhoIsMeantGoesOn(t *testing.T) {
	r := replicas.New(t, 3, inProcess)
	r.Form()
	refused := func(i int, id, index uint64, why string) {
		t.Helper()
		err := r.Admin(i).Change(t.Context(), adminapi.GroupChange{Operation: adminapi.GroupRecover, ID: id, Index: index})
		if !errors.Is(err, client.ErrRefused) || !strings.Contains(err.Error(), why) {
			t.Errorf("%v, want %q", err, why)
		}
	}
	leader := r.WaitLeader()
	one := (leader + 1) % 3
	for _, i := range []int{leader, one} {
		g := r.Status(i).Group
		refused(i, g.ID, g.LastIndex, "leads: there is a majority")
	}
	r.Stop(leader)
	r.Stop((leader + 2) % 3)
	g := unled(r, one)
	refused(one, g.ID+1, g.LastIndex, "is to go on, this one is")
	refused(one, g.ID, g.LastIndex-1, "the log ends at")
	r.Wipe(leader)
	r.Start(leader)
	r.Until("an empty member", func() bool { return r.Status(leader).Role == "blank" })
	refused(leader, 1, 0, "not in a group yet")
	if s := r.Status(one); s.Group.ID != g.ID || s.Group.Generation != 0 {
		t.Errorf("refused, and yet %+v", s.Group)
	}
}

// TestTheOldGroupIsRefused: a member of the time before says why it is not heard,
// and one that joined with the number of another time is not heard either.
func TestTheOldGroupIsRefused(t *testing.T) {
	r := replicas.New(t, 2, inProcess)
	r.Form()
	r.Stop(0)
	kept := filepath.Join(t.TempDir(), "data")
	if err := os.CopyFS(kept, os.DirFS(r.Configs[0].DataDir)); err != nil {
		t.Fatal(err)
	}
	recoverFrom(t, r, 1, unled(r, 1))
	r.Wipe(0)
	r.Start(0)
	r.Change(adminapi.GroupChange{Operation: adminapi.GroupAdd, Member: r.Name(0)})
	// The same number, another history: as a majority that is lost may have given it.
	var id uint64
	r.Until("its number", func() bool { id, _ = r.ID(0); return id != 0 && r.Status(0).Group.ID == id })
	r.Stop(0)
	r.Configs[0].DataDir = kept
	was := fmt.Sprintf(`{"version":2,"instance":"shop/kv","id":%d}`, id)
	if err := os.WriteFile(filepath.Join(kept, "identity.json"), []byte(was), 0o600); err != nil {
		t.Fatal(err)
	}
	r.Start(0)
	r.Until("it to be refused", func() bool {
		s := r.Status(1)
		for _, m := range s.Group.Members {
			if m.ID == id && strings.Contains(m.Refused, "volume is of the time before") {
				return true
			}
		}
		return false
	})
}
