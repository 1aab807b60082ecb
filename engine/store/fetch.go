package store

// ahead is a key that is going to be looked up.
type ahead struct {
	hash  uint64
	table *table
	cell  cell
}

// Fetch brings what is about to be looked up into the processor's cache. A
// lookup reads table, place and cell one after the other, and in a large
// keyspace each read is a miss that the next one waits for; here the reads of
// all keys are under way at once. Keys that are not there do no harm.
func (s *Store) Fetch(keys [][]byte) {
	s.ahead = s.ahead[:0]
	for _, key := range keys {
		if t := s.slots[Slot(key)]; t != nil {
			s.ahead = append(s.ahead, ahead{hash: s.seed.hash(key), table: t})
		}
	}
	fetch(s.ahead)
	clear(s.ahead) // lets go of what may be removed
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
