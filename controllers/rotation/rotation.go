// Package rotation is the machine that changes a secret under running clients:
//
//	Idle -> Preparing -> Overlap -> Completing -> Idle
//	           \-> Aborting -> Idle
//
// It is a pure function from what is observed to the one next action. Nothing
// is remembered between two calls: a crash at any point loses nothing, because
// the next call observes the same objects and finds the same place. What it
// reads is kept in three objects:
//
//   - pending: the new secret, from the moment it exists until the connection
//     carries it;
//   - server: the verifiers that members accept, with marks of the requests that
//     have been carried out;
//   - connection: the secret that clients read, with when and why it was switched.
//
// The invariant: a generation enters the connection only after every member has
// proven, in its own words, that it accepts it; and the connection's generation
// never leaves the server. So no client holds a secret that a member refuses.
package rotation

import (
	"slices"
	"time"
)

// Phase says where a rotation stands.
type Phase string

// The phases.
const (
	Idle       Phase = "Idle"
	Preparing  Phase = "Preparing"
	Overlap    Phase = "Overlap"
	Completing Phase = "Completing"
	Aborting   Phase = "Aborting"
)

// How often members are asked while an answer is awaited: quickly while the
// kubelet delivers, slowly once it is clear that something is in the way.
const (
	PollQuick = 200 * time.Millisecond
	PollSlow  = 2 * time.Second
	// patience is how long the quick poll lasts.
	patience = 30 * time.Second
	// skew is how far in the future a recorded time may lie before it is not believed.
	skew = time.Minute
)

// MaxGeneration is far beyond any number that rotations reach; whoever observes
// a larger one takes it for an edit by hand. Up to it, one more is a number too.
const MaxGeneration = 1 << 53

// Verifier is what a member needs to accept one generation.
type Verifier struct {
	Generation int64
	SHA256     string
}

// Server is what the server's secret says. A users file that does not match its
// own revision was edited by hand: it is observed with no verifiers.
type Server struct {
	Verifiers []Verifier
	Revision  string
	Marks     Marks
}

// Marks record on the server's secret what has been carried out. They are
// written in the same write that carries it out: that is what makes each
// request run exactly once.
type Marks struct {
	// Complete and Abort are the last handled values of these requests.
	Complete, Abort string
	// Aborted is the highest generation that was given up, AbortedTrigger the
	// request that had started it, AbortedAt when that was.
	Aborted        int64
	AbortedTrigger string
	AbortedAt      time.Time
	// RevokedAt is when a previous generation was last refused.
	RevokedAt time.Time
}

// Connection is what the connection secret says.
type Connection struct {
	Generation int64
	SHA256     string // of the password it carries
	SwitchedAt time.Time
	Trigger    string
}

// Pending is the new secret before the connection carries it.
type Pending struct {
	Generation int64
	SHA256     string
	Trigger    string
	Since      time.Time
}

// Member is what one member says of itself.
type Member struct {
	Name     string
	Reported bool // false: it gave no answer
	Revision string
	Accepted []int64
}

// Supplied describes the user's own secret. A nil one means that we generate.
type Supplied struct {
	// Usable is false while the secret is missing or unfit.
	Usable bool
	SHA256 string
}

// Observed is everything the machine knows.
type Observed struct {
	Server     *Server
	Connection *Connection
	Pending    *Pending
	// Members has an entry for each member that should exist.
	Members  []Member
	Supplied *Supplied
}

// Sound is false when the connection is gone, or carries a password that differs
// from what members accept for its generation: then its plaintext exists
// nowhere, and only a new one helps.
func (o Observed) Sound() bool {
	c := o.Connection
	if c == nil || c.Generation <= 0 || c.SHA256 == "" {
		return false
	}
	known := o.verifier(c.Generation)
	return known == "" || known == c.SHA256
}

func (o Observed) verifier(generation int64) string {
	if o.Server != nil {
		for _, v := range o.Server.Verifiers {
			if v.Generation == generation {
				return v.SHA256
			}
		}
	}
	return ""
}

// Requests are the values of the resource's annotations; empty when not set.
type Requests struct {
	Rotate, Complete, Abort string
}

// Action is one write. Exactly one of its fields is set.
type Action struct {
	// CreatePending stores a new secret under this generation.
	CreatePending *NewPending
	// WriteServer makes the server's secret hold these verifiers and marks.
	WriteServer *ServerWrite
	// Switch writes the pending secret, or the connection's own when there is
	// none, into the connection with these annotations.
	Switch *SwitchWrite
	// DeletePending removes the pending secret.
	DeletePending bool
}

// NewPending describes a pending secret to create.
type NewPending struct {
	Generation int64
	Trigger    string
	Supplied   bool // copy the user's secret instead of generating one
}

// ServerWrite is the server's secret as it shall be.
type ServerWrite struct {
	Verifiers []Verifier
	Marks     Marks
}

// SwitchWrite is what the connection secret is given beside the password.
type SwitchWrite struct {
	Generation int64
	Trigger    string
	SwitchedAt time.Time
}

// Decision is the answer of Next.
type Decision struct {
	Phase Phase
	// Action is the one write that is due, nil when there is none.
	Action *Action
	// Deliver is true when a member has not taken up the server's secret: its
	// pod is to be patched so that the kubelet delivers at once.
	Deliver bool
	// After is when to look again; zero when only an event can change something.
	After time.Duration
	// Reason and Message say what is waited for, or what was not done and why.
	Reason, Message string
	// Initial is true until the first secret is in the connection.
	Initial bool
	// Scheduled is when the next rotation starts by itself; zero when none does.
	// It has passed while something else holds that rotation up.
	Scheduled time.Time
}

// Next decides. It never looks at a clock.
func Next(now time.Time, p Policy, o Observed, r Requests) Decision {
	m := machine{now: now, p: p, o: o, r: r}
	d := m.next()
	d.Initial = o.Connection == nil
	d.Scheduled = m.scheduled()
	d.Deliver = o.Server != nil && slices.ContainsFunc(o.Members, func(x Member) bool {
		return x.Reported && x.Revision != o.Server.Revision
	})
	if d.Deliver && d.Action == nil && (d.After == 0 || d.After > PollSlow) {
		d.After = PollSlow // what is being delivered shows in a member's report alone
	}
	return d
}

// Handled says which values have been carried out, for the status.
func Handled(o Observed) Requests {
	h := Requests{Rotate: handledTrigger(o)}
	if o.Server != nil {
		h.Complete, h.Abort = o.Server.Marks.Complete, o.Server.Marks.Abort
	}
	return h
}

// handledTrigger is the request that was started last: the one in progress, the
// one that was aborted when no later one succeeded, or the one that succeeded.
func handledTrigger(o Observed) string {
	switch {
	case o.Pending != nil:
		return o.Pending.Trigger
	case o.Server != nil && o.Server.Marks.Aborted > connectionGeneration(o):
		return o.Server.Marks.AbortedTrigger
	case o.Connection != nil:
		return o.Connection.Trigger
	}
	return ""
}

func connectionGeneration(o Observed) int64 {
	if o.Connection == nil {
		return 0
	}
	return o.Connection.Generation
}
