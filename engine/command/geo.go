package command

import (
	"math"
	"math/big"
	"strconv"
	"strings"

	"github.com/coffer-dev/coffer/engine/machine"
	"github.com/coffer-dev/coffer/engine/reply"
)

func init() {
	register(
		row("geoadd", -5, Write|DenyOOM, oneKey.to(rw|updates), "write geo slow", parseGeoadd).since7(),
		row("geodist", -4, ReadOnly, oneKey.to(ro|accesses), "read geo slow", plain(geodist)).since7(),
		row("geohash", -2, ReadOnly, oneKey.to(ro|accesses), "read geo slow", plain(geohashes)).since7(),
		row("geopos", -2, ReadOnly, oneKey.to(ro|accesses), "read geo slow", plain(geopos)).since7(),
	)
}

// cfloat is what a C format prints of a number.
func cfloat(f float64) string {
	return strings.ToLower(strings.TrimPrefix(strconv.FormatFloat(f, 'f', 6, 64), "+"))
}

// parsePoint reads longitude and latitude.
func parsePoint(long, lat []byte) (p point, err error) {
	var ok, okLat bool
	if p.long, ok = parseDouble(long); !ok {
		return p, errNotFloat
	}
	if p.lat, okLat = parseDouble(lat); !okLat {
		return p, errNotFloat
	}
	if p.long < -maxLong || p.long > maxLong || p.lat < -maxLat || p.lat > maxLat {
		return p, textError("ERR invalid longitude,latitude pair " + cfloat(p.long) + "," + cfloat(p.lat))
	}
	return p, nil
}

// geoUnits are in m.
var geoUnits = []struct {
	name string
	m    float64
}{{"M", 1}, {"KM", 1000}, {"FT", 0.3048}, {"MI", 1609.34}}

func parseGeoUnit(arg []byte) (float64, error) {
	for _, u := range geoUnits {
		if is([]byte(cstring(arg)), u.name) {
			return u.m, nil
		}
	}
	return 0, textError("ERR unsupported unit provided. please use M, KM, FT, MI")
}

// parseGeoadd makes a ZADD of it, as redis-server does.
func parseGeoadd(argv [][]byte) (machine.Op, error) {
	op := &zadd{key: argv[1]}
	rest := argv[2:]
options:
	for ; len(rest) > 0; rest = rest[1:] {
		switch {
		case is(rest[0], "NX"):
			op.nx = true
		case is(rest[0], "XX"):
			op.xx = true
		case is(rest[0], "CH"):
			op.ch = true
		default:
			break options
		}
	}
	if len(rest)%3 != 0 || op.nx && op.xx {
		return nil, errSyntax
	}
	for ; len(rest) > 0; rest = rest[3:] {
		p, err := parsePoint(rest[0], rest[1])
		if err != nil {
			return nil, err
		}
		op.scores, op.members = append(op.scores, float64(hashOf(p, maxLat, geoSteps).bits)), append(op.members, rest[2])
	}
	if len(op.members) == 0 {
		return nil, errSyntax
	}
	return op, nil
}

// formatDistance writes four digits behind the point.
func formatDistance(m, unit float64) reply.Reply {
	return reply.Bulk(strconv.AppendFloat(nil, m/unit, 'f', 4, 64))
}

func geodist(tx *machine.Tx, argv [][]byte) reply.Reply {
	unit := 1.0
	switch {
	case len(argv) == 5:
		var err error
		if unit, err = parseGeoUnit(argv[4]); err != nil {
			return fail(err)
		}
	case len(argv) > 5:
		return fail(errSyntax)
	}
	z, _, err := readZSet(tx, argv[1])
	if err != nil {
		return fail(err)
	}
	a, found1 := z.Score(argv[2])
	b, found2 := z.Score(argv[3])
	if !found1 || !found2 {
		return reply.Null
	}
	return formatDistance(distance(placeOf(a), placeOf(b)), unit)
}

// formatDegrees writes a coordinate as redis-server does a long double.
func formatDegrees(f float64) reply.Reply {
	return reply.Decimal(f, formatFloat(big.NewFloat(f)))
}

func formatPoint(p point) reply.Reply {
	return reply.Array(formatDegrees(p.long), formatDegrees(p.lat))
}

func geopos(tx *machine.Tx, argv [][]byte) reply.Reply {
	z, _, err := readZSet(tx, argv[1])
	if err != nil {
		return fail(err)
	}
	places := gather(tx)
	for _, member := range argv[2:] {
		place := reply.NullArray
		if score, found := z.Score(member); found {
			place = formatPoint(placeOf(score))
		}
		if !places.add(place) {
			break
		}
	}
	return reply.Array(places.items...)
}

// geohashes answers the hashes of geohash.org, which has latitudes up to 90
// degrees, in 11 letters, of which the last says nothing.
func geohashes(tx *machine.Tx, argv [][]byte) reply.Reply {
	const letters, length, bits = "0123456789bcdefghjkmnpqrstuvwxyz", 11, 5
	z, _, err := readZSet(tx, argv[1])
	if err != nil {
		return fail(err)
	}
	hashes := gather(tx)
	for _, member := range argv[2:] {
		text := reply.Null
		if score, found := z.Score(member); found {
			hash := hashOf(placeOf(score), 90, geoSteps).bits
			word := make([]byte, length)
			for i := range word {
				word[i] = letters[0]
				if at := 2*geoSteps - (i+1)*bits; at >= 0 {
					word[i] = letters[hash>>at&(1<<bits-1)]
				}
			}
			text = reply.Bulk(word)
		}
		if !hashes.add(text) {
			break
		}
	}
	return reply.Array(hashes.items...)
}

// stepsFor is how large boxes must be so that a box and its neighbours have all
// that is so near.
func stepsFor(m, lat float64) int {
	if m == 0 {
		return geoSteps
	}
	steps := -1
	for ; m < mercatorMax; m = float64(m * 2) {
		steps++
	}
	if math.Abs(lat) > 66 { // boxes are narrow near the poles
		steps--
		if math.Abs(lat) > 80 {
			steps--
		}
	}
	return min(max(steps, 1), geoSteps)
}
