package rotation_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/coffer-dev/coffer/controllers/rotation"
)

// mountLag is how long a mounted secret may be behind.
const mountLag = 90 * time.Second

// mounted is what a carrier held from a moment on.
type mounted struct {
	since time.Time
	keys  []string
}

// caWorld is a cluster in miniature: the CA's objects, an issuer that signs
// when it pleases, members that take up what they are handed when they please,
// and clients that trust what their mount held up to mountLag ago.
type caWorld struct {
	t    *testing.T
	seed uint64
	rng  *rand.Rand

	now      time.Time
	policy   rotation.Policy
	r        rotation.Requests
	current  rotation.CurrentCA
	next     *rotation.NextCA
	previous []string
	leftover bool
	made     int

	leaves   map[string]string // what cert-manager issued: leaf -> key of its CA
	marked   map[string]bool   // to be issued again
	carriers map[string][]mounted
	handed   []string // authorities.pem
	members  []*caMember
}

// caMember is a member as it runs: what it serves and trusts lags.
type caMember struct {
	trusts []string
	serves map[string]string
	down   bool
}

var caLeaves, caCarriers = []string{"admin", "operator", "server"}, []string{"connection", "metrics"}

func newCAWorld(t *testing.T, seed uint64) *caWorld {
	rng := rand.New(rand.NewPCG(seed, 7))
	w := &caWorld{t: t, seed: seed, rng: rng, now: start, current: rotation.CurrentCA{Key: "ca-0", Generation: 1}, marked: map[string]bool{},
		policy: rotation.Policy{Overlap: 10 * time.Minute, Completion: rotation.Automatic},
		leaves: map[string]string{}, carriers: map[string][]mounted{}, handed: []string{"ca-0"}}
	for _, l := range caLeaves {
		w.leaves[l] = "ca-0"
	}
	for _, c := range caCarriers {
		w.carriers[c] = []mounted{{start.Add(-time.Hour), []string{"ca-0"}}}
	}
	for range 1 + rng.IntN(3) {
		w.members = append(w.members, &caMember{trusts: []string{"ca-0"}, serves: maps.Clone(w.leaves)})
	}
	return w
}

// authorities are all that the objects know, the next one last.
func (w *caWorld) authorities() []string {
	list := append([]string{w.current.Key}, w.previous...)
	for _, l := range caLeaves {
		list = append(list, w.leaves[l])
	}
	if w.next != nil && w.next.Key != "" {
		list = append(list, w.next.Key)
	}
	var out []string
	for _, key := range list {
		if !slices.Contains(out, key) {
			out = append(out, key)
		}
	}
	return out
}

func (w *caWorld) observe() rotation.CAObserved {
	o := rotation.CAObserved{Current: &w.current, Next: w.next, Previous: w.previous, Leftover: w.leftover, Authorities: w.authorities()}
	for i, m := range w.members {
		o.Members = append(o.Members, rotation.CAMember{Name: fmt.Sprint("db-", i), Reported: !m.down, Tells: true, Trusts: m.trusts})
	}
	for _, name := range caCarriers {
		o.Carriers = append(o.Carriers, rotation.Carrier{Name: name, Carries: w.carried(name)})
	}
	for _, name := range caLeaves {
		l := rotation.Leaf{Name: name, Key: w.leaves[name]}
		for i, m := range w.members {
			if m.down || m.serves[name] != w.leaves[name] {
				l.Lagging = fmt.Sprint("db-", i)
			}
		}
		o.Leaves = append(o.Leaves, l)
	}
	return o
}

func (w *caWorld) carried(name string) []string {
	history := w.carriers[name]
	return history[len(history)-1].keys
}

// pass is one reconciliation that may end before any of its writes.
func (w *caWorld) pass() rotation.CADecision {
	d := rotation.DecideCA(w.now, w.policy, w.observe(), w.r)
	authorities := w.authorities()
	bundle := authorities
	if n := w.next; n != nil && !d.Publish && n.Key != w.current.Key {
		bundle = slices.DeleteFunc(slices.Clone(authorities), func(key string) bool { return key == n.Key })
	}
	writes := []func(){func() { w.applied(d.Action) }, func() { w.handed = authorities }}
	for _, name := range caCarriers {
		writes = append(writes, func() {
			if !slices.Equal(w.carried(name), bundle) {
				w.carriers[name] = append(w.carriers[name], mounted{w.now, bundle})
			}
		})
	}
	writes = append(writes, func() { w.acted(d.Action) })
	if w.rng.IntN(3) == 0 {
		writes = writes[:w.rng.IntN(len(writes))]
	}
	for _, write := range writes {
		write()
	}
	return d
}

