package store

const (
	// smallDict is up to how many keys a dict is searched without an index.
	smallDict = 16
	// dictBlock is how many entries stand in one piece of memory: more of them are
	// not copied when one is added, for which all would wait.
	dictBlock = 256
)

// keyOverhead approximates what a key takes beside its text and its entry: its
// allocation's end.
const keyOverhead = 6

// dict is a map in a deterministic order: keys stand in the order in which they
// came, and the last takes the place of one that is removed. Two with the same
// history are the same, which a Go map alone would not be. (A scan from the end
// to the start therefore misses no key that stays.)
type dict[V any] struct {
	blocks [][]dictEntry[V] // full but for the last ones
	length int
	index  *index        // nil while small
	text   int64         // bytes of all keys
	still  *stillDict[V] // for a snapshot; nil for none
}

type dictEntry[V any] struct {
	value V // first: a value of no size would take room at the end
	key   string
}

// size approximates the memory of the dict, in bytes; an entry takes so many.
func (d *dict[V]) size(entry int64) int64 {
	size := d.text + keyOverhead*int64(d.length) + 120
	if n := len(d.blocks); n > 0 {
		size += entry*int64(cap(d.blocks[0])+(n-1)*dictBlock) + 24*int64(cap(d.blocks))
	}
	if d.index != nil {
		size += d.index.size()
	}
	return size
}

// dictWeight is what size was when semantics 8 came, of so many keys of so many bytes,
// for Weight.
func dictWeight(keys int, text int64) int64 {
	const entry, large = 24, 72
	per := int64(entry)
	if keys > smallDict {
		per += large
	}
	return text + per*int64(keys) + 120
}

func (d *dict[V]) weight() int64 { return dictWeight(d.length, d.text) }

func (d *dict[V]) len() int { return d.length }

// at is the entry at a position, for reading; set changes its value.
func (d *dict[V]) at(i int) *dictEntry[V] { return &d.blocks[i/dictBlock][i%dictBlock] }

func (d *dict[V]) position(key []byte) int {
	if d.index == nil {
		for i := range d.length {
			if d.at(i).key == string(key) {
				return i
			}
		}
		return -1
	}
	hash := indexHash(key)
	p := d.index.piece(hash)
	for at := p.home(hash); p.places[at] != 0; at = p.after(at) {
		if place := p.places[at]; uint32(place>>32) == hash {
			if i := int(uint32(place)) - 1; d.at(i).key == string(key) {
				return i
			}
		}
	}
	return -1
}

// add appends a key that is not there, and returns its text.
func (d *dict[V]) add(key []byte, value V) string {
	k, block := string(key), d.length/dictBlock
	if block == len(d.blocks) {
		d.blocks = append(d.blocks, nil)
		if block > 0 {
			d.blocks[block] = make([]dictEntry[V], 0, dictBlock)
		}
	}
	d.blocks[block] = append(d.blocks[block], dictEntry[V]{value, k})
	d.length++
	d.text += int64(len(k))
	if d.index != nil {
		d.index.insert(indexHash(key), d.length-1)
	} else if d.length > smallDict {
		d.reindex()
	}
	return k
}

func (d *dict[V]) reindex() {
	d.index = newIndex()
	for i := range d.length {
		d.index.insert(indexHashString(d.at(i).key), i)
	}
}

// set changes the value at a position.
func (d *dict[V]) set(i int, value V) {
	if d.still != nil {
		d.still.keep(i)
	}
	d.at(i).value = value
}

// remove takes out the key at a position, which the last one takes.
func (d *dict[V]) remove(i int) {
	last := d.length - 1
	if d.still != nil {
		d.still.keep(i)
		d.still.keep(last)
	}
	gone, moved := d.at(i).key, *d.at(last)
	if d.index != nil {
		d.index.remove(indexHashString(gone), i)
		if i != last {
			d.index.move(indexHashString(moved.key), last, i)
		}
	}
	*d.at(i) = moved
	*d.at(last) = dictEntry[V]{}
	block := last / dictBlock
	d.blocks[block] = d.blocks[block][:last%dictBlock]
	d.length--
	d.text -= int64(len(gone))
	d.shrink()
}

// shrink gives back the room of keys that are gone, of which size knows nothing.
func (d *dict[V]) shrink() {
	switch {
	case d.length <= smallDict/2:
		d.index = nil
	case d.index != nil && d.length%dictBlock == 0 && d.index.sparse(d.length):
		d.reindex()
	}
	if kept := (d.length+dictBlock/2)/dictBlock + 1; len(d.blocks) > kept { // half a block for what comes
		clear(d.blocks[kept:])
		d.blocks = d.blocks[:kept]
		if cap(d.blocks) > dictBlock && len(d.blocks) < cap(d.blocks)/4 {
			d.blocks = append(make([][]dictEntry[V], 0, 2*len(d.blocks)), d.blocks...)
		}
	}
	if first := d.blocks[0]; cap(first) > smallDict && len(first) < cap(first)/4 {
		d.blocks[0] = append(make([]dictEntry[V], 0, 2*len(first)), first...)
	}
}
