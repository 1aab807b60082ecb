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

// Weight is Size without the room behind a string's end, which depends on how
// it came there: it is the same on every member.
func Weight(v Value) int64 {
	if s, ok := v.(String); ok {
		return int64(len(s)) + 24
	}
	return v.Size()
}

func (String) vanished() bool { return false }

func (v String) appendTo(dst []byte) []byte { return appendBytes(dst, v) }
