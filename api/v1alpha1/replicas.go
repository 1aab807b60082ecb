package v1alpha1

// Annotations on a KVDatabase or JobQueue that ask for something once, of its
// members. Each new value is carried out once and copied to status.lastHandled.
const (
	// AnnotationSwitchover hands the leadership to the member that the value
	// names by its pod; any other value means any other member.
	AnnotationSwitchover = GroupName + "/switchover"
	// AnnotationRestart replaces every pod, one after the other, the leader last.
	AnnotationRestart = GroupName + "/restart"
	// AnnotationRecoverFrom goes on from one member after the majority of its group
	// is lost for good. The value is POD@INDEX: the member, and where its log ends,
	// as the condition Degraded shows them. All that is in its log is kept, the
	// volumes of all other members are deleted, and writes that only those have are
	// lost. It is refused, and used up, while there is a majority, for a member that
	// does not answer, when another one has a later log, and when the log ends
	// elsewhere by now; to ask for the same again, take the annotation off first.
	AnnotationRecoverFrom = GroupName + "/recover-from"
)

// Annotations that the operator writes on the claims of volumes.
const (
	// AnnotationMember is the number of the member whose data the volume holds.
	// While a claim has it, no group is begun anew: the data is somewhere.
	AnnotationMember = GroupName + "/member"
	// AnnotationMemberRemoved is the number of a member that is taken out of its
	// group because fewer are wanted, or that another one is to go on without
	// (recover-from). Once it is out, its claim is deleted.
	AnnotationMemberRemoved = GroupName + "/member-removed"
)

// Reasons of groups that go well, or are under way.
const (
	// ReasonMembersChanging: members are joining or leaving the group.
	ReasonMembersChanging = "MembersChanging"
	// ReasonCatchingUp: a member is being sent the data.
	ReasonCatchingUp = "CatchingUp"
	// ReasonElecting: enough members answer, and none leads yet.
	ReasonElecting = "Electing"
	// ReasonMembersChanged: a member has joined, got its vote or left (events).
	ReasonMembersChanged = "MembersChanged"
	// ReasonLeaderChanged: another member leads (events).
	ReasonLeaderChanged = "LeaderChanged"
	// ReasonRecovered: the group goes on from one member, as was asked (events).
	ReasonRecovered = "Recovered"
)

// Reasons of groups for what somebody has to look at.
const (
	// ReasonQuorumLost: too few members answer to take writes.
	ReasonQuorumLost = "QuorumLost"
	// ReasonDataLost: the group had data, and every volume is empty.
	ReasonDataLost = "DataLost"
	// ReasonMemberRefused: a member's volume does not fit its group.
	ReasonMemberRefused = "MemberRefused"
	// ReasonMembersHeld: to go on with the change of members would leave too few.
	ReasonMembersHeld = "MembersHeld"
	// ReasonRecoveryRefused: the group does not go on from the member that was
	// named (events).
	ReasonRecoveryRefused = "RecoveryRefused"
)
