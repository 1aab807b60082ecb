package main

const (
	groupRetain  = "engine/node/group_retain.go"
	keeper       = "engine/retention/retention.go"
	storeLasting = "engine/store/lasting.go"
)

// retentions: who gets an expiry by a rule, that nobody is missed, and that it
// stalls nobody.
var retentions = []safeguard{
	{name: "that an expiry of its user's own stays", file: keeper, test: "TestTheFirstRuleThatMatchesCounts",
		old: "if l.work -= keyWork; deadline == 0 {", new: "if l.work -= keyWork; true {"},
	{name: "that one given since a key was noted stays", file: keeper, test: "TestTheFirstRuleThatMatchesCounts",
		old: "return found && deadline == 0", new: "return found || deadline == 0"},
	{name: "that the first rule counts", file: keeper, test: "TestTheFirstRuleThatMatchesCounts",
		old: "for i, r := range l.keeper.rules {", new: "for i := range l.keeper.rules {\n\t\ti = len(l.keeper.rules) - 1 - i\n\t\tr := l.keeper.rules[i]"},
	{name: "how many keys one look finds", file: keeper, test: "TestALookIsBounded",
		old: "&& len(l.found) < MaxKeys", new: ""},
	{name: "how many bytes of names one look finds", file: keeper, test: "TestALookIsBounded",
		old: "&& l.names < maxNames", new: ""},
	{name: "the work of patterns", file: keeper, test: "TestALookIsBounded",
		old: "l.work -= work\n", new: "_ = work\n"},
	{name: "that keys that had no room are found by a walk", file: keeper, test: "TestWhatWasNotNotedIsFound",
		old: "k.missed = k.missed || missed", new: "_ = missed"},
	{name: "how many keys are noted", file: storeLasting, test: "TestNotedKeysAreBounded",
		old: "len(l.keys) == maxLasting || ", new: ""},
	{name: "how many bytes are held by what is noted", file: storeLasting, test: "TestNotedKeysAreBounded",
		old: "|| l.bytes+bytes > maxLastingBytes", new: ""},
	{name: "that a step ends where nothing moves across", file: storeLasting, test: "TestAWalkMissesNothing",
		old: "case t.tags[w.place] != 0:", new: "case !more:\n\t\t\treturn false\n\t\tcase t.tags[w.place] != 0:"},
	{name: "that a table of another size is walked from its beginning", file: storeLasting, test: "TestAWalkMissesNothing",
		old: "w.place, w.places = 0, len(t.tags)", new: "w.places = len(t.tags)"},
	{name: "that keys that lose their expiry are noted", file: "engine/store/store.go", test: "TestLastingKeysAreNoted",
		old: "(!p.found || p.deadline != 0)", new: "!p.found"},
	{name: "that nothing is noted again and again", file: "engine/store/store.go", test: "TestLastingKeysAreNoted",
		old: "&& (!p.found || p.deadline != 0)", new: ""},
	{name: "that what the log did not take is looked at again", file: groupRetain, test: "TestRulesAfterAFullVolume",
		old: "keeper.Missed()\n", new: ""},
	{name: "that who takes over looks at every key", file: groupRetain, test: "TestWhoLeadsAgainLooksAtEveryKey",
		old: "r.keeper = retention.New(r.rules)\n\t}", new: "_ = r.rules\n\t}"},
	{name: "that keys of databases that were swapped are looked for", file: storeDatabases, in: "engine/retention", test: "TestKeysOfSwappedDatabasesAreFound",
		old: "d.lasting.missed = d.lasting.noted", new: ""},
	{name: "that writes have their turn between expiries", file: groupRetain, test: "TestManyKeysGetTheirExpiryInTurns",
		old: "g.retaining.due = false\n", new: ""},
	{name: "that rules wait for memory", file: groupRetain, test: "TestRulesWaitForMemory",
		old: " || !g.roomForExpiries()", new: ""},
}
