package main

const (
	groupEvict    = "engine/node/group_evict.go"
	evictor       = "engine/evict/evict.go"
	storeUsage    = "engine/store/usage.go"
	machineMemory = "engine/machine/memory.go"
	commandObject = "engine/command/object.go"
)

// evictions: who goes when memory is full, and that the members agree on it.
var evictions = []safeguard{
	{name: "that volatile policies evict keys with an expiry alone", file: evictor, test: "TestPolicies",
		old: "e.pick = (*store.Databases).PickExpiring", new: ""},
	{name: "that the nearest expiry goes first", file: evictor, test: "TestPolicies",
		old: "e.first = true", new: "e.random = true"},
	{name: "that what was used since it was remembered stays", file: evictor, test: "TestWhatIsUsedAgainStays",
		old: "case now.Score < known.Score:", new: "case false:"},
	{name: "how many keys go in one entry", file: evictor, test: "TestAllCanGo",
		old: "len(c.keys) < MaxKeys", new: "true"},
	{name: "how many bytes of names go in one entry", file: evictor, test: "TestNamesAreBounded",
		old: "&& c.names < maxNames", new: ""},
	{name: "that marks follow keys that move up", file: "engine/store/table.go", test: "TestMarksFollowTheirKeys",
		old: "t.setMark(hole, t.mark(next))", new: ""},
	{name: "that marks follow keys into a larger table", file: "engine/store/table.go", test: "TestMarksFollowTheirKeys",
		old: "t.setMark(to, old.mark(place))", new: "t.setMark(to, 0)"},
	{name: "that what the bound of memory looks at is not used", file: storeUsage, test: "TestLookingIsNoUse",
		old: "d.usage.aside = true", new: ""},
	{name: "that counters fall", file: storeUsage, test: "TestFrequencyRisesAndFalls",
		old: "uint16(u.now/minute)-at", new: "at-at"},
	{name: "that scripts see nothing of what one member alone knows", file: commandObject, in: nodePkg, test: "TestObjectTellsUsage",
		old: "if !tx.Own {", new: "if false {"},
	{name: "that scripts see no counter of one member's", file: commandObject, in: nodePkg, test: "TestObjectTellsUsage",
		old: "noted && tx.Own", new: "noted"},
	{name: "the room that is made", file: groupEvict, in: nodePkg, test: "TestWhatDoesNotFitEvicts",
		old: "if need == 0 || used+need <= limit {", new: "if true {"},
	{name: "that nothing goes for what does not fit alone", file: "engine/machine/evict.go", in: nodePkg, test: "TestRefusedWhereNothingCanGo",
		old: "n.most <= limit", new: "true"},
	{name: "the bound of memory where nothing can go", file: groupLoop, in: nodePkg, test: "TestRefusedWhereNothingCanGo",
		old: "return m.Bound(items, g.evicting.room, now, replyOOM)", new: "return slices.ContainsFunc(items, isWrite)"},
	{name: "that keys beyond a lower limit go by themselves", file: groupLoop, in: nodePkg, test: "TestALowerLimit",
		old: "if g.evicting.due {", new: "if false {"},
	{name: "that writes do not wait for a lower limit", file: groupEvict, in: nodePkg, test: "TestALowerLimit",
		old: "missing := min(used+need-limit, 2*need)", new: "missing := used + need - limit"},
	{name: "that deletions are in front of a transaction", file: groupLoop, in: nodePkg, test: "TestATransactionIsWhole",
		old: "g.items = append(g.items[:0], before...)\n\tfor _, r := range batch {\n\t\tg.items = append(g.items, r.items...)\n\t}", new: "g.items = g.items[:0]\n\tfor _, r := range batch {\n\t\tg.items = append(g.items, r.items...)\n\t}\n\tg.items = append(g.items, before...)"},
	{name: "that writes do not wait for deletions that are refused", file: groupEvict, in: nodePkg, test: "TestEvictionOnAFullVolume",
		old: "g.evicting.vain = items[0].Reply.IsError()", new: "g.evicting.vain = false"},
	{name: "the reserve of what redis-server does not refuse", file: machineMemory, in: nodePkg, test: "TestFullMemoryAsRedis",
		old: "most += room.Limit / ReserveShare", new: ""},
	{name: "the room that is made for scripts", file: "engine/machine/evict.go", in: nodePkg, test: "TestFullMemoryAsRedis",
		old: "need += limit / scriptShare", new: ""},
}
