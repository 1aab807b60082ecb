package main

// The files that several members of a group are one by.
const (
	groupPeers   = "engine/node/group_peers.go"
	groupSend    = "engine/node/group_send.go"
	groupMembers = "engine/node/group_members.go"
	nodePeers    = "engine/node/peers.go"
	peerListen   = "engine/peer/peer.go"
	peerFrame    = "engine/peer/frame.go"
	peerLink     = "engine/peer/link.go"
	nodeRecover  = "engine/node/group_recover.go"
	memberBegin  = "engine/member/begin.go"
	peerThrough  = "engine/peer/through.go"
	chaosPkg     = "test/chaos"
)

// replicas: what makes several members one database.
var replicas = []safeguard{
	{name: "the lease under which a leader reads its own state", file: "engine/node/group.go", in: chaosPkg, test: "TestAPausedLeaderShowsNothingOld",
		old: "if g.peers.network != nil && !g.lease.holds() {", new: "if false {"},
	{name: "that a leader who was to hand the leadership over reads by no lease", file: groupMembers, in: nodePkg, test: "TestNoLeaseAfterATransferThatFailed",
		old: "g.lease.over = g.member.Term()", new: ""},
	{name: "that a member's address is not one source", file: "engine/admission/gate.go", test: "TestManyComeThroughAMember",
		old: "(g.Through == nil || !g.Through(c.Host))", new: "true"},
	{name: "that a member which hands the leadership over takes no clients", file: "engine/node/node.go", in: nodePkg, test: "TestWhoTriesOnceMoreNoticesNoSwitchover",
		old: " && n.group.leading.Load() && !n.group.yields.Load() {", new: " {"},
	{name: "that a member which has no group yet takes no clients", file: "engine/node/node.go", in: nodePkg, test: "TestAMemberThatStartsTakesNoClients",
		old: "if !n.serving.Load() {", new: "if false {"},
	{name: "that only members say who a client is", file: peerThrough, test: "TestOnlyMembersSayWhoAClientIs",
		old: "if !hmac.Equal(b[throughMAC:], mac(key, b[:throughMAC])) {", new: "if false {"},
	{name: "that clients who come all at once are not taken for strangers", file: peerListen, test: "TestManyClientsComeAtOnce",
		old: "make(chan struct{}, maxIntroducing)", new: "make(chan struct{}, 1<<20)"},
	{name: "that a member which does not lead is not stormed", file: peerThrough, test: "TestWhoDoesNotLeadIsNotStormed",
		old: "time.Sleep(refusedPause)", new: ""},
	{name: "that what was overheard is not said again", file: peerThrough, test: "TestIntroductions",
		old: "age > throughAge {", new: "age < 0 {"},
	{name: "that a leader knows its clients' addresses", file: peerThrough, in: nodePkg, test: "TestALeaderKnowsWhoComesThroughAMember",
		old: "enter(&handed{raw.(*net.TCPConn), client})", new: "enter(raw)\n\t_ = client"},
	{name: "that a member whose state differs ends", file: "engine/node/group_digest.go", in: nodePkg, test: "TestMembersCompareTheirStates",
		old: "default:\n\t\t\treturn fmt.Errorf(\"%w, at", new: "default:\n\t\t\t_ = fmt.Errorf(\"%w, at"},
	{name: "that a member that vanished is given up", file: "engine/peer/timeout_linux.go", test: "TestWhoVanishesIsGivenUp",
		old: "err = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(userTimeout.Milliseconds()))", new: "_ = unix.TCP_USER_TIMEOUT\n\t\t_ = fd"},
	{name: "that connections stay under the same certificates", file: peerListen, test: "TestConnectionsStayUnderTheSameCertificates",
		old: "if under == t.under {", new: "if false {"},
	{name: "that a link ends with its member", file: peerLink, test: "TestALinkEnds",
		old: "if closed || queued {", new: "if queued {"},
	{name: "that strangers take no place of members", file: peerListen, test: "TestStrangersTakeNoPlaceOfMembers",
		old: "if strangers >= maxStrangers {", new: "if false {"},
	{name: "that a member started again gives no vote at once", file: "engine/replica/replica.go", test: "TestAMemberThatWasStartedAgainVotesLater",
		old: "r.silent = electionTicks", new: "r.silent = 0"},
	{name: "that a vote is for who has caught up", file: groupMembers, in: nodePkg, test: "TestAVoteIsForWhoHasTheLog",
		old: "if match := g.member.Match(id); match == 0 || !g.active(id) || match+caughtUp < index {", new: "if match := g.member.Match(id); match > index {"},
	{name: "that members come as learners", file: "engine/replica/members.go", in: nodePkg, test: "TestAVoteIsForWhoHasTheLog",
		old: "t = raftpb.ConfChangeAddLearnerNode", new: "t = raftpb.ConfChangeAddNode"},
	{name: "that who leads is not taken out", file: groupMembers, in: nodePkg, test: "TestAVoteIsForWhoHasTheLog",
		old: "case id == g.opts.ID:\n\t\treturn notNow(\"member %d leads", new: "case false:\n\t\treturn notNow(\"member %d leads"},
	{name: "that one member begins a group", file: nodePeers, in: nodePkg, test: "TestAVoteIsForWhoHasTheLog",
		old: "if ordinalOf(id) != c.ordinal || !c.empty.CompareAndSwap(true, false) {", new: "if !c.empty.CompareAndSwap(true, false) {"},
	{name: "that an empty volume is not a member that forgot", file: nodePeers, in: nodePkg, test: "TestReplicaThatLagsGetsASnapshot",
		old: "if c.empty.Load() && (!h.Join || !c.join(h.To, h.Generation)) {", new: "if c.empty.Load() && !c.join(h.To, h.Generation) {"},
	{name: "that a volume is not another member's", file: nodePeers, in: nodePkg, test: "TestReplicasRefuseWhatIsNotTheirs",
		old: "if ordinalOf(is.id) != c.ordinal {", new: "if false {"},
	{name: "that a snapshot for a new member knows of it", file: "engine/replica/effects.go", in: nodePkg, test: "TestReplicaThatLagsGetsASnapshot",
		old: "r.memory.snapshot = nil", new: "_ = s"},
	{name: "that nobody goes on alone who has a leader", file: nodeRecover, in: nodePkg, test: "TestOnlyWhoIsMeantGoesOn",
		old: "case g.leaderHeard() != 0:", new: "case false:"},
	{name: "that a group goes on from the place that was looked at", file: nodeRecover, in: nodePkg, test: "TestOnlyWhoIsMeantGoesOn",
		old: "case index != last:", new: "case false:"},
	{name: "that another member does not go on alone", file: nodeRecover, in: nodePkg, test: "TestOnlyWhoIsMeantGoesOn",
		old: "case id != g.opts.ID:", new: "case false:"},
	{name: "that a member that may be another one says nothing more", file: nodeRecover, in: nodePkg, test: "TestAMemberThatMayBeAnotherOneEnds",
		old: "case errors.Is(err, ErrNotNow):\n\t\t\treturn nil", new: "case err != nil:\n\t\t\treturn nil"},
	{name: "that a learner gives up a leader that is silent", file: groupMembers, in: nodePkg, test: "TestAMemberThatMayBeAnotherOneEnds",
		old: "g.ticks-g.peers.led > activeTicks {", new: "g.ticks-g.peers.led > activeTicks*10000 {"},
	{name: "that a member that is another one says nothing more", file: nodeRecover, in: nodePkg, test: "TestAMemberThatMayBeAnotherOneEnds",
		old: "case err == nil && g.opts.ID == id:", new: "case false:"},
	{name: "that the members of the time before are not heard", file: nodePeers, in: nodePkg, test: "TestTheOldGroupIsRefused",
		old: "case h.Generation != g.opts.Generation:", new: "case false:"},
	{name: "that all of a log counts from which a group begins", file: memberBegin, test: "TestAGroupBeginsFromALog",
		old: "commit := last + uint64(len(entries))", new: "commit := c.Applied"},
	{name: "that a group begins from a whole log", file: memberBegin, test: "TestAGroupDoesNotBeginFromLess",
		old: "case last < m.opts.Alone:", new: "case false:"},
	{name: "that nobody but members is a peer", file: peerListen, test: "TestStrangersAreNotHeard",
		old: "if !slices.Contains(s.PeerCertificates[0].DNSNames, t.opts.Name) {", new: "if false && slices.Contains([]string{}, \"\") {"},
	{name: "that a peer shows a certificate", file: peerListen, test: "TestStrangersAreNotHeard",
		old: "tls.RequireAndVerifyClientCert", new: "tls.RequireAnyClientCert"},
	{name: "that a peer is of the same instance", file: peerListen, test: "TestStrangersAreNotHeard",
		old: "case h.Instance != t.opts.Instance:", new: "case false:"},
	{name: "that a connection speaks for one member", file: peerListen, test: "TestLiarsAreCutOff",
		old: "if m.GetFrom() != h.From || m.GetTo() != h.To {", new: "if false {"},
	{name: "the bound of a frame", file: peerFrame, test: "TestLiarsAreCutOff",
		old: "if n > int64(limit) {", new: "if false {"},
	{name: "that a broken snapshot is none", file: peerFrame, test: "TestMessagesAndSnapshotsArrive",
		old: "return 0, noEOF(err) // which only the empty frame is", new: "return 0, io.EOF"},
	{name: "that entries which say less take nothing with them", file: groupSend, in: nodePkg, test: "TestWhatIsCommittedIsToldOnce",
		old: "m.GetIndex() >= empty.GetIndex() && m.GetCommit() >= empty.GetCommit()", new: "true"},
	{name: "that what is committed is told before what overtakes it", file: groupSend, in: nodePkg, test: "TestWhatIsCommittedIsToldOnce",
		old: "now = append(now, kept)", new: "_ = kept"},
	{name: "that what is committed is told at last", file: groupSend, in: nodePkg, test: "TestWhatIsCommittedIsToldOnce",
		old: "for _, m := range g.late.messages {", new: "for range 0 {\n\t\tvar m *raftpb.Message"},
	{name: "that a committed change of the members is on the disk", file: "engine/replica/effects.go", in: nodePkg, test: "TestWhoIsLeftAloneLeadsAfterAPowerFailure",
		old: "return e.GetType() != raftpb.EntryNormal })", new: "return false && e.GetType() != raftpb.EntryNormal })"},
}
