package command

import "math"

// The geohash of a place is 52 bits: 26 of its longitude and 26 of its latitude
// in turn, as redis-server has it. It is a member's score.
const (
	geoSteps = 26 // bits of each
	maxLong  = 180.0
	maxLat   = 85.05112878 // what EPSG:3857 can show

	earthRadius = 6372797.560856         // m
	mercatorMax = 20037726.37            // m
	degree      = float64(math.Pi) / 180 // in radians; rounded as redis-server's
)

// point is a place on earth, in degrees.
type point struct{ long, lat float64 }

// box is what lies between two places.
type box struct{ low, high point }

// geohash is a box by its place among all boxes of its size.
type geohash struct {
	bits  uint64
	steps int // of each axis; 0 for none
}

// spread puts a zero bit before each of 32 bits.
func spread(v uint32) uint64 {
	x := uint64(v)
	x = (x | x<<16) & 0x0000ffff0000ffff
	x = (x | x<<8) & 0x00ff00ff00ff00ff
	x = (x | x<<4) & 0x0f0f0f0f0f0f0f0f
	x = (x | x<<2) & 0x3333333333333333
	return (x | x<<1) & 0x5555555555555555
}

// squash takes every other bit.
func squash(x uint64) uint32 {
	x &= 0x5555555555555555
	x = (x | x>>1) & 0x3333333333333333
	x = (x | x>>2) & 0x0f0f0f0f0f0f0f0f
	x = (x | x>>4) & 0x00ff00ff00ff00ff
	x = (x | x>>8) & 0x0000ffff0000ffff
	return uint32(x | x>>16) //nolint:gosec // what is above is in the other half
}

// hashOf is the box of so many steps that has the place in it; latitudes lie
// between -lat and lat. The fractions are within 0 and 1: of the very end the
// box is beyond the last, as redis-server has it.
func hashOf(p point, lat float64, steps int) geohash {
	scale := float64(uint64(1) << steps)
	cell := func(v, limit float64) uint32 {
		return uint32(float64((v + limit) / (limit + limit) * scale)) //nolint:gosec // within range
	}
	return geohash{spread(cell(p.lat, lat)) | spread(cell(p.long, maxLong))<<1, steps}
}

// box is the geohash's.
func (h geohash) box() box {
	scale := float64(uint64(1) << h.steps)
	side := func(cell uint32, limit float64) (low, high float64) {
		at := func(n uint32) float64 { return -limit + float64(float64(n)/scale*(limit+limit)) }
		return at(cell), at(cell + 1)
	}
	var b box
	b.low.lat, b.high.lat = side(squash(h.bits), maxLat)
	b.low.long, b.high.long = side(squash(h.bits>>1), maxLong)
	return b
}

// placeOf is the middle of a score's box.
func placeOf(score float64) point {
	b := geohash{scoreBits(score), geoSteps}.box()
	return point{
		min(max((b.low.long+b.high.long)/2, -maxLong), maxLong),
		min(max((b.low.lat+b.high.lat)/2, -maxLat), maxLat),
	}
}

// scoreBits are a score's. Scores that are no geohash are made one, the same on
// every member.
func scoreBits(score float64) uint64 {
	switch {
	case score >= 1<<64:
		return 0
	case score <= -1<<63:
		return 1 << 63
	case score < 0:
		return uint64(int64(score)) //nolint:gosec // as redis-server does
	}
	return uint64(score)
}

// moved is the box that is so many boxes to the east and to the north, around
// the world.
func (h geohash) moved(east, north int64) geohash {
	mask := uint32(1)<<h.steps - 1
	move := func(cell uint32, by int64) uint64 {
		if by != 0 {
			cell = (cell + uint32(by)) & mask //nolint:gosec // it wraps around
		}
		return spread(cell)
	}
	return geohash{move(squash(h.bits), north) | move(squash(h.bits>>1), east)<<1, h.steps}
}

// scores are those of the places in the box: from low up to but not including
// high.
func (h geohash) scores() (low, high float64) {
	shift := 2 * (geoSteps - h.steps)
	return float64(h.bits << shift), float64((h.bits + 1) << shift)
}

// distance is by the haversine formula, in m.
func distance(a, b point) float64 {
	lat1, lat2 := float64(a.lat*degree), float64(b.lat*degree)
	u := sine((lat2 - lat1) / 2)
	v := sine((float64(b.long*degree) - float64(a.long*degree)) / 2)
	h := float64(u*u) + float64(float64(float64(cosine(lat1)*cosine(lat2))*v)*v)
	return float64(2 * earthRadius * arcsine(math.Sqrt(h)))
}
