// Package snapshot writes, verifies and reads snapshot files: the state as of
// one index of the log, so that the log before it can go.
//
// What the state is made of is not this package's business: it takes chunks of
// bytes and gives them back. All integers are little-endian; all checksums are
// CRC32C (Castagnoli).
//
// # Snapshot file, format version 2, NNNNNNNNNNNNNNNNNNNN.snap (index)
//
//	+-------------------+-------------------+-----------+
//	| header sector 512 | key slots 2 × 512 | zero 2560 |
//	+-------------------+-------------------+-----------+
//	| conf state | check 4B | chunk | chunk | ... footer |
//	+---------------------------------------------------+
//
//	header sector:
//	+-----------+------------+-----------+---------+----------+---------+
//	| "CFSN" 4B | version 2B | cipher 1B | zero 1B | index 8B | term 8B |
//	+-----------+------------+-----------+---------+----------+---------+
//	| conf state length 4B | zero 484B                                  |
//	+----------------------+--------------------------------------------+
//
//	chunk:                             footer:
//	+-----------+----------+-------+   +---------+-----------+----------+----------------+----------+
//	| length 4B | check 4B | bytes |   | zero 4B | chunks 8B | bytes 8B | seal 28B or 0B | check 4B |
//	+-----------+----------+-------+   +---------+-----------+----------+----------------+----------+
//
// conf state is raft's, in its protobuf encoding. The check behind it covers it
// and the header sector; the key slots have their own. A
// chunk's length is 1 to 1 MiB (and 28 more when it is sealed); its check
// covers the bytes as they are stored and is seeded with the check behind the
// conf state and the chunk's number, so that chunks neither trade places nor
// come from another file. A length of zero begins the footer, whose check
// covers what is between and is seeded likewise.
//
// cipher is 0 for a file that is not sealed; its key slots are zero. It is 1
// for AES-256-GCM: the key slots (see package vault, which they are bound to
// the header sector and the conf state by) wrap the file's data key, and the
// bytes of every chunk are sealed: nonce 12B, ciphertext, tag 16B. Its
// associated data are the chunk's number 8B. The footer's seal is of no bytes,
// with the footer's bytes before it as associated data: a sealed file cannot be
// made shorter. What the bytes mean has versions of its own, among them the
// semantics of what made the state: see package machine.
//
// # Snapshot file, format version 1
//
// It is read. It is not sealed; its chunks and its footer are the same.
//
//	+-----------+------------+-----------+----------+---------+
//	| "CFSN" 4B | version 2B | zero 2B   | index 8B | term 8B |
//	+-----------+------------+-----------+----------+---------+
//	| conf state length 4B | conf state | check 4B            |
//	+----------------------+------------+---------------------+
//	| chunk | chunk | ... | footer                            |
//	+---------------------------------------------------------+
//
// A file is written under a temporary name, made durable and then renamed:
// what has a snapshot's name is complete, and damage to it is rot.
package snapshot

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"github.com/coffer-dev/coffer/engine/vault"
)

// Version of the format that is written. A file of a newer one is refused.
const Version = 2

const (
	magic        = "CFSN"
	fixedHeader  = 4 + 2 + 2 + 8 + 8 + 4
	headerSector = 512
	slotsOffset  = headerSector
	headerSize   = 4096 // before the conf state
	footerFixed  = 4 + 8 + 8
	footerSize   = footerFixed + 4
	suffix       = ".snap"
	tempName     = "next.tmp"
	category     = vfs.DiskWriteCategory("snapshot")

	// MaxChunk bounds a chunk in bytes.
	MaxChunk = 1 << 20
	// maxConfState bounds the encoded members in bytes.
	maxConfState = 64 << 10
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

var (
	// ErrDamaged is wrapped by a *DamageError.
	ErrDamaged = errors.New("snapshot is damaged")
	// ErrVersion is returned for a file of a newer engine.
	ErrVersion = errors.New("snapshot is of a newer engine")
	// ErrFull is returned when there was no space for a snapshot. Nothing is
	// left of it, and what was there before is untouched.
	ErrFull = errors.New("no space for a snapshot")
)

// DamageError says where a file is damaged.
type DamageError struct {
	File   string
	Offset int64
	Reason string
}

// Error names file and offset.
func (e *DamageError) Error() string {
	return fmt.Sprintf("%s: offset %d: %s", e.File, e.Offset, e.Reason)
}

// Unwrap makes it an ErrDamaged.
func (e *DamageError) Unwrap() error { return ErrDamaged }

// Meta says what a snapshot is of.
type Meta struct {
	Index     uint64
	Term      uint64
	ConfState *raftpb.ConfState
}

// encode gives a file's header, and the key slots in it if it is sealed.
func (m Meta) encode(keys *vault.Ring) ([]byte, *vault.Slots, error) {
	conf, err := proto.MarshalOptions{Deterministic: true}.Marshal(m.ConfState)
	if err != nil {
		return nil, nil, fmt.Errorf("encode conf state: %w", err)
	}
	if len(conf) > maxConfState {
		return nil, nil, fmt.Errorf("conf state of %d bytes, the limit is %d", len(conf), maxConfState)
	}
	b := make([]byte, headerSize, headerSize+len(conf)+4)
	copy(b, magic)
	binary.LittleEndian.PutUint16(b[4:], Version)
	if keys != nil {
		b[6] = vault.AES256
	}
	binary.LittleEndian.PutUint64(b[8:], m.Index)
	binary.LittleEndian.PutUint64(b[16:], m.Term)
	binary.LittleEndian.PutUint32(b[24:], uint32(len(conf)))
	b = append(b, conf...)
	check := crc32.Update(crc32.Checksum(b[:headerSector], castagnoli), castagnoli, conf)
	b = binary.LittleEndian.AppendUint32(b, check)
	if keys == nil {
		return b, nil, nil
	}
	slots, area, err := keys.New(bound(b[:headerSector], conf))
	if err != nil {
		return nil, nil, fmt.Errorf("make a data key: %w", err)
	}
	copy(b[slotsOffset:], area)
	return b, slots, nil
}

// bound is what the key slots are bound to.
func bound(sector, conf []byte) []byte { return append(bytes.Clone(sector), conf...) }

// place is the associated data of chunk n.
func place(n uint64) []byte { return binary.LittleEndian.AppendUint64(nil, n) }

// seed starts the checksum of chunk n of the file whose header has that check.
func seed(headerCheck uint32, n uint64) uint32 {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], n)
	return crc32.Update(headerCheck, castagnoli, b[:])
}

func fileName(index uint64) string { return fmt.Sprintf("%020d%s", index, suffix) }

// Dir is a directory of snapshots.
type Dir struct {
	FS   vfs.FS
	Path string
	Keys *vault.Ring // that files are sealed under; nil: they are not sealed
}

func (d Dir) join(name string) string { return d.FS.PathJoin(d.Path, name) }

// list returns the indexes of the snapshots in a directory, ascending.
func (d Dir) list() ([]uint64, error) {
	names, err := d.FS.List(d.Path)
	if err != nil {
		return nil, fmt.Errorf("list snapshots: %w", err)
	}
	var indexes []uint64
	for _, name := range names {
		digits, ok := strings.CutSuffix(name, suffix)
		if index, err := strconv.ParseUint(digits, 10, 64); ok && err == nil && name == fileName(index) {
			indexes = append(indexes, index)
		}
	}
	slices.Sort(indexes)
	return indexes, nil
}

func noSpace(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}
