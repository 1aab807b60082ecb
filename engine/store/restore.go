package store

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
)

// decoded is what a slot's payload holds. It is of no database yet, so that slots
// can be decoded beside each other.
type decoded struct {
	database int
	slot     uint16
	table    *table
	bytes    int64    // of the entries without their deadlines
	expiring []expiry // of those with a deadline
}

func decodeSlot(seed seed, slot uint16, payload []byte) (l decoded, err error) {
	d := &decoder{rest: payload}
	n := d.count(4)
	l = decoded{slot: slot, table: newTable(seed, n)}
	var buf []byte
	for previous := []byte(nil); n > 0 && d.err == nil; n-- {
		key := d.bytes()
		deadline := int64(d.uint())
		text, flags, apart := d.held()
		switch {
		case d.err != nil:
		case Slot(key) != slot:
			d.fail("key in a wrong slot")
		case deadline < 0:
			d.fail("deadline out of range")
		case l.table.count > 0 && string(key) <= string(previous):
			d.fail("keys do not ascend")
		default:
			buf = append(appendHead(buf[:0], key, deadline, flags), text...)
			l.add(cell(buf), apart)
			previous = key
		}
	}
	if d.err == nil && len(d.rest) != 0 {
		d.fail("bytes left over")
	}
	if d.err != nil {
		return l, fmt.Errorf("%w: slot %d: %w", ErrSnapshotCorrupt, slot, d.err)
	}
	return l, nil
}

// held reads kind and value: the text that stands in a cell, and the flags of its
// head, or what stands apart.
func (d *decoder) held() (text []byte, flags uint64, apart Value) {
	if d.err != nil || len(d.rest) == 0 || Kind(d.rest[0]) != KindString {
		v := d.value()
		if run, ok := compact(v); ok && d.err == nil && run.fits(embedded) {
			return appendCompact(nil, run, v.Kind()), isCollection, nil
		}
		return nil, 0, v
	}
	d.rest = d.rest[1:]
	if text = d.bytes(); len(text) > embedded {
		return nil, 0, String(bytes.Clone(text))
	}
	return text, 0, nil
}

func (l *decoded) add(c cell, apart Value) {
	l.table.insert(c, apart)
	e := decodeCell(c)
	e.apart = apart
	l.bytes += e.size()
	if e.deadline != 0 {
		l.expiring = append(l.expiring, expiry{e.deadline, e.key})
	}
}

// adopt makes a decoded slot the database's, which has no key in it.
func (s *Store) adopt(l decoded) error {
	if s.slots[l.slot] != nil {
		return fmt.Errorf("%w: slot %d twice", ErrSnapshotCorrupt, l.slot)
	}
	if l.table.count == 0 {
		return nil
	}
	if s.slots == &nothing {
		s.slots = new(slotTables)
	}
	s.slots[l.slot] = l.table
	s.keys += l.table.count
	s.bytes += l.bytes + tableOverhead
	for _, e := range l.expiring {
		s.index(e.key, 0, e.at)
	}
	return nil
}

// DecodeSlot adds the keys of a slot payload to a database that has none in that
// slot.
func (s *Store) DecodeSlot(slot uint16, payload []byte) error {
	l, err := decodeSlot(s.seed, slot, payload)
	if err != nil {
		return err
	}
	return s.adopt(l)
}

// Restore reads a snapshot stream into new databases.
func Restore(r io.Reader) (*Databases, error) {
	var head [6]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, fmt.Errorf("%w: header: %w", ErrSnapshotCorrupt, err)
	}
	if string(head[:4]) != snapshotMagic {
		return nil, fmt.Errorf("%w: no magic", ErrSnapshotCorrupt)
	}
	version := binary.LittleEndian.Uint16(head[4:])
	if version == 0 || version > SnapshotVersion {
		return nil, fmt.Errorf("%w: snapshot has version %d, this engine reads up to %d", ErrSnapshotVersion, version, SnapshotVersion)
	}
	l := &loader{in: r, version: version, into: New()}
	keys, err := l.run()
	if read := l.into.Len(); err == nil && keys != uint64(read) {
		err = fmt.Errorf("%w: %d keys announced, %d read", ErrSnapshotCorrupt, keys, read)
	}
	if err != nil {
		return nil, err
	}
	return l.into, nil
}

