package command

import (
	"math"
	"strconv"

	"github.com/coffer-dev/coffer/engine/keyevent"
	"github.com/coffer-dev/coffer/engine/machine"
	"github.com/coffer-dev/coffer/engine/reply"
	"github.com/coffer-dev/coffer/engine/store"
)

func init() {
	register(
		row("zadd", -4, Write|DenyOOM|Fast, oneKey.to(rw|updates), "write sortedset fast", parseZadd(false)),
		row("zincrby", 4, Write|DenyOOM|Fast, oneKey.to(rw|accesses|updates), "write sortedset fast", parseZadd(true)),
		row("zrem", -3, Write|Fast, oneKey.to(rw|deletes), "write sortedset fast", plain(zrem)),
		row("zscore", 3, ReadOnly|Fast, oneKey.to(ro|accesses), "read sortedset fast", plain(zscore)),
		row("zmscore", -3, ReadOnly|Fast, oneKey.to(ro|accesses), "read sortedset fast", plain(zmscore)),
		row("zcard", 2, ReadOnly|Fast, oneKey.to(ro), "read sortedset fast", plain(zcard)),
		row("zrank", 3, ReadOnly|Fast, oneKey.to(ro|accesses), "read sortedset fast", plain(zrank(false))),
		row("zrevrank", 3, ReadOnly|Fast, oneKey.to(ro|accesses), "read sortedset fast", plain(zrank(true))),
		row("zpopmin", -2, Write|Fast, oneKey.to(rw|accesses|deletes), "write sortedset fast", parseZpop(false)),
		row("zpopmax", -2, Write|Fast, oneKey.to(rw|accesses|deletes), "write sortedset fast", parseZpop(true)),
		row("zmpop", -4, Write|MovableKeys, noKey, "write sortedset slow", parseZmpop).finding(numberedKeys(1, rw|accesses|deletes)),
		row("zrandmember", -2, ReadOnly, oneKey.to(ro|accesses), "read sortedset slow", parseRandom("WITHSCORES", openZSet)).tip(tipVaries),
		row("zscan", -3, ReadOnly, oneKey.to(ro|accesses), "read sortedset slow", parseCollectionScan(openZSet)).tip(tipVaries),
	)
}

// noScores stands for an absent sorted set where one is read.
var noScores = &store.ZSet{}

func readZSet(tx *machine.Tx, key []byte) (*store.ZSet, bool, error) {
	z, found, err := store.Read[*store.ZSet](tx.Store, key, tx.Now)
	if !found {
		z = noScores
	}
	return z, found, err
}

func openZSet(tx *machine.Tx, key []byte) (collection, bool, error) {
	z, found, err := readZSet(tx, key)
	c := collection{size: z.Len(), compact: z.Packed(), number: z.Score}
	c.each = func(i, j int, visit func(name, value []byte) bool) {
		z.Slots(i, j, func(member []byte, score float64) bool { return visit(member, formatScore(score, z.Packed())) })
	}
	return c, found, err
}

// formatScore writes a score as ZSCAN answers it: of redis-server's compact form
// as the integer that it may be.
func formatScore(score float64, compact bool) []byte {
	const integers = 1 << 62
	switch {
	case math.IsInf(score, 1):
		return []byte("inf")
	case math.IsInf(score, -1):
		return []byte("-inf")
	case compact && -integers <= score && score <= integers && float64(int64(score)) == score:
		return strconv.AppendInt(nil, int64(score), 10)
	}
	return strconv.AppendFloat(nil, score, 'g', 17, 64)
}

type zadd struct {
	key                        []byte
	nx, xx, gt, lt, ch, adding bool // adding is INCR
	members                    [][]byte
	scores                     []float64
}

