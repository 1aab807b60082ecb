package store

import "github.com/tidwall/btree"

// Usage is what is noted of the use of keys. It is noted by the member that
// leads alone, since when it began to, and is no part of the state: neither in
// snapshots nor in what members compare.
type Usage uint8

const (
	// NoUsage notes nothing, and costs nothing.
	NoUsage Usage = iota
	// Recency notes when a key was used last.
	Recency
	// Frequency notes how often a key is used, as redis-server's LFU does.
	Frequency
)

const (
	// recencyTick is the unit of a mark of Recency, in ms: two years fit into one.
	recencyTick = 16
	// markBytes is about what a mark takes, with the table's empty places.
	markBytes = 5

	minute = 60_000 // ms

	// initialFrequency is a new key's: it is not the first to go. frequencyFactor
	// is how much harder each further step of the counter is (lfu-log-factor); it
	// falls by one a minute (lfu-decay-time).
	initialFrequency = 5
	frequencyFactor  = 10
	maxFrequency     = 255
)

// A mark is what is noted of one key; 0 for a key that was not used since noting
// began.
//
//	Recency    ticks from when noting began to when the key was used, from 1 on
//	Frequency  minutes 16 bits | counter 8 bits | 1: when it was counted last
type usage struct {
	of     Usage
	aside  bool   // what is looked at is not used
	since  int64  // when noting began, ms since the epoch
	now    int64  // the clock of what is carried out
	random uint64 // of the counters; no part of the state
}

// Track notes that from now on, and forgets what was noted of another kind.
func (d *Databases) Track(of Usage, now int64) {
	if d.usage.of == of {
		return
	}
	d.usage = usage{of: of, since: now, now: now, random: uint64(now)}
	for i := range d.at {
		if d.at[i].keys == 0 {
			continue
		}
		for _, t := range d.at[i].slots {
			if t != nil {
				t.marks = nil
			}
		}
	}
}

// Clock is the time at which keys are used from then on.
func (d *Databases) Clock(now int64) { d.usage.now = now }

// Aside looks at keys without using them.
func (d *Databases) Aside(look func()) {
	before := d.usage.aside
	d.usage.aside = true
	look()
	d.usage.aside = before
}

// Idle is for how many ms a present key was not used, or nothing was noted.
func (s *Store) Idle(key []byte) (ms int64, noted bool) {
	p := s.locate(key)
	if s.usage.of != Recency || !p.found {
		return 0, false
	}
	used := s.usage.since + int64(p.table.mark(p.at))*recencyTick
	return max(s.usage.now-used, 0), true
}

// Frequency is the counter of a present key.
func (s *Store) Frequency(key []byte) (counter uint8, noted bool) {
	p := s.locate(key)
	if s.usage.of != Frequency || !p.found {
		return 0, false
	}
	return s.usage.frequency(p.table.mark(p.at)), true
}

// use notes that a key is used.
func (s *Store) use(t *table, place int) {
	if s.usage.of == NoUsage || s.usage.aside {
		return
	}
	t.setMark(place, s.usage.next(t.mark(place)))
}

// create notes that a key is new.
func (s *Store) create(t *table, place int) {
	switch s.usage.of {
	case Recency:
		t.setMark(place, s.usage.next(0))
	case Frequency:
		t.setMark(place, s.usage.counted(initialFrequency))
	}
}

// next is the mark of a key that is used once more.
func (u *usage) next(mark uint32) uint32 {
	if u.of == Recency {
		return uint32(max(u.now-u.since, 0)/recencyTick) + 1
	}
	return u.counted(u.raise(u.frequency(mark)))
}

func (u *usage) counted(counter uint8) uint32 {
	return uint32(uint16(u.now/minute))<<16 | uint32(counter)<<8 | 1
}

// frequency is the counter that a mark says, less what it fell by since.
func (u *usage) frequency(mark uint32) uint8 {
	at, counter := uint16(mark>>16), uint8(mark>>8)
	if mark == 0 {
		at, counter = uint16(u.since/minute), initialFrequency
	}
	return counter - uint8(min(uint16(u.now/minute)-at, uint16(counter)))
}

