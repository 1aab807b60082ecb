package store

import (
	"bytes"
	"errors"
	"math"
	"strings"

	"github.com/coffer-dev/coffer/engine/keyevent"
)

// Slots is the number of slots.
const Slots = 16384

// deadlineOverhead approximates the bytes of an entry in the expiry index.
const deadlineOverhead = 64

// ErrWrongType is returned when a key holds another type than asked for.
var ErrWrongType = errors.New("WRONGTYPE Operation against a key holding the wrong kind of value")

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

type slotTables [Slots]*table

// Store is one database.
type Store struct {
	contents
	all     *Databases // that it is one of
	number  int        // of it
	usage   *usage     // of all
	seed    seed       // of the tables
	watched map[string][]*mark
	buf     []byte // a cell in the making
	bench   bench
}

// Len is the number of keys, those that expired but were not yet swept
// included, as DBSIZE counts them.
func (s *Store) Len() int { return s.keys }

// Expiring is the number of keys with a deadline.
func (s *Store) Expiring() int { return s.expiries.Len() }

// Bytes approximates the memory that keys and values take.
func (s *Store) Bytes() int64 {
	if s.usage.of != NoUsage {
		return s.bytes + markBytes*int64(s.keys)
	}
	return s.bytes
}

// place is where a key is, or would be, and what it holds.
type place struct {
	slot  uint16
	found bool
	at    int
	table *table // nil when the slot is empty
	entry
}

func (s *Store) locate(key []byte) (p place) {
	p.slot = Slot(key)
	if p.table = s.slots[p.slot]; p.table != nil {
		p.at, p.entry, p.found = p.table.find(key)
	}
	return p
}

func (s *Store) find(key []byte, now int64) (e entry, found bool) {
	if t := s.slots[Slot(key)]; t != nil {
		_, e, found = t.find(key)
	}
	return e, found && !e.expired(now)
}

// look is find of what the caller is going to use.
func (s *Store) look(key []byte, now int64) (e entry, found bool) {
	t := s.slots[Slot(key)]
	if t == nil {
		return e, false
	}
	place, e, found := t.find(key)
	if !found || e.expired(now) {
		return e, false
	}
	s.use(t, place)
	return e, true
}

// Get returns the value of a key, for reading only; nil when it is absent.
func (s *Store) Get(key []byte, now int64) Value {
	if e, found := s.look(key, now); found {
		return e.value()
	}
	return nil
}

// Peek is Get that does not count as a use of the key.
func (s *Store) Peek(key []byte, now int64) Value {
	if e, found := s.find(key, now); found {
		return e.value()
	}
	return nil
}

// Touch reports whether a key is present, and counts as a use of it.
func (s *Store) Touch(key []byte, now int64) bool {
	_, found := s.look(key, now)
	return found
}

// Exists reports whether a key is present.
func (s *Store) Exists(key []byte, now int64) bool {
	_, found := s.find(key, now)
	return found
}

// SizeOf is about how much memory a key takes with what it holds, as Bytes counts
// it.
func (s *Store) SizeOf(key []byte, now int64) (bytes int64, found bool) {
	e, found := s.find(key, now)
	if !found {
		return 0, false
	}
	if e.deadline != 0 {
		bytes = deadlineOverhead
	}
	return bytes + e.size(), true
}

// Read returns the value of a key as the type asked for; found is false when
// it is absent, and the error ErrWrongType when it is of another type.
func Read[T Value](s *Store, key []byte, now int64) (value T, found bool, err error) {
	e, found := s.look(key, now)
	if !found {
		return value, false, nil
	}
	if text, ok := any(&value).(*String); ok && e.apart == nil && !e.compact {
		*text = String(e.text) // not by way of a Value, which allocates
		return value, true, nil
	}
	value, ok := e.value().(T)
	if !ok {
		return value, false, ErrWrongType
	}
	return value, true, nil
}

