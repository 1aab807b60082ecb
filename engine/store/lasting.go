package store

// What is noted of keys without a deadline is bounded: how many they are, and how
// many bytes of cells they hold on to.
const (
	maxLasting      = 1 << 16
	maxLastingBytes = 8 << 20
)

// lasting are the keys that have come to have no deadline, for who may want to give
// them one. They are noted by the member that leads alone, and are no part of the
// state.
type lasting struct {
	noted  bool
	keys   []Key
	bytes  int
	missed bool // there were more than have room
}

// NoteLasting has keys noted that come to have no deadline from then on, or none any
// more. What was noted before is forgotten.
func (d *Databases) NoteLasting(noted bool) { d.lasting = lasting{noted: noted} }

// TakeLasting answers the keys that were noted since the last call. A key may be there
// twice, be gone, or have a deadline by now. missed says that there were more.
func (d *Databases) TakeLasting() (keys []Key, missed bool) {
	keys, missed = d.lasting.keys, d.lasting.missed
	d.NoteLasting(d.lasting.noted)
	return keys, missed
}

func (l *lasting) note(key Key, bytes int) {
	if len(l.keys) == maxLasting || l.bytes+bytes > maxLastingBytes {
		l.missed = true
		return
	}
	l.keys = append(l.keys, key)
	l.bytes += bytes
}

// Walk is how far somebody has gone through the databases; it begins with the zero
// value.
type Walk struct {
	database, slot, place int
	places                int // of the slot's table, when it was left
}

// Step goes on through the databases, and says whether it is through. It may end, once
// visit has answered false, when the keys are visited whose places depend on each
// other, so that what was present from the first step to the last is visited
// whatever is written in between, and a slot with many keys is not one step. A key may
// be visited twice.
func (d *Databases) Step(w *Walk, visit func(key Key, deadline int64) (more bool)) (through bool) {
	for more := true; more && w.database < Count; {
		s := d.At(w.database)
		if w.slot == Slots || s.keys == 0 {
			*w = Walk{database: w.database + 1}
			continue
		}
		if t := s.slots[w.slot]; t != nil {
			more = t.step(w, func(key string, deadline int64) bool { return visit(Key{s.number, key}, deadline) })
			if w.place < len(t.tags) {
				return false
			}
		}
		*w = Walk{database: w.database, slot: w.slot + 1}
	}
	return w.database == Count
}

// step stops at a place that is empty: no key behind it belongs before it, then or
// later, unless the table gets another number of places.
func (t *table) step(w *Walk, visit func(key string, deadline int64) bool) (more bool) {
	more = true
	if w.places != len(t.tags) {
		w.place, w.places = 0, len(t.tags)
	}
	for ; w.place < len(t.tags); w.place++ {
		switch {
		case t.tags[w.place] != 0:
			e := t.at(w.place)
			more = visit(e.key, e.deadline) && more
		case !more:
			return false
		}
	}
	return more
}