// raise counts one more use with a probability that falls as the counter rises.
func (u *usage) raise(counter uint8) uint8 {
	if counter == maxFrequency {
		return counter
	}
	// xorshift64*: what it is good for needs no other.
	u.random |= 1
	u.random ^= u.random >> 12
	u.random ^= u.random << 25
	u.random ^= u.random >> 27
	above := uint64(max(int(counter)-initialFrequency, 0))
	if u.random*0x2545f4914f6cdd1d>>32%(above*frequencyFactor+1) == 0 {
		counter++
	}
	return counter
}

// score is the higher the sooner a key of that mark may go.
func (u *usage) score(mark uint32) int64 {
	switch u.of {
	case Recency:
		return -int64(mark)
	case Frequency:
		return maxFrequency - int64(u.frequency(mark))
	}
	return 0
}

// mark is what is noted of the key at a place.
func (t *table) mark(place int) uint32 {
	if t.marks == nil {
		return 0
	}
	return (*t.marks)[place]
}

func (t *table) setMark(place int, mark uint32) {
	if t.marks == nil {
		marks := make([]uint32, len(t.tags))
		t.marks = &marks
	}
	(*t.marks)[place] = mark
}

// Candidate is a key that could be evicted.
type Candidate struct {
	Key      Key
	Expiring bool
	Bytes    int64 // that it takes, about
	Score    int64 // the higher the sooner it may go, of what is noted
}

// Candidate is a key as one that could be evicted.
func (d *Databases) Candidate(key Key) (c Candidate, found bool) {
	s := d.At(key.Database)
	p := s.locate([]byte(key.Name))
	if !p.found {
		return c, false
	}
	return s.candidate(p.table, p.at), true
}

func (s *Store) candidate(t *table, place int) Candidate {
	e := t.at(place)
	c := Candidate{Key: Key{s.number, e.key}, Expiring: e.deadline != 0, Bytes: e.size(), Score: s.usage.score(t.mark(place))}
	if c.Expiring {
		c.Bytes += deadlineOverhead
	}
	return c
}

// Pick is a key that a random number names; false without any key.
func (d *Databases) Pick(random uint64) (c Candidate, found bool) {
	s, random := d.draw(random, (*Store).Len)
	if s == nil {
		return c, false
	}
	slot := int(random % Slots)
	for s.slots[slot] == nil {
		slot = (slot + 1) % Slots
	}
	t := s.slots[slot]
	place := int(random / Slots % uint64(len(t.tags)))
	for t.tags[place] == 0 {
		place = t.after(place)
	}
	return s.candidate(t, place), true
}

// PickExpiring is Pick of the keys with a deadline.
func (d *Databases) PickExpiring(random uint64) (c Candidate, found bool) {
	s, random := d.draw(random, (*Store).Expiring)
	if s == nil {
		return c, false
	}
	e, _ := s.expiries.GetAt(int(random % uint64(s.expiries.Len())))
	return d.Candidate(Key{s.number, e.key})
}

// draw is the database that a random number names, the more likely the more it
// has of what is counted, and what is left of the number; nil if none has any.
func (d *Databases) draw(random uint64, count func(*Store) int) (s *Store, rest uint64) {
	total := 0
	for i := range d.at {
		total += count(&d.at[i])
	}
	if total == 0 {
		return nil, 0
	}
	at := int(random % uint64(total))
	for i := range d.at {
		s = &d.at[i]
		if at -= count(s); at < 0 {
			break
		}
	}
	return s, random / uint64(total)
}

// Nearest visits the keys with a deadline, the nearest first, until visit
// answers false.
func (d *Databases) Nearest(visit func(c Candidate) bool) {
	var next [Count]*btree.IterG[expiry] // those that stand at an entry
	for i := range d.at {
		it := d.at[i].expiries.Iter()
		defer it.Release()
		if it.First() {
			next[i] = &it
		}
	}
	for {
		nearest := -1
		for i, it := range next {
			if it != nil && (nearest < 0 || it.Item().at < next[nearest].Item().at) {
				nearest = i
			}
		}
		if nearest < 0 {
			return
		}
		if c, _ := d.Candidate(Key{nearest, next[nearest].Item().key}); !visit(c) {
			return
		}
		if !next[nearest].Next() {
			next[nearest] = nil
		}
	}
}
