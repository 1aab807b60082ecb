package main

const (
	storeHash     = "engine/store/hash.go"
	commandRandom = "engine/command/random.go"
	commandCopy   = "engine/command/copy.go"
)

// collections: what keeps lists, hashes, sets and sorted sets alike on all members,
// and within bounds.
var collections = []safeguard{
	{name: "one seed for the leader and for who replays", file: "engine/machine/machine.go", in: "test/determinism", test: "TestMachinesAgree",
		old: "\t\t\tseed = step(seed)\n\t\t\ttx.Seed = mix(seed)", new: "\t\t\ttx.Seed = m.readSeed()"},
	{name: "one order of a hash, packed or not", file: storeHash, test: "TestHashAgainstMap",
		old: "if 2*i < last {", new: "if false {"},
	{name: "the form of a collection in a snapshot", file: storeHash, test: "TestLongValuesUnpack",
		old: "form := byte(1)", new: "form := byte(0)"},
	{name: "an end to random elements that nobody gets", file: commandRandom, test: "TestRepliesEndWhereNobodyGetsThem",
		old: "n < 0 && pick(r.Below(c.size)); n++ {", new: "n < 0 && (pick(r.Below(c.size)) || true); n++ {"},
	{name: "the memory of a copy", file: commandCopy, test: "TestWhatIsCopiedIsCounted",
		old: "return 2 * sizeOf(tx, op.from)", new: "return 0"},
	{name: "a list's own copy of what it is given", file: "engine/store/packed.go", test: "TestListAgainstSlice",
		old: "copy(p.data[from:], item)", new: "len(item)"},
}

// consumerGroups: what consumers of streams rely on.
var consumerGroups = []safeguard{
	{name: "that a snapshot has the groups of its beginning", file: "engine/store/snapshot.go", test: "TestGroupsDuringASnapshot",
		old: "form: form(old.apart), still", new: "form: old.apart.Kind(), still"},
	{name: "that what moves in a large value is kept for a snapshot", file: "engine/store/dict.go", test: "TestLargeValuesAreStill",
		old: "		d.still.keep(last)\n", new: ""},
	{name: "that a large value is kept while its length is found out", file: "engine/store/still.go", test: "TestLargeValuesAreStill",
		old: "s.giving && i < s.next", new: "i < s.next"},
	{name: "that a snapshot's nodes of a list are copied", file: "engine/store/packed.go", test: "TestLargeValuesAreStill",
		old: "	if p.lent {\n", new: "	if false {\n"},
	{name: "that a snapshot's entries of a stream are copied", file: "engine/store/stream.go", test: "TestLargeValuesAreStill",
		old: "	if n.lent {\n", new: "	if false {\n"},
	{name: "that a list takes all of its nodes off the bench", file: "engine/store/compact.go", test: "TestWhatLeavesTheBenchIsItsOwn",
		old: "		for i := range l.nodes() {\n", new: "		for i := range l.nodes()[:1] {\n"},
	{name: "that an abandoned snapshot keeps nothing", file: "engine/store/snapshot.go", test: "TestAbandonedSnapshotHoldsNothing",
		old: "	for _, s := range n.held {\n		s.release()\n	}\n", new: ""},
	{name: "that who waits hears that the group is gone", file: "engine/command/groups.go", in: "engine/server", test: "TestGoneEndsTheWaiting",
		old: "tx.Store.Rouse(argv[2])", new: "_ = tx"},
	{name: "the keys behind STREAMS, whatever the group is called", file: "engine/command/xreadgroup.go", test: "TestKeysOfXreadgroup",
		old: "case is(argv[i], \"GROUP\"):\n\t\t\ti += 2", new: "case is(argv[i], \"GROUP\"):\n\t\t\ti++"},
	{name: "the memory of what is delivered", file: "engine/command/xreadgroup.go", test: "TestWhatIsDeliveredIsCounted",
		old: "size += store.PendingBytes * op.fresh(tx, key)", new: "_ = key"},
	{name: "the bound of what XINFO answers", file: "engine/command/xinfo.go", test: "TestXinfoMakesNoMoreThanAnybodyGets",
		old: "f.rest.MaxReply -= all.Size()", new: "f.rest.MaxReply -= 1"},
	{name: "that who has waited gets a part", file: "engine/command/xreadgroup.go", test: "TestWhoWaitedGetsAPart",
		old: "count = waitedCount\n\t}", new: "count = 0\n\t}"},
}

const (
	machineTransaction = "engine/machine/transaction.go"
	storeWatch         = "engine/store/watch.go"
)

// together: what makes several commands one.
var together = []safeguard{
	{name: "that a transaction depends on what it watches", file: machineTransaction, test: "TestTransactionReplays",
		old: "if t.broken(tx.Databases, tx.Now) {", new: "if false {"},
	{name: "what is decided before it is logged", file: machineTransaction, test: "TestTransactionReplays",
		old: "if op.broken(m.databases, tx.Now) {", new: "if false {"},
	{name: "that others find what changes within an entry", file: machineTransaction, test: "TestTransactionReplays",
		old: "tx.Databases.At(database).Watch(t.watch, key, tx.Now)", new: "_, _ = key, database"},
	{name: "a seed of its own for each command of a transaction", file: machineTransaction, in: "test/determinism", test: "TestMachinesAgree",
		old: "\t\t\tseed = step(seed)\n\t\t\teach.Seed = mix(seed)", new: "\t\t\teach.Seed = mix(seed ^ uint64(len(replies)))"},
	{name: "the bound of a transaction's replies", file: machineTransaction, test: "TestTransactionKeepsNoLargeReplies",
		old: "tooLarge := tx.MaxReply > 0 &&", new: "tooLarge := false &&"},
	{name: "the memory that a transaction takes", file: "engine/machine/memory.go", test: "TestTransactionIsBound",
		old: "largest = max(largest, n.made)\n\t\t}\n\t}\n\treturn all", new: "}\n\t}\n\treturn all"},
	{name: "that a watch notices expiry", file: storeWatch, test: "TestWatchNoticesExpiry",
		old: "return slices.ContainsFunc(w.marks, func(m *mark) bool { return m.live && !m.store.Exists([]byte(m.key), now) })", new: "return slices.Contains(w.marks, nil)"},
	{name: "that a watch that has ended knows nothing", file: storeWatch, test: "TestWatchNoticesExpiry",
		old: "*w = Watch{touched: true}", new: "*w = Watch{}"},
	{name: "that a change is noticed", file: "engine/store/store.go", test: "TestWatch",
		old: "if changed = fn(v.(T)); changed {\n\t\ts.touch(key)\n\t}", new: "changed = fn(v.(T))"},
}
