package command

import (
	"bytes"
	"math"
	"strconv"
	"strings"

	"github.com/coffer-dev/coffer/engine/keyevent"
	"github.com/coffer-dev/coffer/engine/machine"
	"github.com/coffer-dev/coffer/engine/reply"
	"github.com/coffer-dev/coffer/engine/store"
)

// trimLimit is how many entries "~" drops at most when LIMIT is not given: a
// hundred nodes, as redis-server's default.
const trimLimit = 10_000

func init() {
	register(
		row("xadd", -5, Write|DenyOOM|Fast, oneKey.to(rw|updates), "write stream fast", parseXadd).noting("UPDATE instead of INSERT because of the optional trimming feature").tip(tipVaries),
		row("xlen", 2, ReadOnly|Fast, oneKey.to(ro), "read stream fast", plain(xlen)),
		row("xrange", -4, ReadOnly, oneKey.to(ro|accesses), "read stream slow", parseXrange(false)),
		row("xrevrange", -4, ReadOnly, oneKey.to(ro|accesses), "read stream slow", parseXrange(true)),
		row("xdel", -3, Write|Fast, oneKey.to(rw|deletes), "write stream fast", plain(xdel)),
		row("xtrim", -4, Write, oneKey.to(rw|deletes), "write stream slow", parseXtrim).tip(tipVaries),
	)
}

const errStreamID = textError("ERR Invalid stream ID specified as stream command argument")

// parseID reads "ms-seq" or "ms", with the sequence to take for the latter.
func parseID(arg []byte, missing uint64) (store.ID, error) {
	const maxText = 127 // bytes
	if len(arg) > maxText {
		return store.ID{}, errStreamID
	}
	text, sequence, found := strings.Cut(cstring(arg), "-")
	ms, ok := idPart(text)
	seq := missing
	if ok && found {
		seq, ok = idPart(sequence)
	}
	if !ok {
		return store.ID{}, errStreamID
	}
	return store.ID{Ms: ms, Seq: seq}, nil
}

// idPart reads one number of an ID. A negative one is refused, but, as by
// redis-server, only when it is spelt as an integer is.
func idPart(s string) (uint64, bool) {
	if n, ok := parseInt([]byte(s)); ok && n < 0 {
		return 0, false
	}
	return parseUnsigned(s)
}

// parseBound reads the end of an interval: an ID, - or +, or ( before an ID to
// exclude it.
func parseBound(arg []byte, upper bool) (store.ID, error) {
	var missing uint64
	if upper {
		missing = math.MaxUint64
	}
	switch {
	case string(arg) == "-":
		return store.ID{}, nil
	case string(arg) == "+":
		return store.MaxID, nil
	case len(arg) < 2 || arg[0] != '(':
		return parseID(arg, missing)
	}
	id, err := parseID(arg[1:], missing)
	if err != nil {
		return id, err
	}
	ok := false
	if upper {
		if id, ok = id.Previous(); !ok {
			return id, textError("ERR invalid end ID for the interval")
		}
	} else if id, ok = id.Next(); !ok {
		return id, textError("ERR invalid start ID for the interval")
	}
	return id, nil
}

func formatID(id store.ID) reply.Reply {
	b := strconv.AppendUint(make([]byte, 0, 24), id.Ms, 10)
	return reply.Bulk(strconv.AppendUint(append(b, '-'), id.Seq, 10))
}

func readStream(tx *machine.Tx, key []byte) (*store.Stream, bool, error) {
	return store.Read[*store.Stream](tx.Store, key, tx.Now)
}

// trimOptions are what XADD and XTRIM share.
type trimOptions struct {
	trim       store.Trim
	given      bool // a strategy
	limitGiven bool
	noMake     bool // NOMKSTREAM
}

// parse reads options from argv[2] on until, for XADD, it meets what must be
// the ID; it returns that place.
func (o *trimOptions) parse(argv [][]byte, add bool) (int, error) {
	i := 2
	for ; i < len(argv); i++ {
		more := len(argv) - 1 - i
		var err error
		switch arg := argv[i]; {
		case add && string(arg) == "*":
			return i, o.check(add)
		case more > 0 && (is(arg, "MAXLEN") || is(arg, "MINID")):
			var used int
			used, err = o.strategy(argv[i+1:], is(arg, "MINID"))
			i += used
		case more > 0 && is(arg, "LIMIT"):
			i++
			o.limitGiven = true
			o.trim.Limit, err = integer(argv[i])
			if err == nil && o.trim.Limit < 0 {
				err = textError("ERR The LIMIT argument must be >= 0.")
			}
		case add && is(arg, "NOMKSTREAM"):
			o.noMake = true
		case add:
			if _, _, err := parseNewID(arg); err != nil {
				return i, err
			}
			return i, o.check(add)
		default:
			err = errSyntax
		}
		if err != nil {
			return i, err
		}
	}
	return i, o.check(add)
}

