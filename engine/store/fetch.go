package store

// ahead is a key that is going to be looked up.
type ahead struct {
	hash  uint64
	table *table
	cell  cell
}

// Expect says that a key is about to be looked up; it may be absent.
func (s *Store) Expect(key []byte) {
	if t := s.slots[Slot(key)]; t != nil {
		s.all.ahead = append(s.all.ahead, ahead{hash: s.seed.hash(key), table: t})
	}
}

// Fetch brings what is expected into the processor's cache. A lookup reads table,
// place and cell one after the other, and in a large keyspace each read is a miss
// that the next one waits for; here the reads of all keys are under way at once.
func (d *Databases) Fetch() {
	fetch(d.ahead)
	clear(d.ahead) // lets go of what may be removed
	d.ahead = d.ahead[:0]
}

// fetch is not inlined, since nobody needs what it reads.
//
//go:noinline
func fetch(keys []ahead) (sum int) {
	for i := range keys {
		sum += len(keys[i].table.tags)
	}
	for i := range keys {
		a := &keys[i]
		place, tag := a.table.home(a.hash)
		if a.table.tags[place] == tag {
			a.cell = a.table.cells[place]
		}
	}
	for i := range keys {
		if c := keys[i].cell; c != "" {
			sum += int(c[0])
		}
	}
	return sum
}
