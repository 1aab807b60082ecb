// Package vault is encryption at rest: every file has a random data key, and
// the data key is kept in the file's header, wrapped by a key of the key ring.
// What a file holds beside that, and where, is its own format's business: see
// packages wal and snapshot. All integers are little-endian.
//
// # Key ring
//
// The key ring is a directory of small files, the items of a mounted Secret:
//
//	primary   the name of one of the others, with or without a final newline
//	NAME      a key: 64 hexadecimal digits (32 random bytes), with or without
//	          a final newline; any number of these
//
// New files are wrapped under the primary key; the others only unwrap. A key's
// id is the first 8 bytes of SHA-256("coffer/vault/key-id/v1" 00 key): it says
// which key a file needs and nothing about the key.
//
// # Key slots, format version 1
//
// A file keeps its data key twice, in two sectors that follow each other.
//
//	slot, 512 bytes, at a multiple of 512:
//	+-----------+---------+--------------+-----------+------------------+
//	| "CFKY" 4B | zero 4B | sequence 8B  | key id 8B | nonce 12B        |
//	+-----------+---------+--------------+-----------+------------------+
//	| data key, wrapped 32B              | tag 16B   | zero 424B        |
//	+------------------------------------+-----------+------------------+
//	| check 4B: CRC32C of the bytes before                              |
//	+-------------------------------------------------------------------+
//
// Wrapping is AES-256-GCM with a random nonce; its associated data are
// "coffer/vault/slot/v1" 00, the slot's bytes before the nonce, and the header
// of the file that it belongs to: a slot opens in no other file, and a header
// cannot be altered. Both slots wrap the same data key, under the primary key
// of the time. Wrapping again under another one writes the slot that the data
// key was not read from, waits for the disk, and only then writes the other:
// whatever a crash leaves of one write, the other slot is whole. No data is
// rewritten. A damaged slot is survived and made good by the next wrapping.
//
// # Sealing
//
// AES-256-GCM under the file's data key, with a random nonce each time, 12
// bytes before and a tag of 16 bytes behind what is sealed. A data key serves
// one file, and is never used again when the file is recycled: far below the
// 2^32 messages that random nonces allow.
package vault

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Ciphers of a file, as its header tells them.
const (
	None   = 0 // not sealed
	AES256 = 1 // AES-256-GCM
)

// KnownCiphers is the highest of them.
const KnownCiphers = AES256

// Overhead is what sealing adds, in bytes.
const Overhead = 12 + 16

const (
	// KeySize of a key, bytes.
	KeySize = 32
	// PrimaryFile names the primary key.
	PrimaryFile = "primary"
	// maxKeys bounds the key ring.
	maxKeys = 64
)

var (
	// ErrRing is returned for a key ring that cannot be used.
	ErrRing = errors.New("key ring")
	// ErrSealed is returned by Open for bytes that were altered, moved, or
	// sealed under another data key.
	ErrSealed = errors.New("does not open: altered, moved, or sealed under another key")
)

// ID names a key of the ring.
type ID [8]byte

// String is the id as people see it.
func (id ID) String() string { return hex.EncodeToString(id[:]) }

// IDOf is the id of a key.
func IDOf(key []byte) (id ID) {
	sum := sha256.Sum256(append([]byte("coffer/vault/key-id/v1\x00"), key...))
	copy(id[:], sum[:])
	return id
}

// Ring is a key ring. It does not change; nil is one without keys.
type Ring struct {
	primary ID
	keys    map[ID]cipher.AEAD
}

// Parse makes a ring of the directory's files, by name. No error shows what is
// in one.
func Parse(files map[string][]byte) (*Ring, error) {
	if len(files) > maxKeys {
		return nil, fmt.Errorf("%w: %d files, the limit is %d", ErrRing, len(files), maxKeys)
	}
	primary, ok := files[PrimaryFile]
	if !ok {
		return nil, fmt.Errorf("%w: there is no file %q; it must hold the name of the key to use", ErrRing, PrimaryFile)
	}
	r := &Ring{keys: make(map[ID]cipher.AEAD, len(files)-1)}
	ids := make(map[string]ID, len(files)-1)
	for name, content := range files {
		if name == PrimaryFile {
			continue
		}
		key, err := hex.DecodeString(string(bytes.TrimSuffix(content, []byte("\n"))))
		if err != nil || len(key) != KeySize {
			return nil, fmt.Errorf("%w: %s: must hold a key of %d bytes as %d hexadecimal digits and nothing else (openssl rand -hex %d)", ErrRing, name, KeySize, 2*KeySize, KeySize)
		}
		ids[name] = IDOf(key)
		if r.keys[ids[name]], err = newAEAD(key); err != nil {
			return nil, fmt.Errorf("%w: %s: %w", ErrRing, name, err)
		}
	}
	if r.primary, ok = ids[string(bytes.TrimSuffix(primary, []byte("\n")))]; !ok {
		return nil, fmt.Errorf("%w: %q must hold the name of one of the other files", ErrRing, PrimaryFile)
	}
	return r, nil
}

// Primary is the id of the key that new files are wrapped under.
func (r *Ring) Primary() ID { return r.primary }

// IDs of the ring's keys, sorted.
func (r *Ring) IDs() []ID {
	if r == nil {
		return nil
	}
	var ids []ID
	for id := range r.keys {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b ID) int { return bytes.Compare(a[:], b[:]) })
	return ids
}

// Key is a file's data key.
type Key struct {
	raw  []byte // to be wrapped again
	aead cipher.AEAD
}

func newKey(raw []byte) (*Key, error) {
	aead, err := newAEAD(raw)
	return &Key{raw, aead}, err
}

func newAEAD(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// Seal appends plain, sealed, to dst. Only who says the same about it can open
// it. dst and plain do not overlap.
func (k *Key) Seal(dst, plain, about []byte) []byte { return k.aead.Seal(dst, nil, plain, about) }

// Open appends what was sealed to dst.
func (k *Key) Open(dst, sealed, about []byte) ([]byte, error) {
	plain, err := k.aead.Open(dst, nil, sealed, about)
	if err != nil {
		return nil, ErrSealed
	}
	return plain, nil
}

// KeyError is returned for a file that needs a key which the ring has not.
type KeyError struct {
	Wanted  []ID // any of these would do
	Present []ID
}

// Error names what is wanted and what is there.
func (e *KeyError) Error() string {
	present := "there is no key ring"
	if len(e.Present) > 0 {
		present = "the key ring has " + join(e.Present, ", ")
	}
	return fmt.Sprintf("sealed under key %s, %s", join(e.Wanted, " or "), present)
}

func join(ids []ID, between string) string {
	texts := make([]string, len(ids))
	for i, id := range ids {
		texts[i] = id.String()
	}
	return strings.Join(texts, between)
}

// Usage says which keys files need.
type Usage struct {
	IDs   []ID // sorted
	Plain int  // files that are not sealed
}

// Add counts a file in; nil is one that is not sealed.
func (u *Usage) Add(s *Slots) {
	if s == nil {
		u.Plain++
		return
	}
	for _, slot := range s.slots {
		if slot.valid {
			u.Need(slot.id)
		}
	}
}

// Merge counts another usage in.
func (u *Usage) Merge(other Usage) {
	u.Plain += other.Plain
	for _, id := range other.IDs {
		u.Need(id)
	}
}

// Need counts a key in.
func (u *Usage) Need(id ID) {
	at, found := slices.BinarySearchFunc(u.IDs, id, func(a, b ID) int { return bytes.Compare(a[:], b[:]) })
	if !found {
		u.IDs = slices.Insert(u.IDs, at, id)
	}
}