// strategy reads what follows MAXLEN or MINID and returns how many arguments.
func (o *trimOptions) strategy(args [][]byte, byID bool) (used int, err error) {
	if o.given {
		return 0, textError("ERR syntax error, MAXLEN and MINID options at the same time are not compatible")
	}
	o.given, o.trim.ByID, o.trim.Approximate = true, byID, false
	if len(args) >= 2 && (string(args[0]) == "~" || string(args[0]) == "=") {
		o.trim.Approximate = args[0][0] == '~'
		used++
	}
	if byID {
		o.trim.MinID, err = parseStrictID(args[used])
	} else if o.trim.MaxLen, err = integer(args[used]); err == nil && o.trim.MaxLen < 0 {
		err = textError("ERR The MAXLEN argument must be >= 0.")
	}
	return used + 1, err
}

// check judges the options as a whole and sets the limit that is not given.
func (o *trimOptions) check(add bool) error {
	switch {
	case o.trim.Limit != 0 && !o.given:
		return textError("ERR syntax error, LIMIT cannot be used without specifying a trimming strategy")
	case !add && !o.given:
		return textError("ERR syntax error, XTRIM must be called with a trimming strategy")
	case o.limitGiven && !o.trim.Approximate:
		return textError("ERR syntax error, LIMIT cannot be used without the special ~ option")
	case !o.limitGiven && o.trim.Approximate:
		o.trim.Limit = trimLimit
	}
	return nil
}

func parseStrictID(arg []byte) (store.ID, error) { return parseID(arg, 0) }

// parseNewID reads the ID that XADD is given; auto says that its sequence is
// left to the stream ("ms-*").
func parseNewID(arg []byte) (id store.ID, auto bool, err error) {
	if ms, found := bytes.CutSuffix(arg, []byte("-*")); found && !bytes.ContainsRune(ms, '-') {
		id, err = parseStrictID(ms)
		return id, true, err
	}
	id, err = parseStrictID(arg)
	return id, false, err
}

type xadd struct {
	key     []byte
	fields  [][]byte
	id      store.ID
	autoID  bool // "*"
	autoSeq bool // "ms-*"
	trimOptions
}

func parseXadd(argv [][]byte) (machine.Op, error) {
	op := &xadd{key: argv[1]}
	at, err := op.parse(argv, true)
	if err != nil {
		return nil, err
	}
	if fields := len(argv) - at - 1; fields < 2 || fields%2 == 1 {
		return nil, errArity("xadd")
	}
	op.fields = argv[at+1:]
	if op.autoID = string(argv[at]) == "*"; op.autoID {
		return op, nil
	}
	if op.id, op.autoSeq, err = parseNewID(argv[at]); err != nil {
		return nil, err
	}
	if op.id == (store.ID{}) && !op.autoSeq {
		return nil, textError("ERR The ID specified in XADD must be greater than 0-0")
	}
	return op, nil
}

// Apply implements machine.Op.
func (op *xadd) Apply(tx *machine.Tx) reply.Reply {
	s, found, err := readStream(tx, op.key)
	if err != nil {
		return fail(err)
	}
	if !found {
		if op.noMake {
			return reply.Null
		}
		s = &store.Stream{}
	}
	id, err := op.newID(s.LastID(), tx.Now)
	if err != nil {
		return fail(err)
	}
	if !found {
		tx.Store.Put(op.key, s, 0)
	}
	fields := cloneAll(op.fields)
	var dropped int64
	edit(tx, op.key, keyevent.Stream, "xadd", func(s *store.Stream) bool {
		s.Add(store.StreamEntry{ID: id, Fields: fields})
		if op.given {
			dropped = s.Trim(op.trim)
		}
		return true
	})
	if dropped > 0 {
		tx.Store.Tell(keyevent.Stream, "xtrim", op.key)
	}
	return formatID(id)
}

