package main

const serverRefusals = "engine/server/refusals.go"

// administration: what those see who look after the server, and what nobody does.
var administration = []safeguard{
	{name: "that a password in the place of a name is not shown", file: serverRefusals, test: "TestSecretsAreNoNames",
		old: "if often || c.Users().Knows(user) {", new: "if often {"},
	{name: "the bound of what is kept of refusals", file: serverRefusals, test: "TestRefusalsAreGrouped",
		old: "(*r)[:min(len(*r), maxRefusals-1)]", new: "(*r)[:len(*r)]"},
	{name: "that a refusal shows the beginning of a name", file: serverRefusals, test: "TestACLLog",
		old: "row.Object = shown(string(denied.Key))", new: "row.Object = string(denied.Key)"},
	{name: "that nothing is configured by clients", file: "engine/command/config.go", in: "engine/server", test: "TestConfigTellsWhatIsSo",
		old: "case all[at].Value == string(argv[i+1]):", new: "case all[at].Field != \"\" || all[at].Value == string(argv[i+1]):"},
	{name: "that what is scraped does not begin again", file: "engine/server/parameters.go", test: "TestResetStatistics",
		old: "s.forgotten[f.name] = f.count", new: "s.forgotten[f.name] = f.count\n\t\ts.counters.Accepted.Store(0)"},
	{name: "that what a pause held is judged behind it", file: "engine/server/loop.go", test: "TestWhatWaitsForAPauseIsJudgedBehindIt",
		old: "\tif c.stands() {\n\t\tc.attend()", new: "\tif c.parked != nil {\n\t\tc.attend()"},
	{name: "the bound of a pause", file: "engine/command/clients.go", in: "engine/server", test: "TestClientPause",
		old: "case ms > maxPause:", new: "case ms > 1000*maxPause:"},
	{name: "that a pause ends with the leadership", file: "engine/server/server.go", test: "TestAPauseEndsWithTheLeadership",
		old: "s.loop.post(s.loop.unpause)", new: ""},
	{name: "that a transaction that writes is held with the writes", file: "engine/server/pause.go", test: "TestTransactionsArePaused",
		old: "(cmd != command.Exec || !c.multi.writes())", new: "cmd != command.Exec || false"},
	{name: "that a command that waits dies with its connection", file: "engine/server/session.go", test: "TestClientKill",
		old: "\tif c.parked != nil {\n\t\tc.parked.leave()\n\t}\n\tc.forgetAwaited()", new: "\tc.forgetAwaited()"},
	{name: "that members are counted that have the entry", file: "engine/node/group_members.go", test: "TestWaitCountsMembers",
		old: "if m.ID != s.ID && m.Match >= index {", new: "if m.ID != s.ID {"},
}
