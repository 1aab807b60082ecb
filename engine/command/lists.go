package command

import (
	"bytes"
	"math"

	"github.com/coffer-dev/coffer/engine/keyevent"
	"github.com/coffer-dev/coffer/engine/machine"
	"github.com/coffer-dev/coffer/engine/reply"
	"github.com/coffer-dev/coffer/engine/store"
)

func init() {
	register(
		row("lpush", -3, Write|DenyOOM|Fast, oneKey.to(rw|inserts), "write list fast", plain(push(true, true))),
		row("rpush", -3, Write|DenyOOM|Fast, oneKey.to(rw|inserts), "write list fast", plain(push(false, true))),
		row("lpushx", -3, Write|DenyOOM|Fast, oneKey.to(rw|inserts), "write list fast", plain(push(true, false))),
		row("rpushx", -3, Write|DenyOOM|Fast, oneKey.to(rw|inserts), "write list fast", plain(push(false, false))),
		row("lpop", -2, Write|Fast, oneKey.to(rw|accesses|deletes), "write list fast", parsePop("lpop", true)),
		row("rpop", -2, Write|Fast, oneKey.to(rw|accesses|deletes), "write list fast", parsePop("rpop", false)),
		row("llen", 2, ReadOnly|Fast, oneKey.to(ro), "read list fast", plain(llen)),
		row("lrange", 4, ReadOnly, oneKey.to(ro|accesses), "read list slow", parseLrange),
		row("lindex", 3, ReadOnly, oneKey.to(ro|accesses), "read list slow", plain(lindex)),
		row("lset", 4, Write|DenyOOM, oneKey.to(rw|updates), "write list slow", plain(lset)),
		row("lrem", 4, Write, oneKey.to(rw|deletes), "write list slow", parseLrem),
		row("ltrim", 4, Write, oneKey.to(rw|deletes), "write list slow", parseLtrim),
		row("linsert", 5, Write|DenyOOM, oneKey.to(rw|inserts), "write list slow", parseLinsert),
		row("lpos", -3, ReadOnly, oneKey.to(ro|accesses), "read list slow", parseLpos),
		row("lmove", 5, Write|DenyOOM, twoKeys.to(rw|accesses|deletes, rw|inserts), "write list slow", parseLmove),
		row("rpoplpush", 3, Write|DenyOOM, twoKeys.to(rw|accesses|deletes, rw|inserts), "write list slow", parseRpoplpush),
		row("lmpop", -4, Write|MovableKeys, noKey, "write list slow", parseLmpop).finding(numberedKeys(1, rw|accesses|deletes)),
	)
}

// noElements stands for an absent list where one is read.
var noElements = &store.List{}

func readList(tx *machine.Tx, key []byte) (*store.List, bool, error) {
	l, found, err := store.Read[*store.List](tx.Store, key, tx.Now)
	if !found {
		l = noElements
	}
	return l, found, err
}

// endOf is the place for a new element at an end of a list.
func endOf(l *store.List, front bool) int {
	if front {
		return 0
	}
	return l.Len()
}

// push serves LPUSH and RPUSH, and with create false LPUSHX and RPUSHX.
func push(front, create bool) func(tx *machine.Tx, argv [][]byte) reply.Reply {
	return func(tx *machine.Tx, argv [][]byte) reply.Reply {
		_, found, err := readList(tx, argv[1])
		switch {
		case err != nil:
			return fail(err)
		case !found && !create:
			return reply.Integer(0)
		}
		return reply.Integer(pushAll(tx, argv[1], found, front, argv[2:]))
	}
}

// pushAll puts elements at an end of a list, which it makes if it is not found,
// and returns the length.
func pushAll(tx *machine.Tx, key []byte, found, front bool, elements [][]byte) (length int64) {
	if !found {
		tx.Store.Put(key, &store.List{}, 0)
	}
	edit(tx, key, keyevent.List, sideEvent(front, "lpush", "rpush"), func(l *store.List) bool {
		for _, element := range elements {
			l.Insert(endOf(l, front), element)
		}
		length = int64(l.Len())
		return true
	})
	return length
}

// sideEvent is the event of what is done at an end of a list.
func sideEvent(front bool, atFront, atBack string) string {
	if front {
		return atFront
	}
	return atBack
}

type pop struct {
	key   []byte
	front bool
	count int64 // -1 for one that is not in an array
}