// parseZadd serves ZADD and, with adding, ZINCRBY, of which redis-server makes
// a ZADD INCR.
func parseZadd(adding bool) parser {
	return func(argv [][]byte) (machine.Op, error) {
		op := &zadd{key: argv[1], adding: adding}
		pairs := op.options(argv[2:])
		switch {
		case len(pairs)%2 == 1 || len(pairs) == 0:
			return nil, errSyntax
		case op.nx && op.xx:
			return nil, textError("ERR XX and NX options at the same time are not compatible")
		case op.nx && (op.gt || op.lt) || op.gt && op.lt:
			return nil, textError("ERR GT, LT, and/or NX options at the same time are not compatible")
		case op.adding && len(pairs) > 2:
			return nil, textError("ERR INCR option supports a single increment-element pair")
		}
		for i := 0; i < len(pairs); i += 2 {
			score, ok := parseDouble(pairs[i])
			if !ok {
				return nil, errNotFloat
			}
			op.scores, op.members = append(op.scores, score), append(op.members, pairs[i+1])
		}
		return op, nil
	}
}

// options reads what stands before the first score, and returns the rest.
func (op *zadd) options(args [][]byte) [][]byte {
	for i, arg := range args {
		switch {
		case is(arg, "NX"):
			op.nx = true
		case is(arg, "XX"):
			op.xx = true
		case is(arg, "GT"):
			op.gt = true
		case is(arg, "LT"):
			op.lt = true
		case is(arg, "CH"):
			op.ch = true
		case is(arg, "INCR"):
			op.adding = true
		default:
			return args[i:]
		}
	}
	return nil
}

// Apply implements machine.Op.
func (op *zadd) Apply(tx *machine.Tx) reply.Reply {
	_, found, err := readZSet(tx, op.key)
	switch {
	case err != nil:
		return fail(err)
	case !found && op.xx && op.adding:
		return reply.Null
	case !found && op.xx:
		return reply.Integer(0)
	case !found:
		tx.Store.Put(op.key, &store.ZSet{}, 0)
	}
	var answer reply.Reply
	event := "zadd"
	if op.adding {
		event = "zincr"
	}
	edit(tx, op.key, keyevent.ZSet, event, func(z *store.ZSet) (changed bool) {
		answer, changed = op.apply(z)
		return changed
	})
	return answer
}

func (op *zadd) apply(z *store.ZSet) (answer reply.Reply, changed bool) {
	var added, updated int64
	for i, member := range op.members {
		score := op.scores[i]
		old, found := z.Score(member)
		if found && op.adding {
			if score += old; math.IsNaN(score) {
				return fail(textError("ERR resulting score is not a number (NaN)")), false
			}
		}
		refused := found && (op.nx || op.gt && score <= old || op.lt && score >= old) || !found && op.xx
		switch {
		case refused && op.adding:
			return reply.Null, false
		case refused:
			continue
		case z.Set(member, score):
			added++
		case score != old:
			updated++
		}
		if op.adding {
			return reply.Double(score), added+updated > 0
		}
	}
	if op.ch {
		return reply.Integer(added + updated), added+updated > 0
	}
	return reply.Integer(added), added+updated > 0
}

func zrem(tx *machine.Tx, argv [][]byte) reply.Reply {
	_, found, err := readZSet(tx, argv[1])
	if err != nil {
		return fail(err)
	}
	var removed int64
	if found {
		edit(tx, argv[1], keyevent.ZSet, "zrem", func(z *store.ZSet) bool {
			for _, member := range argv[2:] {
				if z.Delete(member) {
					removed++
				}
			}
			return removed > 0
		})
	}
	return reply.Integer(removed)
}

func scoreOrNull(z *store.ZSet, member []byte) reply.Reply {
	score, found := z.Score(member)
	if !found {
		return reply.Null
	}
	return reply.Double(score)
}

func zscore(tx *machine.Tx, argv [][]byte) reply.Reply {
	z, _, err := readZSet(tx, argv[1])
	if err != nil {
		return fail(err)
	}
	return scoreOrNull(z, argv[2])
}

