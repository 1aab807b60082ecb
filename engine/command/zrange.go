package command

import (
	"bytes"

	"github.com/coffer-dev/coffer/engine/keyevent"
	"github.com/coffer-dev/coffer/engine/machine"
	"github.com/coffer-dev/coffer/engine/reply"
	"github.com/coffer-dev/coffer/engine/store"
)

func init() {
	register(
		row("zrange", -4, ReadOnly, oneKey.to(ro|accesses), "read sortedset slow", parseZrange(zrange{})),
		row("zrevrange", -4, ReadOnly, oneKey.to(ro|accesses), "read sortedset slow", parseZrange(zrange{interval: interval{by: byRank}, reverse: true, legacy: true})),
		row("zrangebyscore", -4, ReadOnly, oneKey.to(ro|accesses), "read sortedset slow", parseZrange(zrange{interval: interval{by: byScore}, legacy: true})),
		row("zrevrangebyscore", -4, ReadOnly, oneKey.to(ro|accesses), "read sortedset slow", parseZrange(zrange{interval: interval{by: byScore}, reverse: true, legacy: true})),
		row("zrangebylex", -4, ReadOnly, oneKey.to(ro|accesses), "read sortedset slow", parseZrange(zrange{interval: interval{by: byMember}, legacy: true})),
		row("zrevrangebylex", -4, ReadOnly, oneKey.to(ro|accesses), "read sortedset slow", parseZrange(zrange{interval: interval{by: byMember}, reverse: true, legacy: true})),
		row("zrangestore", -5, Write|DenyOOM, twoKeys.to(ow|updates, ro|accesses), "write sortedset slow", parseZrangestore),
		row("zcount", 4, ReadOnly|Fast, oneKey.to(ro|accesses), "read sortedset fast", parseZcount(byScore)),
		row("zlexcount", 4, ReadOnly|Fast, oneKey.to(ro|accesses), "read sortedset fast", parseZcount(byMember)),
		row("zremrangebyrank", 4, Write, oneKey.to(rw|deletes), "write sortedset slow", parseZremrange(byRank)),
		row("zremrangebyscore", 4, Write, oneKey.to(rw|deletes), "write sortedset slow", parseZremrange(byScore)),
		row("zremrangebylex", 4, Write, oneKey.to(rw|deletes), "write sortedset slow", parseZremrange(byMember)),
	)
}

// order is by what a range of a sorted set is cut.
type order int

const (
	unsaid order = iota // by rank, unless an option says otherwise
	byRank
	byScore
	byMember // of members with one score; for others the result is unspecified, as redis-server's
)

// interval is a range of a sorted set.
type interval struct {
	by     order
	ranks  span
	scores scoreInterval
	lex    lexInterval
}

// parse reads the ends, lower and upper.
func (in *interval) parse(low, high []byte) (err error) {
	switch in.by {
	case byScore:
		in.scores, err = parseScores(low, high)
	case byMember:
		in.lex, err = parseLex(low, high)
	default:
		in.ranks, err = parseSpan(low, high)
	}
	return err
}

// of are the ranks in the interval: from i up to but not including j. Ranks are
// counted from behind with reverse.
func (in *interval) of(z *store.ZSet, reverse bool) (i, j int) {
	switch in.by {
	case byScore:
		i, j = in.scores.of(z)
	case byMember:
		i, j = in.lex.of(z)
	default:
		if i, j = in.ranks.of(z.Len()); reverse {
			return z.Len() - j, z.Len() - i
		}
	}
	return i, max(i, j)
}

type scoreInterval struct{ low, high scoreBound }

type scoreBound struct {
	score    float64
	excluded bool
}

func parseScores(low, high []byte) (in scoreInterval, err error) {
	for i, arg := range [][]byte{low, high} {
		bound := []*scoreBound{&in.low, &in.high}[i]
		if bound.excluded = len(arg) > 0 && arg[0] == '('; bound.excluded {
			arg = arg[1:]
		}
		var ok bool
		if bound.score, ok = strtod(cstring(arg)); !ok {
			return in, textError("ERR min or max is not a float")
		}
	}
	return in, nil
}

