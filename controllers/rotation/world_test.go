package rotation_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/coffer-dev/coffer/controllers/rotation"
)

// world is a cluster in miniature: the three secrets, members that take up the
// server's secret whenever they please, and clients that read the connection.
type world struct {
	now    time.Time
	policy rotation.Policy
	o      rotation.Observed
	r      rotation.Requests
	// versions are all contents the server's secret ever had; a member stands
	// at one of them and only moves forward.
	versions [][]rotation.Verifier
	members  []int
	down     []bool
	secret   int // last plaintext made
	supplied string
	started  map[string]int // how often each trigger value created a pending secret
	switches int
}

func newWorld(members int) *world {
	w := &world{now: time.Unix(1_700_000_000, 0), policy: rotation.Policy{Overlap: 10 * time.Minute}, started: map[string]int{}}
	w.members, w.down = make([]int, members), make([]bool, members)
	for i := range w.members {
		w.members[i] = -1
	}
	return w
}

func revision(v []rotation.Verifier) string { return fmt.Sprint(v) }

// observe builds what the machine would be told now.
func (w *world) observe() rotation.Observed {
	o := w.o
	o.Members = nil
	for i, at := range w.members {
		m := rotation.Member{Name: fmt.Sprintf("db-%d", i)}
		if at >= 0 && !w.down[i] {
			m.Reported, m.Revision = true, revision(w.versions[at])
			for _, v := range w.versions[at] {
				m.Accepted = append(m.Accepted, v.Generation)
			}
		}
		o.Members = append(o.Members, m)
	}
	if w.supplied != "" {
		o.Supplied = &rotation.Supplied{Usable: true, SHA256: w.supplied}
	}
	return o
}

// pass is one reconciliation; crash drops the action before it is carried out.
func (w *world) pass(crash bool) rotation.Decision {
	d := rotation.Next(w.now, w.policy, w.observe(), w.r)
	if d.Action != nil && !crash {
		w.act(*d.Action)
	}
	return d
}

func (w *world) act(a rotation.Action) {
	switch {
	case a.CreatePending != nil:
		p := &rotation.Pending{Generation: a.CreatePending.Generation, Trigger: a.CreatePending.Trigger, Since: w.now}
		w.secret++
		p.SHA256 = fmt.Sprintf("secret-%d", w.secret)
		if a.CreatePending.Supplied {
			p.SHA256 = w.supplied
		}
		w.started[p.Trigger]++
		w.o.Pending = p
	case a.WriteServer != nil:
		w.versions = append(w.versions, slices.Clone(a.WriteServer.Verifiers))
		w.o.Server = &rotation.Server{Verifiers: a.WriteServer.Verifiers, Revision: revision(a.WriteServer.Verifiers), Marks: a.WriteServer.Marks}
	case a.Switch != nil:
		c := &rotation.Connection{Generation: a.Switch.Generation, Trigger: a.Switch.Trigger, SwitchedAt: a.Switch.SwitchedAt}
		if w.o.Pending != nil {
			c.SHA256 = w.o.Pending.SHA256
		} else {
			c.SHA256 = w.o.Connection.SHA256
		}
		if w.o.Connection == nil || c.Generation != w.o.Connection.Generation {
			w.switches++
		}
		w.o.Connection = c
	case a.DeletePending:
		w.o.Pending = nil
	}
}

// accepted says whether every member accepts the secret under its generation.
// A member that never started refuses nobody: nobody reaches it.
func (w *world) accepted(generation int64, sum string) error {
	for i, at := range w.members {
		if at >= 0 && !slices.Contains(w.versions[at], rotation.Verifier{Generation: generation, SHA256: sum}) {
			return fmt.Errorf("member %d, which has %v, refuses generation %d", i, w.versions[at], generation)
		}
	}
	return nil
}

func (w *world) deliver(i int) {
	if w.members[i] < len(w.versions)-1 {
		w.members[i] = len(w.versions) - 1
	}
}

// settle lets everything arrive and the operator run until it asks for nothing.
func (w *world) settle(t *testing.T) {
	t.Helper()
	for range 100 {
		for i := range w.members {
			w.down[i] = false
			w.deliver(i)
		}
		d := w.pass(false)
		if d.Action == nil && !d.Deliver && d.Phase != rotation.Preparing && d.Phase != rotation.Completing {
			return
		}
	}
	t.Fatalf("no rest after 100 passes: %+v", w.o)
}

