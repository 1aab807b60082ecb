package command

import (
	"math"

	"github.com/coffer-dev/coffer/engine/acl"
	"github.com/coffer-dev/coffer/engine/keyevent"
	"github.com/coffer-dev/coffer/engine/machine"
	"github.com/coffer-dev/coffer/engine/reply"
)

// expiration is a deadline as SET and its kin spell it.
type expiration struct {
	arg      []byte // nil for none
	unit     int64  // ms
	absolute bool
}

// deadline reads the argument; what it means depends on the time.
func (e expiration) deadline(now int64, command string) (int64, error) {
	n, err := integer(e.arg)
	if err != nil {
		return 0, err
	}
	if n <= 0 || n > math.MaxInt64/e.unit {
		return 0, errExpireTime(command)
	}
	n *= e.unit
	if e.absolute {
		return n, nil
	}
	if n > math.MaxInt64-now {
		return 0, errExpireTime(command)
	}
	return n + now, nil
}

var expireOptions = []struct {
	name string
	expiration
}{
	{"EX", expiration{unit: 1000}},
	{"PX", expiration{unit: 1}},
	{"EXAT", expiration{unit: 1000, absolute: true}},
	{"PXAT", expiration{unit: 1, absolute: true}},
}

// stringOptions are the options of SET and GETEX.
type stringOptions struct {
	nx, xx, get, keepTTL, persist bool
	expire                        expiration
	expireName                    string
}

// parse reads the options; SET's with set, otherwise GETEX's.
func (o *stringOptions) parse(args [][]byte, set bool) error {
	for i := 0; i < len(args); i++ {
		arg := args[i]
		switch {
		case set && is(arg, "NX") && !o.xx:
			o.nx = true
		case set && is(arg, "XX") && !o.nx:
			o.xx = true
		case set && is(arg, "GET"):
			o.get = true
		case set && is(arg, "KEEPTTL") && o.expireName == "":
			o.keepTTL = true
		case !set && is(arg, "PERSIST") && o.expireName == "":
			o.persist = true
		default:
			if i+1 == len(args) || o.keepTTL || o.persist || !o.expiration(arg, args[i+1]) {
				return errSyntax
			}
			i++
		}
	}
	return nil
}

// expiration takes an expire option; a second one must be of the same name.
func (o *stringOptions) expiration(arg, value []byte) bool {
	for _, e := range expireOptions {
		if is(arg, e.name) && (o.expireName == "" || o.expireName == e.name) {
			o.expire, o.expireName = e.expiration, e.name
			o.expire.arg = value
			return true
		}
	}
	return false
}

type set struct {
	key, value []byte
	name       string // of the command, for errors
	stringOptions
}

func parseSet(argv [][]byte) (machine.Op, error) {
	op := &set{key: argv[1], value: argv[2], name: "set"}
	if err := op.parse(argv[3:], true); err != nil {
		return nil, err
	}
	return op, nil
}

// parseSetExpiring serves SETEX and PSETEX.
func parseSetExpiring(unit int64) parser {
	name := "setex"
	if unit == 1 {
		name = "psetex"
	}
	return func(argv [][]byte) (machine.Op, error) {
		op := &set{key: argv[1], value: argv[3], name: name}
		op.expire = expiration{arg: argv[2], unit: unit}
		return op, nil
	}
}

// Apply implements machine.Op.
func (op *set) Apply(tx *machine.Tx) reply.Reply {
	var deadline int64
	if op.expire.arg != nil {
		var err error
		if deadline, err = op.expire.deadline(tx.Now, op.name); err != nil {
			return fail(err)
		}
	}
	answer, refused := reply.OK, reply.Null
	if op.get {
		answer = bulkOrNull(readString(tx, op.key))
		if answer.IsError() {
			return answer
		}
		refused = answer
	}
	if op.nx || op.xx || op.keepTTL { // a look costs as much as the write
		old, found := tx.Store.Deadline(op.key, tx.Now)
		if op.nx && found || op.xx && !found {
			return refused
		}
		if op.keepTTL {
			deadline = old
		}
	}
	putString(tx, op.key, op.value, deadline)
	tx.Store.Tell(keyevent.String, "set", op.key)
	if op.expire.arg != nil {
		tx.Store.Tell(keyevent.Generic, "expire", op.key)
	}
	return answer
}

type getex struct {
	key []byte
	stringOptions
}

func parseGetex(argv [][]byte) (machine.Op, error) {
	op := &getex{key: argv[1]}
	if err := op.parse(argv[2:], false); err != nil {
		return nil, err
	}
	return op, nil
}

// Apply implements machine.Op.
func (op *getex) Apply(tx *machine.Tx) reply.Reply {
	v, found, err := readString(tx, op.key)
	if err != nil || !found {
		return bulkOrNull(v, found, err)
	}
	switch {
	case op.expire.arg != nil:
		deadline, err := op.expire.deadline(tx.Now, "getex")
		if err != nil {
			return fail(err)
		}
		expireKey(tx, op.key, deadline)
	case op.persist:
		if deadline, _ := tx.Store.Deadline(op.key, tx.Now); deadline != 0 {
			persistKey(tx, op.key)
		}
	}
	return reply.Bulk(v)
}

// expireKey sets the deadline of a present key, which is gone at once when the
// deadline has passed.
func expireKey(tx *machine.Tx, key []byte, deadline int64) {
	if deadline <= tx.Now {
		remove(tx, key)
		return
	}
	tx.Store.SetDeadline(key, deadline)
	tx.Store.Tell(keyevent.Generic, "expire", key)
}

// persistKey takes a key's deadline away.
func persistKey(tx *machine.Tx, key []byte) {
	tx.Store.SetDeadline(key, 0)
	tx.Store.Tell(keyevent.Generic, "persist", key)
}

// setKeys lists SET's key, which is read too if its old value is answered.
func setKeys(dst []acl.Key, argv [][]byte) []acl.Key {
	use := ow | updates
	for _, arg := range argv[3:] {
		if is(arg, "GET") {
			use = rw | accesses | updates
		}
	}
	return append(dst, use.of(argv[1]))
}