// Edit lets fn change the collection of a present key; it says whether it did. What
// was read of the key before is not what it made: see Aliasing. A collection that is
// empty afterwards is removed, and gone. It must follow a Read that found the key.
// Fn edits nothing else, since there is one bench.
func Edit[T Value](s *Store, key []byte, fn func(T) (changed bool)) (changed, gone bool) {
	p := s.locate(key)
	s.beforeWrite(&p, key)
	v, before := p.apart, p.size()
	if v == nil {
		v = s.bench.open(p.text)
	}
	if changed = fn(v.(T)); changed {
		s.touch(key)
	}
	if gone = v.vanished(); !gone && (changed || p.apart != nil) {
		s.keep(&p, v)
	}
	s.bytes += p.size() - before
	if gone {
		s.remove(&p)
	}
	return changed, gone
}

// keep puts a collection that was changed where it belongs: into the cell or
// beside it. What stands apart moves back only when it has become half as
// long, lest it go to and fro.
func (s *Store) keep(p *place, v Value) {
	limit := embedded
	if p.apart != nil {
		limit = embedded / 2
	}
	run, ok := compact(v)
	switch ok = ok && run.fits(limit); {
	case ok:
		s.buf = appendCompact(appendHead(s.buf[:0], p.key, p.deadline, isCollection), run, v.Kind())
		v = nil
	case p.apart != nil:
		return
	default:
		leave(v)
		s.buf = appendHead(s.buf[:0], p.key, p.deadline, 0)
	}
	c := cell(s.buf)
	p.table.set(p.at, c, v)
	p.entry = decodeCell(c)
	p.apart = v
}

// Put stores a value under a key, in place of whatever was there, with a
// deadline in ms since the epoch, 0 for none. The store owns the value then.
func (s *Store) Put(key []byte, value Value, deadline int64) {
	p := s.locate(key)
	if text, ok := value.(String); ok && len(text) <= embedded {
		s.write(&p, key, appendCell(s.buf[:0], key, deadline, text), nil)
	} else if run, ok := compact(value); ok && run.fits(embedded) {
		s.write(&p, key, appendCompact(appendHead(s.buf[:0], key, deadline, isCollection), run, value.Kind()), nil)
	} else {
		s.write(&p, key, appendHead(s.buf[:0], key, deadline, 0), value)
	}
}

// PutString is Put of a string that stays the caller's.
func (s *Store) PutString(key, text []byte, deadline int64) {
	p := s.locate(key)
	if len(text) <= embedded {
		s.write(&p, key, appendCell(s.buf[:0], key, deadline, text), nil)
	} else {
		s.write(&p, key, appendCell(s.buf[:0], key, deadline, ""), String(bytes.Clone(text)))
	}
}

// write puts a cell, of which it keeps a copy, and what stands apart at a place.
func (s *Store) write(p *place, key, encoded []byte, apart Value) {
	s.buf = encoded
	s.beforeWrite(p, key)
	s.touch(key)
	s.tellNew(p, key)
	c := cell(encoded)
	if p.found {
		s.bytes -= p.size()
		p.table.set(p.at, c, apart)
		s.use(p.table, p.at)
	} else {
		if p.table == nil {
			p.table = newTable(s.seed, 0)
			if s.slots == &nothing {
				s.slots = new(slotTables)
			}
			s.slots[p.slot] = p.table
			s.bytes += tableOverhead
		}
		s.create(p.table, p.table.insert(c, apart))
		s.keys++
	}
	e := decodeCell(c)
	e.apart = apart
	s.bytes += e.size()
	s.index(e.key, p.deadline, e.deadline)
	if s.all.lasting.noted && e.deadline == 0 && (!p.found || p.deadline != 0) {
		s.all.lasting.note(Key{s.number, e.key}, len(c))
	}
}

// Deadline is when a present key expires, in ms since the epoch, 0 for never.
// found is false when the key is absent.
func (s *Store) Deadline(key []byte, now int64) (deadline int64, found bool) {
	e, found := s.find(key, now)
	if !found {
		return 0, false
	}
	return e.deadline, true
}

