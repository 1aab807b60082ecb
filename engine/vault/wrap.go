package vault

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
)

// A data key that is no file's is kept where its owner keeps it, wrapped under
// the ring's primary key of the time:
//
//	+-----------+-----------+---------------------------+---------+
//	| key id 8B | nonce 12B | data key, wrapped 32B     | tag 16B |
//	+-----------+-----------+---------------------------+---------+
//
// Its associated data are "coffer/vault/wrapped/v1" 00, the key id, and what its
// owner says about it.

// WrappedSize of such a key, bytes.
const WrappedSize = 8 + KeySize + Overhead

// ErrWrapped is returned by Unwrap for what is no wrapped key, or was altered,
// or belongs elsewhere.
var ErrWrapped = errors.New("does not unwrap: altered, moved, or no wrapped key")

// NewKey makes a data key that is no file's.
func NewKey() (*Key, error) {
	raw := make([]byte, KeySize)
	_, _ = rand.Read(raw) // never fails
	return newKey(raw)
}

// ID says which data key it is, and nothing about it.
func (k *Key) ID() ID { return IDOf(k.raw) }

// Derive makes a key of this one that serves one purpose, or one message: there
// is no bound then on how many are sealed.
func (k *Key) Derive(context []byte) (*Key, error) {
	mac := hmac.New(sha256.New, k.raw)
	mac.Write([]byte("coffer/vault/derived/v1\x00"))
	mac.Write(context)
	return newKey(mac.Sum(nil))
}

// Wrap wraps a data key under the primary key. Only who says the same about it
// can unwrap it.
func (r *Ring) Wrap(k *Key, about []byte) []byte {
	wrapped := bytes.Clone(r.primary[:])
	return r.keys[r.primary].Seal(wrapped, nil, k.raw, wrappedAbout(r.primary, about))
}

// Unwrap reads a data key. A KeyError says that the ring lacks the key for it.
func (r *Ring) Unwrap(wrapped, about []byte) (*Key, error) {
	if len(wrapped) != WrappedSize {
		return nil, ErrWrapped
	}
	id := WrappedUnder(wrapped)
	if r == nil || r.keys[id] == nil {
		return nil, &KeyError{Wanted: []ID{id}, Present: r.IDs()}
	}
	raw, err := r.keys[id].Open(nil, nil, wrapped[len(id):], wrappedAbout(id, about))
	if err != nil {
		return nil, ErrWrapped
	}
	return newKey(raw)
}

// WrappedUnder is the id of the ring's key that a data key is wrapped under.
func WrappedUnder(wrapped []byte) (id ID) {
	copy(id[:], wrapped)
	return id
}

func wrappedAbout(id ID, about []byte) []byte {
	b := append([]byte("coffer/vault/wrapped/v1\x00"), id[:]...)
	return append(b, about...)
}
