package command

import (
	"bytes"
	"cmp"
	"math/bits"
	"slices"
	"strings"

	"github.com/coffer-dev/coffer/engine/acl"
	"github.com/coffer-dev/coffer/engine/keyevent"
	"github.com/coffer-dev/coffer/engine/machine"
	"github.com/coffer-dev/coffer/engine/reply"
	"github.com/coffer-dev/coffer/engine/store"
)

func init() {
	register(
		row("sort", -2, Write|DenyOOM|MovableKeys, oneKey.to(ro|accesses), "write set sortedset list slow dangerous", parseSort(true)).finding(sortKeys(true)).since7(),
		row("sort_ro", -2, ReadOnly|MovableKeys, oneKey.to(ro|accesses), "read set sortedset list slow dangerous", parseSort(false)).finding(sortKeys(false)).since7(),
	)
}

// maxSorted bounds how many values SORT looks up and answers: every element
// once for each GET.
const maxSorted = 10_000_000

// sorting is a SORT as it is called.
type sorting struct {
	key           []byte
	by            []byte // nil: by the elements themselves
	unsorted      bool   // by names no key
	get           [][]byte
	looks         bool // BY or GET name keys
	store         []byte
	descending    bool
	alpha         bool
	offset, limit int64 // limit -1 for all
}

// sortKeys lists the key that is sorted and the one that is written. What BY and
// GET look up the data decide: that is for who may read all keys.
func sortKeys(stores bool) finder {
	searches := []keySearch{{use: ro | accesses, note: "For the optional BY/GET keyword. It is marked 'unknown' because the key names derive from the content of the key we sort"}}
	if stores {
		searches = append(searches, keySearch{use: ow | updates, note: "For the optional STORE keyword. It is marked 'unknown' because the keyword can appear anywhere in the argument array"})
	}
	return finder{func(dst []acl.Key, argv [][]byte) []acl.Key {
		op := sorting{key: argv[1]}
		_ = op.options(argv[2:], stores) // the parser refuses what is wrong
		dst = append(dst, (ro | accesses).of(op.key))
		if op.store != nil {
			dst = append(dst, (ow | updates).of(op.store))
		}
		if op.looks {
			dst = append(dst, acl.Key{Unnamed: true, Access: acl.Read})
		}
		return dst
	}, searches}
}

func parseSort(stores bool) parser {
	return func(argv [][]byte) (machine.Op, error) {
		op := &sorting{key: argv[1]}
		return op, op.options(argv[2:], stores)
	}
}

func (op *sorting) options(args [][]byte, stores bool) (err error) {
	op.limit = -1
	for len(args) > 0 {
		used, more := 2, len(args)-1
		switch arg := args[0]; {
		case is(arg, "ASC"):
			op.descending, used = false, 1
		case is(arg, "DESC"):
			op.descending, used = true, 1
		case is(arg, "ALPHA"):
			op.alpha, used = true, 1
		case is(arg, "LIMIT") && more >= 2:
			used = 3
			if op.offset, err = integer(args[1]); err != nil {
				return err
			}
			if op.limit, err = integer(args[2]); err != nil {
				return err
			}
		case stores && is(arg, "STORE") && more >= 1:
			op.store = args[1]
		case is(arg, "BY") && more >= 1:
			if bytes.IndexByte(args[1], '*') < 0 {
				op.unsorted = true // whatever follows, as in redis-server
			} else {
				op.by, op.looks = args[1], true
			}
		case is(arg, "GET") && more >= 1:
			op.get, op.looks = append(op.get, args[1]), true
		default:
			return errSyntax
		}
		args = args[used:]
	}
	return nil
}

// sortable is an element and what it is sorted by.
type sortable struct {
	element []byte
	by      []byte // nil when there is no such key
	score   float64
}

// elements are those of the list, set or sorted set.
func (op *sorting) elements(tx *machine.Tx) (all []sortable, isSet bool, err error) {
	take := func(element []byte) bool {
		all = append(all, sortable{element: bytes.Clone(element)})
		return true
	}
	switch v := tx.Store.Get(op.key, tx.Now).(type) {
	case nil:
	case *store.List:
		v.Range(0, v.Len(), op.unsorted && op.descending, take)
	case *store.ZSet:
		v.Range(0, v.Len(), op.unsorted && op.descending, func(member []byte, _ float64) bool { return take(member) })
	case *store.Set:
		var member []byte
		for i := range v.Len() {
			member = v.AppendAt(member[:0], i)
			take(member)
		}
		return all, true, nil
	default:
		return nil, false, store.ErrWrongType
	}
	return all, false, nil
}

