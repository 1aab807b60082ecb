// Package guard stands before the queues: the data of a job that comes in is
// validated under its queue's schema, and fields that its queue encrypts are
// encrypted, before log, snapshots or listings have seen them; for who may
// decrypt they are opened on their way out.
//
// An encrypted field is, in its place, an object of this form, in these bytes:
//
//	{"$encrypted":1,"key":"0123456789abcdef","path":"card.number","sealed":"…"}
//
// sealed is, in base64, a random salt of 16 bytes, then the value sealed with
// AES-256-GCM (package vault) under a key derived from the queue's and the salt.
// The associated data are the format and the path: an object opens at its path
// only, and under its queue's key only. They do not say whose job it is: whoever
// could exchange the fields of two jobs would not be noticed. Clients cannot: an
// object of this form is refused where somebody puts one, or encrypted like any
// other value, except at the place in the job where it already is. Who can write
// the files has to get past their own encryption.
package guard

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/coffer-dev/coffer/engine/queue"
	"github.com/coffer-dev/coffer/engine/schema"
	"github.com/coffer-dev/coffer/engine/vault"
)

// MaxFields bounds encryptFields of a queue.
const MaxFields = 32

// Guard holds what is in force. Its methods may be called concurrently; a nil one
// lets everything through.
type Guard struct {
	ring  func() *vault.Ring
	rules atomic.Pointer[rules]
}

// New makes a guard that lets everything through until Load. ring is asked for
// the key ring in force, which may be nil.
func New(ring func() *vault.Ring) *Guard {
	g := &Guard{ring: ring}
	g.rules.Store(&rules{})
	return g
}

// rules do not change.
type rules struct {
	queues map[string]*rule
	keys   map[string]*key // by their id
}

// rule is of one queue.
type rule struct {
	raw    json.RawMessage // the schema as it came
	schema *schema.Schema  // nil for none
	fields []string
	key    *key // nil without fields
}

// noRule is that of a queue which has none.
var noRule = &rule{}

type key struct {
	*vault.Key
	id, queue string
}

// compile makes rules of settings that are valid otherwise, or says what is wrong
// with schemas and encrypted fields in them; keys says whether the instance has a
// key ring. Schemas are taken over from rules before where they are the same.
func compile(s *queue.Settings, keys bool, before *rules) (*rules, *queue.Error) {
	r := &rules{queues: map[string]*rule{}, keys: map[string]*key{}}
	if s == nil {
		return r, nil
	}
	for i := range s.Queues {
		q := &s.Queues[i]
		at := fmt.Sprintf("queues[%d]", i)
		made := &rule{raw: q.Schema, fields: q.EncryptFields}
		if err := checkFields(q.EncryptFields, keys); err != nil {
			return nil, invalid(at+".encryptFields", "of queue %s: %s", q.Name, err)
		}
		if len(q.Schema) > 0 {
			if before != nil && before.queues[q.Name] != nil && bytes.Equal(before.queues[q.Name].raw, q.Schema) {
				made.schema = before.queues[q.Name].schema
			} else if compiled, err := schema.Compile(q.Schema); err != nil {
				return nil, invalid(at+".schema", "of queue %s: %s", q.Name, err)
			} else {
				made.schema = compiled
			}
		}
		if made.schema != nil || len(made.fields) > 0 {
			r.queues[q.Name] = made
		}
	}
	return r, r.checkSchedules(s)
}

// checkFields says what is wrong with the paths of encrypted fields.
func checkFields(paths []string, keys bool) error {
	if len(paths) > 0 && !keys {
		return errors.New("needs the encryption of the instance: there is no key ring to keep the queue's key under")
	}
	if len(paths) > MaxFields {
		return fmt.Errorf("%d paths, must be at most %d", len(paths), MaxFields)
	}
	for i, path := range paths {
		if _, err := queue.Spans("", path); err != nil {
			return fmt.Errorf("%q %s", path, err.Text)
		}
		for _, other := range paths[:i] {
			if queue.Overlap(path, other) {
				return fmt.Errorf("%q and %q lead to the same value, or one into the other: keep the shorter one", other, path)
			}
		}
	}
	return nil
}

// checkSchedules holds the data of declared schedules to their queues' rules.
// What is declared is written down in clear, so that it cannot be encrypted.
func (r *rules) checkSchedules(s *queue.Settings) *queue.Error {
	for i := range s.Schedules {
		c := &s.Schedules[i]
		made := r.queues[c.Queue]
		if made == nil {
			continue
		}
		at, data := fmt.Sprintf("schedules[%d].data", i), orNull(c.Data)
		if err := made.validate(at, data); err != nil {
			return err
		}
		for _, path := range made.fields {
			if spans, _ := queue.Spans(string(data), path); len(spans) > 0 {
				return invalid(at, "must not have %s, which queue %s encrypts: a declared schedule is written down in clear; let a client make it", path, c.Queue)
			}
		}
	}
	return nil
}

func orNull(data []byte) []byte {
	if len(data) == 0 {
		return []byte("null")
	}
	return data
}

// validate says what is wrong with data, in clear, naming the field and the
// path in it.
func (r *rule) validate(field string, data []byte) *queue.Error {
	if r.schema == nil {
		return nil
	}
	err := r.schema.Validate(data)
	if err == nil {
		return nil
	}
	var failed *schema.Error
	if errors.As(err, &failed) && failed.Where() != "" {
		field += "." + failed.Where()
		return invalid(field, "%s, as the queue's schema says", failed.Text)
	}
	return invalid(field, "%s, as the queue's schema says", err)
}

func invalid(field, format string, args ...any) *queue.Error {
	return &queue.Error{Code: queue.CodeInvalid, Field: field, Text: fmt.Sprintf(format, args...)}
}
