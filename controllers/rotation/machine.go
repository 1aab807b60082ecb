package rotation

import (
	"cmp"
	"slices"
	"time"
)

// machine holds the arguments of one call.
type machine struct {
	now time.Time
	p   Policy
	o   Observed
	r   Requests
}

func (m machine) next() Decision {
	if m.pendingIsSpent() {
		return Decision{Phase: m.phaseOfSpent(), Action: &Action{DeletePending: true}, Reason: "Cleaning",
			Message: "removing the pending secret"}
	}
	if m.o.Pending != nil {
		return m.preparing()
	}
	if !m.o.Sound() {
		return m.start(Idle, m.r.Rotate)
	}
	if !m.accepts(m.o.Connection.Generation, m.o.Connection.SHA256) {
		// The server's secret was deleted or edited: what clients hold comes first.
		return m.write(Idle, "Repairing", m.with(m.o.Connection.Generation, m.o.Connection.SHA256), m.marks())
	}
	if m.abortRequested() {
		marks := m.marks()
		marks.Abort = m.r.Abort
		return m.write(m.settledPhase(), "NothingToAbort", m.o.Server.Verifiers, marks)
	}
	if len(m.o.Server.Verifiers) > 1 {
		return m.overlapping()
	}
	return m.idle()
}

// pendingIsSpent: the connection carries it already, or it was aborted.
func (m machine) pendingIsSpent() bool {
	p := m.o.Pending
	if p == nil {
		return false
	}
	return m.o.Connection != nil && p.Generation <= m.o.Connection.Generation || p.Generation <= m.marks().Aborted
}

func (m machine) phaseOfSpent() Phase {
	if m.o.Pending.Generation <= m.marks().Aborted {
		return Aborting
	}
	return m.settledPhase()
}

func (m machine) preparing() Decision {
	p := m.o.Pending
	if m.abortRequested() && m.o.Sound() {
		marks := m.marks()
		marks.Abort, marks.Aborted, marks.AbortedTrigger, marks.AbortedAt = m.r.Abort, p.Generation, p.Trigger, m.now
		return m.write(Aborting, "Aborting", m.without(p.Generation), marks)
	}
	want := m.with(p.Generation, p.SHA256)
	if c := m.o.Connection; m.o.Sound() {
		want = merge(want, Verifier{c.Generation, c.SHA256})
	}
	if m.o.Server == nil || !slices.Equal(want, m.o.Server.Verifiers) {
		return m.write(Preparing, "Preparing", want, m.marks())
	}
	if waiting := m.unproven(); waiting != "" {
		return Decision{Phase: Preparing, After: m.poll(p.Since), Reason: "WaitingForProof",
			Message: "waiting until member " + waiting + " accepts the new secret"}
	}
	return Decision{Phase: Preparing, Reason: "Switching", Message: "every member accepts the new secret",
		Action: &Action{Switch: &SwitchWrite{Generation: p.Generation, Trigger: p.Trigger, SwitchedAt: m.now}}}
}

func (m machine) overlapping() Decision {
	c := m.o.Connection
	if c.SwitchedAt.IsZero() || c.SwitchedAt.After(m.now.Add(skew)) {
		return Decision{Phase: Overlap, Reason: "Repairing", Message: "the time of the switch was lost: the overlap starts again",
			Action: &Action{Switch: &SwitchWrite{Generation: c.Generation, Trigger: c.Trigger, SwitchedAt: m.now}}}
	}
	complete := m.r.Complete != "" && m.r.Complete != m.marks().Complete
	until := c.SwitchedAt.Add(m.p.Overlap)
	switch left := until.Sub(m.now); {
	case complete:
	case m.p.Completion == Manual:
		return Decision{Phase: Overlap, Reason: "WaitingForCompletion", Message: "old and new password both work until rotate-complete is given"}
	case left > 0:
		return Decision{Phase: Overlap, After: left, Reason: "Overlap",
			Message: "old and new password both work until " + until.UTC().Format(time.RFC3339)}
	}
	marks := m.marks()
	marks.RevokedAt = m.now
	if complete {
		marks.Complete = m.r.Complete
	}
	return m.write(Completing, "Completing", []Verifier{{c.Generation, c.SHA256}}, marks)
}