const (
	// decoders is how many portions of a stream are decoded while the next is
	// read: reading is taking bytes out of their seal, about half of the work.
	decoders = 2
	// portionBytes is how much of a stream is handed to a decoder at once.
	portionBytes = 256 << 10
)

// portion is some slots of a stream, on their way through a decoder.
type portion struct {
	records []record
	bytes   int
	slots   []decoded
	err     error
	done    chan struct{} // closed when slots and err are there
}

type record struct {
	database int
	slot     uint16
	payload  []byte
}

// loader reads a stream's slots and has them decoded beside it. What comes of
// it does not depend on who is faster: slots share nothing, and they are taken
// up in their order, as errors are.
type loader struct {
	in      io.Reader
	version uint16
	into    *Databases
	pending []*portion // oldest first
}

// run reads to the end and returns how many keys it announces.
func (l *loader) run() (keys uint64, err error) {
	defer func() {
		if settled := l.settle(0); err == nil {
			err = settled
		}
	}()
	p, database, previous := &portion{}, 0, -1
	for {
		var head [10]byte
		if _, err := io.ReadFull(l.in, head[:]); err != nil {
			return 0, fmt.Errorf("%w: record: %w", ErrSnapshotCorrupt, err)
		}
		slot, size := binary.LittleEndian.Uint16(head[:]), binary.LittleEndian.Uint64(head[2:])
		switch {
		case slot == endSlot:
			return size, l.decode(p)
		case slot == databaseSlot && l.version > oneDatabase && size > uint64(database) && size < Count:
			database, previous = int(size), -1
			continue
		}
		if int(slot) <= previous || slot >= Slots || size > maxSlotBytes {
			return 0, fmt.Errorf("%w: record of slot %d", ErrSnapshotCorrupt, slot)
		}
		previous = int(slot)
		payload, err := readPayload(l.in, int64(size))
		if err != nil {
			return 0, err
		}
		p.records = append(p.records, record{database, slot, payload})
		if p.bytes += len(payload); p.bytes >= portionBytes {
			if err := l.decode(p); err != nil {
				return 0, err
			}
			p = &portion{}
		}
	}
}

// decode has a portion decoded, and takes up those that are.
func (l *loader) decode(p *portion) error {
	p.done = make(chan struct{})
	l.pending = append(l.pending, p)
	go p.decode(l.into.At(0).seed)
	return l.settle(decoders)
}

func (p *portion) decode(seed seed) {
	defer close(p.done)
	for _, r := range p.records {
		var slot decoded
		if slot, p.err = decodeSlot(seed, r.slot, r.payload); p.err != nil {
			return
		}
		slot.database = r.database
		p.slots = append(p.slots, slot)
	}
}

// settle waits until at most so many portions are pending, and takes up what
// they hold. It leaves nobody behind, whatever happens.
func (l *loader) settle(most int) (err error) {
	for len(l.pending) > most {
		p := l.pending[0]
		l.pending = l.pending[1:]
		<-p.done
		if err == nil {
			err = p.err
		}
		for _, slot := range p.slots {
			if err == nil {
				err = l.into.At(slot.database).adopt(slot)
			}
		}
	}
	return err
}

// readPayload allocates as bytes arrive, not by what the record claims.
func readPayload(r io.Reader, size int64) ([]byte, error) {
	const step = 1 << 20
	payload := make([]byte, 0, min(size, step))
	for int64(len(payload)) < size {
		from := len(payload)
		payload = append(payload, make([]byte, min(size-int64(from), step))...)
		if _, err := io.ReadFull(r, payload[from:]); err != nil {
			return nil, fmt.Errorf("%w: payload: %w", ErrSnapshotCorrupt, err)
		}
	}
	return payload, nil
}
