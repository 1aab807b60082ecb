package store

import (
	"bytes"
	"encoding/binary"
	"errors"
)

var errTruncated = errors.New("truncated")

func appendUint(dst []byte, n uint64) []byte { return binary.AppendUvarint(dst, n) }

func appendBytes[T ~[]byte | ~string](dst []byte, b T) []byte {
	return append(appendUint(dst, uint64(len(b))), b...)
}

// decoder reads the pieces of a slot payload; after the first error it yields
// zeros and keeps that error.
type decoder struct {
	rest []byte
	err  error
}

func (d *decoder) fail(why string) { d.err = errors.New(why) }

func (d *decoder) uint() uint64 {
	if d.err != nil {
		return 0
	}
	n, size := binary.Uvarint(d.rest)
	if size <= 0 {
		d.err = errTruncated
		return 0
	}
	d.rest = d.rest[size:]
	return n
}

// count reads a number of elements of at least minSize bytes each, which
// bounds it by what is left.
func (d *decoder) count(minSize int) int {
	n := d.uint()
	if n > uint64(len(d.rest)/minSize) {
		d.err = errTruncated
		return 0
	}
	return int(n)
}

func (d *decoder) bytes() []byte {
	n := d.count(1)
	if d.err != nil {
		return nil
	}
	b := d.rest[:n:n]
	d.rest = d.rest[n:]
	return b
}

func (d *decoder) byte() byte {
	if d.err == nil && len(d.rest) == 0 {
		d.err = errTruncated
	}
	if d.err != nil {
		return 0
	}
	b := d.rest[0]
	d.rest = d.rest[1:]
	return b
}

func (d *decoder) fixed64() uint64 {
	if d.err == nil && len(d.rest) < 8 {
		d.err = errTruncated
	}
	if d.err != nil {
		return 0
	}
	n := binary.LittleEndian.Uint64(d.rest)
	d.rest = d.rest[8:]
	return n
}

// value reads kind and value; the value shares no memory with the payload.
func (d *decoder) value() Value {
	switch kind := Kind(d.byte()); {
	case d.err != nil:
		return nil
	case kind == KindString:
		return String(bytes.Clone(d.bytes()))
	case kind == KindSet:
		return decodeSet(d)
	case kind == KindStream:
		return decodeStream(d, false)
	case kind == kindGroupedStream:
		return decodeStream(d, true)
	case kind == KindList:
		return decodeList(d)
	case kind == KindHash:
		return decodeHash(d)
	case kind == KindZSet:
		return decodeZSet(d)
	}
	d.fail("unknown kind of value")
	return nil
}

// Clone is a value that shares no memory with another and equals it.
func Clone(v Value) Value {
	d := &decoder{rest: v.appendTo([]byte{byte(form(v))})}
	return d.value()
}