func (m machine) idle() Decision {
	for _, x := range m.o.Members {
		if x.Reported && x.Revision != m.o.Server.Revision && !m.hasJust(x) {
			return Decision{Phase: Completing, After: m.poll(m.marks().RevokedAt), Reason: "Completing",
				Message: "waiting until member " + x.Name + " refuses the old secret"}
		}
	}
	requested := m.r.Rotate != "" && m.r.Rotate != handledTrigger(m.o)
	if s := m.o.Supplied; s != nil {
		if s.Usable && s.SHA256 != m.o.Connection.SHA256 {
			return m.start(Preparing, m.r.Rotate)
		}
		if requested {
			return Decision{Phase: Idle, Reason: "SuppliedByUser",
				Message: "spec.credentials.secretRef is set: change the password in that Secret to rotate"}
		}
	} else if requested {
		return m.start(Preparing, m.r.Rotate)
	}
	next := m.scheduled()
	if !next.IsZero() && !next.After(m.now) {
		// The request that was carried out last stays known as such.
		return m.start(Preparing, handledTrigger(m.o))
	}
	if m.r.Complete != "" && m.r.Complete != m.marks().Complete {
		marks := m.marks()
		marks.Complete = m.r.Complete
		return m.write(Idle, "NothingToComplete", m.o.Server.Verifiers, marks)
	}
	d := Decision{Phase: Idle, Reason: "Idle"}
	if !next.IsZero() {
		d.After = next.Sub(m.now)
	}
	return d
}

// hasJust: the member accepts what it should and nothing else, though its file
// is another one. What else has changed in there is no rotation.
func (m machine) hasJust(x Member) bool {
	return len(x.Accepted) == len(m.o.Server.Verifiers) && !slices.ContainsFunc(m.o.Server.Verifiers, func(v Verifier) bool {
		return !slices.Contains(x.Accepted, v.Generation)
	})
}

// start creates the pending secret under a generation that was never used.
func (m machine) start(phase Phase, trigger string) Decision {
	if s := m.o.Supplied; s != nil && !s.Usable {
		return Decision{Phase: phase, Reason: "WaitingForSecret", Message: "waiting for the Secret of spec.credentials.secretRef"}
	}
	last := max(connectionGeneration(m.o), m.marks().Aborted)
	if m.o.Server != nil {
		for _, v := range m.o.Server.Verifiers {
			last = max(last, v.Generation)
		}
	}
	if last >= MaxGeneration {
		return Decision{Phase: phase, Reason: "NoGenerationLeft", Message: "the generation was edited by hand and cannot be counted on"}
	}
	return Decision{Phase: Preparing, Reason: "Starting", Message: "creating a new secret", Action: &Action{
		CreatePending: &NewPending{Generation: last + 1, Trigger: trigger, Supplied: m.o.Supplied != nil},
	}}
}

func (m machine) write(phase Phase, reason string, v []Verifier, marks Marks) Decision {
	return Decision{Phase: phase, Reason: reason, Message: "writing the server's secret",
		Action: &Action{WriteServer: &ServerWrite{Verifiers: v, Marks: marks}}}
}

func (m machine) abortRequested() bool {
	return m.r.Abort != "" && m.r.Abort != m.marks().Abort
}

func (m machine) settledPhase() Phase {
	if m.o.Server != nil && len(m.o.Server.Verifiers) > 1 {
		return Overlap
	}
	return Idle
}

// unproven names the first member that has not shown that it accepts every
// generation of the server's secret. No members prove nothing.
func (m machine) unproven() string {
	if len(m.o.Members) == 0 {
		return "(none exists)"
	}
	for _, x := range m.o.Members {
		if !x.Reported || x.Revision != m.o.Server.Revision {
			return x.Name
		}
		for _, v := range m.o.Server.Verifiers {
			if !slices.Contains(x.Accepted, v.Generation) {
				return x.Name
			}
		}
	}
	return ""
}

func (m machine) poll(since time.Time) time.Duration {
	if m.now.Sub(since) > patience {
		return PollSlow
	}
	return PollQuick
}

func (m machine) marks() Marks {
	if m.o.Server == nil {
		return Marks{}
	}
	return m.o.Server.Marks
}

func (m machine) accepts(generation int64, sum string) bool { return m.o.verifier(generation) == sum }

func (m machine) with(generation int64, sum string) []Verifier {
	var have []Verifier
	if m.o.Server != nil {
		have = m.o.Server.Verifiers
	}
	return merge(have, Verifier{generation, sum})
}

func (m machine) without(generation int64) []Verifier {
	if m.o.Server == nil {
		return merge(nil, Verifier{m.o.Connection.Generation, m.o.Connection.SHA256})
	}
	left := slices.DeleteFunc(slices.Clone(m.o.Server.Verifiers), func(v Verifier) bool { return v.Generation == generation })
	// What clients hold stays, even when somebody took it out by hand meanwhile.
	return merge(left, Verifier{m.o.Connection.Generation, m.o.Connection.SHA256})
}

// merge returns the verifiers with v in the place of its generation, ascending.
func merge(have []Verifier, v Verifier) []Verifier {
	out := slices.DeleteFunc(slices.Clone(have), func(x Verifier) bool { return x.Generation == v.Generation })
	out = append(out, v)
	slices.SortFunc(out, func(a, b Verifier) int { return cmp.Compare(a.Generation, b.Generation) })
	return out
}
