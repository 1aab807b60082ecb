package store

// Kind is the type of a value. Its number is part of the snapshot format.
type Kind uint8

// The kinds.
const (
	KindString Kind = 1
	KindSet    Kind = 2
	KindStream Kind = 3
	KindList   Kind = 4
	KindHash   Kind = 5
	KindZSet   Kind = 6

	// kindGroupedStream is a stream with groups, in a snapshot alone.
	kindGroupedStream Kind = 7
)

// String is the name that TYPE answers.
func (k Kind) String() string {
	switch k {
	case KindString:
		return "string"
	case KindSet:
		return "set"
	case KindStream:
		return "stream"
	case KindList:
		return "list"
	case KindHash:
		return "hash"
	case KindZSet:
		return "zset"
	}
	return "none"
}

// Value is what a key holds: a String, *List, *Hash, *Set, *ZSet or *Stream.
type Value interface {
	Kind() Kind
	// Size approximates the memory of the value, in bytes; it costs nothing.
	Size() int64
	// vanished reports that a value in this state means that its key is absent.
	vanished() bool
	appendTo(dst []byte) []byte
}

// String is a binary-safe string. It is never changed in place; growing it
// with append is safe, since readers of the old one do not look behind its end.
type String []byte

// Kind implements Value.
func (String) Kind() Kind { return KindString }

// Size implements Value.
func (v String) Size() int64 { return int64(cap(v)) + 24 }

// Weight is about the size of a value, and the same on every member: what it is
// asked for decides what a script may do. Size depends on how a value came to be,
// and on the version of the engine.
func Weight(v Value) int64 {
	switch v := v.(type) {
	case String:
		return int64(len(v)) + 24
	case *Hash:
		return v.weight()
	case *Set:
		return v.weight()
	case *ZSet:
		return v.weight()
	case *List:
		return v.weight()
	}
	return v.Size()
}

func (String) vanished() bool { return false }

func (v String) appendTo(dst []byte) []byte { return appendBytes(dst, v) }
