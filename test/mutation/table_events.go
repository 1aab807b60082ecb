package main

const (
	storeEvents = "engine/store/events.go"
	groupTold   = "engine/node/group_told.go"

	serverTracking     = "engine/server/tracking.go"
	serverInvalidation = "engine/server/invalidation.go"
)

// keyEvents: what is told of keys, and of which writes.
var keyEvents = []safeguard{
	{name: "that events come before the answer", file: groupLoop, in: nodePkg, test: "TestEventsComeBeforeTheAnswer",
		old: "\t\thappened.tell()\n\t\tg.land(r)\n", new: "\t\tg.land(r)\n\t\thappened.tell()\n"},
	{name: "that who does not lead tells nothing", file: groupTold, in: nodePkg, test: "TestEventsComeBeforeTheAnswer",
		old: "if g.leads && g.told.listener != nil {", new: "if g.told.listener != nil {"},
	{name: "that evictions are told as such", file: "engine/machine/evict.go", in: nodePkg, test: "TestEvictionsAreTold",
		old: `tx.Store.Tell(keyevent.Evicted, "evicted", key)`, new: `tx.Store.Tell(keyevent.Generic, "del", key)`},
	{name: "how much is kept to be told", file: storeEvents, test: "TestEventsAreBounded",
		old: "if e.bytes += eventCost; e.bytes > maxEvents {", new: "if e.bytes += eventCost; false {"},
	{name: "that an expiry is told by the write that comes first", file: storeEvents, test: "TestExpiryIsToldOnce",
		old: "expired := p.found && p.expired(s.usage.now)", new: "expired := false"},
	{name: "what keyspaceEvents may be", file: "engine/config/settings.go", test: "TestSettings",
		old: "problems = append(problems, fmt.Errorf(\"keyspaceEvents: %w\", err))", new: "_ = err"},
	{name: "that an invalidation waits for the answers", file: serverInvalidation, test: "TestAnInvalidationDoesNotOvertakeTheAnswer",
		old: "if c.answering() {\n\t\tif n", new: "if false {\n\t\tif n"},
	{name: "that it waits for what waits", file: serverInvalidation, test: "TestAnInvalidationWaitsForWhatWaits",
		old: "|| c.barrier != nil && c.barrier.item.Op != nil ||", new: "||"},
	{name: "that it waits for what is being taken up", file: serverInvalidation, test: "TestForgettingWaitsForTheAnswers",
		old: "c.tracking.taking ||", new: "false ||"},
	{name: "that keys of restricted users alone are broadcast to them", file: serverInvalidation, test: "TestBroadcastsTellOfReadableKeysAlone",
		old: "return !c.identity.MayRead([]byte(name))", new: "return false"},
	{name: "that who made a change hears of the next", file: serverInvalidation, test: "TestNoLoopHearsOfOthers",
		old: "l.trackers.add(c, []byte(key))", new: ""},
	{name: "that several have changed a key", file: serverInvalidation, test: "TestNoLoopHearsOfOthers",
		old: "by[changes[i].Key] = 0", new: "_ = who"},
	{name: "that nobody stands in for another user", file: serverTracking, test: "TestOneUserStandsIn",
		old: "other != nil && other.User() == c.User()", new: "other != nil"},
	{name: "that nobody stands in who has become another user", file: serverInvalidation, test: "TestOneUserStandsIn",
		old: "|| to.ended || to.User() != c.User()", new: "|| to.ended"},
	{name: "how many changes are broadcast by name", file: serverInvalidation, test: "TestManyChangesAreOneBroadcast",
		old: "len(names) > maxBroadcast ||", new: "false ||"},
	{name: "that who does not take invalidations is closed", file: serverInvalidation, test: "TestWhoDoesNotTakeInvalidationsIsClosed",
		old: "c.bears(n) {", new: "true {"},
	{name: "that who has read a key that is forgotten is told", file: serverTracking, test: "TestTrackedKeysAreBounded",
		old: "l.invalidate(key, 0)", new: "l.trackers.take(key)"},
	{name: "how many keys are remembered", file: serverTracking, test: "TestTrackedKeysAreBounded",
		old: "len(t.keys) > t.most ||", new: "false ||"},
	{name: "how much of keys is remembered", file: serverTracking, test: "TestTrackedBytesAreBounded",
		old: "limit > 0 && t.bytes > limit", new: "false"},
	{name: "how many prefixes a connection has", file: serverTracking, test: "TestPrefixesAreBounded",
		old: "if size > maxSubscribed {", new: "if false {"},
	{name: "that who is gone is forgotten", file: serverTracking, test: "TestWhoIsGoneIsForgotten",
		old: "c.loop.trackers.leave(key, c)", new: "_ = key"},
	{name: "that an expiry is a change", file: "engine/store/store.go", test: "TestChangesAreKept",
		old: "s.Tell(keyevent.Expired, \"expired\", key)\n\t\ts.note(key)", new: "s.Tell(keyevent.Expired, \"expired\", key)"},
	{name: "that a flush is a change of all keys", file: "engine/store/store.go", test: "TestChangesAreKept",
		old: "s.all.noteAll()", new: ""},
	{name: "how much of changes is kept", file: "engine/store/changes.go", test: "TestChangesAreBounded",
		old: "c.noted = []Change{{All: true}}\n\t\treturn", new: ""},
}
