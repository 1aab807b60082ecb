package main

const (
	scriptRun   = "engine/script/run.go"
	scriptHost  = "engine/command/scripthost.go"
	commandEval = "engine/command/scripts.go"
)

// scripts: what bounds them, and what they may do.
var scripts = []safeguard{
	{name: "the permission check of every call of a script", file: scriptHost, test: "TestScriptsArePermittedCallByCall",
		old: "return h.eval.caller.Allows(&action)", new: "_ = action\n\treturn nil"},
	{name: "that nobody's script may nothing", file: scriptHost, test: "TestScriptsArePermittedCallByCall",
		old: "return &acl.Denied{Command: c.Name}", new: "return nil"},
	{name: "the caller's permissions in the log", file: commandEval, test: "TestScriptsArePermittedCallByCall",
		old: "rules = e.caller.Rules()", new: "rules = nil"},
	{name: "that scripts are charged for the work of commands", file: "engine/script/redislib.go", test: "TestWhatACommandTakesIsSpent",
		old: "r.spend(int(steps))", new: "_ = steps"},
	{name: "that they are charged alike on members of two versions", file: scriptHost, test: "TestScriptsAreChargedForWhatCommandsLookAt",
		old: "if h.tx.Semantics >= chargedSince {", new: "if true {"},
	{name: "the bound of a script's steps", file: scriptRun, in: "engine/script", test: "TestBudgets",
		old: "if r.steps -= int64(steps); r.steps < 0 {", new: "if r.steps -= int64(steps); r.steps < -1<<40 {"},
	{name: "the bound of a script's memory", file: scriptRun, in: "engine/script", test: "TestSame",
		old: "if r.memory -= int64(bytes); r.memory < 0 {", new: "if r.memory -= int64(bytes); r.memory < -1<<40 {"},
	{name: "the bound of nested calls", file: scriptRun, test: "TestDeepNesting",
		old: "r.depth = depth + 1 + p.nesting/nestingPerCall", new: "r.depth = depth + 1"},
	{name: "that no script catches the end of its budget", file: scriptRun, test: "TestBudgets",
		old: "\t\tdefault:\n\t\t\tpanic(e)\n\t\t}\n\t}()\n\tfn()", new: "\t\tdefault:\n\t\t\tcaught = &thrown{}\n\t\t\tr.native, r.running, r.nested = native, running, nested\n\t\t\tr.frame, r.depth = frame, depth\n\t\t}\n\t}()\n\tfn()"},
	{name: "read-only tables", file: "engine/script/ops.go", test: "TestNothingStays",
		old: "if t.readonly {", new: "if false {"},
	{name: "the room of the keyspace for a script", file: scriptHost, test: "TestScriptsWithoutRoom",
		old: "return room-*h.tx.Grown >= size", new: "return true"},
	{name: "the memory of what SCRIPT LOAD keeps", file: commandEval, in: "engine/node", test: "TestScriptsTakeMemory",
		old: "return machine.ScriptBytes(len(l.text))", new: "return 0"},
	{name: "the memory of what EVAL leaves behind", file: commandEval, in: "engine/node", test: "TestScriptsTakeMemory",
		old: " && e.room-*tx.Grown >= size", new: ""},
	{name: "the memory of a script that is being compiled", file: commandEval, in: "engine/node", test: "TestScriptsTakeMemory",
		old: "if size > e.memory {", new: "if false {"},
	{name: "that read-only scripts do not write", file: scriptHost, in: "test/conformance/differential", test: "TestScriptCommands",
		old: "case changes && h.readOnly:", new: "case false:"},
	{name: "that reads of a script write nothing that is kept", file: scriptHost, in: "test/conformance/differential", test: "TestHyperLogLogsThatAreNone",
		old: "changes := c.Logged() || c.Publishes()", new: "changes := c.Flags&Write != 0 || c.Publishes()"},
	{name: "the bound of what a HyperLogLog may be", file: "engine/command/hyperloglog.go", test: "TestHyperLogLogsAreBounded",
		old: "case len(v) > hllLargest:", new: "case false:"},
	{name: "that a damaged HyperLogLog is not written to", file: "engine/command/hllruns.go", test: "TestHyperLogLogsAreBounded",
		old: "if p+r.size > len(h) || r.n == 0 {", new: "if p >= len(h) || r.n == 0 {"},
	{name: "scripts in snapshots", file: "engine/machine/snapshot.go", in: "engine/command", test: "TestScriptsAreKept",
		old: "header: m.scripts.appendTo(h)", new: "header: newScripts().appendTo(h)"},
	{name: "an end to the scripts that EVAL leaves", file: "engine/machine/scripts.go", in: "engine/command", test: "TestScriptsAreKept",
		old: "len(s.passing) > maxPassing ||", new: "false ||"},
	{name: "the records of what a script is refused", file: "engine/server/script.go", in: nodePkg, test: "TestScriptsAreAudited",
		old: "c.record(uint8(call.Database), call.Command, call.Keys, call.Denied)", new: "_ = call"},
}
