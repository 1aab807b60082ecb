package node

import (
	"errors"
	"math/rand/v2"
	"os"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/coffer-dev/coffer/engine/adminapi"
	"github.com/coffer-dev/coffer/engine/config"
)

// trio is three lazy members in one process, each on a disk of its own.
type trio struct {
	*testing.T
	w      *wires
	groups [3]*Group
}

func lazily(o *GroupOptions) { o.Durability, o.Boot = config.EverySecond, "one" }

func (t *trio) until(what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

// newTrio forms the group; the first one leads.
func newTrio(tb *testing.T, disks [3]vfs.FS) *trio {
	tb.Helper()
	t := &trio{T: tb, w: &wires{}}
	open := func(id uint64, fs vfs.FS) *Group {
		g := startGroup(t, groupOptions(fs, lazily, func(o *GroupOptions) { o.ID, o.Network = id, t.w }))
		t.Cleanup(func() { _ = g.Stop() })
		t.w.attach(g)
		return g
	}
	leader := open(1, disks[0])
	t.groups[0] = leader
	for i := 1; i < 3; i++ {
		var id uint64
		t.until("a learner", func() bool {
			_ = leader.Change(adminapi.GroupAdd, i, 0)
			for _, m := range leader.Members().Members {
				if ordinalOf(m.ID) == i {
					id = m.ID
				}
			}
			return id != 0
		})
		t.groups[i] = open(id, disks[i])
		t.until("a voter", func() bool {
			_ = leader.Change(adminapi.GroupPromote, 0, id)
			for _, m := range leader.Members().Members {
				if m.ID == id && m.Voter {
					return true
				}
			}
			return false
		})
	}
	t.until("all to know that there are three", func() bool {
		for _, g := range t.groups {
			if s := g.Members(); s == nil || len(s.Members) != 3 || !s.Members[1].Voter || !s.Members[2].Voter {
				return false
			}
		}
		return true
	})
	return t
}

func (t *trio) set(value string) {
	t.Helper()
	do(t.T, t.groups[0], item("SET", "a", value))
}

// hasUnsynced tells whether a member says to have what is not on its disk.
func hasUnsynced(t *testing.T, fs vfs.FS) bool {
	t.Helper()
	id, err := readIdentity(fs, "data/"+identityName)
	if err != nil {
		t.Fatal(err)
	}
	return id.Unsynced == "one" && id.Version == identityVersion
}

// crash is what a crash leaves of a member's disk while the member says to have
// more, or what it finds there if it is killed.
func (t *trio) crash(disk *vfs.MemFS, cfg vfs.CrashCloneCfg) (left *vfs.MemFS) {
	t.Helper()
	t.until("a member that says to have what is not on its disk", func() bool {
		t.set("1")
		left = disk.CrashClone(cfg)
		return hasUnsynced(t.T, left)
	})
	return left
}

// TestWhoMayHaveForgottenIsNobody: a member whose host went down before all that it
// had acknowledged was on its disk is not opened, now or ever; one whose process
// was killed is.
func TestWhoMayHaveForgottenIsNobody(t *testing.T) {
	mem := vfs.NewCrashableMem()
	three := newTrio(t, [3]vfs.FS{vfs.NewMem(), mem, vfs.NewMem()})
	killed := three.crash(mem, vfs.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: rand.New(rand.NewPCG(1, 2))})
	down := three.crash(mem, vfs.CrashCloneCfg{})

	// Its process was killed: all is there, and the mark goes.
	g, err := OpenGroup(groupOptions(killed, lazily, func(o *GroupOptions) { o.Network = &wires{} }))
	if err != nil {
		t.Fatal(err)
	}
	if id, err := readIdentity(killed, "data/"+identityName); err != nil || id.Unsynced != "" || id.Version != 2 {
		t.Errorf("opened, and %+v, %v", id, err)
	}
	if err := g.Stop(); err != nil {
		t.Error(err)
	}

	// Its host went down, and is another one since.
	another := func(o *GroupOptions) { lazily(o); o.Boot, o.Network = "two", &wires{} }
	if _, err := OpenGroup(groupOptions(down, another)); !errors.Is(err, ErrForgot) {
		t.Fatalf("opened in another boot: %v", err)
	}
	if f, err := lookForForgotten(down, "data", "ns/other", "two", nil); f != nil || err != nil {
		t.Errorf("to another instance it is %+v, %v", f, err)
	}
	f, err := lookForForgotten(down, "data", "ns/test", "two", nil)
	if err != nil || f == nil || f.ID != three.groups[1].opts.ID || f.last == 0 || f.term == 0 || len(f.conf.GetVoters())+len(f.conf.GetLearners()) < 2 {
		t.Fatalf("%+v, %v", f, err)
	}
	again := down.CrashClone(vfs.CrashCloneCfg{}) // it is durable that it was seen
	if _, err := OpenGroup(groupOptions(again, lazily)); !errors.Is(err, ErrForgot) {
		t.Errorf("back in the boot that it was of: %v", err)
	}

	// It ends in good order: nothing is in memory alone.
	if err := three.groups[1].Stop(); err != nil {
		t.Fatal(err)
	}
	if g, err = OpenGroup(groupOptions(mem.CrashClone(vfs.CrashCloneCfg{}), another)); err != nil {
		t.Fatalf("ended in good order, then: %v", err)
	}
	if err := g.Stop(); err != nil {
		t.Error(err)
	}
}