func parsePop(name string, front bool) parser {
	return func(argv [][]byte) (machine.Op, error) {
		op := pop{argv[1], front, -1}
		switch len(argv) {
		case 2:
		case 3:
			var err error
			if op.count, err = positive(argv[2], errNotPositive); err != nil {
				return nil, err
			}
		default:
			return nil, errArity(name)
		}
		return op, nil
	}
}

// Apply implements machine.Op.
func (op pop) Apply(tx *machine.Tx) reply.Reply {
	_, found, err := readList(tx, op.key)
	switch {
	case err != nil:
		return fail(err)
	case !found && op.count < 0:
		return reply.Null
	case !found:
		return reply.NullArray
	case op.count < 0:
		return popSome(tx, op.key, op.front, 1)[0]
	}
	return reply.Array(popSome(tx, op.key, op.front, op.count)...)
}

// popSome takes up to count elements off an end of a list.
func popSome(tx *machine.Tx, key []byte, front bool, count int64) []reply.Reply {
	popped := answers()
	edit(tx, key, keyevent.List, sideEvent(front, "lpop", "rpop"), func(l *store.List) bool {
		n := int(min(count, int64(l.Len())))
		from := 0
		if !front {
			from = l.Len() - n
		}
		l.Range(from, from+n, !front, popped.addCopy)
		l.Delete(from, from+n)
		return n > 0
	})
	return popped.items
}

func llen(tx *machine.Tx, argv [][]byte) reply.Reply {
	l, _, err := readList(tx, argv[1])
	if err != nil {
		return fail(err)
	}
	return reply.Integer(int64(l.Len()))
}

// span is a range as most commands take it: both ends inclusive, negative ones
// counted from behind.
type span struct{ start, stop int64 }

func parseSpan(start, stop []byte) (s span, err error) {
	if s.start, err = integer(start); err != nil {
		return s, err
	}
	s.stop, err = integer(stop)
	return s, err
}

// of is the range among n elements: from i up to but not including j.
func (s span) of(n int) (i, j int) {
	size := int64(n)
	if s.start < 0 {
		s.start = max(s.start+size, 0)
	}
	if s.stop < 0 {
		s.stop += size
	}
	s.stop = min(s.stop, size-1)
	if s.start > s.stop {
		return 0, 0
	}
	return int(s.start), int(s.stop) + 1
}

type lrange struct {
	key []byte
	span
}

func parseLrange(argv [][]byte) (machine.Op, error) {
	s, err := parseSpan(argv[2], argv[3])
	return lrange{argv[1], s}, err
}

// Apply implements machine.Op.
func (op lrange) Apply(tx *machine.Tx) reply.Reply {
	l, _, err := readList(tx, op.key)
	if err != nil {
		return fail(err)
	}
	i, j := op.of(l.Len())
	tx.Visited(sought(l, i))
	elements := gatherTexts(tx, l.Size()/int64(max(l.Len(), 1))*int64(max(j-i, 0)))
	l.Range(i, j, false, elements.add)
	return elements.reply(reply.KindArray)
}

// elementAt is the element that an index means; ok is false when there is none.
func elementAt(l *store.List, index int64) (i int, ok bool) {
	if index < 0 {
		index += int64(l.Len())
	}
	return int(index), 0 <= index && index < int64(l.Len())
}

// sought is the work of finding an element: a node is passed in less than a step, and
// may have one element.
func sought(l *store.List, i int) int {
	const passed = 16
	return min(i, l.Len()-i) / passed
}

func lindex(tx *machine.Tx, argv [][]byte) reply.Reply {
	l, found, err := readList(tx, argv[1])
	switch {
	case err != nil:
		return fail(err)
	case !found:
		return reply.Null
	}
	index, err := integer(argv[2])
	if err != nil {
		return fail(err)
	}
	i, ok := elementAt(l, index)
	if !ok {
		return reply.Null
	}
	tx.Visited(sought(l, i))
	return reply.Bulk(bytes.Clone(l.At(i)))
}

func lset(tx *machine.Tx, argv [][]byte) reply.Reply {
	l, found, err := readList(tx, argv[1])
	switch {
	case err != nil:
		return fail(err)
	case !found:
		return fail(errNoKey)
	}
	index, err := integer(argv[2])
	if err != nil {
		return fail(err)
	}
	i, ok := elementAt(l, index)
	if !ok {
		return fail(textError("ERR index out of range"))
	}
	tx.Visited(sought(l, i))
	edit(tx, argv[1], keyevent.List, "lset", func(l *store.List) bool {
		l.Set(i, argv[3])
		return true
	})
	return reply.OK
}

