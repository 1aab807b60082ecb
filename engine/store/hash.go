package store

import "bytes"

// Up to so many fields, none longer than so many bytes nor its value, a
// collection is packed: redis-server's hash-max-listpack-entries and -value,
// and those of sorted sets.
const (
	PackedEntries = 128
	PackedBytes   = 64
)

// pairWeight is what a packed pair weighs beside its text.
const pairWeight = 10

// Hash is fields with values, in the order of a dict, packed while it is small.
// It stays unpacked, however small it becomes. The zero value is an empty hash.
// What it hands out holds until its next change.
type Hash struct {
	pairs  packed        // field, value, field, value …
	fields *dict[[]byte] // in place of pairs when it is large
	text   int64         // bytes of all its values then
}

// Kind implements Value.
func (*Hash) Kind() Kind { return KindHash }

// Size implements Value.
func (h *Hash) Size() int64 {
	if h.fields != nil {
		const entry = 24 + 16 // value and field
		return h.text + keyOverhead*int64(h.fields.len()) + h.fields.size(entry) + 64
	}
	return h.pairs.size() + 64
}

// weight is what Size was when semantics 8 came, for Weight.
func (h *Hash) weight() int64 {
	if h.fields != nil {
		return h.text + 24*int64(h.fields.len()) + h.fields.weight() + 64
	}
	return int64(len(h.pairs.data)) + pairWeight*int64(h.Len()) + 96
}

func (h *Hash) vanished() bool { return h.Len() == 0 }

// Packed reports whether the hash is in its compact form.
func (h *Hash) Packed() bool { return h.fields == nil }

// Len is the number of fields.
func (h *Hash) Len() int {
	if h.fields != nil {
		return h.fields.len()
	}
	return h.pairs.len() / 2
}

func (h *Hash) position(field []byte) int {
	if h.fields != nil {
		return h.fields.position(field)
	}
	return h.pairs.find(field, 2) >> 1 // -1 stays
}

// Get is the value of a field.
func (h *Hash) Get(field []byte) (value []byte, found bool) {
	i := h.position(field)
	switch {
	case i < 0:
		return nil, false
	case h.fields != nil:
		return h.fields.at(i).value, true
	}
	return h.pairs.at(2*i + 1), true
}

// Set gives a field a value, which is copied, and reports whether the field is
// new.
func (h *Hash) Set(field, value []byte) (added bool) {
	i := h.position(field)
	if h.fields == nil && (len(field) > PackedBytes || len(value) > PackedBytes || i < 0 && h.Len() == PackedEntries) {
		h.unpack()
	}
	switch {
	case i < 0 && h.fields != nil:
		h.fields.add(field, bytes.Clone(value))
		h.text += int64(len(value))
	case i < 0:
		h.pairs.splice(h.pairs.len(), 0, field, value)
	case h.fields != nil:
		h.text += int64(len(value) - len(h.fields.at(i).value))
		h.fields.set(i, bytes.Clone(value))
	default:
		h.pairs.splice(2*i+1, 1, value)
	}
	return i < 0
}

func (h *Hash) unpack() {
	h.fields, h.text = &dict[[]byte]{}, 0
	for i := 0; i < h.pairs.len(); i += 2 {
		h.fields.add(h.pairs.at(i), bytes.Clone(h.pairs.at(i+1)))
		h.text += int64(len(h.pairs.at(i + 1)))
	}
	h.pairs = packed{}
}

// Delete removes a field and reports whether it was there.
func (h *Hash) Delete(field []byte) bool {
	i := h.position(field)
	switch {
	case i < 0:
		return false
	case h.fields != nil:
		h.text -= int64(len(h.fields.at(i).value))
		h.fields.remove(i)
		return true
	}
	last := h.pairs.len() - 2
	if 2*i < last { // as a dict: the last takes its place
		h.pairs.splice(2*i, 2, bytes.Clone(h.pairs.at(last)), bytes.Clone(h.pairs.at(last+1)))
	}
	h.pairs.splice(last, 2)
	return true
}

// Range visits the fields at the positions from i up to but not including j,
// until visit answers false. What visit gets holds until it returns.
func (h *Hash) Range(i, j int, visit func(field, value []byte) bool) {
	var field []byte
	for ; i < j; i++ {
		value := []byte(nil)
		if h.fields != nil {
			e := h.fields.at(i)
			field, value = append(field[:0], e.key...), e.value
		} else {
			field, value = h.pairs.at(2*i), h.pairs.at(2*i+1)
		}
		if !visit(field, value) {
			return
		}
	}
}

func (h *Hash) appendTo(dst []byte) []byte {
	dst = appendForm(dst, h.Packed(), h.Len())
	h.Range(0, h.Len(), func(field, value []byte) bool {
		dst = appendBytes(appendBytes(dst, field), value)
		return true
	})
	return dst
}

// appendForm appends whether a collection is packed, and how much it holds.
func appendForm(dst []byte, packed bool, n int) []byte {
	form := byte(1)
	if packed {
		form = 0
	}
	return appendUint(append(dst, form), uint64(n))
}

// form reads what appendForm wrote.
func (d *decoder) form(minSize int) (packed bool, n int) {
	switch form := d.byte(); form {
	case 0, 1:
		return form == 0, d.count(minSize)
	}
	d.fail("unknown form of a collection")
	return true, 0
}

func decodeHash(d *decoder) *Hash {
	h := &Hash{}
	packed, n := d.form(2)
	if !packed {
		h.unpack()
	}
	for ; n > 0 && d.err == nil; n-- {
		field, value := d.bytes(), d.bytes()
		if !h.Set(field, value) && d.err == nil {
			d.fail("field twice")
		}
	}
	switch {
	case d.err != nil:
	case h.Len() == 0:
		d.fail("empty hash")
	case h.Packed() != packed:
		d.fail("hash too large to be packed")
	}
	return h
}
