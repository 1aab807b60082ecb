package command

import (
	"cmp"
	"math"
	"slices"

	"github.com/coffer-dev/coffer/engine/acl"
	"github.com/coffer-dev/coffer/engine/machine"
	"github.com/coffer-dev/coffer/engine/reply"
	"github.com/coffer-dev/coffer/engine/store"
)

func init() {
	stores := Write | DenyOOM | MovableKeys
	register(
		row("geosearch", -7, ReadOnly, oneKey.to(ro|accesses), "read geo slow", parseGeosearch(geosearch{at: 1})).since7(),
		row("geosearchstore", -8, Write|DenyOOM, twoKeys.to(ow|updates, ro|accesses), "write geo slow", parseGeosearch(geosearch{at: 2, stores: true})).since7(),
		row("georadius", -6, stores, oneKey.to(ro|accesses), "write geo slow", parseGeosearch(geosearch{at: 1, radius: byPlace, stores: true})).finding(georadiusKeys(6)).since7(),
		row("georadius_ro", -6, ReadOnly, oneKey.to(ro|accesses), "read geo slow", parseGeosearch(geosearch{at: 1, radius: byPlace})).since7(),
		row("georadiusbymember", -5, stores, oneKey.to(ro|accesses), "write geo slow", parseGeosearch(geosearch{at: 1, radius: byGeoMember, stores: true})).finding(georadiusKeys(5)).since7(),
		row("georadiusbymember_ro", -5, ReadOnly, oneKey.to(ro|accesses), "read geo slow", parseGeosearch(geosearch{at: 1, radius: byGeoMember})).since7(),
	)
}

// georadiusKeys lists the key that is read and those that options from a place
// on may have written. redis-server asks for the first of those alone, and
// writes the last.
func georadiusKeys(options int) finder {
	store := keySearch{use: ow | updates, at: options, keyword: "STORE", step: 1}
	storeDist := store
	storeDist.keyword = "STOREDIST"
	return finder{func(dst []acl.Key, argv [][]byte) []acl.Key {
		dst = append(dst, (ro | accesses).of(argv[1]))
		for i := options; i+1 < len(argv); i++ {
			if is(argv[i], "STORE") || is(argv[i], "STOREDIST") {
				i++
				dst = append(dst, (ow | updates).of(argv[i]))
			}
		}
		return dst
	}, []keySearch{store, storeDist}}
}

// centre is how an older command says where it looks, and that it looks within
// a radius.
type centre int

const (
	inOptions centre = iota // GEOSEARCH, whose options say both
	byPlace
	byGeoMember
)

// geosearch is a command as it is called. Its options are read when it is
// applied: what is wrong with the key redis-server says first.
type geosearch struct {
	argv   [][]byte
	at     int // where the key stands
	radius centre
	stores bool
}

func parseGeosearch(preset geosearch) parser {
	return func(argv [][]byte) (machine.Op, error) {
		op := preset
		op.argv = argv
		return &op, nil
	}
}

// Needs implements machine.Sizer: what is copied.
func (op *geosearch) Needs(tx *machine.Tx) int64 { return sizeOf(tx, op.argv[op.at]) }

// geoQuery is what is looked for.
type geoQuery struct {
	geosearch
	z     *store.ZSet
	found bool // the key

	centre        point
	unit          float64 // m
	radius        float64 // units
	width, height float64 // units, of a box
	fromMember    bool
	fromPlace     bool
	byRadius      bool
	byBox         bool

	withDist, withHash, withCoord bool
	any, ascending, descending    bool
	count                         int64 // 0 for all
	store                         []byte
	storeDist                     bool
}

// memberPlace looks where a member is.
func (q *geoQuery) memberPlace(member []byte) error {
	if !q.found {
		return nil
	}
	score, found := q.z.Score(member)
	if !found {
		return textError("ERR could not decode requested zset member")
	}
	q.centre = placeOf(score)
	return nil
}

// parseLength reads one; what is negative is judged later.
func parseLength(arg []byte, name string) (float64, error) {
	f, ok := parseDouble(arg)
	if !ok {
		return 0, textError("ERR need numeric " + name)
	}
	return f, nil
}

func (q *geoQuery) parseRadius(args [][]byte) (err error) {
	if q.radius, err = parseLength(args[0], "radius"); err != nil {
		return err
	}
	if q.radius < 0 {
		return textError("ERR radius cannot be negative")
	}
	q.unit, err = parseGeoUnit(args[1])
	q.byRadius = true
	return err
}

func (q *geoQuery) parseBox(args [][]byte) (err error) {
	if q.width, err = parseLength(args[0], "width"); err != nil {
		return err
	}
	if q.height, err = parseLength(args[1], "height"); err != nil {
		return err
	}
	if q.width < 0 || q.height < 0 {
		return textError("ERR height or width cannot be negative")
	}
	q.unit, err = parseGeoUnit(args[2])
	q.byBox = true
	return err
}

