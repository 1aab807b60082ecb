package main

const (
	storeEvents = "engine/store/events.go"
	groupTold   = "engine/node/group_told.go"
)

// keyEvents: what is told of keys, and of which writes.
var keyEvents = []safeguard{
	{name: "that what may be lost is not told", file: groupLoop, in: nodePkg, test: "TestWhatIsNotDurableIsNotTold",
		old: "\t\tif err := g.member.Sync(); err != nil {\n\t\t\treturn err\n\t\t}\n\t\tg.term.Store(g.member.Term())\n\t\tg.mu.Lock()\n\t\tr, err := g.member.Finish()\n\t\ttellEvents := g.takeEvents()\n\t\tg.mu.Unlock()\n\t\tif err != nil {\n\t\t\treturn err\n\t\t}\n",
		new: "\t\tsyncErr := g.member.Sync()\n\t\tg.term.Store(g.member.Term())\n\t\tg.mu.Lock()\n\t\tr, err := g.member.Finish()\n\t\ttellEvents := g.takeEvents()\n\t\tg.mu.Unlock()\n\t\tif tellEvents(); syncErr != nil {\n\t\t\treturn syncErr\n\t\t}\n\t\tif err != nil {\n\t\t\treturn err\n\t\t}\n"},
	{name: "that events come before the answer", file: groupLoop, in: nodePkg, test: "TestEventsComeBeforeTheAnswer",
		old: "\t\ttellEvents()\n\t\tg.land(r)\n", new: "\t\tg.land(r)\n\t\ttellEvents()\n"},
	{name: "that who does not lead tells nothing", file: groupTold, in: nodePkg, test: "TestEventsComeBeforeTheAnswer",
		old: "if leads && g.told.listener != nil {", new: "if g.told.listener != nil {"},
	{name: "that evictions are told as such", file: "engine/machine/evict.go", in: nodePkg, test: "TestEvictionsAreTold",
		old: `tx.Store.Tell(keyevent.Evicted, "evicted", key)`, new: `tx.Store.Tell(keyevent.Generic, "del", key)`},
	{name: "how much is kept to be told", file: storeEvents, test: "TestEventsAreBounded",
		old: "if e.bytes += eventCost; e.bytes > maxEvents {", new: "if e.bytes += eventCost; false {"},
	{name: "that an expiry is told by the write that comes first", file: storeEvents, test: "TestExpiryIsToldOnce",
		old: "expired := p.found && p.expired(s.usage.now)", new: "expired := false"},
	{name: "what keyspaceEvents may be", file: "engine/config/settings.go", test: "TestSettings",
		old: "problems = append(problems, fmt.Errorf(\"keyspaceEvents: %w\", err))", new: "_ = err"},
}
