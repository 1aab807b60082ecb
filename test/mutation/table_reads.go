package main

const groupFresh = "engine/node/group_fresh.go"

// staleReads: what holds of reads that may be stale.
var staleReads = []safeguard{
	{name: "that stale reads are looked at behind the state", file: groupFresh, in: nodePkg, test: "TestReadsEndWhereTheLeaderIsNotHeard",
		old: "if why := s.group.tooOld(); why != nil {", new: "if why := s.group.tooOld(); why == &replyOOM {"},
	{name: "that a member which got no processor shows nothing too old", file: groupFresh, in: chaosPkg, test: "TestAPausedMemberShowsNothingTooOld",
		old: "case g.fresh.holds():\n\t\treturn nil", new: "case g.fresh.proven.Load():\n\t\treturn nil"},
	{name: "that an answer proves the moment of its question", file: groupFresh, in: nodePkg, test: "TestWhatAnAnswerProves",
		old: "f.until.Store(int64(q.begun + staleBound))", new: "f.until.Store(int64(monotonic() + staleBound))"},
	{name: "that the state has what the answer asks for", file: groupFresh, in: nodePkg, test: "TestWhatAnAnswerProves",
		old: "q.answered && q.index <= g.member.Machine().Index()", new: "q.answered"},
	{name: "that stale reads write nothing", file: groupFresh, in: nodePkg, test: "TestStaleReadsWriteNothing",
		old: "if items[i].Write {\n\t\t\titems[i].Reply = replyReadOnly", new: "if false {\n\t\t\titems[i].Reply = replyReadOnly"},
	{name: "that a leader which is not settled answers no questions", file: "engine/replica/replica.go", test: "TestALeaderThatIsNotSettledAnswersNoQuestions",
		old: "if m.GetType() == raftpb.MsgReadIndex && !r.Settled() {", new: "if false {"},
	{name: "that who watches a state which is replaced is sent away", file: "engine/node/leadership.go", in: chaosPkg, test: "TestAPausedMemberShowsNothingTooOld",
		old: "n.dismissReaders()\n", new: "_ = n.dismissReaders\n"},
	{name: "that a replica takes no writes", file: serverLoop, test: "TestAReplicaTakesNoWrites",
		old: "if err := c.onReplica(cmd); err != nil {", new: "if err := c.onReplica(cmd); false {"},
	{name: "that a script on a replica writes nothing", file: scriptHost, in: "engine/server", test: "TestAReplicaTakesNoWrites",
		old: "case changes && h.eval.onReplica:", new: "case false:"},
	{name: "that a script on a replica leaves no trace", file: serverLoop, test: "TestAReplicaTakesNoWrites",
		old: "called.OnReplica()\n", new: "_ = called\n"},
	{name: "that permissions are asked before a replica answers", file: "engine/server/audit.go", test: "TestAReplicaHoldsToTheSamePermissions",
		old: "if denied := c.judge(c.database, cmd, action); denied != nil {", new: "if denied := c.judge(cmd, action); denied != nil && !c.Replica() {"},
	{name: "that quotas are of both ports together", file: "engine/server/server.go", test: "TestAReplicaHoldsToTheSamePermissions",
		old: "s.admission, s.throttle, s.usages = b.admission, b.throttle, b.usages", new: ""},
	{name: "that what clients of both ports keep is bounded together", file: "engine/server/buffers.go", test: "TestBuffersOfBothPortsAreBounded",
		old: "n += other.buffered.Load()", new: "_ = other"},
	{name: "that the port whose clients keep more closes one", file: "engine/server/buffers.go", test: "TestBuffersOfBothPortsAreBounded",
		old: "other.buffered.Load() > s.buffered.Load() {", new: "false {"},
	{name: "that applications are told of reads once they are served", file: "controllers/lifecycle/credentials.go", test: "TestReadsAreOfferedOnceTheyAreServed",
		old: "served.VerifyHostname(s.names.ReadsHost()) == nil", new: "s.object != nil"},
	{name: "that a port nobody serves is not opened", file: "controllers/desired/networkpolicy.go", test: "TestReadsAreOfSeveral",
		old: "in.kind().ports(in.hasReads())", new: "in.kind().ports(true)"},
}
