package guard

import (
	"fmt"

	"github.com/coffer-dev/coffer/engine/queue"
	"github.com/coffer-dev/coffer/engine/vault"
)

// Prepare checks settings that are to be put in force, and makes the operations
// that must be carried out before: a key for each queue that encrypts and has
// none. keys are those that there are.
func (g *Guard) Prepare(s *queue.Settings, keys []queue.Key) ([]*queue.SetKey, *queue.Error) {
	ring := g.ring()
	made, err := compile(s, ring != nil, g.rules.Load())
	if err != nil {
		return nil, err
	}
	has := map[string]bool{}
	for _, k := range keys {
		has[k.Queue] = true
	}
	var ops []*queue.SetKey
	for i := range s.Queues {
		name := s.Queues[i].Name
		if made.queues[name] == nil || len(made.queues[name].fields) == 0 || has[name] {
			continue
		}
		k, err := vault.NewKey()
		if err != nil {
			return nil, invalid("queues", "a key for queue %s: %s", name, err)
		}
		has[name] = true
		id := k.ID()
		ops = append(ops, &queue.SetKey{Key: queue.Key{ID: id, Queue: name, Wrapped: ring.Wrap(k, about(id, name))}})
	}
	return ops, nil
}

// Load puts settings and keys in force. Its error leaves what is in force.
func (g *Guard) Load(s *queue.Settings, keys []queue.Key) *queue.Error {
	before := g.rules.Load()
	ring := g.ring()
	r, err := compile(s, ring != nil, before)
	if err != nil {
		return err
	}
	for _, k := range keys {
		id := vault.ID(k.ID).String()
		opened := before.keys[id]
		if opened == nil {
			unwrapped, err := ring.Unwrap(k.Wrapped, about(k.ID, k.Queue))
			if err != nil {
				return invalid("keys", "the key %s of queue %s: %s", id, k.Queue, err)
			}
			opened = &key{unwrapped, id, k.Queue}
		}
		r.keys[id] = opened
		if made := r.queues[k.Queue]; made != nil && len(made.fields) > 0 {
			made.key = opened
		}
	}
	for name, made := range r.queues {
		if len(made.fields) > 0 && made.key == nil {
			return invalid("keys", "queue %s has none", name)
		}
	}
	g.rules.Store(r)
	return nil
}

// Rewrap makes the operations that wrap keys again which are not under a key
// ring's primary key.
func Rewrap(ring *vault.Ring, keys []queue.Key) (ops []*queue.SetKey, err error) {
	for _, k := range keys {
		if vault.WrappedUnder(k.Wrapped) == ring.Primary() {
			continue
		}
		opened, err := ring.Unwrap(k.Wrapped, about(k.ID, k.Queue))
		if err != nil {
			return nil, fmt.Errorf("the key %s of queue %s: %w", vault.ID(k.ID), k.Queue, err)
		}
		ops = append(ops, &queue.SetKey{Key: queue.Key{ID: k.ID, Queue: k.Queue, Wrapped: ring.Wrap(opened, about(k.ID, k.Queue))}})
	}
	return ops, nil
}

// about says which key it is: wrapped, it is no other queue's.
func about(id vault.ID, queueName string) []byte {
	return append(append([]byte("coffer/guard/key/v1\x00"), id[:]...), queueName...)
}