// TestWhoForgotBecomesAnother: at whatever moment the host goes down meanwhile, it
// is the one that forgot or the other one, and the other one has nothing.
func TestWhoForgotBecomesAnother(t *testing.T) {
	mem := vfs.NewCrashableMem()
	three := newTrio(t, [3]vfs.FS{vfs.NewMem(), vfs.NewMem(), mem})
	down := three.crash(mem, vfs.CrashCloneCfg{})
	old, other := three.groups[2].opts.ID, uint64(777<<ordinalBits|3)

	for _, percent := range []int{0, 100} {
		base := down.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: rand.New(rand.NewPCG(1, 2))})
		var crashes []*vfs.MemFS
		fs := errorfs.Wrap(base, errorfs.InjectorFunc(func(op errorfs.Op) error {
			if op.Kind.ReadOrWrite() == errorfs.OpIsWrite {
				crashes = append(crashes, base.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: rand.New(rand.NewPCG(1, 2))}))
			}
			return nil
		}))
		f, err := lookForForgotten(fs, "data", "ns/test", "two", nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := f.becomes(place{id: other, generation: 1 << 32}); err != nil {
			t.Fatal(err)
		}
		for i, crash := range append(crashes, base.CrashClone(vfs.CrashCloneCfg{})) {
			id, err := readIdentity(crash, "data/"+identityName)
			_, logErr := crash.Stat("data/wal")
			switch {
			case err != nil:
				t.Fatalf("crash %d: %v", i, err)
			case id.ID == old && id.forgot(crash, "data", "two"):
			case id.ID == other && id.Generation == 1<<32 && !id.forgot(crash, "data", "two") && errors.Is(logErr, os.ErrNotExist):
			default:
				t.Errorf("crash %d of %d: %+v, log: %v", i, len(crashes), id, logErr)
			}
			if f, err := lookForForgotten(crash, "data", "ns/test", "two", nil); err != nil || (f != nil) != (id.ID == old) {
				t.Errorf("crash %d: looked at again: %+v, %v", i, f, err)
			}
		}
	}
}

// TestAFailedFsyncIsRemembered: what the disk did not take may be in memory as if
// it had, and a member that was started again would count on it.
func TestAFailedFsyncIsRemembered(t *testing.T) {
	var broken atomic.Bool
	mem := vfs.NewMem()
	fs := errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if broken.Load() && op.Kind == errorfs.OpFileSyncData {
			return syscall.EIO
		}
		return nil
	}))
	three := newTrio(t, [3]vfs.FS{vfs.NewMem(), fs, vfs.NewMem()})
	broken.Store(true)
	three.set("2")
	select {
	case <-three.groups[1].Done():
	case <-time.After(30 * time.Second):
		t.Fatal("the member goes on")
	}
	broken.Store(false)
	if _, err := OpenGroup(groupOptions(mem, lazily)); !errors.Is(err, ErrForgot) {
		t.Errorf("opened in the same boot behind a failed fsync: %v", err)
	}
}

// TestALogAtRestIsWhole: who has written nothing for a while loses nothing with its
// host's memory, and says so; who writes again says that first.
func TestALogAtRestIsWhole(t *testing.T) {
	mem := vfs.NewMem()
	three := newTrio(t, [3]vfs.FS{vfs.NewMem(), mem, vfs.NewMem()})
	writes := func() bool { three.set("1"); return hasUnsynced(t, mem) }
	three.until("a member that says to have what is not on its disk", writes)
	three.until("that all is on its disk", func() bool { return !hasUnsynced(t, mem) })
	three.until("it to say so again", writes)
}