func (in scoreInterval) of(z *store.ZSet) (i, j int) {
	i = z.Search(func(_ []byte, score float64) bool {
		return score < in.low.score || in.low.excluded && score == in.low.score
	})
	j = z.Search(func(_ []byte, score float64) bool {
		return score < in.high.score || !in.high.excluded && score == in.high.score
	})
	return i, j
}

type lexInterval struct{ low, high lexBound }

type lexBound struct {
	member   []byte
	excluded bool
	infinite int // -1 before all members, 1 behind all
}

func parseLex(low, high []byte) (in lexInterval, err error) {
	if in.low, err = parseLexBound(low); err != nil {
		return in, err
	}
	in.high, err = parseLexBound(high)
	return in, err
}

func parseLexBound(arg []byte) (lexBound, error) {
	switch {
	case len(arg) == 0:
	case arg[0] == '+' && cstring(arg) == "+":
		return lexBound{infinite: 1}, nil
	case arg[0] == '-' && cstring(arg) == "-":
		return lexBound{infinite: -1}, nil
	case arg[0] == '(' || arg[0] == '[':
		return lexBound{member: arg[1:], excluded: arg[0] == '('}, nil
	}
	return lexBound{}, textError("ERR min or max not valid string range item")
}

// behind reports whether the bound stands behind a member; at is the answer for
// the bound's own.
func (b lexBound) behind(member []byte, at bool) bool {
	if b.infinite != 0 {
		return b.infinite > 0
	}
	c := bytes.Compare(member, b.member)
	return c < 0 || c == 0 && at
}

func (in lexInterval) of(z *store.ZSet) (i, j int) {
	i = z.Search(func(member []byte, _ float64) bool { return in.low.behind(member, in.low.excluded) })
	j = z.Search(func(member []byte, _ float64) bool { return in.high.behind(member, !in.high.excluded) })
	return i, j
}

type zrange struct {
	key []byte
	interval
	legacy              bool // by and reverse are the command's
	reverse, withScores bool
	offset, limit       int64
	store               []byte // the key to store the range at, nil for none
}

// parseZrange serves ZRANGE and the older commands that it replaces.
func parseZrange(preset zrange) parser {
	return func(argv [][]byte) (machine.Op, error) {
		op := preset
		return &op, op.parse(argv[1:])
	}
}

func parseZrangestore(argv [][]byte) (machine.Op, error) {
	op := &zrangestore{zrange{store: argv[1]}}
	return op, op.parse(argv[2:])
}

// parse reads from the source's key on.
func (op *zrange) parse(args [][]byte) error {
	op.key, op.limit = args[0], -1
	if err := op.options(args[3:]); err != nil {
		return err
	}
	if op.by == unsaid {
		op.by = byRank
	}
	low, high := args[1], args[2]
	switch {
	case op.limit != -1 && op.by == byRank:
		return textError("ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX")
	case op.withScores && op.by == byMember:
		return textError("ERR syntax error, WITHSCORES not supported in combination with BYLEX")
	case op.reverse && op.by != byRank:
		low, high = high, low
	}
	return op.interval.parse(low, high)
}

func (op *zrange) options(args [][]byte) (err error) {
	for i := 0; i < len(args); i++ {
		switch arg := args[i]; {
		case op.store == nil && is(arg, "WITHSCORES"):
			op.withScores = true
		case is(arg, "LIMIT") && len(args)-i > 2:
			if op.offset, err = integer(args[i+1]); err != nil {
				return err
			}
			if op.limit, err = integer(args[i+2]); err != nil {
				return err
			}
			i += 2
		case !op.legacy && !op.reverse && is(arg, "REV"):
			op.reverse = true
		case op.by == unsaid && is(arg, "BYLEX"):
			op.by = byMember
		case op.by == unsaid && is(arg, "BYSCORE"):
			op.by = byScore
		default:
			return errSyntax
		}
	}
	return nil
}

