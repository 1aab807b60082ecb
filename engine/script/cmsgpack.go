package script

import (
	"bytes"
	"errors"
	"io"

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

// unpacker decodes a text.
type unpacker struct {
	run *run
	src *bytes.Reader
	*msgpack.Decoder
}

func (r *run) unpacker(s string) unpacker {
	src := bytes.NewReader([]byte(s))
	r.fits(len(s))
	return unpacker{r, src, msgpack.NewDecoder(src)}
}

func (r *run) unpackAll(s string) (results []value) {
	u := r.unpacker(s)
	for u.src.Len() > 0 {
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
	for n := 0; n < limit && u.src.Len() > 0; n++ {
		if len(results) > maxResults {
			r.fail("stack overflow (in function mp_unpack)")
		}
		results = append(results, u.value(0))
	}
	results[0] = float64(-1)
	if u.src.Len() > 0 {
		results[0] = float64(len(s) - u.src.Len())
	}
	return results
}

// check raises the error of a read.
func (u unpacker) check(err error) {
	switch {
	case err == nil:
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		u.run.fail("Missing bytes in input.")
	default:
		u.run.fail("Bad data format in input.")
	}
}

func (u unpacker) value(depth int) value {
	u.run.spend(1)
	code, err := u.PeekCode()
	u.check(err)
	switch {
	case msgpcode.IsFixedArray(code) || code == msgpcode.Array16 || code == msgpcode.Array32:
		return u.array(depth)
	case msgpcode.IsFixedMap(code) || code == msgpcode.Map16 || code == msgpcode.Map32:
		return u.table(depth)
	case msgpcode.IsFixedString(code), code == msgpcode.Str8, code == msgpcode.Str16, code == msgpcode.Str32,
		code == msgpcode.Bin8, code == msgpcode.Bin16, code == msgpcode.Bin32:
		return u.text()
	case code == msgpcode.Nil:
		u.check(u.DecodeNil())
		return nil
	case code == msgpcode.True, code == msgpcode.False:
		b, err := u.DecodeBool()
		u.check(err)
		return b
	case code == msgpcode.Float, code == msgpcode.Double:
		f, err := u.DecodeFloat64()
		u.check(err)
		return canonical(f)
	case code == msgpcode.Uint64:
		n, err := u.DecodeUint64()
		u.check(err)
		return float64(n)
	case msgpcode.IsFixedNum(code), msgpcode.Uint8 <= code && code <= msgpcode.Int64:
		n, err := u.DecodeInt64()
		u.check(err)
		return numeric(float64(n))
	}
	u.run.fail("Bad data format in input.")
	return nil
}

func (u unpacker) text() value {
	n, err := u.DecodeBytesLen()
	u.check(err)
	if n > u.src.Len() {
		u.check(io.ErrUnexpectedEOF)
	}
	u.run.fits(n)
	b := make([]byte, n)
	u.check(u.ReadFull(b))
	return string(b)
}

func (u unpacker) deeper(depth int, what string) {
	if depth > unpackNesting {
		u.run.fail("stack overflow (in function mp_decode_to_lua_%s)", what)
	}
}

func (u unpacker) array(depth int) value {
	u.deeper(depth, "array")
	n, err := u.DecodeArrayLen()
	u.check(err)
	t := u.run.newTable()
	for i := range n {
		t.set(u.run, float64(i+1), u.value(depth+1))
	}
	return t
}

func (u unpacker) table(depth int) value {
	u.deeper(depth, "hash")
	n, err := u.DecodeMapLen()
	u.check(err)
	t := u.run.newTable()
	for range n {
		k := u.value(depth + 1)
		v := u.value(depth + 1)
		u.run.store(t, k, v)
	}
	return t
}
