package script

// What memory counts, in bytes, about.
const (
	tableBytes  = 160
	slotBytes   = 24  // of an array
	entryBytes  = 120 // of a key that is no index of the array
	cellBytes   = 40
	valueBytes  = 16 // of a list of arguments
	stringBytes = 24 // beside the text
)

// table is a Lua table. Keys from 1 on without a gap are in array; the others
// are in entries, in the order in which they came.
type table struct {
	array    []value
	entries  []entry
	index    map[value]int // of entries, when they are more than few
	dead     int           // entries without a value
	meta     *table
	readonly bool
}

type entry struct{ key, value value }

// fewEntries are as many entries as are found soonest one after the other: most tables
// have no more, and making a map took most of their time.
const fewEntries = 16

// shortKey is up to how many bytes of a key are compared with each of few: nobody is
// charged for it.
const shortKey = 64

// find is where an entry of that key is, if there ever was one.
func (t *table) find(key value) (i int, ok bool) {
	if t.index != nil {
		i, ok = t.index[key]
		return i, ok
	}
	if text, isText := key.(string); isText {
		for i := range t.entries {
			if other, ok := t.entries[i].key.(string); ok && other == text {
				return i, true
			}
		}
		return 0, false
	}
	for i := range t.entries {
		if t.entries[i].key == key {
			return i, true
		}
	}
	return 0, false
}

func (r *run) newTable() *table {
	r.alloc(tableBytes)
	return &table{}
}

func (t *table) get(key value) value {
	switch k := key.(type) {
	case float64:
		if i, ok := arrayIndex(k); ok && i <= len(t.array) {
			return t.array[i-1]
		}
	case nil:
		return nil
	}
	if i, ok := t.find(key); ok {
		return t.entries[i].value
	}
	return nil
}

func (t *table) at(i int) value {
	if i >= 1 && i <= len(t.array) {
		return t.array[i-1]
	}
	return t.get(float64(i))
}

// arrayIndex is a number as an index, if it can be one.
func arrayIndex(f float64) (int, bool) {
	const largest = 1 << 31
	if f >= 1 && f <= largest {
		if i, ok := toInteger(f); ok {
			return int(i), true
		}
	}
	return 0, false
}

// set stores under a key that is neither nil nor not a number.
func (t *table) set(r *run, key, v value) {
	if f, ok := key.(float64); ok {
		if i, ok := arrayIndex(f); ok && i <= len(t.array)+1 && t.setArray(r, i, v) {
			return
		}
	}
	if i, ok := t.find(key); ok {
		e := &t.entries[i]
		if e.value == nil && v != nil {
			t.dead--
		} else if e.value != nil && v == nil {
			t.dead++
		}
		e.value = v
		return
	}
	if v != nil {
		t.insert(r, key, v)
	}
}

// setArray stores at an index of the array or right behind it, unless the index
// is among the other keys.
func (t *table) setArray(r *run, i int, v value) bool {
	if i <= len(t.array) {
		t.array[i-1] = v
		if v == nil && i == len(t.array) {
			t.trim()
		}
		return true
	}
	if v == nil {
		return false
	}
	if len(t.entries) > 0 {
		if at, elsewhere := t.find(float64(i)); elsewhere {
			t.drop(at)
		}
	}
	r.alloc(slotBytes)
	t.array = append(t.array, v)
	for len(t.entries) > 0 { // what was beyond a gap that is now closed
		at, ok := t.find(float64(len(t.array) + 1))
		if !ok || t.entries[at].value == nil {
			break
		}
		moved := t.entries[at].value
		t.drop(at)
		r.alloc(slotBytes)
		t.array = append(t.array, moved)
	}
	return true
}

// drop takes the value of an entry.
func (t *table) drop(at int) {
	e := &t.entries[at]
	if e.value != nil {
		t.dead++
	}
	e.value = nil
}

func (t *table) insert(r *run, key, v value) {
	r.alloc(entryBytes)
	if t.dead > 8 && t.dead > len(t.entries)/2 {
		t.compact(r)
	}
	if t.entries = append(t.entries, entry{key, v}); t.index != nil {
		t.index[key] = len(t.entries) - 1
	} else if text, isText := key.(string); len(t.entries) > fewEntries || isText && len(text) > shortKey {
		t.reindex()
	}
}

// reindex makes the index of the entries.
func (t *table) reindex() {
	t.index = make(map[value]int, 2*len(t.entries))
	for i, e := range t.entries {
		t.index[e.key] = i
	}
}

// compact drops entries without a value. Keys are only added while nobody
// visits the table.
func (t *table) compact(r *run) {
	r.spend(len(t.entries))
	kept := make([]entry, 0, len(t.entries)-t.dead)
	for _, e := range t.entries {
		if e.value != nil {
			kept = append(kept, e)
		}
	}
	t.entries, t.dead = kept, 0
	t.reindex()
}

// trim drops the nils at the end of the array.
func (t *table) trim() {
	n := len(t.array)
	for n > 0 && t.array[n-1] == nil {
		n--
	}
	clear(t.array[n:])
	t.array = t.array[:n]
}

// length is a border: the value before it is there, the one behind is not. The
// key behind the array's end is never among the entries.
func (t *table) length() int { return len(t.array) }

// next returns what follows a key; ok is false if the key was never there.
func (t *table) next(key value) (k, v value, ok bool) {
	from := 0
	if key != nil {
		f, _ := key.(float64)
		i, isIndex := arrayIndex(f)
		at, found := t.find(key)
		switch {
		case isIndex && i <= len(t.array):
			from = i
		case found:
			return t.nextEntry(at + 1)
		case isIndex: // the array's end was removed during the visit
			return t.nextEntry(0)
		default:
			return nil, nil, false
		}
	}
	for i := from; i < len(t.array); i++ {
		if t.array[i] != nil {
			return float64(i + 1), t.array[i], true
		}
	}
	return t.nextEntry(0)
}

func (t *table) nextEntry(i int) (k, v value, ok bool) {
	for ; i < len(t.entries); i++ {
		if e := t.entries[i]; e.value != nil {
			return e.key, e.value, true
		}
	}
	return nil, nil, true
}

// each visits all keys and values, or those before visit answers false.
func (t *table) each(visit func(k, v value) bool) {
	for i, v := range t.array {
		if v != nil && !visit(float64(i+1), v) {
			return
		}
	}
	for _, e := range t.entries {
		if e.value != nil && !visit(e.key, e.value) {
			return
		}
	}
}
