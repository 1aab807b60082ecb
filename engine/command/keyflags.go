package command

import (
	"github.com/coffer-dev/coffer/engine/acl"
	"github.com/coffer-dev/coffer/engine/reply"
)

// keyFlags are what a command does with a key, as redis-server's key
// specifications tell it, from which what is permitted follows.
type keyFlags uint8

// One of the first four says what becomes of the value, and the others what of
// it the client decides: whether what it holds is told or built upon, changed,
// added to, taken away. With none of those a key is only looked at.
const (
	ro keyFlags = 1 << iota // read
	rw                      // changed from what it was
	ow                      // overwritten, whatever it was
	rm                      // removed, whatever it was
	accesses
	updates
	inserts
	deletes
)

// notKey is of what only stands where keys do.
const notKey keyFlags = 0

// keyFlagNames are in the order of the bits.
var keyFlagNames = [...]string{"RO", "RW", "OW", "RM", "access", "update", "insert", "delete"}

// of is the key of that name, with which that is done.
func (f keyFlags) of(name []byte) acl.Key {
	key := acl.Key{Name: name, Flags: uint8(f)}
	if f&accesses != 0 {
		key.Access |= acl.Read
	}
	if f&(updates|inserts|deletes) != 0 {
		key.Access |= acl.Write
	}
	return key
}

// names are the flags as COMMAND tells them.
func (f keyFlags) names() reply.Reply {
	names := []reply.Reply{}
	if f == notKey {
		names = append(names, reply.Simple("not_key"))
	}
	for i, name := range keyFlagNames {
		if f&(1<<i) != 0 {
			names = append(names, reply.Simple(name))
		}
	}
	return reply.Set(names...)
}

// place is where a command's keys stand: first, last, step.
type place [3]int

var (
	noKey    = keySpec{}
	oneKey   = place{1, 1, 1}
	twoKeys  = place{1, 2, 1}
	allKeys  = place{1, -1, 1}
	keyPairs = place{1, -1, 2}
)

// keySpec is where a command's keys stand and what it does with them.
type keySpec struct {
	place
	uses []keyFlags
}

// to says what is done with each key in turn; the last word holds for those
// that follow.
func (p place) to(uses ...keyFlags) keySpec { return keySpec{p, uses} }