// ranks are those of the members wanted.
func (op *zrange) ranks(z *store.ZSet) (i, j int) {
	i, j = op.of(z, op.reverse)
	if op.by == byRank {
		return i, j
	}
	count := int64(j - i)
	if op.offset < 0 || op.offset >= count {
		return 0, 0
	}
	count -= op.offset
	if op.limit >= 0 {
		count = min(count, op.limit)
	}
	if op.reverse {
		j -= int(op.offset)
		return j - int(count), j
	}
	i += int(op.offset)
	return i, i + int(count)
}

// Apply implements machine.Op.
func (op *zrange) Apply(tx *machine.Tx) reply.Reply {
	z, _, err := readZSet(tx, op.key)
	if err != nil {
		return fail(err)
	}
	i, j := op.ranks(z)
	if !op.withScores {
		members := gatherTexts(tx, 0)
		z.Range(i, j, op.reverse, func(member []byte, _ float64) bool { return members.add(member) })
		return members.reply(reply.KindArray)
	}
	members := gather(tx)
	z.Range(i, j, op.reverse, func(member []byte, score float64) bool {
		return members.addCopy(member) && members.add(reply.Double(score))
	})
	return reply.Pairs(members.items...)
}

type zrangestore struct{ zrange }

// Needs implements machine.Sizer: what is copied.
func (op *zrangestore) Needs(tx *machine.Tx) int64 { return sizeOf(tx, op.key) }

// Apply implements machine.Op.
func (op *zrangestore) Apply(tx *machine.Tx) reply.Reply {
	z, _, err := readZSet(tx, op.key)
	if err != nil {
		return fail(err)
	}
	stored := &store.ZSet{}
	i, j := op.ranks(z)
	tx.Visited(memberWork * (j - i))
	z.Range(i, j, op.reverse, func(member []byte, score float64) bool {
		stored.Set(member, score)
		return true
	})
	return storeZSet(tx, op.store, stored, "zrangestore")
}

// storeZSet stores what a command computed, which removes the key when that is
// empty, and answers how many members it has.
func storeZSet(tx *machine.Tx, key []byte, z *store.ZSet, event string) reply.Reply {
	keep(tx, key, z, z.Len(), keyevent.ZSet, event)
	return reply.Integer(int64(z.Len()))
}

type zcount struct {
	key []byte
	interval
}

func parseZcount(by order) parser {
	return func(argv [][]byte) (machine.Op, error) {
		op := &zcount{argv[1], interval{by: by}}
		return op, op.parse(argv[2], argv[3])
	}
}

// Apply implements machine.Op.
func (op *zcount) Apply(tx *machine.Tx) reply.Reply {
	z, _, err := readZSet(tx, op.key)
	if err != nil {
		return fail(err)
	}
	i, j := op.of(z, false)
	return reply.Integer(int64(j - i))
}

type zremrange struct{ zcount }

func parseZremrange(by order) parser {
	return func(argv [][]byte) (machine.Op, error) {
		op := &zremrange{zcount{argv[1], interval{by: by}}}
		return op, op.parse(argv[2], argv[3])
	}
}

func (op *zremrange) event() string {
	switch op.by {
	case byScore:
		return "zremrangebyscore"
	case byMember:
		return "zremrangebylex"
	}
	return "zremrangebyrank"
}

// Apply implements machine.Op.
func (op *zremrange) Apply(tx *machine.Tx) reply.Reply {
	_, found, err := readZSet(tx, op.key)
	if err != nil {
		return fail(err)
	}
	removed := 0
	if found {
		edit(tx, op.key, keyevent.ZSet, op.event(), func(z *store.ZSet) bool {
			i, j := op.of(z, false)
			z.DeleteRange(i, j)
			removed = j - i
			tx.Visited(memberWork * removed)
			return removed > 0
		})
	}
	return reply.Integer(int64(removed))
}
