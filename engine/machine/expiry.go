package machine

import (
	"strconv"

	"github.com/coffer-dev/coffer/engine/store"
)

// expiry is the command of the table by which keys get an expiry by rules, and
// ifNone its option for those that have none by then: members of every version
// know both.
const (
	expiry = "PEXPIREAT"
	ifNone = "NX"
)

// Expiry is the item that the leader proposes to have a key end at that time, in ms
// since the epoch, unless it has an expiry when the item is applied. Its reply is 1
// if it got one.
func (m *Machine) Expiry(key store.Key, at int64) (Item, error) {
	argv := [][]byte{[]byte(expiry), []byte(key.Name), strconv.AppendInt(nil, at, 10), []byte(ifNone)}
	op, err := m.parse(argv)
	return Item{Op: op, Argv: argv, Write: true, Database: uint8(key.Database)}, err
}
