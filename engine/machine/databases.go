package machine

import (
	"errors"
	"strconv"

	"github.com/coffer-dev/coffer/engine/store"
)

// databaseName is the logged name of what a command in another database than 0
// has in front, which like sweepName is no client's to send:
//
//	name, number of the database, the command
//
// Numbers are decimal. What is in database 0 has nothing in front.
const databaseName = "\x00DB"

// watchName is the logged name of what a transaction watches in another database
// than 0; it stands in front of its writes:
//
//	name, number of the database, keys
const watchName = "\x00WATCH"

// SinceDatabases is the semantics that what is in another database than 0 needs.
const SinceDatabases = 8

var errDatabase = errors.New("malformed number of a database")

// inDatabase is a command as the log carries it.
func inDatabase(database uint8, argv [][]byte) [][]byte {
	if database == 0 {
		return argv
	}
	return append(named(databaseName, database), argv...)
}

func named(name string, database uint8) [][]byte {
	return [][]byte{[]byte(name), strconv.AppendUint(nil, uint64(database), 10)}
}

// cutDatabase takes off again what inDatabase put in front.
func cutDatabase(argv [][]byte) (number uint8, command [][]byte, err error) {
	if string(argv[0]) != databaseName {
		return 0, argv, nil
	}
	return numbered(argv)
}

// numbered reads the number behind a name, and what follows, which is not nothing.
func numbered(argv [][]byte) (number uint8, rest [][]byte, err error) {
	if len(argv) < 3 {
		return 0, nil, errDatabase
	}
	n, err := strconv.ParseUint(string(argv[1]), 10, 8)
	if err != nil || n == 0 || n >= store.Count {
		return 0, nil, errDatabase
	}
	return uint8(n), argv[2:], nil
}

// In is the Tx of what is carried out in a database.
func (tx *Tx) In(database int) Tx {
	each := *tx
	each.Store = tx.Databases.At(database)
	return each
}

// DatabaseStats are what a database that has keys tells of itself.
type DatabaseStats struct {
	Number     int
	Keys       int64 // expired ones that no sweep has removed included
	Expiring   int64 // those with a deadline
	AverageTTL int64 // of these, in ms, about
}

// DatabaseStats are of the databases that have keys.
func (m *Machine) DatabaseStats(now int64) (all []DatabaseStats) {
	for number := range store.Count {
		if s := m.databases.At(number); s.Len() > 0 {
			all = append(all, DatabaseStats{number, int64(s.Len()), int64(s.Expiring()), s.AverageTTL(now)})
		}
	}
	return all
}