// lookUp is the value that a pattern means for an element.
func lookUp(tx *machine.Tx, pattern, element []byte) (value []byte, found bool) {
	tx.Visited(1)
	if string(pattern) == "#" {
		return element, true
	}
	before, after, found := bytes.Cut(pattern, []byte{'*'})
	if !found {
		return nil, false
	}
	name, field, isHash := bytes.Cut(after, []byte("->"))
	if isHash = isHash && len(field) > 0; !isHash {
		name = after
	}
	key := slices.Concat(before, element, name)
	switch v := tx.Store.Get(key, tx.Now).(type) {
	case store.String:
		return v, !isHash
	case *store.Hash:
		if isHash {
			return v.Get(field)
		}
	}
	return nil, false
}

// weigh finds what an element is sorted by.
func (op *sorting) weigh(tx *machine.Tx, s *sortable) error {
	s.by = s.element
	if op.by != nil {
		var found bool
		if s.by, found = lookUp(tx, op.by, s.element); !found {
			s.by = nil
			return nil
		}
		s.by = append([]byte{}, s.by...) // nil is for what is not there
	}
	if op.alpha {
		if nul := bytes.IndexByte(s.by, 0); nul >= 0 && op.store == nil { // as C compares strings, which redis-server does only here
			s.by = s.by[:nul]
		}
		return nil
	}
	text, ok := strings.TrimLeft(cstring(s.by), " \t\n\v\f\r"), true
	if text != "" {
		s.score, ok = parseDouble([]byte(text))
	}
	if !ok {
		return textError("ERR One or more scores can't be converted into double")
	}
	return nil
}

// compare has what is not there first, and no two different elements alike
// unless a pattern makes them so.
func (op *sorting) compare(a, b sortable) (c int) {
	switch {
	case !op.alpha:
		if c = cmp.Compare(a.score, b.score); c == 0 {
			c = bytes.Compare(a.element, b.element)
		}
	case a.by == nil || b.by == nil:
		c = len(a.by) - len(b.by)
		if a.by == nil && b.by != nil {
			c = -1
		} else if b.by == nil && a.by != nil {
			c = 1
		}
	default:
		c = bytes.Compare(a.by, b.by)
	}
	if op.descending {
		return -c
	}
	return c
}

// sorted are the elements that are wanted, in order.
func (op *sorting) sorted(tx *machine.Tx) ([]sortable, error) {
	all, isSet, err := op.elements(tx)
	if err != nil {
		return nil, err
	}
	tx.Visited(len(all))
	o := *op
	if o.unsorted && isSet { // whose order is nobody's to rely on
		o.by, o.alpha, o.unsorted = nil, true, false
	}
	if !o.unsorted {
		for i := range all {
			if err = o.weigh(tx, &all[i]); err != nil {
				return nil, err
			}
		}
		tx.Visited(len(all) * bits.Len(uint(len(all)))) // with which it is sorted
		slices.SortStableFunc(all, o.compare)
	}
	from := min(max(op.offset, 0), int64(len(all)))
	all = all[from:]
	if op.limit >= 0 {
		all = all[:min(op.limit, int64(len(all)))]
	}
	if len(all)*len(op.get) > maxSorted {
		return nil, errorf("ERR SORT may look up %d values: use LIMIT, or GET less", maxSorted)
	}
	return all, nil
}

// values visits what is answered, until visit says that it is enough. What was
// looked up and is not there is nil.
func (op *sorting) values(tx *machine.Tx, visit func(value []byte) bool) error {
	all, err := op.sorted(tx)
	if err != nil {
		return err
	}
	for _, s := range all {
		if len(op.get) == 0 && !visit(s.element) {
			return nil
		}
		for _, pattern := range op.get {
			value, found := lookUp(tx, pattern, s.element)
			switch {
			case !found:
				value = nil
			case value == nil:
				value = []byte{}
			}
			if !visit(value) {
				return nil
			}
		}
	}
	return nil
}

// Needs implements machine.Sizer: a few names may stand for one large string
// many times over.
func (op *sorting) Needs(tx *machine.Tx) int64 {
	const overhead, enough = 16, 1 << 40 // bytes
	size := sizeOf(tx, op.key)
	if op.store == nil {
		return size
	}
	_ = op.values(tx, func(value []byte) bool {
		size += overhead + int64(len(value))
		return size < enough
	})
	return size
}

// Apply implements machine.Op.
func (op *sorting) Apply(tx *machine.Tx) reply.Reply {
	if op.store != nil {
		return op.applyStore(tx)
	}
	values := gather(tx)
	err := op.values(tx, func(value []byte) bool {
		if value == nil {
			return values.add(reply.Null)
		}
		return values.addCopy(value)
	})
	if err != nil {
		return fail(err)
	}
	return reply.Array(values.items...)
}

func (op *sorting) applyStore(tx *machine.Tx) reply.Reply {
	l := &store.List{}
	err := op.values(tx, func(value []byte) bool {
		l.Insert(l.Len(), value)
		return true
	})
	if err != nil {
		return fail(err)
	}
	keep(tx, op.store, l, l.Len(), keyevent.List, "sortstore")
	return reply.Integer(int64(l.Len()))
}
