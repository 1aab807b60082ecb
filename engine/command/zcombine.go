package command

import (
	"math"
	"slices"

	"github.com/coffer-dev/coffer/engine/acl"
	"github.com/coffer-dev/coffer/engine/machine"
	"github.com/coffer-dev/coffer/engine/reply"
	"github.com/coffer-dev/coffer/engine/store"
)

func init() {
	register(
		row("zunion", -3, ReadOnly|MovableKeys, noKey, "read sortedset slow", parseZcombine("zunion", union)).finding(numberedKeys(1, ro|accesses)),
		row("zinter", -3, ReadOnly|MovableKeys, noKey, "read sortedset slow", parseZcombine("zinter", intersection)).finding(numberedKeys(1, ro|accesses)),
		row("zdiff", -3, ReadOnly|MovableKeys, noKey, "read sortedset slow", parseZcombine("zdiff", difference)).finding(numberedKeys(1, ro|accesses)),
		row("zintercard", -3, ReadOnly|MovableKeys, noKey, "read sortedset slow", parseZintercard).finding(numberedKeys(1, ro|accesses)),
		row("zunionstore", -4, Write|DenyOOM|MovableKeys, oneKey.to(ow|updates), "write sortedset slow", parseZcombineStore("zunionstore", union)).finding(storeAndKeys()),
		row("zinterstore", -4, Write|DenyOOM|MovableKeys, oneKey.to(ow|updates), "write sortedset slow", parseZcombineStore("zinterstore", intersection)).finding(storeAndKeys()),
		row("zdiffstore", -4, Write|DenyOOM|MovableKeys, oneKey.to(ow|updates), "write sortedset slow", parseZcombineStore("zdiffstore", difference)).finding(storeAndKeys()),
	)
}

// storeAndKeys lists the key that is written and those that are read; none when
// their number is wrong, which the parser refuses.
func storeAndKeys() finder {
	read := numberedKeys(2, ro|accesses)
	return finder{func(dst []acl.Key, argv [][]byte) []acl.Key {
		all := read.find(append(dst, (ow|updates).of(argv[1])), argv)
		if len(all) == len(dst)+1 {
			return dst
		}
		return all
	}, read.searches}
}

// operation is how sets are combined.
type operation int

const (
	union operation = iota
	intersection
	difference
)

// aggregate is what becomes of the scores of a member that several sets have.
type aggregate int

const (
	sum aggregate = iota
	least
	greatest
)

// of combines two scores. What is no number becomes 0, as by redis-server.
func (a aggregate) of(x, y float64) float64 {
	switch {
	case a == sum:
		return numberOr0(x + y)
	case a == least && y < x || a == greatest && y > x:
		return y
	}
	return x
}

func numberOr0(x float64) float64 {
	if math.IsNaN(x) {
		return 0
	}
	return x
}

// zcombine is ZUNION and its like; with store not nil, ZUNIONSTORE and its like.
type zcombine struct {
	operation
	keys    [][]byte
	options [][]byte // are judged after the keys' types
	store   []byte
	count   bool // ZINTERCARD

	weights    []float64 // nil for all 1
	aggregate  aggregate
	withScores bool
	limit      int64
}

func parseZcombine(name string, o operation) parser {
	return func(argv [][]byte) (machine.Op, error) {
		op := &zcombine{operation: o}
		return op, op.parse(argv, 1, name)
	}
}

func parseZcombineStore(name string, o operation) parser {
	return func(argv [][]byte) (machine.Op, error) {
		op := &zcombineStore{zcombine{operation: o, store: argv[1]}}
		return op, op.parse(argv, 2, name)
	}
}

func parseZintercard(argv [][]byte) (machine.Op, error) {
	op := &zcombine{operation: intersection, count: true}
	return op, op.parse(argv, 1, "zintercard")
}

// parse reads how many keys there are, at place i, and those keys.
func (op *zcombine) parse(argv [][]byte, i int, name string) error {
	n, err := integer(argv[i])
	rest := argv[i+1:]
	switch {
	case err != nil:
		return err
	case n < 1:
		return errorf("ERR at least 1 input key is needed for '%s' command", name)
	case n > int64(len(rest)):
		return errSyntax
	}
	op.keys, op.options = rest[:n], rest[n:]
	return nil
}

