package command

import (
	"github.com/coffer-dev/coffer/engine/machine"
	"github.com/coffer-dev/coffer/engine/reply"
	"github.com/coffer-dev/coffer/engine/store"
)

func init() {
	categories := "keyspace read slow"
	second := place{2, 2, 1}.to(ro)
	register(container("object", -2, 0, "slow",
		row("object|encoding", 3, ReadOnly, second, categories, plain(objectEncoding)).tip(tipVaries),
		row("object|freq", 3, ReadOnly, second, categories, plain(objectFreq)).tip(tipVaries),
		row("object|idletime", 3, ReadOnly, second, categories, plain(objectIdletime)).since7().tip(tipVaries),
		row("object|refcount", 3, ReadOnly, second, categories, plain(objectRefcount)).tip(tipVaries),
		connection("object|help", 2, Loading|Stale, "keyspace slow", help(
			"OBJECT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
			"ENCODING <key>",
			"    Return the kind of internal representation used in order to store the value",
			"    associated with a <key>.",
			"FREQ <key>",
			"    Return the access frequency index of the <key>. The returned integer is",
			"    proportional to the logarithm of the recent access frequency of the key.",
			"IDLETIME <key>",
			"    Return the idle time of the <key>, that is the approximated number of",
			"    seconds elapsed since the last access to the key.",
			"REFCOUNT <key>",
			"    Return the number of references of the value associated with the specified",
			"    <key>.",
		)),
	))
}

// encoding is the name that redis-server has for how such a value is kept. A
// string that was changed in place, and a set that once was no set of integers,
// have another there.
func encoding(v store.Value) string {
	const embedded, digits = 44, 20 // bytes
	switch v := v.(type) {
	case store.String:
		if _, ok := parseInt(v); ok && len(v) <= digits {
			return "int"
		}
		if len(v) <= embedded {
			return "embstr"
		}
		return "raw"
	case *store.List:
		return "quicklist"
	case *store.Set:
		if v.Integers() {
			return "intset"
		}
	case *store.Hash:
		if v.Packed() {
			return "listpack"
		}
	case *store.ZSet:
		if v.Packed() {
			return "listpack"
		}
		return "skiplist"
	case *store.Stream:
		return "stream"
	}
	return "hashtable"
}

func objectEncoding(tx *machine.Tx, argv [][]byte) reply.Reply {
	v := tx.Store.Peek(argv[2], tx.Now)
	if v == nil {
		return reply.Null
	}
	return reply.BulkString(encoding(v))
}

// objectRefcount answers 1: no two keys share a value.
func objectRefcount(tx *machine.Tx, argv [][]byte) reply.Reply {
	if !tx.Store.Exists(argv[2], tx.Now) {
		return reply.Null
	}
	return reply.Integer(1)
}

// Of the two errors redis-server has the first and the last; the others are of
// what is noted under some policies alone, by the member that leads, and not to
// be built upon in what all members must do alike.
const (
	errIdleLFU    = textError("ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust.")
	errIdleUnseen = textError("ERR idle times are noted under the policies allkeys-lru and volatile-lru (spec.memory.evictionPolicy), by the member that takes the writes")
	errIdleShared = textError("ERR idle times are not what a script that writes can be told: use OBJECT IDLETIME outside of it")
	errFreqUnseen = textError("ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust.")
)

func objectIdletime(tx *machine.Tx, argv [][]byte) reply.Reply {
	if !tx.Store.Exists(argv[2], tx.Now) {
		return reply.Null
	}
	if !tx.Own {
		return fail(errIdleShared)
	}
	if ms, noted := tx.Store.Idle(argv[2]); noted {
		return reply.Integer(ms / 1000)
	}
	if _, noted := tx.Store.Frequency(argv[2]); noted {
		return fail(errIdleLFU)
	}
	return fail(errIdleUnseen)
}

// objectFreq answers to a script that writes as where no policy counts.
func objectFreq(tx *machine.Tx, argv [][]byte) reply.Reply {
	if !tx.Store.Exists(argv[2], tx.Now) {
		return reply.Null
	}
	if counter, noted := tx.Store.Frequency(argv[2]); noted && tx.Own {
		return reply.Integer(int64(counter))
	}
	return fail(errFreqUnseen)
}