// TestNoClientIsEverRefused drives the machine through random crashes, lagging
// and dead members, new requests at any moment, and clock steps. What a client
// may hold is the connection's secret, and during the overlap the one before.
func TestNoClientIsEverRefused(t *testing.T) {
	for seed := range uint64(3000) {
		rng := rand.New(rand.NewPCG(seed, 1))
		w := newWorld(1 + rng.IntN(3))
		w.policy = somePolicy(rng, t)
		var held *rotation.Connection // what some client read last
		requests := 0
		for range 150 {
			switch rng.IntN(12) {
			case 0:
				requests++
				w.r.Rotate = fmt.Sprintf("rotate-%d", requests)
			case 1:
				w.r.Complete = fmt.Sprintf("complete-%d", rng.IntN(1000))
				if p := w.o.Connection; p != nil {
					held = p // a careful user completes when nobody is left on the old one
				}
			case 2:
				w.r.Abort = fmt.Sprintf("abort-%d", rng.IntN(1000))
			case 3:
				w.now = w.now.Add(time.Duration(rng.IntN(400)) * time.Second)
				if rng.IntN(8) == 0 {
					w.now = w.now.Add(time.Duration(rng.IntN(48)) * time.Hour)
				}
			case 4:
				if rng.IntN(4) == 0 {
					w.supplied = fmt.Sprintf("user-%d", rng.IntN(5))
				} else {
					w.supplied = ""
				}
			case 5:
				i := rng.IntN(len(w.members))
				w.down[i] = !w.down[i]
			case 6, 7:
				if len(w.versions) > 0 {
					i := rng.IntN(len(w.members))
					w.members[i] = max(w.members[i], rng.IntN(len(w.versions)))
				}
			case 8:
				if c := w.o.Connection; c != nil {
					held = c // a client reads the connection
				}
			default:
				before := w.o.Server
				w.pass(rng.IntN(3) == 0)
				// A client that follows the connection within the overlap.
				if revoked(before, w.o.Server) && held != nil && held.Generation != w.o.Connection.Generation {
					held = w.o.Connection
				}
			}
			for _, c := range []*rotation.Connection{w.o.Connection, held} {
				if c == nil {
					continue
				}
				if err := w.accepted(c.Generation, c.SHA256); err != nil {
					t.Fatalf("seed %d: %v\nconnection %+v pending %+v server %+v", seed, err, w.o.Connection, w.o.Pending, w.o.Server)
				}
			}
		}
		finish(t, w, seed)
	}
}

// somePolicy is one of those that a user may write.
func somePolicy(rng *rand.Rand, t *testing.T) rotation.Policy {
	p := rotation.Policy{Overlap: 10 * time.Minute, Completion: rotation.Automatic, Seed: fmt.Sprint(rng.IntN(100))}
	if rng.IntN(3) == 0 {
		p.Completion = rotation.Manual
	}
	if rng.IntN(2) == 0 {
		p.Interval = time.Hour << rng.IntN(5)
		if rng.IntN(2) == 0 {
			p.Window = window(t, "30 */6 * * *", "", time.Hour)
		}
	}
	return p
}

func revoked(before, after *rotation.Server) bool {
	return before != nil && after != nil && !before.Marks.RevokedAt.Equal(after.Marks.RevokedAt)
}

// finish checks what must hold once everything has come to rest.
func finish(t *testing.T, w *world, seed uint64) {
	t.Helper()
	w.policy.Interval, w.policy.Completion = 0, rotation.Automatic
	w.settle(t)
	w.now = w.now.Add(w.policy.Overlap)
	w.settle(t)
	w.now = w.now.Add(w.policy.Overlap)
	w.settle(t)
	if w.o.Pending != nil || len(w.o.Server.Verifiers) != 1 || w.o.Server.Verifiers[0].Generation != w.o.Connection.Generation {
		t.Fatalf("seed %d: not at rest: %+v %+v", seed, w.o.Pending, w.o.Server)
	}
	for i, at := range w.members {
		if !slices.Equal(w.versions[at], w.o.Server.Verifiers) {
			t.Fatalf("seed %d: member %d still accepts %v after the end", seed, i, w.versions[at])
		}
	}
	if w.supplied == "" && w.r.Rotate != "" && rotation.Handled(w.o).Rotate != w.r.Rotate {
		t.Fatalf("seed %d: request %q was never carried out", seed, w.r.Rotate)
	}
	if w.supplied != "" && w.o.Connection.SHA256 != w.supplied {
		t.Fatalf("seed %d: the user's secret was never taken up", seed)
	}
}

// TestScheduledRotationsKeepComing: with nobody asking, every interval has its
// rotation, never two at once, whatever crashes in between.
func TestScheduledRotationsKeepComing(t *testing.T) {
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 2))
		w := newWorld(1 + rng.IntN(3))
		w.policy = rotation.Policy{Overlap: 10 * time.Minute, Interval: 4 * time.Hour, Seed: fmt.Sprint(seed)}
		w.settle(t)
		from := w.now
		for w.now.Sub(from) < 10*w.policy.Interval {
			w.now = w.now.Add(time.Minute)
			for i := range w.members {
				w.deliver(i)
			}
			w.pass(rng.IntN(4) == 0)
		}
		if n := w.switches - 1; n < 9 || n > 11 {
			t.Fatalf("seed %d: %d rotations in ten intervals", seed, n)
		}
	}
}

// TestCrashAtEveryStep interrupts one rotation at each of its steps in turn,
// for each number of lagging members, and counts the rotations.
func TestCrashAtEveryStep(t *testing.T) {
	for crashAt := range 12 {
		for lag := range 4 {
			w := newWorld(3)
			w.settle(t)
			first := *w.o.Connection
			w.r.Rotate = "once"
			for step := range 40 {
				if step%(lag+1) == lag {
					w.deliver(step % 3)
				}
				w.pass(step == crashAt)
				if err := w.accepted(w.o.Connection.Generation, w.o.Connection.SHA256); err != nil {
					t.Fatalf("crash at %d, lag %d: %v", crashAt, lag, err)
				}
				if err := w.accepted(first.Generation, first.SHA256); err != nil {
					t.Fatalf("crash at %d, lag %d: within the overlap: %v", crashAt, lag, err)
				}
			}
			w.r.Complete = "now"
			w.settle(t)
			if w.started["once"] != 1 || w.switches != 2 {
				t.Errorf("crash at %d: the request ran %d times, %d switches", crashAt, w.started["once"], w.switches)
			}
			if err := w.accepted(first.Generation, first.SHA256); err == nil {
				t.Errorf("crash at %d: the old generation is still accepted", crashAt)
			}
			w.settle(t)
			if w.started["once"] != 1 {
				t.Errorf("crash at %d: the request ran again", crashAt)
			}
		}
	}
}
