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
}
