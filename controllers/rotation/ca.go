package rotation

import (
	"slices"
	"time"
)

// The CA of an instance is changed by the same phases as a password:
//
//   - Preparing: the next CA exists, and not every member has proven that it
//     trusts it beside the current one;
//   - Overlap: what applications mount carries both, and they have time to read it;
//   - Completing: the next CA's key takes the place of the current one's, the
//     leaves are issued again, and every member proves that it serves them; then
//     the old CA goes.
//
// The invariant: a leaf of a CA is served only after everybody who judges it has
// had that CA for as long as the overlap; and a CA leaves the bundles only after
// nobody serves a leaf of it. Authorities are told by their public keys.

// CAObserved is everything that the machine knows of an instance's CA.
type CAObserved struct {
	// Current is the CA that signs; nil while it is being issued.
	Current *CurrentCA
	// Next is the one to come; nil when there is none.
	Next *NextCA
	// Leftover: the secret of a next CA outlived its certificate.
	Leftover bool
	// Previous are the authorities that go once nobody needs them. They are
	// recorded before the current key is replaced.
	Previous []string
	// Fresh: nothing has been served yet.
	Fresh bool
	// Authorities are all that members shall trust now.
	Authorities []string
	Members     []CAMember
	// Carriers are the secrets from which others learn whom to trust.
	Carriers []Carrier
	// Leaves are the certificates that the instance's own CA signs.
	Leaves []Leaf
}

// CurrentCA signs leaves. Its trigger is the request that was carried out last.
type CurrentCA struct {
	Key        string
	Generation int64
	Trigger    string
}

// NextCA is a CA that has yet to sign. Complete and Abort are the values that
// these requests had when it was made: they were meant for something before it.
type NextCA struct {
	Key             string // empty until it has been issued
	Generation      int64
	Trigger         string
	Complete, Abort string
	Since           time.Time
	// PublishedAt is when every carrier had it; zero before.
	PublishedAt time.Time
}

// CAMember is what one member says of itself.
type CAMember struct {
	Name     string
	Reported bool
	// Trusts are the authorities of its admin port. Tells is false for an engine
	// that does not say: it trusts only what came with its own certificate.
	Trusts []string
	Tells  bool
}

// Carrier is a secret with a bundle of authorities.
type Carrier struct {
	Name    string
	Carries []string
	// Token names the AccessToken that it is of, if it is one's. Rotate-complete
	// passes over it: one that is stuck must not hold up the CA for ever.
	Token string
}

// Leaf is one certificate of the instance.
type Leaf struct {
	Name string
	// Key is the CA that signed it; empty when it is none that is known.
	Key string
	// Lagging names a member that does not use it yet; empty when all do.
	Lagging string
}

// CAAction is one write. Exactly one of its fields is set.
type CAAction struct {
	// Begin makes the next CA.
	Begin *NextCA
	// Stamp records on the next CA since when every carrier has it; the zero time
	// that one no longer does.
	Stamp *time.Time
	// Keep records the authorities that go at the end.
	Keep []string
	// TakeOver gives the next CA's key the current one's place.
	TakeOver bool
	// Reissue are the leaves to be issued again.
	Reissue []string
	// DropPrevious forgets the authorities that were kept.
	DropPrevious bool
	// DropNext removes the next CA's objects.
	DropNext bool
	// Handle records a request that asks for nothing more.
	Handle *string
}

// CADecision is the answer of DecideCA.
type CADecision struct {
	Phase  Phase
	Action *CAAction
	// Publish: the carriers shall have the next CA too.
	Publish bool
	// After is when to look again; zero when only an event can change something.
	After           time.Duration
	Reason, Message string
}

// caMachine holds the arguments of one call.
type caMachine struct {
	now time.Time
	p   Policy
	o   CAObserved
	r   Requests
}

// DecideCA is Next for a CA. Like it, it looks at no clock and remembers nothing.
func DecideCA(now time.Time, p Policy, o CAObserved, r Requests) CADecision {
	m := caMachine{now: now, p: p, o: o, r: r}
	d := m.next()
	d.Publish = d.Publish || o.Next != nil && (len(o.Previous) > 0 || !o.Next.PublishedAt.IsZero())
	return d
}

func (m caMachine) next() CADecision {
	current, next := m.o.Current, m.o.Next
	switch {
	case current == nil:
		return CADecision{Phase: Idle, Reason: "WaitingForCertificate", Message: "the CA is being issued"}
	case len(m.o.Previous) > 0:
		return m.completing()
	case m.o.Leftover || next != nil && next.Trigger == current.Trigger:
		return CADecision{Phase: Completing, Reason: "Cleaning", Message: "removing what is left of the next CA", Action: &CAAction{DropNext: true}}
	case next != nil:
		return m.preparing()
	}
	return m.idle()
}

func (m caMachine) idle() CADecision {
	asked := m.r.Rotate
	if asked != "" && asked != m.o.Current.Trigger {
		if m.o.Fresh { // its certificates are new
			return CADecision{Phase: Idle, Reason: "NothingToRotate", Action: &CAAction{Handle: &asked}}
		}
		if m.o.Current.Generation >= MaxGeneration {
			return CADecision{Phase: Idle, Reason: "NoGenerationLeft", Message: "the CA's generation was edited by hand and cannot be counted on"}
		}
		return CADecision{Phase: Preparing, Reason: "Starting", Message: "creating a new CA", Action: &CAAction{Begin: &NextCA{
			Generation: m.o.Current.Generation + 1, Trigger: asked, Complete: m.r.Complete, Abort: m.r.Abort,
		}}}
	}
	for _, x := range m.o.Members {
		for _, key := range x.Trusts {
			if x.Reported && !slices.Contains(m.o.Authorities, key) {
				return CADecision{Phase: Completing, After: PollSlow, Reason: "Completing",
					Message: "waiting until member " + x.Name + " no longer trusts the old CA"}
			}
		}
	}
	return CADecision{Phase: Idle, Reason: "Idle"}
}