// SetDeadline changes when a key expires, 0 for never; an absent key is left
// alone. That it is set again counts as a change, that it is never again does
// not.
func (s *Store) SetDeadline(key []byte, deadline int64) {
	p := s.locate(key)
	switch {
	case !p.found:
	case p.deadline != deadline:
		s.write(&p, key, p.appendCell(s.buf[:0], deadline), p.apart)
	case deadline != 0:
		s.touch(key)
	}
}

// index notes a new deadline of a key. It keeps a name of its own, since a cell
// that it shared would outlive its value.
func (s *Store) index(key string, old, deadline int64) {
	if old == deadline {
		return
	}
	if old != 0 {
		s.expiries.Delete(expiry{old, key})
		s.bytes -= deadlineOverhead
	}
	if deadline != 0 {
		s.expiries.Set(expiry{deadline, strings.Clone(key)})
		s.bytes += deadlineOverhead
	}
}

// Delete removes a key and reports whether it was present.
func (s *Store) Delete(key []byte, now int64) bool {
	p := s.locate(key)
	if !p.found {
		return false
	}
	s.beforeWrite(&p, key)
	s.remove(&p)
	if p.expired(now) {
		s.Rouse(key)
		s.Tell(keyevent.Expired, "expired", key)
		s.note(key)
		return false // it was absent before
	}
	s.touch(key)
	return true
}

// Rename moves a present key's value and deadline to another name, in place
// of whatever was there.
func (s *Store) Rename(from, to []byte) {
	if string(from) != string(to) {
		s.move(from, s, to)
	}
}

// Move moves a present key's value and deadline to another database, in place of
// whatever was there.
func (s *Store) Move(key []byte, to *Store) {
	if s != to {
		s.move(key, to, key)
	}
}

func (s *Store) move(from []byte, into *Store, to []byte) {
	p := s.locate(from)
	s.beforeWrite(&p, from)
	s.touch(from)
	s.remove(&p)
	into.Put(to, p.value(), p.deadline)
}

func (s *Store) remove(p *place) {
	s.index(p.key, p.deadline, 0)
	s.bytes -= p.size()
	s.keys--
	p.table.remove(p.at)
	if p.table.count == 0 {
		s.slots[p.slot] = nil
		s.bytes -= tableOverhead
	}
}

// Flush removes every key. A running snapshot keeps what it began with.
func (s *Store) Flush() {
	s.clear()
	s.all.noteAll()
	for key := range s.watched {
		s.Rouse([]byte(key))
	}
}

// Due reports whether a sweep at that time would find a key to remove.
func (s *Store) Due(now int64) bool {
	first, ok := s.expiries.Min()
	return ok && first.at <= now
}

// AverageTTL is for how many ms the keys with a deadline still live on average,
// about: it looks at some of them, from the nearest to the farthest deadline.
func (s *Store) AverageTTL(now int64) int64 {
	const samples = 20
	n := s.expiries.Len()
	if n == 0 {
		return 0
	}
	looked := int64(min(n, samples))
	whole, rest := int64(0), int64(0) // their sum may pass what an int64 holds
	for i := range int(looked) {
		e, _ := s.expiries.GetAt(i * (n - 1) / max(int(looked)-1, 1))
		whole += max(e.at-now, 0) / looked
		rest += max(e.at-now, 0) % looked
	}
	return whole + rest/looked
}

// Scan visits present keys from a cursor on, slot by slot, until it has
// visited count of them, and returns the cursor to go on with, 0 at the end.
// A slot is visited whole, so a key that is present from the first call to the
// last is visited at least once, whatever is written in between. It ends early
// when visit answers false.
func (s *Store) Scan(cursor uint64, count int, now int64, visit func(key string, kind Kind) bool) (next uint64) {
	for slot := cursor; slot < Slots; slot++ {
		for e := range s.slots[slot].all() {
			count--
			if !e.expired(now) && !visit(e.key, e.kind()) {
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
func (s *Store) Each(now int64, visit func(key string, kind Kind) bool) {
	s.Scan(0, math.MaxInt, now, visit)
}
