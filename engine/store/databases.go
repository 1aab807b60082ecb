package store

import (
	"encoding/binary"
	"hash/fnv"

	"github.com/tidwall/btree"
)

// Count is the number of databases, redis-server's default.
const Count = 16

// Databases are the keyspaces of one state. A key lives in one of them, under its
// name; the same name in another is another key. They are not safe for concurrent
// use; their owner's lock guards them.
type Databases struct {
	at       [Count]Store
	usage    usage
	lasting  lasting
	events   events
	changes  changes
	ahead    []ahead
	snapshot *Snapshot // the running one, nil for none
}

// Key names a key in a database.
type Key struct {
	Database int
	Name     string
}

// New makes empty databases.
func New() *Databases {
	d, seed := &Databases{}, newSeed()
	for i := range d.at {
		s := &d.at[i]
		s.all, s.number, s.usage, s.seed = d, i, &d.usage, seed
		s.clear()
	}
	return d
}

// At is the database of that number, from 0 up to but not including Count.
func (d *Databases) At(number int) *Store { return &d.at[number] }

// Number is the database's.
func (s *Store) Number() int { return s.number }

// Len is the number of keys in all databases, as Store.Len counts them.
func (d *Databases) Len() (n int) {
	for i := range d.at {
		n += d.at[i].Len()
	}
	return n
}

// Expiring is the number of keys with a deadline.
func (d *Databases) Expiring() (n int) {
	for i := range d.at {
		n += d.at[i].Expiring()
	}
	return n
}

// Bytes approximates the memory that keys and values take.
func (d *Databases) Bytes() (n int64) {
	for i := range d.at {
		n += d.at[i].Bytes()
	}
	return n
}

// Flush removes every key of every database.
func (d *Databases) Flush() {
	for i := range d.at {
		d.at[i].Flush()
	}
}

// Swap exchanges what two databases hold. Who watches a key that one of them has
// sees it change.
func (d *Databases) Swap(a, b int, now int64) {
	if a == b {
		return
	}
	d.noteAll()
	one, other := d.At(a), d.At(b)
	one.contents, other.contents = other.contents, one.contents
	d.lasting.missed = d.lasting.noted // what was noted of one is in the other
	one.touchSwapped(other, now)
	other.touchSwapped(one, now)
}

// Due reports whether a sweep at that time would find a key to remove.
func (d *Databases) Due(now int64) bool {
	first := d.first()
	return first != nil && first.Due(now)
}

// first is the database whose deadline comes first; nil without any.
func (d *Databases) first() (found *Store) {
	var earliest int64
	for i := range d.at {
		s := &d.at[i]
		if s.expiries.Len() == 0 {
			continue
		}
		if e, _ := s.expiries.Min(); found == nil || e.at < earliest {
			found, earliest = s, e.at
		}
	}
	return found
}

// Sweep removes up to limit keys whose deadline has passed, the oldest
// deadlines first, and returns how many it removed.
func (d *Databases) Sweep(now int64, limit int) (n int) {
	for ; n < limit; n++ {
		s := d.first()
		if s == nil || !s.Due(now) {
			break
		}
		e, _ := s.expiries.Min()
		s.Delete([]byte(e.key), now)
	}
	return n
}

// Hash is a digest of all keys, values and deadlines, equal for equal states.
// It costs a pass over them.
func (d *Databases) Hash() uint64 {
	h := fnv.New64a()
	var buf []byte
	var sorted order
	for number := range d.at {
		s := &d.at[number]
		if s.keys == 0 {
			continue
		}
		if number > 0 {
			_, _ = h.Write(appendDatabase(nil, number)) // never fails
		}
		for slot, t := range s.slots {
			if t == nil {
				continue
			}
			sorted.arrange(t, nil)
			buf = sorted.appendTo(binary.LittleEndian.AppendUint16(buf[:0], uint16(slot)))
			_, _ = h.Write(buf)
		}
	}
	return h.Sum64()
}

// contents are what a database holds.
type contents struct {
	slots    *slotTables // nothing until there is a key
	keys     int
	bytes    int64
	expiries *btree.BTreeG[expiry]
	saving   *part // of the running snapshot, nil for none
}

// nothing are the slots of databases without keys. It is never written to.
var nothing slotTables

func (c *contents) clear() {
	*c = contents{slots: &nothing, expiries: btree.NewBTreeGOptions(expiry.less, btree.Options{NoLocks: true})}
}