type lrem struct {
	key, element []byte
	count        int64
}

func parseLrem(argv [][]byte) (machine.Op, error) {
	count, err := integer(argv[2])
	return lrem{argv[1], argv[3], count}, err
}

// Apply implements machine.Op.
func (op lrem) Apply(tx *machine.Tx) reply.Reply {
	l, found, err := readList(tx, op.key)
	switch {
	case err != nil:
		return fail(err)
	case !found:
		return reply.Integer(0)
	}
	tx.Compared(l.Len(), len(op.element))
	limit := op.count
	if limit < 0 {
		limit = -max(limit, -math.MaxInt64)
	}
	var removed int64
	edit(tx, op.key, keyevent.List, "lrem", func(l *store.List) bool {
		removed = l.Remove(op.element, limit, op.count < 0)
		return removed > 0
	})
	return reply.Integer(removed)
}

type ltrim struct {
	key []byte
	span
}

func parseLtrim(argv [][]byte) (machine.Op, error) {
	s, err := parseSpan(argv[2], argv[3])
	return ltrim{argv[1], s}, err
}

// Apply implements machine.Op.
func (op ltrim) Apply(tx *machine.Tx) reply.Reply {
	_, found, err := readList(tx, op.key)
	switch {
	case err != nil:
		return fail(err)
	case found:
		edit(tx, op.key, keyevent.List, "ltrim", func(l *store.List) bool {
			i, j := op.of(l.Len())
			l.Delete(j, l.Len())
			l.Delete(0, i)
			return true
		})
	}
	return reply.OK
}

type linsert struct {
	key, pivot, element []byte
	after               bool
}

func parseLinsert(argv [][]byte) (machine.Op, error) {
	op := linsert{argv[1], argv[3], argv[4], is(argv[2], "AFTER")}
	if !op.after && !is(argv[2], "BEFORE") {
		return nil, errSyntax
	}
	return op, nil
}

// Apply implements machine.Op.
func (op linsert) Apply(tx *machine.Tx) reply.Reply {
	l, found, err := readList(tx, op.key)
	switch {
	case err != nil:
		return fail(err)
	case !found:
		return reply.Integer(0)
	}
	at := 0
	l.Range(0, l.Len(), false, func(element []byte) bool {
		at++
		return !bytes.Equal(element, op.pivot)
	})
	tx.Compared(at, len(op.pivot))
	if !bytes.Equal(l.At(at-1), op.pivot) {
		return reply.Integer(-1)
	}
	if !op.after {
		at--
	}
	length := int64(l.Len()) + 1
	edit(tx, op.key, keyevent.List, "linsert", func(l *store.List) bool {
		l.Insert(at, op.element)
		return true
	})
	return reply.Integer(length)
}

type lpos struct {
	key, element        []byte
	rank, count, maxLen int64 // count is -1 when it is not given
}

func parseLpos(argv [][]byte) (machine.Op, error) {
	op := &lpos{key: argv[1], element: argv[2], rank: 1, count: -1}
	for i := 3; i < len(argv); i += 2 {
		if i+1 == len(argv) {
			return nil, errSyntax
		}
		var err error
		switch value := argv[i+1]; {
		case is(argv[i], "RANK"):
			if op.rank, err = integer(value); err == nil && op.rank == 0 {
				err = textError("ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use negative to start from the end of the list")
			}
		case is(argv[i], "COUNT"):
			op.count, err = positive(value, "ERR COUNT can't be negative")
		case is(argv[i], "MAXLEN"):
			op.maxLen, err = positive(value, "ERR MAXLEN can't be negative")
		default:
			err = errSyntax
		}
		if err != nil {
			return nil, err
		}
	}
	return op, nil
}

// Apply implements machine.Op.
func (op *lpos) Apply(tx *machine.Tx) reply.Reply {
	l, _, err := readList(tx, op.key)
	if err != nil {
		return fail(err)
	}
	places := gather(tx)
	fromEnd, skip := op.rank < 0, op.rank-1 // matches before the first one wanted
	switch {
	case op.rank == math.MinInt64:
		skip = 0 // its negative is none, and counts as less than 1
	case fromEnd:
		skip = -op.rank - 1
	}
	var looked int64
	l.Range(0, l.Len(), fromEnd, func(element []byte) bool {
		if op.maxLen != 0 && looked == op.maxLen {
			return false
		}
		looked++
		if !bytes.Equal(element, op.element) {
			return true
		}
		if skip--; skip >= 0 {
			return true
		}
		at := looked - 1
		if fromEnd {
			at = int64(l.Len()) - looked
		}
		more := places.add(reply.Integer(at))
		return more && (op.count == 0 || int64(len(places.items)) < op.count)
	})
	tx.Compared(int(looked), len(op.element))
	switch {
	case op.count >= 0:
		return reply.Array(places.items...)
	case len(places.items) == 0:
		return reply.Null
	}
	return places.items[0]
}

