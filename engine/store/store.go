package store

import (
	"errors"
	"math"

	"github.com/tidwall/btree"
)

// Slots is the number of slots.
const Slots = 16384

// keyOverhead approximates the bytes that a key costs beside its name and
// value: map cell, entry, allocation rounding.
const keyOverhead = 96

// deadlineOverhead approximates the bytes of an entry in the expiry index.
const deadlineOverhead = 40

// ErrWrongType is returned when a key holds another type than asked for.
var ErrWrongType = errors.New("WRONGTYPE Operation against a key holding the wrong kind of value")

type entry struct {
	key      string // the map's, which the expiry index shares
	value    Value
	deadline int64 // ms since the epoch; 0 is never
}

func (e *entry) expired(now int64) bool { return e.deadline != 0 && e.deadline <= now }

type expiry struct {
	at  int64
	key string
}

func (e expiry) less(o expiry) bool {
	if e.at != o.at {
		return e.at < o.at
	}
	return e.key < o.key
}

type slotMaps [Slots]map[string]*entry

// Store is the keyspace. It is not safe for concurrent use; its owner's lock
// guards it.
type Store struct {
	slots    *slotMaps
	keys     int
	bytes    int64
	expiries *btree.BTreeG[expiry]
	snapshot *Snapshot // the running one, nil for none
}

// New makes an empty store.
func New() *Store {
	s := &Store{}
	s.clear()
	return s
}

func (s *Store) clear() {
	s.slots = new(slotMaps)
	s.keys, s.bytes = 0, 0
	s.expiries = btree.NewBTreeGOptions(expiry.less, btree.Options{NoLocks: true})
}

// Len is the number of keys, those that expired but were not yet swept
// included, as DBSIZE counts them.
func (s *Store) Len() int { return s.keys }

// Expiring is the number of keys with a deadline.
func (s *Store) Expiring() int { return s.expiries.Len() }

// Bytes approximates the memory that keys and values take.
func (s *Store) Bytes() int64 { return s.bytes }

func (s *Store) find(key []byte, now int64) *entry {
	e := s.slots[Slot(key)][string(key)]
	if e == nil || e.expired(now) {
		return nil
	}
	return e
}

// Get returns the value of a key, for reading only; nil when it is absent.
func (s *Store) Get(key []byte, now int64) Value {
	if e := s.find(key, now); e != nil {
		return e.value
	}
	return nil
}

// Exists reports whether a key is present.
func (s *Store) Exists(key []byte, now int64) bool { return s.find(key, now) != nil }

// Read returns the value of a key as the type asked for; found is false when
// it is absent, and the error ErrWrongType when it is of another type.
func Read[T Value](s *Store, key []byte, now int64) (value T, found bool, err error) {
	e := s.find(key, now)
	if e == nil {
		return value, false, nil
	}
	value, ok := e.value.(T)
	if !ok {
		return value, false, ErrWrongType
	}
	return value, true, nil
}

// Edit lets fn change the value of a present key in place. A collection that
// is empty afterwards is removed. It must follow a Read that found the key.
func Edit[T Value](s *Store, key []byte, fn func(T)) {
	slot := Slot(key)
	e := s.slots[slot][string(key)]
	s.beforeWrite(slot, e.key, e)
	before := e.value.Size()
	fn(e.value.(T))
	s.bytes += e.value.Size() - before
	if e.value.vanished() {
		s.remove(slot, e)
	}
}

// Put stores a value under a key, in place of whatever was there, with a
// deadline in ms since the epoch, 0 for none. The store owns the value then.
func (s *Store) Put(key []byte, value Value, deadline int64) {
	slot := Slot(key)
	m := s.slots[slot]
	e := m[string(key)]
	if e == nil {
		if m == nil {
			m = make(map[string]*entry)
			s.slots[slot] = m
		}
		e = &entry{key: string(key), value: value}
		s.beforeWrite(slot, e.key, nil)
		m[e.key] = e
		s.keys++
		s.bytes += int64(len(key)) + keyOverhead + value.Size()
	} else {
		s.beforeWrite(slot, e.key, e)
		s.bytes += value.Size() - e.value.Size()
		e.value = value
	}
	s.index(e, deadline)
}

