package queue

import (
	"encoding/binary"
	"errors"
)

// codec writes or reads a sequence of fields: what is written and what is read
// is said once, in the methods called fields. Integers are uvarints, signed
// ones in zigzag; texts are their length and their bytes. After the first error
// a reader yields zeros and keeps the error.
type codec struct {
	reading bool
	dst     []byte // writing
	rest    []byte // reading
	err     error
}

func (c *codec) fail(why string) {
	if c.err == nil {
		c.err = errors.New(why)
	}
	c.rest = nil
}

func (c *codec) uint(v *uint64) {
	if !c.reading {
		c.dst = binary.AppendUvarint(c.dst, *v)
		return
	}
	n, size := binary.Uvarint(c.rest)
	if size <= 0 {
		c.fail("truncated")
		*v = 0
		return
	}
	*v, c.rest = n, c.rest[size:]
}

func (c *codec) int(v *int64) {
	if !c.reading {
		c.dst = binary.AppendVarint(c.dst, *v)
		return
	}
	n, size := binary.Varint(c.rest)
	if size <= 0 {
		c.fail("truncated")
		*v = 0
		return
	}
	*v, c.rest = n, c.rest[size:]
}

func (c *codec) int32(v *int32) {
	n := int64(*v)
	c.int(&n)
	if c.reading {
		if n != int64(int32(n)) {
			c.fail("number out of range")
			n = 0
		}
		*v = int32(n)
	}
}

func (c *codec) bool(v *bool) {
	n := uint64(0)
	if *v {
		n = 1
	}
	c.uint(&n)
	if c.reading {
		if n > 1 {
			c.fail("neither true nor false")
		}
		*v = n == 1
	}
}

// bytes is a text of at most limit bytes; what is read points into the source.
func (c *codec) bytes(v *[]byte, limit int) {
	n := c.count(len(*v), limit, 1)
	if !c.reading {
		c.dst = append(c.dst, *v...)
		return
	}
	*v = nil
	if n > 0 {
		*v, c.rest = c.rest[:n:n], c.rest[n:]
	}
}

func (c *codec) string(v *string, limit int) {
	n := c.count(len(*v), limit, 1)
	if !c.reading {
		c.dst = append(c.dst, *v...)
		return
	}
	*v, c.rest = string(c.rest[:n]), c.rest[n:]
}

func (c *codec) token(v *Token) {
	switch {
	case !c.reading:
		c.dst = append(c.dst, v[:]...)
	case len(c.rest) < len(v):
		c.fail("truncated")
	default:
		copy(v[:], c.rest)
		c.rest = c.rest[len(v):]
	}
}

// count is the number of elements that follow, of at least minSize bytes each,
// which bounds it by what is left.
func (c *codec) count(n, limit, minSize int) int {
	v := uint64(n)
	c.uint(&v)
	if c.reading && (v > uint64(limit) || v > uint64(len(c.rest)/minSize)) {
		c.fail("more than there is, or than allowed")
		return 0
	}
	return int(v)
}

// list is the elements of a slice, each written and read by fields.
func list[T any](c *codec, s *[]T, limit, minSize int, fields func(*T)) {
	n := c.count(len(*s), limit, minSize)
	if c.reading && n > 0 {
		*s = make([]T, n)
	}
	for i := range *s {
		fields(&(*s)[i])
	}
}

func (c *codec) uints(s *[]uint64, limit int) { list(c, s, limit, 1, c.uint) }
func (c *codec) strings(s *[]string, limit, each int) {
	list(c, s, limit, 1, func(v *string) { c.string(v, each) })
}
func (c *codec) holder(h *Holder) { c.uint(&h.ID); c.token(&h.Token); c.uint(&h.Owner) }