// parseOptions reads them anew for every evaluation: it leaves the Op as it is.
func (op *zcombine) parseOptions() (*zcombine, error) {
	o, args := *op, op.options
	for len(args) > 0 {
		var err error
		used := 2
		switch arg := args[0]; {
		case o.operation != difference && !o.count && len(args) > len(o.keys) && is(arg, "WEIGHTS"):
			used = 1 + len(o.keys)
			o.weights, err = parseWeights(args[1:used])
		case o.operation != difference && !o.count && len(args) > 1 && is(arg, "AGGREGATE"):
			o.aggregate, err = parseAggregate(args[1])
		case o.store == nil && !o.count && is(arg, "WITHSCORES"):
			o.withScores, used = true, 1
		case o.count && len(args) > 1 && is(arg, "LIMIT"):
			o.limit, err = positive(args[1], "ERR LIMIT can't be negative")
		default:
			err = errSyntax
		}
		if err != nil {
			return nil, err
		}
		args = args[used:]
	}
	return &o, nil
}

func parseWeights(args [][]byte) (weights []float64, err error) {
	for _, arg := range args {
		weight, ok := parseDouble(arg)
		if !ok {
			return nil, textError("ERR weight value is not a float")
		}
		weights = append(weights, weight)
	}
	return weights, nil
}

func parseAggregate(arg []byte) (aggregate, error) {
	switch {
	case is(arg, "SUM"):
		return sum, nil
	case is(arg, "MIN"):
		return least, nil
	case is(arg, "MAX"):
		return greatest, nil
	}
	return 0, errSyntax
}

// scored is a sorted set to combine, or a set, whose members have the score 1.
type scored struct {
	members *store.Set // nil for a sorted set
	zset    *store.ZSet
	weight  float64
}

func (s scored) size() int {
	if s.members != nil {
		return s.members.Len()
	}
	return s.zset.Len()
}

func (s scored) score(member []byte) (float64, bool) {
	if s.members != nil {
		return s.weight, s.members.Has(member)
	}
	score, found := s.zset.Score(member)
	return float64(score * s.weight), found // rounded before it is added to
}

// each visits the members with their weighted scores.
func (s scored) each(visit func(member []byte, score float64) bool) {
	if s.members == nil {
		s.zset.Range(0, s.zset.Len(), false, func(member []byte, score float64) bool {
			return visit(member, float64(score*s.weight))
		})
		return
	}
	var buf []byte
	for i := range s.members.Len() {
		if buf = s.members.AppendAt(buf[:0], i); !visit(buf, s.weight) {
			return
		}
	}
}

// sources reads what is to be combined.
func (op *zcombine) sources(tx *machine.Tx) ([]scored, error) {
	all := make([]scored, 0, len(op.keys))
	for _, key := range op.keys {
		s := scored{zset: noScores, weight: 1}
		switch v := tx.Store.Get(key, tx.Now).(type) {
		case nil:
		case *store.ZSet:
			s.zset = v
		case *store.Set:
			s.members = v
		default:
			return nil, store.ErrWrongType
		}
		all = append(all, s)
	}
	return all, nil
}

// maxScores bounds how many scores one command combines for an answer: one that
// names the same sorted set a million times would serve nobody else for hours.
// What is stored is bounded by Needs.
const maxScores = 64 << 20

var errTooManyScores = errorf("ERR the command would combine more than %d scores: name fewer sorted sets, and each once", maxScores)

// work is about how many scores of the sources are looked at.
func (o operation) work(sources []scored) int64 {
	all, each := int64(0), int64(sources[0].size())*int64(len(sources))
	for _, s := range sources {
		all += int64(s.size())
	}
	switch o {
	case union:
		return all
	case intersection:
		return each
	}
	return min(all, each)
}

// combination is what is made of sorted sets. What is answered and not stored stops
// where it has become more than anybody gets, what is counted is not kept.
type combination struct {
	z       *store.ZSet
	n       int64
	counted bool
	looked  int   // at scores
	left    int64 // bytes of the reply
	bound   bool
}

