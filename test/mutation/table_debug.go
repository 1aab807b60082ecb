package main

const (
	memberReload = "engine/member/reload.go"
	groupReload  = "engine/node/group_reload.go"
)

// debugging: what DEBUG, which is for tests, may not do.
var debugging = []safeguard{
	{name: "that DEBUG is for engines that were started for it", file: "engine/node/node.go", test: "TestDebugIsForTests",
		old: "if n.opts.Config.EnableDebugCommand {", new: "if true {"},
	{name: "that DEBUG OBJECT asks for its key", file: "engine/command/debug.go", in: "engine/command", test: "TestDebugObjectNamesItsKey",
		old: "dst = append(dst, ro.of(argv[2]))", new: "_ = dst"},
	{name: "that a member of several keeps its state", file: groupReload, in: nodePkg, test: "TestAMemberOfSeveralKeepsItsState",
		old: "case g.opts.Network != nil:", new: "case false:"},
	{name: "that what is read back is compared", file: memberReload, in: nodePkg, test: "TestAnotherStateInTheFilesEndsTheGroup",
		old: "if again.machine.Hash() != before {", new: "if before == 0 {"},
	{name: "that nothing is on its way while a state is read back", file: memberReload, in: "engine/member", test: "TestAReloadWaitsForWhatIsOnItsWay",
		old: "m.turn != nil || len(m.pending)+len(m.reads) > 0 || m.writing != nil", new: "m.turn != nil || m.writing != nil && false"},
	{name: "that a state which was read back has all of its log", file: memberReload, in: "engine/member", test: "TestAMemberAloneReadsItsStateBack",
		old: "if err := again.elect(); err != nil {", new: "if err := again.Campaign(); err != nil {"},
	{name: "that who watches keys is told of a state that was read back", file: "engine/store/watch.go", in: nodePkg, test: "TestTheStateIsReadBackWhileItServes",
		old: "for key := range s.watched {\n\t\t\ts.touch([]byte(key))\n\t\t}\n\t}\n}", new: "_ = s\n\t}\n}"},
	{name: "that changes go on being told behind a state that was read back", file: "engine/store/watch.go", in: nodePkg, test: "TestTheStateIsReadBackWhileItServes",
		old: "d.KeepChanges(former.changes.on)", new: ""},
}
