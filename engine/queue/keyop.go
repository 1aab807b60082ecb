package queue

import (
	"bytes"
	"slices"
)

// Key is a queue's data key, with which fields of its jobs are encrypted. Here
// it is wrapped: what it is wrapped under is not in the state.
type Key struct {
	ID      [8]byte
	Queue   string
	Wrapped []byte
}

const (
	maxKeys    = 2 * MaxQueues
	maxWrapped = 256
)

// SetKey adds a key, which its queue uses from now on, or replaces how one of
// the same ID is wrapped. No key is ever removed: jobs that are moved to another
// queue need that of the one where they were pushed.
type SetKey struct {
	write
	Key
}

// Append implements Op.
func (op *SetKey) Append(dst []byte) []byte { return appendOp(dst, codeKey, op) }

func (op *SetKey) fields(c *codec) { op.Key.fields(c) }

func (k *Key) fields(c *codec) {
	id := k.ID[:]
	c.bytes(&id, len(k.ID))
	if c.reading && copy(k.ID[:], id) != len(k.ID) {
		c.fail("short key id")
	}
	c.string(&k.Queue, MaxQueueName)
	c.bytes(&k.Wrapped, maxWrapped)
}

// Check implements Op.
func (op *SetKey) Check(int64) *Error {
	if len(op.Wrapped) == 0 || len(op.Wrapped) > maxWrapped {
		return invalid("wrapped", "%d bytes, must be from 1 to %d", len(op.Wrapped), maxWrapped)
	}
	return checkQueue("queue", op.Queue)
}

// Apply implements Op.
func (op *SetKey) Apply(q *Queues, _ int64, _ uint64) {
	key := Key{op.ID, op.Queue, bytes.Clone(op.Wrapped)}
	at := slices.IndexFunc(q.keys, func(k Key) bool { return k.ID == op.ID })
	switch {
	case at >= 0 && q.keys[at].Queue != op.Queue:
		op.Err = invalid("queue", "must be the one that has the key")
	case at >= 0:
		q.keys[at] = key
	case len(q.keys) >= maxKeys:
		op.Err = invalid("keys", "there are %d already", maxKeys)
	default:
		q.keys = append(q.keys, key)
	}
}

// Keys are those of all queues, in the order in which they were added. They are
// not to be changed.
func (q *Queues) Keys() []Key { return slices.Clone(q.keys) }

func (q *Queues) keyFields(c *codec) {
	list(c, &q.keys, maxKeys, 10, func(k *Key) {
		if k.fields(c); c.reading {
			k.Wrapped = bytes.Clone(k.Wrapped)
		}
	})
}
