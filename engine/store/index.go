package store

// index finds the entries of a large dict by the hashes of their keys. It is a table of
// open addressing in pieces, each of which grows, splits and shrinks by itself: nobody
// waits for all of it, which for a million keys takes half a second.
//
// A place holds half of a hash and a position plus one; 0 is an empty one. So the
// collector has nothing to look for in it, and no key is looked at to move a place. There
// are up to 2^32-2 positions: no machine has the memory for as many entries.
type index struct {
	// pieces by the first bits of the hash, as many as depth says. One that knows of
	// fewer bits is there several times in a row.
	pieces []*piece
	depth  uint8
	places int // of all pieces
}

type piece struct {
	places []uint64 // a power of two
	count  int
	depth  uint8 // how many first bits of the hash all have in common
}

const (
	leastPlaces = 32
	mostPlaces  = 1024
	// mostDepth is how many first bits tell pieces apart: the others say where in a
	// piece a search begins. Beyond that pieces grow.
	mostDepth = 22
)

// indexSeed is a secret as a table's is, and reaches the state as little: what is found
// does not depend on it.
var indexSeed = newSeed()

func indexHash(key []byte) uint32 { return uint32(indexSeed.hash(key) >> 32) }

func indexHashString(key string) uint32 { return uint32(indexSeed.hashString(key) >> 32) }

func newIndex() *index {
	return &index{pieces: []*piece{newPiece(leastPlaces, 0)}, places: leastPlaces}
}

// size approximates the memory of the index, in bytes.
func (x *index) size() int64 {
	const place, pointer, header = 8, 8, 48
	return place*int64(x.places) + pointer*int64(len(x.pieces)) + header*int64(x.places/mostPlaces+1)
}

func newPiece(places int, depth uint8) *piece {
	return &piece{places: make([]uint64, places), depth: depth}
}

func (x *index) piece(hash uint32) *piece { return x.pieces[hash>>(32-x.depth)] }

// sparse tells that there are many pieces for so few positions: they do not join.
func (x *index) sparse(positions int) bool {
	return len(x.pieces) > 1 && positions < leastPlaces/4*len(x.pieces)
}

// insert adds a position that is not there.
func (x *index) insert(hash uint32, position int) {
	p := x.piece(hash)
	for 8*(p.count+1) > 7*len(p.places) {
		x.places += len(p.places)
		if len(p.places) < mostPlaces || p.depth == mostDepth {
			p.resize(2 * len(p.places))
		} else {
			x.split(p, hash)
			p = x.piece(hash)
		}
	}
	p.put(uint64(hash)<<32 | uint64(position+1)) //nolint:gosec // a position is not negative
}

// split makes two pieces of the one that has a hash.
func (x *index) split(p *piece, hash uint32) {
	if p.depth == x.depth {
		pieces := make([]*piece, 2*len(x.pieces))
		for i := range pieces {
			pieces[i] = x.pieces[i/2]
		}
		x.pieces, x.depth = pieces, x.depth+1
	}
	halves := [2]*piece{newPiece(len(p.places), p.depth+1), newPiece(len(p.places), p.depth+1)}
	for _, place := range p.places {
		if place != 0 {
			halves[place>>(63-p.depth)&1].put(place)
		}
	}
	half := 1 << (x.depth - p.depth) / 2 // of those in a row
	first := int(hash>>(32-p.depth)) * 2 * half
	for i := range half {
		x.pieces[first+i], x.pieces[first+half+i] = halves[0], halves[1]
	}
}

// move says that what was at one position is at another.
func (x *index) move(hash uint32, from, to int) {
	p := x.piece(hash)
	p.places[p.find(hash, from)] = uint64(hash)<<32 | uint64(to+1) //nolint:gosec // a position is not negative
}

func (x *index) remove(hash uint32, position int) {
	p := x.piece(hash)
	before := len(p.places)
	p.remove(p.find(hash, position))
	x.places += len(p.places) - before
}

// find is the place of a position that is there.
func (p *piece) find(hash uint32, position int) int {
	place := uint64(hash)<<32 | uint64(position+1) //nolint:gosec // a position is not negative
	at := p.home(hash)
	for p.places[at] != place {
		at = p.after(at)
	}
	return at
}

// home is where the search for a hash begins.
func (p *piece) home(hash uint32) int { return int(hash) & (len(p.places) - 1) }

func (p *piece) after(at int) int { return (at + 1) & (len(p.places) - 1) }

func (p *piece) put(place uint64) {
	at := p.home(uint32(place >> 32))
	for p.places[at] != 0 {
		at = p.after(at)
	}
	p.places[at] = place
	p.count++
}

// remove empties a place. Those behind it that would not be found any more move up.
func (p *piece) remove(hole int) {
	mask := len(p.places) - 1
	for next := p.after(hole); p.places[next] != 0; next = p.after(next) {
		home := p.home(uint32(p.places[next] >> 32))
		if (next-home)&mask >= (next-hole)&mask {
			p.places[hole] = p.places[next]
			hole = next
		}
	}
	p.places[hole] = 0
	if p.count--; 8*p.count < len(p.places) && len(p.places) > leastPlaces {
		p.resize(len(p.places) / 2)
	}
}

func (p *piece) resize(places int) {
	old := p.places
	p.places, p.count = make([]uint64, places), 0
	for _, place := range old {
		if place != 0 {
			p.put(place)
		}
	}
}