// parse reads all arguments.
func (q *geoQuery) parse() (err error) {
	options := q.argv[q.at+1:]
	switch q.geosearch.radius {
	case byPlace:
		if q.centre, err = parsePoint(options[0], options[1]); err == nil {
			err = q.parseRadius(options[2:])
		}
		options = options[4:]
	case byGeoMember:
		if err = q.memberPlace(options[0]); err == nil && q.found { // redis-server does not look at them either
			err = q.parseRadius(options[1:])
		}
		options = options[3:]
	default:
		if q.stores {
			q.store = q.argv[1]
		}
	}
	for len(options) > 0 && err == nil {
		var used int
		if used, err = q.option(options); used > len(options) {
			return errSyntax
		}
		options = options[used:]
	}
	if err != nil {
		return err
	}
	return q.check()
}

// option reads the first one and says how many arguments it has.
func (q *geoQuery) option(args [][]byte) (used int, err error) {
	switch arg := args[0]; {
	case is(arg, "WITHDIST"):
		q.withDist = true
	case is(arg, "WITHHASH"):
		q.withHash = true
	case is(arg, "WITHCOORD"):
		q.withCoord = true
	case is(arg, "ANY"):
		q.any = true
	case is(arg, "ASC"):
		q.ascending, q.descending = true, false
	case is(arg, "DESC"):
		q.ascending, q.descending = false, true
	case is(arg, "COUNT") && len(args) > 1:
		if q.count, err = integer(args[1]); err == nil && q.count <= 0 {
			err = textError("ERR COUNT must be > 0")
		}
		return 2, err
	case q.geosearch.radius == inOptions:
		return q.searchOption(args)
	case q.stores && len(args) > 1 && (is(arg, "STORE") || is(arg, "STOREDIST")):
		q.store, q.storeDist = args[1], is(arg, "STOREDIST")
		return 2, nil
	default:
		return 0, errSyntax
	}
	return 1, nil
}

// searchOption reads one that GEOSEARCH alone has.
func (q *geoQuery) searchOption(args [][]byte) (used int, err error) {
	switch arg := args[0]; {
	case q.stores && is(arg, "STOREDIST"):
		q.storeDist = true
		return 1, nil
	case is(arg, "FROMMEMBER") && len(args) > 1 && !q.fromPlace:
		q.fromMember = true
		return 2, q.memberPlace(args[1])
	case is(arg, "FROMLONLAT") && len(args) > 2 && !q.fromMember:
		q.fromPlace = true
		q.centre, err = parsePoint(args[1], args[2])
		return 3, err
	case is(arg, "BYRADIUS") && len(args) > 2 && !q.byBox:
		return 3, q.parseRadius(args[1:])
	case is(arg, "BYBOX") && len(args) > 3 && !q.byRadius:
		return 4, q.parseBox(args[1:])
	}
	return 0, errSyntax
}

// check says what does not go together.
func (q *geoQuery) check() error {
	name, search := cstring(q.argv[0]), q.geosearch.radius == inOptions
	switch {
	case q.store != nil && (q.withDist || q.withHash || q.withCoord) && search:
		return textError("ERR GEOSEARCHSTORE is not compatible with WITHDIST, WITHHASH and WITHCOORD options")
	case q.store != nil && (q.withDist || q.withHash || q.withCoord):
		return textError("ERR STORE option in GEORADIUS is not compatible with WITHDIST, WITHHASH and WITHCOORD options")
	case search && !q.fromMember && !q.fromPlace:
		return errorf("ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for %s", name)
	case search && !q.byRadius && !q.byBox:
		return errorf("ERR exactly one of BYRADIUS and BYBOX can be specified for %s", name)
	case q.any && q.count == 0:
		return textError("ERR the ANY argument requires COUNT argument")
	}
	if q.count > 0 && !q.any && !q.descending {
		q.ascending = true
	}
	return nil
}

// place is a member that is near.
type geoPlace struct {
	member   []byte
	score    float64
	at       point
	distance float64 // m
}

// distanceTo is how far a place is, and whether it is near enough.
func (q *geoQuery) distanceTo(p point) (m float64, near bool) {
	if q.byBox {
		east, north := distance(p, point{q.centre.long, p.lat}), distance(p, point{p.long, q.centre.lat})
		if east > float64(q.width*q.unit)/2 || north > float64(q.height*q.unit)/2 {
			return 0, false
		}
		return distance(q.centre, p), true
	}
	m = distance(q.centre, p)
	return m, m <= float64(q.radius*q.unit)
}

// reach is how far the farthest place may be, in m, and how far to the east and
// to the north.
func (q *geoQuery) reach() (m, east, north float64) {
	if q.byBox {
		w, h := q.width/2, q.height/2
		return float64(math.Sqrt(float64(w*w)+float64(h*h)) * q.unit), float64(q.unit * w), float64(q.unit * h)
	}
	m = float64(q.radius * q.unit)
	return m, m, m
}