func (m caMachine) preparing() CADecision {
	n := m.o.Next
	if m.r.Abort != "" && m.r.Abort != n.Abort && n.PublishedAt.IsZero() {
		trigger := n.Trigger
		return CADecision{Phase: Aborting, Reason: "Aborting", Message: "giving up the new CA", Action: &CAAction{Handle: &trigger}}
	}
	if n.Key == "" {
		return CADecision{Phase: Preparing, Reason: "WaitingForCertificate", Message: "the new CA is being issued"}
	}
	if d := m.unproven(); d != nil {
		return *d
	}
	if d := m.unread(); d != nil {
		return *d
	}
	keep := slices.DeleteFunc(slices.Clone(m.o.Authorities), func(key string) bool { return key == n.Key })
	return CADecision{Phase: Completing, Reason: "Keeping", Message: "recording the CA that goes", Action: &CAAction{Keep: keep}}
}

// unproven waits for members to trust every authority; nil when they do.
func (m caMachine) unproven() *CADecision {
	wait := func(reason, message string) *CADecision {
		after := PollSlow
		if m.now.Sub(m.o.Next.Since) <= patience {
			after = PollQuick
		}
		return &CADecision{Phase: Preparing, After: after, Reason: reason, Message: message}
	}
	if len(m.o.Members) == 0 {
		return wait("WaitingForProof", "waiting for a member")
	}
	for _, x := range m.o.Members {
		if x.Reported && !x.Tells {
			return wait("EngineTooOld", "member "+x.Name+" runs an engine that does not say whom it trusts: approve the rollout")
		}
		for _, key := range m.o.Authorities {
			if !x.Reported || !slices.Contains(x.Trusts, key) {
				return wait("WaitingForProof", "waiting until member "+x.Name+" trusts the new CA")
			}
		}
	}
	return nil
}

// unread waits until what others mount carries the next CA, and has for the
// overlap; nil when that has passed or is to be passed over.
func (m caMachine) unread() *CADecision {
	n := m.o.Next
	d := &CADecision{Phase: Overlap, Publish: true, Reason: "Publishing", Message: "applications are handed the new CA beside the current one"}
	complete := m.r.Complete != "" && m.r.Complete != n.Complete
	for _, c := range m.o.Carriers {
		if !slices.Contains(c.Carries, n.Key) && (c.Token == "" || !complete) {
			d.After = PollQuick
			if c.Token != "" {
				if m.now.Sub(n.Since) > patience {
					d.After = PollSlow
				}
				d.Message = "waiting until Secret " + c.Name + " carries the new CA too: see AccessToken " + c.Token + ", or give rotate-complete to go on without it"
			}
			if !n.PublishedAt.IsZero() { // somebody took it out: the overlap starts again
				d.Action = &CAAction{Stamp: &time.Time{}}
			}
			return d
		}
	}
	if n.PublishedAt.IsZero() || n.PublishedAt.After(m.now.Add(skew)) {
		d.Action = &CAAction{Stamp: &m.now}
		return d
	}
	until := n.PublishedAt.Add(m.p.Overlap)
	switch left := until.Sub(m.now); {
	case complete:
		return nil
	case m.p.Completion == Manual:
		d.Reason, d.Message = "WaitingForCompletion", "applications have the old and the new CA until rotate-complete is given"
		return d
	case left > 0:
		d.After, d.Reason, d.Message = left, "Overlap", "applications have the old and the new CA; leaves follow at "+until.UTC().Format(time.RFC3339)
		return d
	}
	return nil
}

// completing goes on from the record of the authorities that go.
func (m caMachine) completing() CADecision {
	taken := !slices.Contains(m.o.Previous, m.o.Current.Key)
	if m.o.Next != nil && m.o.Next.Key != "" {
		if d := m.unread(); d != nil && !taken {
			// An operator that knows nothing of this took the new CA back: begin the overlap again.
			return CADecision{Phase: Overlap, Reason: "Repairing", Message: "the new CA is handed out again", Action: &CAAction{DropPrevious: true}}
		} else if d != nil && !m.reissued() {
			return *d
		}
	}
	if !taken {
		if m.o.Next == nil || m.o.Next.Key == "" {
			return CADecision{Phase: Completing, Reason: "Repairing", Message: "the new CA is gone", Action: &CAAction{DropPrevious: true}}
		}
		return CADecision{Phase: Completing, Reason: "TakingOver", Message: "the new CA takes over", Action: &CAAction{TakeOver: true}}
	}
	if old := m.outdated(); len(old) > 0 {
		return CADecision{Phase: Completing, After: PollQuick, Reason: "Reissuing", Message: "certificates are issued by the new CA", Action: &CAAction{Reissue: old}}
	}
	for _, l := range m.o.Leaves {
		if l.Lagging != "" {
			return CADecision{Phase: Completing, After: PollQuick, Reason: "WaitingForProof",
				Message: "waiting until member " + l.Lagging + " uses certificate " + l.Name}
		}
	}
	return CADecision{Phase: Completing, Reason: "Completing", Message: "the old CA goes", Action: &CAAction{DropPrevious: true}}
}

// outdated are the leaves that the current CA did not sign.
func (m caMachine) outdated() []string {
	var names []string
	for _, l := range m.o.Leaves {
		if l.Key != m.o.Current.Key {
			names = append(names, l.Name)
		}
	}
	return names
}

// reissued: a leaf of the new CA exists, and the way back is no safer.
func (m caMachine) reissued() bool { return len(m.outdated()) < len(m.o.Leaves) }
