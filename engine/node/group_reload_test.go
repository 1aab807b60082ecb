package node

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/coffer-dev/coffer/engine/config"
	"github.com/coffer-dev/coffer/engine/machine"
	"github.com/coffer-dev/coffer/engine/member"
	"github.com/coffer-dev/coffer/engine/reply"
	"github.com/coffer-dev/coffer/engine/store"
)

// reloaded is Reload, and waits.
func reloaded(g *Group, save bool) error {
	done := make(chan error, 1)
	g.Reload(save, func(err error) { done <- err })
	return <-done
}

// underLock is done under the group's lock.
type underLock func(tx *machine.Tx)

func (f underLock) Apply(tx *machine.Tx) reply.Reply {
	f(tx)
	return reply.OK
}

func look(t *testing.T, g *Group, f underLock) {
	t.Helper()
	if err := g.Look([]machine.Item{{Op: f}}); err != nil {
		t.Fatal(err)
	}
}

// lockedState is stateOf of a group that runs.
func lockedState(t *testing.T, g *Group) []byte {
	g.mu.Lock()
	defer g.mu.Unlock()
	return stateOf(t, g)
}

func machineOf(g *Group) *machine.Machine {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.member.Machine()
}

// TestTheStateIsReadBackWhileItServes: it is another machine's, with all that was
// acknowledged, and of what happens to it is told as before.
func TestTheStateIsReadBackWhileItServes(t *testing.T) {
	for _, durability := range []config.Durability{config.Always, config.EverySecond} {
		for _, save := range []bool{false, true} {
			t.Run(fmt.Sprint(durability, save), func(t *testing.T) {
				readBackWhileServing(t, groupOptions(vfs.NewMem(), func(o *GroupOptions) { o.Durability = durability }), save)
			})
		}
	}
}

func readBackWhileServing(t *testing.T, opts GroupOptions, save bool) {
	g := startGroup(t, opts)
	l := &listener{}
	g.Tell(l)
	for i := range 2000 {
		do(t, g, item("SET", fmt.Sprint("key", i%700), fmt.Sprint(i)))
	}
	keep(t, g, true)
	var woken atomic.Bool
	watch := &store.Watch{Changed: func() { woken.Store(true) }}
	look(t, g, func(tx *machine.Tx) { tx.Store.Watch(watch, []byte("key1"), tx.Now) })
	before, state := machineOf(g), lockedState(t, g)
	if err := reloaded(g, save); err != nil {
		t.Fatal(err)
	}
	if machineOf(g) == before || !bytes.Equal(lockedState(t, g), state) {
		t.Fatal("it is the same member, or another state")
	}
	g.working.Lock()
	saved := g.member.SnapshotIndex()
	g.working.Unlock()
	if save && saved == 0 {
		t.Fatal("there is no snapshot")
	}
	if !woken.Load() {
		t.Fatal("who watches a key of the former state is not told")
	}
	l.takeChanged()
	do(t, g, item("SET", "behind", "it"))
	if changed := l.takeChanged(); len(changed) != 1 || changed[0].Key != "behind" {
		t.Fatalf("told of %v", changed)
	}
	if err := g.Stop(); err != nil {
		t.Fatal(err)
	}
	g = startGroup(t, opts)
	defer g.Stop()
	if get(t, g, "key1") != "1401" || get(t, g, "behind") != "it" {
		t.Fatal("it was not all durable")
	}
}

// TestWritersGoOnBesideReloads: none of what is acknowledged is missing.
func TestWritersGoOnBesideReloads(t *testing.T) {
	g := startGroup(t, groupOptions(vfs.NewMem()))
	defer g.Stop()
	var mu sync.Mutex
	acked := map[string]string{}
	stop := make(chan struct{})
	wg := writers(g, 4, stop, func(key, value string) {
		mu.Lock()
		defer mu.Unlock()
		acked[key] = value
	})
	for i := range 20 {
		if err := reloaded(g, i%4 == 0); err != nil {
			t.Fatal(err)
		}
	}
	close(stop)
	wg.Wait()
	if len(acked) == 0 {
		t.Fatal("nothing was written beside the reloads")
	}
	for key, value := range acked {
		if number(get(t, g, key)) < number(value) {
			t.Errorf("%s is %s, acknowledged was %s", key, get(t, g, key), value)
		}
	}
}

// TestAnotherStateInTheFilesEndsTheGroup: what is served may not be what a restart
// would serve.
func TestAnotherStateInTheFilesEndsTheGroup(t *testing.T) {
	g := startGroup(t, groupOptions(vfs.NewMem()))
	do(t, g, item("SET", "a", "1"))
	look(t, g, func(tx *machine.Tx) { tx.Store.Put([]byte("unlogged"), store.String("x"), 0) })
	if err := reloaded(g, false); !errors.Is(err, member.ErrReread) || !errors.Is(err, ErrFailed) {
		t.Fatalf("answered %v", err)
	}
	if err := g.Stop(); !errors.Is(err, member.ErrReread) {
		t.Fatalf("stopped with %v", err)
	}
	if err := reloaded(g, false); !errors.Is(err, ErrStopped) {
		t.Fatalf("a group that has stopped answers %v", err)
	}
}

// TestWhatExpiredStaysIfAsked: it is absent all the same.
func TestWhatExpiredStaysIfAsked(t *testing.T) {
	g := startGroup(t, groupOptions(vfs.NewMem()))
	defer g.Stop()
	g.SetActiveExpiry(false)
	do(t, g, item("SET", "short", "1", "\x01"), item("SET", "long", "1"))
	time.Sleep(5 * tick)
	if g.Stats().Keys != 2 || get(t, g, "short") != "" {
		t.Fatal("the expired key was removed, or is still to be read")
	}
	g.SetActiveExpiry(true)
	for deadline := time.Now().Add(5 * time.Second); g.Stats().Keys != 1; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the expired key is still there")
		}
	}
}

// TestAMemberOfSeveralKeepsItsState: while it read the files the others would elect
// another leader.
func TestAMemberOfSeveralKeepsItsState(t *testing.T) {
	g := &Group{opts: GroupOptions{Network: struct{ Network }{}}}
	if err := reloaded(g, false); !errors.Is(err, errReloadAlone) {
		t.Fatalf("answered %v", err)
	}
}
