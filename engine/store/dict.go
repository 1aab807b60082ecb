package store

// smallDict is up to how many keys a dict is searched without an index.
const smallDict = 16

// dictEntryOverhead approximates the bytes of an entry beside its key,
// indexOverhead those of its cell in the index.
const (
	dictEntryOverhead = 24
	indexOverhead     = 72
)

// dict is a map in a deterministic order: keys stand in the order in which they
// came, and the last takes the place of one that is removed. Two with the same
// history are the same, which a Go map alone would not be. (A scan from the end
// to the start therefore misses no key that stays.)
type dict[V any] struct {
	entries []dictEntry[V]
	index   map[string]int // nil while small
	text    int64          // bytes of all keys
	still   *stillDict[V]  // for a snapshot; nil for none
}

type dictEntry[V any] struct {
	value V // first: a value of no size would take room at the end
	key   string
}

func (d *dict[V]) size() int64 { return dictSize(len(d.entries), d.text) }

// dictSize is what a dict of so many keys takes, whose text is so many bytes.
func dictSize(keys int, text int64) int64 {
	per := int64(dictEntryOverhead)
	if keys > smallDict {
		per += indexOverhead
	}
	return text + per*int64(keys) + 120
}

func (d *dict[V]) position(key []byte) int {
	if d.index != nil {
		if i, ok := d.index[string(key)]; ok {
			return i
		}
		return -1
	}
	for i := range d.entries {
		if d.entries[i].key == string(key) {
			return i
		}
	}
	return -1
}

// add appends a key that is not there, and returns its text.
func (d *dict[V]) add(key []byte, value V) string {
	k := string(key)
	d.entries = append(d.entries, dictEntry[V]{value, k})
	d.text += int64(len(k))
	if d.index != nil {
		d.index[k] = len(d.entries) - 1
	} else if len(d.entries) > smallDict {
		d.reindex()
	}
	return k
}

// set changes the value at a position.
func (d *dict[V]) set(i int, value V) {
	if d.still != nil {
		d.still.keep(i)
	}
	d.entries[i].value = value
}

// remove takes out the key at a position, which the last one takes.
func (d *dict[V]) remove(i int) {
	last := len(d.entries) - 1
	if d.still != nil {
		d.still.keep(i)
		d.still.keep(last)
	}
	gone, moved := d.entries[i].key, d.entries[last]
	d.entries[i] = moved
	d.entries[last] = dictEntry[V]{}
	d.entries = d.entries[:last]
	d.text -= int64(len(gone))
	if d.index != nil {
		d.index[moved.key] = i
		delete(d.index, gone)
	}
	if cap(d.entries) > 4*smallDict && len(d.entries) < cap(d.entries)/4 {
		d.shrink()
	}
}

// shrink gives back the room of keys that are gone, of which size knows
// nothing. A map never does by itself.
func (d *dict[V]) shrink() {
	d.entries = append(make([]dictEntry[V], 0, 2*len(d.entries)), d.entries...)
	d.index = nil
	if len(d.entries) > smallDict {
		d.reindex()
	}
}

func (d *dict[V]) reindex() {
	d.index = make(map[string]int, 2*len(d.entries))
	for i := range d.entries {
		d.index[d.entries[i].key] = i
	}
}