// bounds are a box around all that is near enough. They are known where that is
// less than half the earth.
func (q *geoQuery) bounds(east, north float64) (b box) {
	lat := north / earthRadius / degree
	at := q.centre.lat + lat
	if q.centre.lat < 0 {
		at = q.centre.lat - lat
	}
	long := east / earthRadius / cosine(float64(at*degree)) / degree
	return box{point{q.centre.long - long, q.centre.lat - lat}, point{q.centre.long + long, q.centre.lat + lat}}
}

// boxes are those of one size that together have all places that are near
// enough, in the order in which redis-server visits them.
func (q *geoQuery) boxes() []geohash {
	m, east, north := q.reach()
	steps := stepsFor(m, q.centre.lat)
	h := hashOf(q.centre, maxLat, steps)
	var b box
	if steps > 1 {
		b = q.bounds(east, north)
		if h.moved(0, 1).box().high.lat < b.high.lat || h.moved(0, -1).box().low.lat > b.low.lat ||
			h.moved(1, 0).box().high.long < b.high.long || h.moved(-1, 0).box().low.long > b.low.long {
			steps--
			h = hashOf(q.centre, maxLat, steps)
		}
	}
	own := h.box()
	useless := func(east, north int64) bool {
		return steps >= 2 && (north < 0 && own.low.lat < b.low.lat || north > 0 && own.high.lat > b.high.lat ||
			east < 0 && own.low.long < b.low.long || east > 0 && own.high.long > b.high.long)
	}
	all := []geohash{h}
	for _, to := range [][2]int64{{0, 1}, {0, -1}, {1, 0}, {-1, 0}, {1, 1}, {-1, 1}, {1, -1}, {-1, -1}} {
		next := h.moved(to[0], to[1])
		if useless(to[0], to[1]) || len(all) > 1 && next == all[len(all)-1] { // as the last one, when they are large
			continue
		}
		all = append(all, next)
	}
	return all
}

// places are the members that are near enough, the nearest or farthest first if
// that is asked for. Of a reply no more are gathered than somebody may get, of
// the nearest not many more than are wanted.
func (q *geoQuery) places(tx *machine.Tx) (all []geoPlace) {
	const (
		least    = 32 // bytes of the reply for each
		distance = 64 // steps of a script
	)
	maxReply := tx.MaxReply
	full := func() bool {
		n := int64(len(all))
		return q.any && n >= q.count || q.store == nil && q.count == 0 && maxReply > 0 && n > maxReply/least
	}
	for _, h := range q.boxes() {
		low, high := h.scores()
		i, j := scoreInterval{low: scoreBound{score: low}, high: scoreBound{score: high, excluded: true}}.of(q.z)
		q.z.Range(i, j, false, func(member []byte, score float64) bool {
			if full() {
				return false
			}
			tx.Visited(distance)
			p := placeOf(score)
			if m, near := q.distanceTo(p); near {
				all = append(all, geoPlace{slices.Clone(member), score, p, m})
			}
			if q.count > 0 && !q.any && int64(len(all))/2 > q.count+least {
				all = q.sorted(all)
			}
			return true
		})
	}
	return q.sorted(all)
}

// sorted puts places in the order that is asked for, and leaves out those that
// are more than are wanted.
func (q *geoQuery) sorted(all []geoPlace) []geoPlace {
	switch {
	case q.ascending:
		slices.SortStableFunc(all, func(a, b geoPlace) int { return cmp.Compare(a.distance, b.distance) })
	case q.descending:
		slices.SortStableFunc(all, func(a, b geoPlace) int { return cmp.Compare(b.distance, a.distance) })
	}
	if q.count > 0 && int64(len(all)) > q.count {
		all = all[:q.count]
	}
	return all
}

// Apply implements machine.Op.
func (op *geosearch) Apply(tx *machine.Tx) reply.Reply {
	q := &geoQuery{geosearch: *op}
	var err error
	if q.z, q.found, err = readZSet(tx, op.argv[op.at]); err != nil {
		return fail(err)
	}
	if err := q.parse(); err != nil {
		return fail(err)
	}
	var all []geoPlace
	if q.found {
		all = q.places(tx)
	}
	if q.store == nil {
		return q.answer(tx, all)
	}
	z := &store.ZSet{}
	for _, p := range all {
		score := p.score
		if q.storeDist {
			score = p.distance / q.unit
		}
		z.Set(p.member, score)
	}
	event := "geosearchstore"
	if q.geosearch.radius != inOptions {
		event = "georadiusstore"
	}
	return storeZSet(tx, q.store, z, event)
}

func (q *geoQuery) answer(tx *machine.Tx, all []geoPlace) reply.Reply {
	places := gather(tx)
	for _, p := range all {
		each := reply.Bulk(p.member)
		if q.withDist || q.withHash || q.withCoord {
			each = reply.Array(each)
		}
		if q.withDist {
			each.Items = append(each.Items, formatDistance(p.distance, q.unit))
		}
		if q.withHash {
			each.Items = append(each.Items, reply.Integer(int64(scoreBits(p.score)))) //nolint:gosec // of 52 bits
		}
		if q.withCoord {
			each.Items = append(each.Items, formatPoint(p.at))
		}
		if !places.add(each) {
			break
		}
	}
	return reply.Array(places.items...)
}