// applied is what the objects that are applied take of an action.
func (w *caWorld) applied(a *rotation.CAAction) {
	switch {
	case a == nil:
	case a.Begin != nil:
		n := *a.Begin
		n.Since = w.now
		w.next = &n
	case a.Stamp != nil:
		w.next.PublishedAt = *a.Stamp
	case a.Keep != nil:
		w.previous = a.Keep
	}
}

// acted is the rest, which comes last.
func (w *caWorld) acted(a *rotation.CAAction) {
	switch {
	case a == nil:
	case a.TakeOver:
		w.current = rotation.CurrentCA{Key: w.next.Key, Generation: w.next.Generation, Trigger: w.next.Trigger}
	case a.Handle != nil:
		w.current.Trigger = *a.Handle
	case a.DropPrevious:
		w.previous = nil
	case a.DropNext:
		// The Certificate goes first; an operator that stops here leaves the secret.
		w.leftover = w.next != nil && w.rng.IntN(2) == 0
		w.next = nil
	}
	if a != nil {
		for _, l := range a.Reissue {
			w.marked[l] = true
		}
	}
}

// issue is cert-manager: it makes the next CA, and signs what is marked.
func (w *caWorld) issue() {
	if w.next != nil && w.next.Key == "" {
		w.made++
		w.next.Key = fmt.Sprint("ca-", w.made)
	}
	for l := range w.marked {
		w.leaves[l] = w.current.Key
	}
	clear(w.marked)
}

// deliver is the kubelet of one member: any part of what there is.
func (w *caWorld) deliver(m *caMember) {
	if w.rng.IntN(2) == 0 {
		m.trusts = slices.Clone(w.handed)
	}
	for _, l := range caLeaves {
		if w.rng.IntN(2) == 0 {
			m.serves[l] = w.leaves[l]
		}
	}
	// Beside the bundle, a member trusts the CA of its own admin certificate.
	if !slices.Contains(m.trusts, m.serves["admin"]) {
		m.trusts = append(m.trusts, m.serves["admin"])
	}
}

// judge holds every handshake that could happen now to be accepted.
func (w *caWorld) judge() {
	w.t.Helper()
	trusted := w.authorities()
	for i, m := range w.members {
		for name, leaf := range map[string]string{"connection": "server", "metrics": "admin"} {
			history := w.carriers[name]
			for j, b := range history {
				replaced := j+1 < len(history) && w.now.Sub(history[j+1].since) > mountLag
				if !replaced && !slices.Contains(b.keys, m.serves[leaf]) {
					w.t.Fatalf("seed %d: a client with %v, in %s until %d, meets member %d with a leaf of %s", w.seed, b.keys, name, j, i, m.serves[leaf])
				}
			}
		}
		if !slices.Contains(trusted, m.serves["admin"]) {
			w.t.Fatalf("seed %d: the operator, which trusts %v, meets member %d with a leaf of %s", w.seed, trusted, i, m.serves["admin"])
		}
		if !slices.Contains(m.trusts, w.leaves["operator"]) {
			w.t.Fatalf("seed %d: member %d, which trusts %v, meets the operator's leaf of %s", w.seed, i, m.trusts, w.leaves["operator"])
		}
	}
}

func (w *caWorld) settle() {
	w.t.Helper()
	for range 600 {
		w.now = w.now.Add(10 * time.Second)
		w.issue()
		for _, m := range w.members {
			m.down = false
			w.deliver(m)
		}
		d := w.pass()
		w.judge()
		if d.Phase == rotation.Idle && d.Action == nil && slices.Equal(w.handed, w.authorities()) {
			return
		}
	}
	w.t.Fatalf("seed %d: no rest: %+v next %+v previous %v", w.seed, w.current, w.next, w.previous)
}

// TestNoHandshakeFails drives the CA's machine through crashes between any two
// writes, members and issuers that lag, and requests at any moment.
func TestNoHandshakeFails(t *testing.T) {
	for seed := range uint64(600) {
		w := newCAWorld(t, seed)
		requests := 0
		for range 400 {
			switch w.rng.IntN(10) {
			case 0:
				if w.rng.IntN(8) == 0 {
					requests++
					w.r.Rotate = fmt.Sprint("rotate-", requests)
				}
				if w.rng.IntN(20) == 0 {
					w.r.Abort = fmt.Sprint("abort-", w.rng.IntN(1000))
				}
			case 1:
				w.now = w.now.Add(time.Duration(w.rng.IntN(120)) * time.Second)
			case 2:
				w.issue()
			case 3:
				m := w.members[w.rng.IntN(len(w.members))]
				m.down = !m.down
			case 4, 5:
				w.deliver(w.members[w.rng.IntN(len(w.members))])
			default:
				w.pass()
			}
			w.judge()
		}
		w.settle()
		w.settle()
		if w.next != nil || w.previous != nil || w.r.Rotate != "" && w.current.Trigger != w.r.Rotate {
			t.Fatalf("seed %d: not at rest: %+v next %+v previous %v", seed, w.current, w.next, w.previous)
		}
		for l, key := range w.leaves {
			if key != w.current.Key {
				t.Fatalf("seed %d: leaf %s is still of %s after the end, not of %s", seed, l, key, w.current.Key)
			}
		}
		for i, m := range w.members {
			if !slices.Equal(m.trusts, []string{w.current.Key}) && w.made > 0 {
				t.Fatalf("seed %d: member %d still trusts %v after the end", seed, i, m.trusts)
			}
		}
	}
}

