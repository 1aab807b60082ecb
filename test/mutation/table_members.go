package main

const (
	membersNext    = "controllers/membership/next.go"
	membersReplace = "controllers/membership/replace.go"
	membersSeen    = "controllers/membership/membership.go"
	groupActs      = "controllers/lifecycle/group.go"
)

// groups: that the operator makes no second group in the place of one, deletes
// no volume that is needed, and leaves a quorum at any time.
var groups = []safeguard{
	{name: "that no group is begun where there was one", file: membersNext, test: "TestNext",
		old: "case !marked && len(m.o.Members) > 0", new: "case len(m.o.Members) > 0"},
	{name: "that claims are read live before a group is begun", file: groupActs, test: "TestGroupIsBegunOnce",
		old: "if once, err := s.everBegun(ctx); err != nil || once {", new: "if once, err := s.everBegun(ctx); err != nil && once {"},
	{name: "that an edited number stands for a member", file: groupActs, test: "TestGroupIsBegunOnce",
		old: "return ^uint64(0)", new: "return 0"},
	{name: "that a number is noted before all else", file: membersNext, test: "TestNext",
		old: "if act := m.unmarked(); act != nil {", new: "if act := m.unmarked(); act == nil && false {"},
	{name: "that a group is noted before it grows", file: membersNext, test: "TestNext",
		old: "case c.leader.Claim.Member != numberOf(*c.leader):", new: "case c.leader == nil:"},
	{name: "that who stays has the data before others leave", file: membersNext, test: "TestNext",
		old: "known == nil || !c.healthy(c.leader, *known)", new: "known == nil"},
	{name: "that a quorum is left when one is taken out", file: membersNext, test: "TestNext",
		old: "return alive > voters/2", new: "return alive >= 0"},
	{name: "that the leader hands on before it leaves", file: membersNext, test: "TestNext",
		old: "if out.ID == c.leader.Status.Group.ID {", new: "if out.ID == 0 {"},
	{name: "that a volume is needed while its member counts", file: membersNext, test: "TestStorm",
		old: "c.counts(x.Claim.Removed) || entry(c.g, x.Name) != nil", new: "c.counts(x.Claim.Removed)"},
	{name: "that only what was noted to go is deleted", file: groupActs, test: "TestNotesOnClaims",
		old: "number(*claim, v1alpha1.AnnotationMemberRemoved) != act.ID", new: "act.ID == 0"},
	{name: "that a pod stays while its member may count", file: membersSeen, test: "TestNext",
		old: "x.Claim.Member != 0 && x.Claim.Removed != x.Claim.Member", new: "false"},
	{name: "that pods stay while nobody leads", file: membersSeen, test: "TestNext",
		old: "if g == nil && x.Ordinal < m.o.Pods {", new: "if false {"},
	{name: "that all others are healthy when one is replaced", file: membersReplace, test: "TestNextToReplace",
		old: "if !c.healthy(c.leader, x) {", new: "if false {"},
	{name: "that two voters can spare none", file: membersReplace, test: "TestNextToReplace",
		old: "return others > voters/2", new: "return true"},
	{name: "that the leader is replaced last", file: membersReplace, test: "TestNextToReplace",
		old: "case follower != nil:", new: "case follower != nil && !c.leader.Pod.Outdated:"},
	{name: "that nobody is replaced without a leader", file: membersReplace, test: "TestNextToReplace",
		old: "case leader == nil:\n\t\treturn nil", new: "case leader == nil:\n\t\treturn replace(first(o.Members, func(x Member) bool { return x.Pod.Outdated }))"},
	{name: "that a member without state proves nothing", file: "controllers/instance/members.go", test: "TestMemberWithoutStateProvesNothing",
		old: "case status.Role == RoleStarting || status.Role == RoleBlank:", new: "case status.Role == \"\":"},
}
