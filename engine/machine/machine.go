// Package machine is the deterministic core: the state that every member
// computes alike from the same log. It reads no clock and no randomness; both
// arrive in the batch.
package machine

import (
	"github.com/coffer-dev/coffer/engine/reply"
	"github.com/coffer-dev/coffer/engine/store"
)

// Op is one parsed command. Apply runs it against the state and answers; it
// must be a function of the Op and the Tx alone.
type Op interface {
	Apply(tx *Tx) reply.Reply
}

// Tx is what an Op may see: the keyspace and the time and seed that the leader
// stamped on the batch. A read evaluated outside the log gets the leader's
// clock and must not change the Store.
type Tx struct {
	Store *store.Store
	Now   int64  // milliseconds since the Unix epoch
	Seed  uint64 // random, one per batch
}

// Parse turns a command's arguments (its name first) into an Op. It is how the
// machine reads commands back from the log; package command provides it.
type Parse func(argv [][]byte) (Op, error)

// Item is one command on its way through the machine. A write is carried by
// the log as its Argv; a read is only evaluated at its place in apply order.
type Item struct {
	Op    Op
	Argv  [][]byte
	Write bool
	Reply reply.Reply
}
