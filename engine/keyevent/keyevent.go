// Package keyevent has the classes of what happens to keys, as redis-server's
// notify-keyspace-events has them
// (https://redis.io/docs/latest/develop/use/keyspace-notifications/).
package keyevent

import (
	"fmt"
	"strings"
)

// Class is a set of classes of events, and of the channels that tell of them.
type Class uint16

// The classes. Keyspace and Keyevent are the two channels of each event: one that
// is named after its key, and one after the event.
const (
	Keyspace Class = 1 << iota // K
	Keyevent                   // E
	Generic                    // g: of keys of all types, as DEL, EXPIRE, RENAME
	String                     // $
	List                       // l
	Set                        // s
	Hash                       // h
	ZSet                       // z
	Expired                    // x
	Evicted                    // e
	Stream                     // t
	Module                     // d: there are none
	New                        // n: a key that was not there
)

const (
	channels = Keyspace | Keyevent
	// all is what A stands for.
	all = Generic | String | List | Set | Hash | ZSet | Expired | Evicted | Stream | Module
)

// letters are the classes' own, in redis-server's order.
var letters = []struct {
	letter byte
	class  Class
}{
	{'g', Generic}, {'$', String}, {'l', List}, {'s', Set}, {'h', Hash}, {'z', ZSet}, {'x', Expired}, {'e', Evicted},
	{'t', Stream}, {'d', Module}, {'n', New}, {'K', Keyspace}, {'E', Keyevent},
}

// MaxLetters is how many Parse takes.
const MaxLetters = 32

// Parse reads classes as notify-keyspace-events has them: "Kx" are the events of
// expired keys, on the channels of the keys. Nothing at all is none.
func Parse(text string) (c Class, err error) {
	if len(text) > MaxLetters {
		return 0, fmt.Errorf("%d letters, must be at most %d", len(text), MaxLetters)
	}
	for i := range len(text) {
		of, err := classOf(text[i])
		if err != nil {
			return 0, fmt.Errorf("%q: %w", text, err)
		}
		c |= of
	}
	switch {
	case c != 0 && c&channels == 0:
		return 0, fmt.Errorf("%q: K (channels named after keys), E (channels named after events) or both must be in it", text)
	case c != 0 && c&^channels == 0:
		return 0, fmt.Errorf("%q: says which channels and not of what: add A for all, or some of g$lshzxetdn", text)
	}
	return c, nil
}

func classOf(letter byte) (Class, error) {
	switch letter {
	case 'A':
		return all, nil
	case 'm':
		return 0, fmt.Errorf("m (misses) is not told: what is read is not in the log; leave it out")
	}
	for _, l := range letters {
		if l.letter == letter {
			return l.class, nil
		}
	}
	return 0, fmt.Errorf("unknown class %q, the classes are K, E, g, $, l, s, h, z, x, e, t, d, n and A", letter)
}

// String is the classes as redis-server tells them: beside A it does not show n.
func (c Class) String() string {
	var b strings.Builder
	if c&all == all {
		b.WriteByte('A')
		c &= channels
	}
	for _, l := range letters {
		if c&l.class != 0 {
			b.WriteByte(l.letter)
		}
	}
	return b.String()
}
