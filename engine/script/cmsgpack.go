package script

import (
	"bytes"
	"math"

	"github.com/vmihailenco/msgpack/v5"
	"github.com/vmihailenco/msgpack/v5/msgpcode"
)

const (
	// packNesting is how deep tables are packed; what is below becomes nil.
	packNesting = 16
	// unpackNesting is how deep arrays and maps are unpacked.
	unpackNesting = 3900
)

func init() {
	constants("cmsgpack", "_NAME", "cmsgpack")
	constants("cmsgpack", "_VERSION", "lua-cmsgpack 0.4.0")
	constants("cmsgpack", "_COPYRIGHT", "Copyright (C) 2012, Salvatore Sanfilippo")
	constants("cmsgpack", "_DESCRIPTION", "MessagePack C implementation for Lua")
	library("cmsgpack", builtins{
		"pack":   pack,
		"unpack": func(r *run, args []value) []value { return r.unpackAll(r.stringArg(args, 0)) },
		"unpack_one": func(r *run, args []value) []value {
			return r.unpackSome(r.stringArg(args, 0), 1, r.optionalInt(args, 1, 0))
		},
		"unpack_limit": func(r *run, args []value) []value {
			return r.unpackSome(r.stringArg(args, 0), r.intArg(args, 1), r.optionalInt(args, 2, 0))
		},
	})
}

// counted is a buffer whose bytes are taken from the budget.
type counted struct {
	run *run
	bytes.Buffer
}

func (c *counted) Write(p []byte) (int, error) {
	c.run.alloc(len(p))
	return c.Buffer.Write(p)
}

func (c *counted) WriteByte(b byte) error {
	c.run.alloc(1)
	return c.Buffer.WriteByte(b)
}

// packer encodes into memory, where no write fails.
type packer struct {
	run *run
	*msgpack.Encoder
}

func pack(r *run, args []value) []value {
	if len(args) == 0 {
		r.fail("bad argument #0 to 'pack' (MessagePack pack needs input.)")
	}
	out := &counted{run: r}
	p := packer{r, msgpack.NewEncoder(out)}
	for _, v := range args {
		p.value(v, 0)
	}
	return r.one(out.String())
}

func (p packer) value(v value, depth int) {
	p.run.spend(1)
	switch v := v.(type) {
	case bool:
		_ = p.EncodeBool(v)
	case float64:
		p.number(v)
	case string:
		p.run.spend(len(v) / bytesPerStep)
		_ = p.EncodeString(v)
	case *table:
		if depth == packNesting {
			_ = p.EncodeNil()
			return
		}
		p.table(v, depth+1)
	default:
		_ = p.EncodeNil()
	}
}

func (p packer) number(f float64) {
	if n, ok := toInteger(f); ok {
		_ = p.EncodeInt(n)
		return
	}
	if short := float32(f); float64(short) == f {
		_ = p.EncodeFloat32(short)
		return
	}
	_ = p.EncodeFloat64(canonical(f))
}

func (p packer) table(t *table, depth int) {
	items, largest, isArray := 0, 0, true
	t.each(func(k, _ value) bool {
		f, _ := k.(float64)
		i, ok := arrayIndex(f)
		items, largest, isArray = items+1, max(largest, i), isArray && ok
		return true
	})
	p.run.spend(items)
	if isArray && largest == items {
		_ = p.EncodeArrayLen(items)
		for i := range items {
			p.value(t.at(i+1), depth)
		}
		return
	}
	_ = p.EncodeMapLen(items)
	t.each(func(k, v value) bool {
		p.value(k, depth)
		p.value(v, depth)
		return true
	})
}

// unpacker decodes a text, of which the strings in it are parts.
type unpacker struct {
	run *run
	src string // what is left
}

func (r *run) unpacker(s string) *unpacker {
	r.fits(len(s))
	return &unpacker{r, s}
}

func (r *run) unpackAll(s string) []value {
	u := r.unpacker(s)
	results := r.answer[:0]
	for u.src != "" {
		if len(results) >= maxResults {
			r.fail("stack overflow (in function mp_unpack)")
		}
		results = append(results, u.value(0))
	}
	return results
}