type lmove struct {
	from, to           []byte
	fromFront, toFront bool
}

// parseSide reads LEFT, which is the front, or RIGHT.
func parseSide(arg []byte) (front bool, err error) {
	if !is(arg, "LEFT") && !is(arg, "RIGHT") {
		return false, errSyntax
	}
	return is(arg, "LEFT"), nil
}

func parseLmove(argv [][]byte) (machine.Op, error) {
	op := lmove{from: argv[1], to: argv[2]}
	var err error
	if op.fromFront, err = parseSide(argv[3]); err != nil {
		return nil, err
	}
	op.toFront, err = parseSide(argv[4])
	return op, err
}

func parseRpoplpush(argv [][]byte) (machine.Op, error) {
	return lmove{from: argv[1], to: argv[2], toFront: true}, nil
}

// Apply implements machine.Op.
func (op lmove) Apply(tx *machine.Tx) reply.Reply {
	l, found, err := readList(tx, op.from)
	switch {
	case err != nil:
		return fail(err)
	case !found:
		return reply.Null
	}
	_, found, err = readList(tx, op.to)
	if err != nil {
		return fail(err)
	}
	if bytes.Equal(op.from, op.to) {
		return op.rotate(tx)
	}
	at := 0
	if !op.fromFront {
		at = l.Len() - 1
	}
	element := bytes.Clone(l.At(at))
	_, gone := store.Edit(tx.Store, op.from, func(l *store.List) bool {
		l.Delete(at, at+1)
		return true
	})
	pushAll(tx, op.to, found, op.toFront, [][]byte{element}) // of which is told first
	tx.Store.Tell(keyevent.List, sideEvent(op.fromFront, "lpop", "rpop"), op.from)
	if gone {
		tx.Store.Tell(keyevent.Generic, "del", op.from)
	}
	return reply.Bulk(element)
}

// rotate moves within one list, which is not gone in between.
func (op lmove) rotate(tx *machine.Tx) (moved reply.Reply) {
	store.Edit(tx.Store, op.from, func(l *store.List) bool {
		at := 0
		if !op.fromFront {
			at = l.Len() - 1
		}
		element := bytes.Clone(l.At(at))
		l.Delete(at, at+1)
		l.Insert(endOf(l, op.toFront), element)
		moved = reply.Bulk(element)
		return true
	})
	tx.Store.Tell(keyevent.List, sideEvent(op.toFront, "lpush", "rpush"), op.to)
	tx.Store.Tell(keyevent.List, sideEvent(op.fromFront, "lpop", "rpop"), op.from)
	return moved
}

type lmpop struct {
	keys  [][]byte
	front bool
	count int64
}

func parseLmpop(argv [][]byte) (machine.Op, error) {
	keys, rest, err := numbered(argv, 1)
	if err != nil {
		return nil, err
	}
	op := &lmpop{keys: keys, count: 1}
	if op.front, err = parseSide(rest[0]); err != nil {
		return nil, err
	}
	op.count, err = popCount(rest[1:])
	return op, err
}

// popCount reads the options of LMPOP and ZMPOP: COUNT alone, and once.
func popCount(args [][]byte) (int64, error) {
	switch {
	case len(args) == 0:
		return 1, nil
	case len(args) == 1 || !is(args[0], "COUNT"):
		return 0, errSyntax
	}
	n, ok := parseInt(args[1])
	switch {
	case !ok || n < 1:
		return 0, textError("ERR count should be greater than 0")
	case len(args) > 2:
		return 0, errSyntax
	}
	return n, nil
}

// Apply implements machine.Op.
func (op *lmpop) Apply(tx *machine.Tx) reply.Reply {
	for _, key := range op.keys {
		_, found, err := readList(tx, key)
		switch {
		case err != nil:
			return fail(err)
		case found:
			return reply.Array(reply.Bulk(key), reply.Array(popSome(tx, key, op.front, op.count)...))
		}
	}
	return reply.NullArray
}
