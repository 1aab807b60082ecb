package adminapi

// Group is what a member knows of its group. Members tell it that are configured
// to have peers (config.Peers).
type Group struct {
	// ID is the member's number in its group, given once and never again: its
	// lowest eight bits are the ordinal of its pod and one. 0 says that the volume
	// holds nothing yet: the member waits to be told to begin a group, or to be
	// added to one.
	ID uint64 `json:"id"`
	// Forgot is the number of the member whose log the volume holds and may lack
	// what that had acknowledged: its host went down before it was on the disk. ID
	// is 0 then: the member waits to be added anew. What the log has is told.
	Forgot uint64 `json:"forgot,omitempty"`
	// Generation tells the group apart from those that it was before a majority was
	// lost: members of another one are not listened to. 0 at first; its upper half
	// counts, the lower one is random.
	Generation uint64 `json:"generation,omitempty"`
	// Recovered is of a member that went on alone, at the beginning of this
	// generation: what it was told then.
	Recovered *Recovered `json:"recovered,omitempty"`
	// LastIndex is of the last entry of the member's log, and LastTerm is its term.
	// It may not be applied: only a leader knows what is committed.
	LastIndex uint64 `json:"lastIndex,omitempty"`
	LastTerm  uint64 `json:"lastTerm,omitempty"`
	// AgreedIndex is the last entry of the log behind which the member's state was
	// compared with the others', and a majority had the same.
	AgreedIndex uint64 `json:"agreedIndex,omitempty"`
	// Leader is the pod of who leads, as far as the member knows; empty for nobody.
	Leader string `json:"leader,omitempty"`
	// Members are those of the group, as of the entry applied, by ordinal.
	Members []GroupMember `json:"members,omitempty"`
	// Changing is set by a leader while a change of the members, or a transfer of
	// the leadership, is on its way.
	Changing bool `json:"changing,omitempty"`
}

// Recovered is which member was to go on without the majority of its group, and
// where its log ended.
type Recovered struct {
	ID    uint64 `json:"id"`
	Index uint64 `json:"index"`
}

// GroupMember is one member as another one knows it.
type GroupMember struct {
	ID    uint64 `json:"id"`
	Name  string `json:"name"`            // its pod
	Voter bool   `json:"voter,omitempty"` // a learner gets the log and has no vote
	// The rest is what the leader alone knows.

	// Match is up to which index the member has the log.
	Match uint64 `json:"match,omitempty"`
	// Active says that it was heard of within an election timeout.
	Active bool `json:"active,omitempty"`
	// Blank says that it answers with an empty volume, although it has had the log
	// up to Match: what it knew is lost. It must be removed, and added anew.
	Blank bool `json:"blank,omitempty"`
	// Refused is why it does not take part; empty when it does.
	Refused string `json:"refused,omitempty"`
}

// GroupOperation is what the operator has a member do about its group:
// POST /v1/group with a GroupChange. All but GroupBegin and GroupRecover are for
// the leader.
type GroupOperation string

// The operations.
const (
	// GroupBegin has a member with an empty volume begin a group of its own.
	GroupBegin GroupOperation = "begin"
	// GroupAdd adds the member of a pod, as a learner with a new number.
	GroupAdd GroupOperation = "add"
	// GroupPromote gives a learner that has caught up its vote.
	GroupPromote GroupOperation = "promote"
	// GroupRemove takes a member out for good.
	GroupRemove GroupOperation = "remove"
	// GroupTransfer hands the leadership to a member that has caught up.
	GroupTransfer GroupOperation = "transfer"
	// GroupRecover has a member of that ID, whose log ends at Index, begin a group
	// of its own from its log: it starts anew, under another number. The majority
	// of its group must be gone for good: what only that had is given up.
	GroupRecover GroupOperation = "recover"
)

// GroupChange is the body of POST /v1/group. The answer is 200 when the change
// is on its way, and what came of it is seen in Group; it is 409 with the reason
// as text when it cannot be made now. Asking again does no harm.
type GroupChange struct {
	Operation GroupOperation `json:"operation"`
	// Member is the pod that GroupAdd adds.
	Member string `json:"member,omitempty"`
	// ID is the number of whom the others are about.
	ID uint64 `json:"id,omitempty"`
	// Index is where the log ends that GroupRecover is to begin from.
	Index uint64 `json:"index,omitempty"`
}
