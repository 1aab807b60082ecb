package node

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/coffer-dev/coffer/engine/command"
	"github.com/coffer-dev/coffer/engine/config"
	"github.com/coffer-dev/coffer/engine/keyevent"
	"github.com/coffer-dev/coffer/engine/machine"
	"github.com/coffer-dev/coffer/engine/reply"
	"github.com/coffer-dev/coffer/engine/store"
)

// listener remembers what it is told.
type listener struct {
	mu      sync.Mutex
	heard   []string
	changed []store.Change
}

func (l *listener) KeysChanged(changes []store.Change) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.changed = append(l.changed, changes...)
}

func (l *listener) takeChanged() (changed []store.Change) {
	l.mu.Lock()
	defer l.mu.Unlock()
	changed, l.changed = l.changed, nil
	return changed
}

func (l *listener) KeyEvents(events []store.Event, _ int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range events {
		l.heard = append(l.heard, e.Name+" "+e.Key)
	}
}

func (l *listener) take() (heard []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	heard, l.heard = l.heard, nil
	return heard
}

const allEvents = keyevent.Generic | keyevent.String | keyevent.Evicted | keyevent.Expired

// TestEventsComeBeforeTheAnswer, in the order of the log, and stop when nobody
// wants them any more, or the member does not lead.
func TestEventsComeBeforeTheAnswer(t *testing.T) {
	for _, durability := range []config.Durability{config.Always, config.EverySecond} {
		g := startGroup(t, groupOptions(vfs.NewMem(), func(o *GroupOptions) { o.Parse, o.Durability = command.Parse, durability }))
		l := &listener{}
		g.Tell(l)
		do(t, g, call(t, "SET", "k", "v"))
		g.TellEvents(allEvents)
		answered := make(chan []string)
		g.Write([]machine.Item{call(t, "SET", "k", "v"), call(t, "GET", "k"), call(t, "DEL", "k", "none")}, func(err error) {
			if err != nil {
				t.Error(err)
			}
			heard := l.take()
			go func() { answered <- heard }()
		})
		if got := <-answered; !slices.Equal(got, []string{"set k", "del k"}) {
			t.Errorf("%s: before the answer %q is told", durability, got)
		}
		g.mu.Lock()
		g.leads = false
		g.listen()
		g.mu.Unlock()
		do(t, g, call(t, "SET", "k", "v"))
		g.TellEvents(0)
		do(t, g, call(t, "SET", "k", "v"))
		if got := l.take(); got != nil {
			t.Errorf("%s: told nevertheless: %q", durability, got)
		}
		if err := g.Stop(); err != nil {
			t.Error(err)
		}
	}
}

// TestWhatIsNotDurableIsNotTold.
func TestWhatIsNotDurableIsNotTold(t *testing.T) {
	var broken atomic.Bool
	fs := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if broken.Load() && op.Kind == errorfs.OpFileSyncData {
			return syscall.EIO
		}
		return nil
	}))
	g := startGroup(t, groupOptions(fs, func(o *GroupOptions) { o.Parse = command.Parse }))
	l := &listener{}
	g.Tell(l)
	g.TellEvents(allEvents)
	broken.Store(true)
	if err := g.Do([]machine.Item{call(t, "SET", "k", "v")}); err == nil {
		t.Fatal("a write was acknowledged whose fsync failed")
	}
	<-g.Done()
	if got := l.take(); got != nil {
		t.Errorf("told of a write that may be lost: %q", got)
	}
	_ = g.Stop()
}

// TestEvictionsAreTold as what they are, though the log has deletions.
func TestEvictionsAreTold(t *testing.T) {
	g := evictingGroup(t, vfs.NewMem(), config.AllKeysRandom, 1<<20)
	l := &listener{}
	g.Tell(l)
	g.TellEvents(allEvents)
	for n := range 1200 {
		do(t, g, sets(t, n, n+1)...)
	}
	told := map[string]int64{}
	for _, event := range l.take() {
		var name, key string
		_, _ = fmt.Sscan(event, &name, &key)
		told[name]++
	}
	if s := g.Stats(); told["evicted"] != s.Evicted || s.Evicted == 0 || told["del"] != 0 || told["set"] != 1200 {
		t.Errorf("%d keys were evicted, told: %v", s.Evicted, told)
	}
	if err := g.Stop(); err != nil {
		t.Error(err)
	}
}

// TestChangesAreTold with who made them, evictions and expiries as nobody's, while
// somebody wants to know.
func TestChangesAreTold(t *testing.T) {
	g := startGroup(t, groupOptions(vfs.NewMem(), func(o *GroupOptions) { o.Parse = command.Parse }))
	l := &listener{}
	g.Tell(l)
	by := func(who int64, words ...string) machine.Item {
		i := call(t, words...)
		i.By = who
		return i
	}
	do(t, g, by(1, "SET", "before", "v"))
	keep(t, g, true)
	both := machine.Transaction([]machine.Item{call(t, "SET", "c", "v"), call(t, "SET", "d", "v")}, nil)
	both.By = 9
	do(t, g, by(7, "SET", "a", "v"), call(t, "GET", "a"), by(8, "SET", "b", "v", "PX", "1"), both)
	want := []store.Change{{Key: "a", By: 7}, {Key: "b", By: 8}, {Key: "c", By: 9}, {Key: "d", By: 9}, {Key: "b"}}
	var got []store.Change
	for end := time.Now().Add(10 * time.Second); len(got) < len(want) && time.Now().Before(end); time.Sleep(time.Millisecond) {
		got = append(got, l.takeChanged()...)
	}
	if !slices.Equal(got, want) {
		t.Errorf("told %v, want %v", got, want)
	}
	keep(t, g, false)
	do(t, g, by(1, "SET", "after", "v"))
	if got := l.takeChanged(); got != nil {
		t.Errorf("told nevertheless: %v", got)
	}
	if err := g.Stop(); err != nil {
		t.Error(err)
	}
}

// keep has the keyspace keep changes, as the server does.
func keep(t *testing.T, g *Group, on bool) {
	t.Helper()
	if err := g.Look([]machine.Item{{Op: keeping(on)}}); err != nil {
		t.Fatal(err)
	}
}

type keeping bool

func (k keeping) Apply(tx *machine.Tx) reply.Reply {
	tx.Databases.KeepChanges(bool(k))
	return reply.OK
}