// Deadline is when a present key expires, in ms since the epoch, 0 for never.
// found is false when the key is absent.
func (s *Store) Deadline(key []byte, now int64) (deadline int64, found bool) {
	e := s.find(key, now)
	if e == nil {
		return 0, false
	}
	return e.deadline, true
}

// SetDeadline changes when a key expires, 0 for never; an absent key is left
// alone.
func (s *Store) SetDeadline(key []byte, deadline int64) {
	slot := Slot(key)
	e := s.slots[slot][string(key)]
	if e == nil {
		return
	}
	s.beforeWrite(slot, e.key, e)
	s.index(e, deadline)
}

func (s *Store) index(e *entry, deadline int64) {
	if e.deadline == deadline {
		return
	}
	if e.deadline != 0 {
		s.expiries.Delete(expiry{e.deadline, e.key})
		s.bytes -= deadlineOverhead
	}
	e.deadline = deadline
	if deadline != 0 {
		s.expiries.Set(expiry{deadline, e.key})
		s.bytes += deadlineOverhead
	}
}

// Delete removes a key and reports whether it was present.
func (s *Store) Delete(key []byte, now int64) bool {
	slot := Slot(key)
	e := s.slots[slot][string(key)]
	if e == nil {
		return false
	}
	present := !e.expired(now)
	s.beforeWrite(slot, e.key, e)
	s.remove(slot, e)
	return present
}

// Rename moves a present key's value and deadline to another name, in place
// of whatever was there.
func (s *Store) Rename(from, to []byte) {
	slot := Slot(from)
	e := s.slots[slot][string(from)]
	if string(from) == string(to) {
		return
	}
	value, deadline := e.value, e.deadline
	s.beforeWrite(slot, e.key, e)
	s.remove(slot, e)
	s.Put(to, value, deadline)
}

func (s *Store) remove(slot uint16, e *entry) {
	s.index(e, 0)
	s.bytes -= int64(len(e.key)) + keyOverhead + e.value.Size()
	s.keys--
	m := s.slots[slot]
	delete(m, e.key)
	if len(m) == 0 {
		s.slots[slot] = nil
	}
}

// Flush removes every key. A running snapshot keeps what it began with.
func (s *Store) Flush() {
	s.snapshot.detach()
	s.clear()
}

// Due reports whether a sweep at that time would find a key to remove.
func (s *Store) Due(now int64) bool {
	first, ok := s.expiries.Min()
	return ok && first.at <= now
}

// Sweep removes up to limit keys whose deadline has passed, the oldest
// deadlines first, and returns how many it removed.
func (s *Store) Sweep(now int64, limit int) int {
	n := 0
	for ; n < limit && s.Due(now); n++ {
		first, _ := s.expiries.Min()
		slot := Slot([]byte(first.key))
		e := s.slots[slot][first.key]
		s.beforeWrite(slot, e.key, e)
		s.remove(slot, e)
	}
	return n
}

// Scan visits present keys from a cursor on, slot by slot, until it has
// visited count of them, and returns the cursor to go on with, 0 at the end.
// A slot is visited whole, so a key that is present from the first call to the
// last is visited at least once, whatever is written in between. It ends early
// when visit answers false.
func (s *Store) Scan(cursor uint64, count int, now int64, visit func(key string, v Value) bool) (next uint64) {
	for slot := cursor; slot < Slots; slot++ {
		for key, e := range s.slots[slot] {
			count--
			if !e.expired(now) && !visit(key, e.value) {
				return 0
			}
		}
		if count <= 0 && slot+1 < Slots {
			return slot + 1
		}
	}
	return 0
}

// Each visits every present key, or those before visit answers false.
func (s *Store) Each(now int64, visit func(key string, v Value) bool) {
	s.Scan(0, math.MaxInt, now, visit)
}