func zmscore(tx *machine.Tx, argv [][]byte) reply.Reply {
	z, _, err := readZSet(tx, argv[1])
	if err != nil {
		return fail(err)
	}
	scores := make([]reply.Reply, 0, len(argv)-2)
	for _, member := range argv[2:] {
		scores = append(scores, scoreOrNull(z, member))
	}
	return reply.Array(scores...)
}

func zcard(tx *machine.Tx, argv [][]byte) reply.Reply {
	z, _, err := readZSet(tx, argv[1])
	if err != nil {
		return fail(err)
	}
	return reply.Integer(int64(z.Len()))
}

// zrank serves ZRANK and, with reverse, ZREVRANK.
func zrank(reverse bool) func(tx *machine.Tx, argv [][]byte) reply.Reply {
	return func(tx *machine.Tx, argv [][]byte) reply.Reply {
		z, _, err := readZSet(tx, argv[1])
		if err != nil {
			return fail(err)
		}
		score, found := z.Score(argv[2])
		if !found {
			return reply.Null
		}
		rank := z.Rank(argv[2], score)
		if reverse {
			rank = z.Len() - 1 - rank
		}
		return reply.Integer(int64(rank))
	}
}

type zpop struct {
	key      []byte
	greatest bool
	count    int64 // -1 for one that is answered without pairs
}

func parseZpop(greatest bool) parser {
	return func(argv [][]byte) (machine.Op, error) {
		op := zpop{argv[1], greatest, -1}
		switch len(argv) {
		case 2:
		case 3:
			var err error
			if op.count, err = positive(argv[2], errNotPositive); err != nil {
				return nil, err
			}
		default:
			return nil, errSyntax
		}
		return op, nil
	}
}

// Apply implements machine.Op.
func (op zpop) Apply(tx *machine.Tx) reply.Reply {
	_, found, err := readZSet(tx, op.key)
	switch {
	case err != nil:
		return fail(err)
	case !found:
		return reply.Array()
	case op.count < 0:
		return reply.Array(popScores(tx, op.key, op.greatest, 1)...)
	}
	return reply.Pairs(popScores(tx, op.key, op.greatest, op.count)...)
}

// popScores takes up to count members off an end of a sorted set: a member and
// its score in turn.
func popScores(tx *machine.Tx, key []byte, greatest bool, count int64) []reply.Reply {
	popped, event := answers(), "zpopmin"
	if greatest {
		event = "zpopmax"
	}
	edit(tx, key, keyevent.ZSet, event, func(z *store.ZSet) bool {
		n := int(min(count, int64(z.Len())))
		from := 0
		if greatest {
			from = z.Len() - n
		}
		z.Range(from, from+n, greatest, func(member []byte, score float64) bool {
			return popped.addCopy(member) && popped.add(reply.Double(score))
		})
		z.DeleteRange(from, from+n)
		return n > 0
	})
	return popped.items
}

type zmpop struct {
	keys     [][]byte
	greatest bool
	count    int64
}

func parseZmpop(argv [][]byte) (machine.Op, error) {
	keys, rest, err := numbered(argv, 1)
	if err != nil {
		return nil, err
	}
	op := &zmpop{keys: keys, greatest: is(rest[0], "MAX")}
	if !op.greatest && !is(rest[0], "MIN") {
		return nil, errSyntax
	}
	op.count, err = popCount(rest[1:])
	return op, err
}

// Apply implements machine.Op.
func (op *zmpop) Apply(tx *machine.Tx) reply.Reply {
	for _, key := range op.keys {
		_, found, err := readZSet(tx, key)
		if err != nil {
			return fail(err)
		}
		if !found {
			continue
		}
		popped := popScores(tx, key, op.greatest, op.count)
		pairs := make([]reply.Reply, 0, len(popped)/2)
		for ; len(popped) > 0; popped = popped[2:] {
			pairs = append(pairs, reply.Array(popped[:2]...))
		}
		return reply.Array(reply.Bulk(key), reply.Array(pairs...))
	}
	return reply.NullArray
}