// unpackSome answers where to go on, -1 at the end, and up to limit values.
func (r *run) unpackSome(s string, limit, offset int) []value {
	switch {
	case offset < 0 || limit < 0:
		r.fail("Invalid request to unpack with offset of %d and limit of %d.", offset, limit)
	case offset > len(s):
		r.fail("Start offset %d greater than input length %d.", offset, len(s))
	case offset == 0 && limit == 0:
		return r.unpackAll(s)
	}
	u := r.unpacker(s[offset:])
	results := []value{nil}
	for n := 0; n < limit && u.src != ""; n++ {
		if len(results) > maxResults {
			r.fail("stack overflow (in function mp_unpack)")
		}
		results = append(results, u.value(0))
	}
	results[0] = float64(-1)
	if u.src != "" {
		results[0] = float64(len(s) - len(u.src))
	}
	return results
}

// take reads so many bytes.
func (u *unpacker) take(n int) string {
	if n > len(u.src) {
		u.run.fail("Missing bytes in input.")
	}
	taken := u.src[:n]
	u.src = u.src[n:]
	return taken
}

// uint reads a number of so many bytes.
func (u *unpacker) uint(size int) (n uint64) {
	for _, b := range []byte(u.take(size)) {
		n = n<<8 | uint64(b)
	}
	return n
}

func (u *unpacker) value(depth int) value {
	u.run.spend(1)
	code := u.take(1)[0]
	switch {
	case msgpcode.IsFixedNum(code):
		return numeric(float64(int8(code)))
	case msgpcode.IsFixedString(code):
		return u.text(int(code & msgpcode.FixedStrMask))
	case msgpcode.IsFixedArray(code):
		return u.array(depth, int(code&msgpcode.FixedArrayMask), 0)
	case msgpcode.IsFixedMap(code):
		return u.table(depth, int(code&msgpcode.FixedMapMask), 0)
	}
	switch code {
	case msgpcode.Nil:
		return nil
	case msgpcode.False, msgpcode.True:
		return code == msgpcode.True
	case msgpcode.Str8, msgpcode.Bin8:
		return u.text(int(u.uint(1)))
	case msgpcode.Str16, msgpcode.Bin16:
		return u.text(int(u.uint(2)))
	case msgpcode.Str32, msgpcode.Bin32:
		return u.text(int(u.uint(4)))
	case msgpcode.Array16:
		return u.array(depth, 0, 2)
	case msgpcode.Array32:
		return u.array(depth, 0, 4)
	case msgpcode.Map16:
		return u.table(depth, 0, 2)
	case msgpcode.Map32:
		return u.table(depth, 0, 4)
	}
	return numeric(u.number(code))
}

// number reads one behind its code.
func (u *unpacker) number(code byte) float64 {
	switch code {
	case msgpcode.Uint8, msgpcode.Uint16, msgpcode.Uint32, msgpcode.Uint64:
		return float64(u.uint(1 << (code - msgpcode.Uint8)))
	case msgpcode.Int8:
		return float64(int8(u.uint(1)))
	case msgpcode.Int16:
		return float64(int16(u.uint(2)))
	case msgpcode.Int32:
		return float64(int32(u.uint(4)))
	case msgpcode.Int64:
		return float64(int64(u.uint(8)))
	case msgpcode.Float:
		return canonical(float64(math.Float32frombits(uint32(u.uint(4)))))
	case msgpcode.Double:
		return canonical(math.Float64frombits(u.uint(8)))
	}
	u.run.fail("Bad data format in input.")
	return 0
}

func (u *unpacker) text(n int) value {
	s := u.take(n)
	u.run.fits(n)
	return s
}

func (u *unpacker) deeper(depth int, what string) {
	if depth > unpackNesting {
		u.run.fail("stack overflow (in function mp_decode_to_lua_%s)", what)
	}
}

// array reads n elements, or as many as a number of so many bytes says.
func (u *unpacker) array(depth, n, size int) value {
	u.deeper(depth, "array")
	n += int(u.uint(size))
	t := u.run.newTable()
	for i := range n {
		v := u.value(depth + 1)
		if t.array == nil && v != nil {
			t.array = make([]value, 0, min(n, fewEntries)) // whatever it says
		}
		t.set(u.run, float64(i+1), v)
	}
	return t
}

// table reads n pairs, or as many as a number of so many bytes says.
func (u *unpacker) table(depth, n, size int) value {
	u.deeper(depth, "hash")
	n += int(u.uint(size))
	t := u.run.newTable()
	for range n {
		k := u.value(depth + 1)
		v := u.value(depth + 1)
		if t.entries == nil && v != nil {
			t.entries = make([]entry, 0, min(n, fewEntries)) // whatever it says
		}
		u.run.store(t, k, v)
	}
	return t
}
