package command

import (
	"slices"

	"github.com/coffer-dev/coffer/engine/keyevent"
	"github.com/coffer-dev/coffer/engine/machine"
	"github.com/coffer-dev/coffer/engine/reply"
	"github.com/coffer-dev/coffer/engine/store"
)

func init() {
	register(
		row("sunion", -2, ReadOnly, allKeys.to(ro|accesses), "read set slow", plain(combined(union))).tip(tipUnordered),
		row("sinter", -2, ReadOnly, allKeys.to(ro|accesses), "read set slow", plain(combined(intersection))).tip(tipUnordered),
		row("sdiff", -2, ReadOnly, allKeys.to(ro|accesses), "read set slow", plain(combined(difference))).tip(tipUnordered),
		row("sunionstore", -3, Write|DenyOOM, allKeys.to(ow|updates, ro|accesses), "write set slow", parseCombineStore(union)),
		row("sinterstore", -3, Write|DenyOOM, allKeys.to(rw|updates, ro|accesses), "write set slow", parseCombineStore(intersection)),
		row("sdiffstore", -3, Write|DenyOOM, allKeys.to(ow|updates, ro|accesses), "write set slow", parseCombineStore(difference)),
		row("sintercard", -3, ReadOnly|MovableKeys, noKey, "read set slow", parseSintercard).finding(numberedKeys(1, ro|accesses)),
	)
}

// combine visits what an operation makes of sets, until visit answers false.
// Every member is visited once, but of a union once for each set that has it.
// What it takes is bounded by the sizes of the sets, however many are named.
func combine(tx *machine.Tx, o operation, keys [][]byte, visit func(member []byte) bool) error {
	sets := make([]namedSet, 0, len(keys))
	for _, key := range keys {
		s, found, err := readSet(tx, key)
		if err != nil {
			return err
		}
		name := identity{absent: true}
		if found {
			name = identity{key: string(key)}
		}
		sets = append(sets, namedSet{name, s})
	}
	if o == intersection {
		slices.SortStableFunc(sets, func(a, b namedSet) int { return a.set.Len() - b.set.Len() })
	}
	first, others := sets[0].set, distinct(sets[1:])
	switch o {
	case union:
		for _, s := range append([]*store.Set{first}, others...) {
			if !combineOne(tx, o, s, nil, visit) {
				return nil
			}
		}
		return nil
	case difference:
		others = merged(tx, first, others)
	}
	combineOne(tx, o, first, others, visit)
	return nil
}

// identity tells sets apart; all that are absent are one.
type identity struct {
	key    string // empty if absent
	absent bool
}

type namedSet struct {
	identity
	set *store.Set
}

// distinct leaves out sets that are named again, which add nothing: a small one that
// is read again is another place in memory.
func distinct(sets []namedSet) []*store.Set {
	seen := make(map[identity]bool, len(sets))
	var once []*store.Set
	for _, n := range sets {
		if !seen[n.identity] {
			seen[n.identity] = true
			once = append(once, n.set)
		}
	}
	return once
}

// merged makes one set of many small ones, of what they have in common with the
// first: to ask each of them for every member of that would take longer.
func merged(tx *machine.Tx, first *store.Set, others []*store.Set) []*store.Set {
	size := 0
	for _, s := range others {
		size += s.Len()
	}
	if size >= first.Len()*len(others) {
		return others
	}
	all := &store.Set{}
	for _, s := range others {
		combineOne(tx, intersection, s, []*store.Set{first}, func(member []byte) bool {
			all.Add(member)
			return true
		})
	}
	return []*store.Set{all}
}

// memberWork is what it takes to look for a member, or to change what a sorted set has
// of one, in steps of a script.
const memberWork = 4

// combineOne visits the members of a set that, of an intersection, all others
// have too, and otherwise none of them.
func combineOne(tx *machine.Tx, o operation, s *store.Set, others []*store.Set, visit func(member []byte) bool) bool {
	var member []byte
	looked := 0
	defer func() { tx.Visited(memberWork * looked) }()
	objects := func(other *store.Set) bool {
		looked++
		return other.Has(member) != (o == intersection)
	}
	for i := range s.Len() {
		looked++
		member = s.AppendAt(member[:0], i)
		if !slices.ContainsFunc(others, objects) && !visit(member) {
			return false
		}
	}
	return true
}

// combined serves SUNION, SINTER and SDIFF.
func combined(o operation) func(tx *machine.Tx, argv [][]byte) reply.Reply {
	return func(tx *machine.Tx, argv [][]byte) reply.Reply {
		members, seen := gatherTexts(tx, 0), &store.Set{}
		err := combine(tx, o, argv[1:], func(member []byte) bool {
			return o == union && !seen.Add(member) || members.add(member)
		})
		if err != nil {
			return fail(err)
		}
		return members.reply(reply.KindSet)
	}
}

type combineStore struct {
	operation
	key  []byte
	keys [][]byte
}

func parseCombineStore(o operation) parser {
	return func(argv [][]byte) (machine.Op, error) { return &combineStore{o, argv[1], argv[2:]}, nil }
}

// Needs implements machine.Sizer: what is copied.
func (op *combineStore) Needs(tx *machine.Tx) int64 { return sizeOf(tx, op.keys...) }

// sizeOf is how much the values of keys take.
func sizeOf(tx *machine.Tx, keys ...[]byte) (size int64) {
	for _, key := range keys {
		if v := tx.Store.Get(key, tx.Now); v != nil {
			size += store.Weight(v)
		}
	}
	return size
}

func (o operation) event() string {
	return [...]string{union: "sunionstore", intersection: "sinterstore", difference: "sdiffstore"}[o]
}

// Apply implements machine.Op.
func (op *combineStore) Apply(tx *machine.Tx) reply.Reply {
	stored := &store.Set{}
	err := combine(tx, op.operation, op.keys, func(member []byte) bool {
		stored.Add(member)
		return true
	})
	if err != nil {
		return fail(err)
	}
	keep(tx, op.key, stored, stored.Len(), keyevent.Set, op.event())
	return reply.Integer(int64(stored.Len()))
}

type sintercard struct {
	keys  [][]byte
	limit int64 // 0 for none
}

func parseSintercard(argv [][]byte) (machine.Op, error) {
	n, ok := parseInt(argv[1])
	rest := argv[2:]
	switch {
	case !ok || n < 1:
		return nil, errNumkeys
	case n > int64(len(rest)):
		return nil, textError("ERR Number of keys can't be greater than number of args")
	}
	op := &sintercard{keys: rest[:n]}
	for rest = rest[n:]; len(rest) > 0; rest = rest[2:] {
		if len(rest) == 1 || !is(rest[0], "LIMIT") {
			return nil, errSyntax
		}
		var err error
		if op.limit, err = positive(rest[1], "ERR LIMIT can't be negative"); err != nil {
			return nil, err
		}
	}
	return op, nil
}

// Apply implements machine.Op.
func (op *sintercard) Apply(tx *machine.Tx) reply.Reply {
	n := int64(0)
	err := combine(tx, intersection, op.keys, func([]byte) bool {
		n++
		return n != op.limit
	})
	if err != nil {
		return fail(err)
	}
	return reply.Integer(n)
}
