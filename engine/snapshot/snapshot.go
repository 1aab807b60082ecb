// Package snapshot writes, verifies and reads snapshot files: the state as of
// one index of the log, so that the log before it can go.
//
// What the state is made of is not this package's business: it takes chunks of
// bytes and gives them back. All integers are little-endian; all checksums are
// CRC32C (Castagnoli).
//
// # Snapshot file, format version 1, NNNNNNNNNNNNNNNNNNNN.snap (index)
//
//	+-----------+------------+-----------+----------+---------+
//	| "CFSN" 4B | version 2B | zero 2B   | index 8B | term 8B |
//	+-----------+------------+-----------+----------+---------+
//	| conf state length 4B | conf state | check 4B            |
//	+----------------------+------------+---------------------+
//	| chunk | chunk | ... | footer                            |
//	+---------------------------------------------------------+
//
//	chunk:                             footer:
//	+-----------+----------+-------+   +---------+-----------+----------+----------+
//	| length 4B | check 4B | bytes |   | zero 4B | chunks 8B | bytes 8B | check 4B |
//	+-----------+----------+-------+   +---------+-----------+----------+----------+
//
// conf state is raft's, in its protobuf encoding. The header's check covers
// what is before it. A chunk's length is 1 to 1 MiB; its check covers the bytes
// and is seeded with the header's check and the chunk's number, so that chunks
// neither trade places nor come from another file. A length of zero begins the
// footer, whose check covers the two numbers and is seeded likewise.
//
// A file is written under a temporary name, made durable and then renamed:
// what has a snapshot's name is complete, and damage to it is rot.
package snapshot

import (
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
)

// Version of the format that is written. A file of a newer one is refused.
const Version = 1

const (
	magic       = "CFSN"
	fixedHeader = 4 + 2 + 2 + 8 + 8 + 4
	footerSize  = 4 + 8 + 8 + 4
	suffix      = ".snap"
	tempName    = "next.tmp"
	category    = vfs.DiskWriteCategory("snapshot")

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

func (m Meta) encode() ([]byte, error) {
	conf, err := proto.MarshalOptions{Deterministic: true}.Marshal(m.ConfState)
	if err != nil {
		return nil, fmt.Errorf("encode conf state: %w", err)
	}
	if len(conf) > maxConfState {
		return nil, fmt.Errorf("conf state of %d bytes, the limit is %d", len(conf), maxConfState)
	}
	b := append(make([]byte, 0, fixedHeader+len(conf)+4), magic...)
	b = binary.LittleEndian.AppendUint16(b, Version)
	b = binary.LittleEndian.AppendUint16(b, 0)
	b = binary.LittleEndian.AppendUint64(b, m.Index)
	b = binary.LittleEndian.AppendUint64(b, m.Term)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(conf)))
	b = append(b, conf...)
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli)), nil
}

// seed starts the checksum of chunk n of the file whose header has that check.
func seed(headerCheck uint32, n uint64) uint32 {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], n)
	return crc32.Update(headerCheck, castagnoli, b[:])
}

func fileName(index uint64) string { return fmt.Sprintf("%020d%s", index, suffix) }

// list returns the indexes of the snapshots in a directory, ascending.
func list(fs vfs.FS, dir string) ([]uint64, error) {
	names, err := fs.List(dir)
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