// add takes up a member that is not there yet, and reports whether there is room
// for another.
func (c *combination) add(member []byte, score float64) bool {
	c.n++
	if c.counted {
		return true
	}
	c.z.Set(member, score)
	c.left -= reply.Bulk(member).Size()
	return !c.bound || c.left >= 0
}

// combine computes the result.
func (op *zcombine) combine(tx *machine.Tx) (*combination, *zcombine, error) {
	sources, err := op.sources(tx)
	if err != nil {
		return nil, nil, err
	}
	o, err := op.parseOptions()
	if err != nil {
		return nil, nil, err
	}
	for i, weight := range o.weights {
		sources[i].weight = weight
	}
	if o.operation != difference {
		slices.SortStableFunc(sources, func(a, b scored) int { return a.size() - b.size() })
	}
	if op.store == nil && o.work(sources) > maxScores {
		return nil, nil, errTooManyScores
	}
	c := &combination{z: &store.ZSet{}, counted: o.count}
	if op.store == nil {
		c.z = store.UnpackedZSet() // what is answered may be -0
		c.left, c.bound = tx.MaxReply, tx.MaxReply > 0
	}
	switch o.operation {
	case union:
		o.union(c, sources)
	case intersection:
		o.intersection(c, sources)
	default:
		o.difference(c, sources)
	}
	tx.Visited(memberWork * (c.looked + int(c.n)))
	return c, o, nil
}

func (op *zcombine) union(c *combination, sources []scored) {
	room := true
	for i := 0; i < len(sources) && room; i++ {
		sources[i].each(func(member []byte, score float64) bool {
			c.looked++
			score = numberOr0(score)
			if old, found := c.z.Score(member); found {
				c.z.Set(member, op.aggregate.of(old, score))
			} else {
				room = c.add(member, score)
			}
			return room
		})
	}
}

func (op *zcombine) intersection(c *combination, sources []scored) {
	sources[0].each(func(member []byte, score float64) bool {
		c.looked++
		score = numberOr0(score)
		for _, s := range sources[1:] {
			c.looked++
			other, found := s.score(member)
			if !found {
				return true
			}
			score = op.aggregate.of(score, other)
		}
		return c.add(member, score) && (op.limit == 0 || c.n < op.limit)
	})
}

func (op *zcombine) difference(c *combination, sources []scored) {
	first, others := sources[0], mergedScores(c, sources[0], sources[1:])
	first.each(func(member []byte, score float64) bool {
		c.looked++
		has := func(s scored) bool { c.looked++; _, found := s.score(member); return found }
		return slices.ContainsFunc(others, has) || c.add(member, score)
	})
}

// mergedScores is merged for sorted sets.
func mergedScores(c *combination, first scored, others []scored) []scored {
	size := 0
	for _, s := range others {
		size += s.size()
	}
	if size >= first.size()*len(others) {
		return others
	}
	all := &store.Set{}
	for _, s := range others {
		c.looked += s.size()
		s.each(func(member []byte, _ float64) bool {
			if _, found := first.score(member); found {
				all.Add(member)
			}
			return true
		})
	}
	return []scored{{members: all}}
}

// Apply implements machine.Op.
func (op *zcombine) Apply(tx *machine.Tx) reply.Reply {
	c, o, err := op.combine(tx)
	switch {
	case err != nil:
		return fail(err)
	case o.count:
		return reply.Integer(c.n)
	}
	members := gather(tx)
	c.z.Range(0, c.z.Len(), false, func(member []byte, score float64) bool {
		return members.addCopy(member) && (!o.withScores || members.add(reply.Double(score)))
	})
	if o.withScores {
		return reply.Pairs(members.items...)
	}
	return reply.Array(members.items...)
}

type zcombineStore struct{ zcombine }

// Needs implements machine.Sizer: what is copied.
func (op *zcombineStore) Needs(tx *machine.Tx) int64 { return sizeOf(tx, op.keys...) }

// Apply implements machine.Op.
func (op *zcombineStore) Apply(tx *machine.Tx) reply.Reply {
	c, _, err := op.combine(tx)
	if err != nil {
		return fail(err)
	}
	return storeZSet(tx, op.store, c.z, "z"+op.event()[1:])
}
