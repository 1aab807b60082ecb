package rueidis

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/redis/rueidis/rueidislock"
)

// locker is one application of several. Who waits for a lock hears of its end by
// what is told of its keys, and by nothing else.
func (d database) locker(mods ...func(*rueidislock.LockerOption)) rueidislock.Locker {
	d.t.Helper()
	options := rueidislock.LockerOption{ClientOption: d.options(), TryNextAfter: patience} // on a slow machine, too
	for _, mod := range mods {
		mod(&options)
	}
	l, err := rueidislock.NewLocker(options)
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(l.Close)
	return l
}

// TestLocks: one at a time holds it, and all who wait get it in the end.
func TestLocks(t *testing.T) {
	d := start(t)
	for name, noLoop := range map[string]bool{"all is told": false, "without one's own": true} {
		t.Run(name, func(t *testing.T) {
			const applications, workers, turns = 3, 3, 10
			d.t = t
			ctx, stop := context.WithTimeout(t.Context(), time.Minute)
			defer stop()
			counter, all := 0, sync.WaitGroup{}
			for range applications {
				l := d.locker(func(o *rueidislock.LockerOption) { o.NoLoopTracking = noLoop })
				for range workers {
					all.Go(func() {
						for range turns {
							_, release, err := l.WithContext(ctx, "the counter")
							if err != nil {
								t.Error(err)
								return
							}
							counter++ // which the race detector watches
							release()
						}
					})
				}
			}
			all.Wait()
			if counter != applications*workers*turns {
				t.Errorf("%d turns, want %d", counter, applications*workers*turns)
			}
		})
	}
}

// TestALockIsHeldTakenAndLost.
func TestALockIsHeldTakenAndLost(t *testing.T) {
	const validity = 2 * time.Second
	d, short := start(t), func(o *rueidislock.LockerOption) { o.KeyValidity = validity }
	mine, other := d.locker(short), d.locker(short)
	held, release, err := mine.WithContext(t.Context(), "l")
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(2 * validity) // it is extended meanwhile, by a script
	if _, _, err := other.TryWithContext(t.Context(), "l"); !errors.Is(err, rueidislock.ErrNotLocked) || held.Err() != nil {
		t.Errorf("somebody else tries: %v; who holds it: %v", err, held.Err())
	}

	taken, releaseTaken, err := other.ForceWithContext(t.Context(), "l")
	if err != nil {
		t.Fatal(err)
	}
	select {
	case <-held.Done(): // it was told that the keys changed
	case <-time.After(patience):
		t.Error("who held the lock does not know that it was taken")
	}
	release()

	waiting, got := make(chan error, 1), context.CancelFunc(nil)
	go func() {
		_, release, err := mine.WithContext(t.Context(), "l")
		got = release
		waiting <- err
	}()
	time.Sleep(validity / 2)
	select {
	case err := <-waiting:
		t.Errorf("two hold it: %v, %v", err, taken.Err())
	default:
	}
	// Whoever holds it is gone without a word: its keys expire.
	admin := d.connect()
	other.Client().Close()
	select {
	case err := <-waiting:
		if err != nil {
			t.Fatal(err)
		}
		got()
	case <-time.After(patience):
		t.Error("who waits is not told that the lock expired")
	}
	releaseTaken()
	var left int64
	within(t, func() bool { // one of three may be of who is gone, which expires last
		left, err = admin.Do(t.Context(), admin.B().Exists().Key("rueidislock:0:l", "rueidislock:1:l", "rueidislock:2:l").Build()).AsInt64()
		return left == 0 && err == nil
	}, func() string { return fmt.Sprintf("of the lock that was released there are %d keys, %v", left, err) })
}