func TestTheCAsPhases(t *testing.T) {
	steady := func(change func(*rotation.CAObserved)) rotation.CAObserved {
		o := rotation.CAObserved{
			Current: &rotation.CurrentCA{Key: "a", Generation: 1, Trigger: "x"}, Authorities: []string{"a"},
			Members:  []rotation.CAMember{{Name: "db-0", Reported: true, Tells: true, Trusts: []string{"a"}}},
			Carriers: []rotation.Carrier{{Name: "connection", Carries: []string{"a"}}},
			Leaves:   []rotation.Leaf{{Name: "server", Key: "a"}, {Name: "admin", Key: "a"}},
		}
		if change != nil {
			change(&o)
		}
		return o
	}
	// coming is a next CA that everybody has been handed.
	coming := func(change func(*rotation.CAObserved)) rotation.CAObserved {
		return steady(func(o *rotation.CAObserved) {
			o.Next = &rotation.NextCA{Key: "b", Generation: 2, Trigger: "y", Complete: "old", Abort: "old", Since: start, PublishedAt: start}
			o.Authorities = []string{"a", "b"}
			o.Members[0].Trusts, o.Carriers[0].Carries = []string{"a", "b"}, []string{"a", "b"}
			if change != nil {
				change(o)
			}
		})
	}
	taken := func(change func(*rotation.CAObserved)) rotation.CAObserved {
		return coming(func(o *rotation.CAObserved) {
			o.Current = &rotation.CurrentCA{Key: "b", Generation: 2, Trigger: "y"}
			o.Previous = []string{"a"}
			o.Leaves = []rotation.Leaf{{Name: "server", Key: "b"}, {Name: "admin", Key: "b"}}
			if change != nil {
				change(o)
			}
		})
	}
	asked := rotation.Requests{Rotate: "y", Complete: "old", Abort: "old"}
	stuck := rotation.Carrier{Name: "shop/checkout", Token: "shop/checkout", Carries: []string{"a"}}
	tests := map[string]struct {
		o      rotation.CAObserved
		r      rotation.Requests
		policy rotation.Policy
		after  time.Duration
		phase  rotation.Phase
		reason string
	}{
		"at rest":                         {o: steady(nil), r: rotation.Requests{Rotate: "x", Complete: "c", Abort: "a"}, phase: rotation.Idle, reason: "Idle"},
		"a new value begins":              {o: steady(nil), r: asked, phase: rotation.Preparing, reason: "Starting"},
		"a new database has a new CA":     {o: steady(func(o *rotation.CAObserved) { o.Fresh = true }), r: asked, phase: rotation.Idle, reason: "NothingToRotate"},
		"it is being issued":              {o: coming(func(o *rotation.CAObserved) { o.Next.Key = "" }), r: asked, phase: rotation.Preparing, reason: "WaitingForCertificate"},
		"a member does not trust it":      {o: coming(func(o *rotation.CAObserved) { o.Members[0].Trusts = []string{"a"} }), r: asked, after: time.Hour, phase: rotation.Preparing, reason: "WaitingForProof"},
		"a member does not answer":        {o: coming(func(o *rotation.CAObserved) { o.Members[0].Reported = false }), r: asked, after: time.Hour, phase: rotation.Preparing, reason: "WaitingForProof"},
		"no member":                       {o: coming(func(o *rotation.CAObserved) { o.Members = nil }), r: asked, after: time.Hour, phase: rotation.Preparing, reason: "WaitingForProof"},
		"an engine that cannot tell":      {o: coming(func(o *rotation.CAObserved) { o.Members[0].Tells = false }), r: asked, after: time.Hour, phase: rotation.Preparing, reason: "EngineTooOld"},
		"a carrier has not got it":        {o: coming(func(o *rotation.CAObserved) { o.Carriers[0].Carries, o.Next.PublishedAt = []string{"a"}, time.Time{} }), r: asked, after: time.Hour, phase: rotation.Overlap, reason: "Publishing"},
		"a token's secret has not got it": {o: coming(func(o *rotation.CAObserved) { o.Carriers, o.Next.PublishedAt = append(o.Carriers, stuck), time.Time{} }), r: asked, after: time.Hour, phase: rotation.Overlap, reason: "Publishing"},
		"a token's secret lost it":        {o: coming(func(o *rotation.CAObserved) { o.Carriers = append(o.Carriers, stuck) }), r: asked, after: time.Hour, phase: rotation.Overlap, reason: "Publishing"},
		"a stuck token is passed over":    {o: coming(func(o *rotation.CAObserved) { o.Carriers = append(o.Carriers, stuck) }), r: rotation.Requests{Rotate: "y", Complete: "new", Abort: "old"}, phase: rotation.Completing, reason: "Keeping"},
		"the instance's own is not":       {o: coming(func(o *rotation.CAObserved) { o.Carriers[0].Carries = []string{"a"} }), r: rotation.Requests{Rotate: "y", Complete: "new", Abort: "old"}, phase: rotation.Overlap, reason: "Publishing"},
		"within the overlap":              {o: coming(nil), r: asked, after: 599 * time.Second, phase: rotation.Overlap, reason: "Overlap"},
		"the overlap has passed":          {o: coming(nil), r: asked, after: 600 * time.Second, phase: rotation.Completing, reason: "Keeping"},
		"the overlap is ended":            {o: coming(nil), r: rotation.Requests{Rotate: "y", Complete: "new", Abort: "old"}, phase: rotation.Completing, reason: "Keeping"},
		"the overlap waits for somebody":  {o: coming(nil), r: asked, policy: rotation.Policy{Completion: rotation.Manual}, after: time.Hour, phase: rotation.Overlap, reason: "WaitingForCompletion"},
		"given up before it was seen":     {o: coming(func(o *rotation.CAObserved) { o.Next.PublishedAt = time.Time{} }), r: rotation.Requests{Rotate: "y", Complete: "old", Abort: "new"}, phase: rotation.Aborting, reason: "Aborting"},
		"too late to give it up":          {o: coming(nil), r: rotation.Requests{Rotate: "y", Complete: "old", Abort: "new"}, phase: rotation.Overlap, reason: "Overlap"},
		"what was given up goes":          {o: coming(func(o *rotation.CAObserved) { o.Current.Trigger = "y" }), r: asked, phase: rotation.Completing, reason: "Cleaning"},
		"the record comes first":          {o: coming(func(o *rotation.CAObserved) { o.Previous = []string{"a"} }), r: asked, after: time.Hour, phase: rotation.Completing, reason: "TakingOver"},
		"a leaf of the old CA":            {o: taken(func(o *rotation.CAObserved) { o.Leaves[1].Key = "a" }), r: asked, after: time.Hour, phase: rotation.Completing, reason: "Reissuing"},
		"a member with an old leaf":       {o: taken(func(o *rotation.CAObserved) { o.Leaves[0].Lagging = "db-0" }), r: asked, after: time.Hour, phase: rotation.Completing, reason: "WaitingForProof"},
		"nobody needs the old CA":         {o: taken(nil), r: asked, after: time.Hour, phase: rotation.Completing, reason: "Completing"},
		"the bundle was taken back before": {o: coming(func(o *rotation.CAObserved) { o.Previous, o.Carriers[0].Carries = []string{"a"}, []string{"a"} }),
			r: asked, after: time.Hour, phase: rotation.Overlap, reason: "Repairing"},
		"the bundle was taken back after": {o: taken(func(o *rotation.CAObserved) {
			o.Carriers[0].Carries, o.Leaves[0].Key, o.Leaves[1].Key = []string{"a"}, "a", "a"
		}), r: asked, after: time.Hour, phase: rotation.Overlap, reason: "Publishing"},
		"a member still trusts the old CA": {o: steady(func(o *rotation.CAObserved) { o.Members[0].Trusts = []string{"a", "gone"} }),
			r: rotation.Requests{Rotate: "x"}, phase: rotation.Completing, reason: "Completing"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if test.policy.Overlap == 0 {
				test.policy.Overlap = 10 * time.Minute
			}
			d := rotation.DecideCA(start.Add(test.after), test.policy, test.o, test.r)
			if d.Phase != test.phase || d.Reason != test.reason {
				t.Errorf("%s %s (%s), want %s %s", d.Phase, d.Reason, d.Message, test.phase, test.reason)
			}
		})
	}
}