// newID is the ID of the entry to add behind last.
func (op *xadd) newID(last store.ID, now int64) (store.ID, error) {
	if last == store.MaxID {
		return last, textError("ERR The stream has exhausted the last possible ID, unable to add more items")
	}
	id := op.id
	switch {
	case op.autoID:
		if id = (store.ID{Ms: uint64(now)}); id.Ms <= last.Ms {
			id, _ = last.Next()
		}
	case op.autoSeq && last.Ms == id.Ms:
		if last.Seq == math.MaxUint64 {
			// What redis-server 7.0 answers, misleading as it is.
			return id, textError("ERR Elements are too large to be stored")
		}
		id.Seq = last.Seq + 1
	}
	if !last.Less(id) {
		return id, textError("ERR The ID specified in XADD is equal or smaller than the target stream top item")
	}
	return id, nil
}

// cloneAll copies fields into one allocation.
func cloneAll(fields [][]byte) [][]byte {
	size := 0
	for _, f := range fields {
		size += len(f)
	}
	all, out := make([]byte, 0, size), make([][]byte, len(fields))
	for i, f := range fields {
		from := len(all)
		all = append(all, f...)
		out[i] = all[from:len(all):len(all)]
	}
	return out
}

func xlen(tx *machine.Tx, argv [][]byte) reply.Reply {
	s, found, err := readStream(tx, argv[1])
	switch {
	case err != nil:
		return fail(err)
	case !found:
		return reply.Integer(0)
	}
	return reply.Integer(int64(s.Len()))
}

type xrange struct {
	key         []byte
	first, last store.ID
	count       int64 // -1 for all
	reverse     bool
}

func parseXrange(reverse bool) parser {
	return func(argv [][]byte) (machine.Op, error) {
		op := &xrange{key: argv[1], count: -1, reverse: reverse}
		first, last := argv[2], argv[3]
		if reverse {
			first, last = last, first
		}
		var err error
		if op.first, err = parseBound(first, false); err != nil {
			return nil, err
		}
		if op.last, err = parseBound(last, true); err != nil {
			return nil, err
		}
		for i := 4; i < len(argv); i += 2 {
			if i+1 == len(argv) || !is(argv[i], "COUNT") {
				return nil, errSyntax
			}
			n, err := integer(argv[i+1])
			if err != nil {
				return nil, err
			}
			op.count = max(n, 0)
		}
		return op, nil
	}
}

// Apply implements machine.Op.
func (op *xrange) Apply(tx *machine.Tx) reply.Reply {
	s, found, err := readStream(tx, op.key)
	switch {
	case err != nil:
		return fail(err)
	case !found:
		return reply.Array()
	case op.count == 0:
		return reply.NullArray
	}
	return reply.Array(entriesOf(tx, s, op.first, op.last, op.reverse, max(op.count, 0))...)
}

// xdel reads its IDs here, not while parsing: for an absent key redis-server
// does not look at them.
func xdel(tx *machine.Tx, argv [][]byte) reply.Reply {
	_, found, err := readStream(tx, argv[1])
	switch {
	case err != nil:
		return fail(err)
	case !found:
		return reply.Integer(0)
	}
	ids := make([]store.ID, 0, len(argv)-2)
	for _, arg := range argv[2:] {
		id, err := parseStrictID(arg)
		if err != nil {
			return fail(err)
		}
		ids = append(ids, id)
	}
	var deleted int64
	edit(tx, argv[1], keyevent.Stream, "xdel", func(s *store.Stream) bool {
		deleted = s.Delete(ids...)
		return deleted > 0
	})
	return reply.Integer(deleted)
}

type xtrim struct {
	key []byte
	trimOptions
}

func parseXtrim(argv [][]byte) (machine.Op, error) {
	op := &xtrim{key: argv[1]}
	if _, err := op.parse(argv, false); err != nil {
		return nil, err
	}
	return op, nil
}

// Apply implements machine.Op.
func (op *xtrim) Apply(tx *machine.Tx) reply.Reply {
	_, found, err := readStream(tx, op.key)
	switch {
	case err != nil:
		return fail(err)
	case !found:
		return reply.Integer(0)
	}
	var dropped int64
	edit(tx, op.key, keyevent.Stream, "xtrim", func(s *store.Stream) bool {
		dropped = s.Trim(op.trim)
		return dropped > 0
	})
	return reply.Integer(dropped)
}
