// Package wal is the one log file format: raft's entries and hard state,
// appended in batches, made durable by one fdatasync, replayed at start.
//
// A log is a directory of segments, NNNNNNNNNNNNNNNNNNNN.wal, numbered without
// gaps. A segment has its full size and all its blocks before it is used, so that
// an append finds room; where fsyncs are frequent it is written with zeros, so
// that fdatasync writes data alone. A released one is kept as
// NNNNNNNNNNNNNNNNNNNN.spare and becomes the next segment. All integers are little-endian; all checksums are
// CRC32C (Castagnoli).
//
// # Segment, format version 2
//
//	+-------------------+-------------------+-----------+---------------------------+-----------+
//	| header sector 512 | key slots 2 × 512 | zero 2560 | frame | frame | frame ... | old bytes |
//	+-------------------+-------------------+-----------+---------------------------+-----------+
//
//	header sector:
//	+-----------+------------+-----------+---------+-----------+---------+
//	| "CFWL" 4B | version 2B | cipher 1B | zero 1B | number 8B | salt 8B |
//	+-----------+------------+-----------+---------+-----------+---------+
//	| previous end 8B | previous index 8B | zero 468B        | check 4B  |
//	+-----------------+-------------------+------------------+-----------+
//
// salt is random, another each time that the file is used: number and salt
// seed every checksum in the segment, so that no frame which the file held
// before, nor one that a client put into a value, ever passes. previous end is
// the length in bytes of the segment before, which was durable before this one
// was made; previous index is the last entry in it. check covers the bytes
// before it.
//
// cipher is 0 for a segment that is not sealed; its key slots are zero. It is 1
// for AES-256-GCM: the key slots (see package vault, which they are bound to
// the header sector by) wrap the segment's data key, and the payload of every
// frame is sealed: nonce 12B, ciphertext, tag 16B. Its associated data are the
// frame's offset 8B and the frame's header from type to its end, so that a
// frame opens at its own place only. Checksums are over what is stored: torn
// and rotten frames are found without the key. With a key ring at hand every
// new segment is sealed; a plain one is not written to again and not kept as a
// spare, and a spare gets a new data key.
//
// # Segment, format version 1
//
// It is read, and written on when there is no key ring. It differs in its
// header alone:
//
//	+-----------+------------+------------+-----------+----------+
//	| "CFWL" 4B | version 2B | zero 2B    | number 8B | salt 8B  |
//	+-----------+------------+------------+-----------+----------+
//	| previous end 8B | previous index 8B | zero 20B  | check 4B | frames ...
//	+-----------------+-------------------+-----------+----------+
//
// # Frame
//
//	frame, at a multiple of 8 bytes:
//	+------------+-----------+------------------+---------+---------+
//	| check 4B   | length 4B | payload check 4B | type 1B | zero 3B |
//	+------------+-----------+------------------+---------+---------+
//	| term 8B    | index 8B  | durable 8B                           |
//	+------------+-----------+--------------------------------------+
//	| payload, length bytes, zeros up to a multiple of 8            |
//	+---------------------------------------------------------------+
//
// check covers the rest of the frame's header and is seeded with the segment
// and with the frame's offset; payload check covers the payload. durable is
// how many bytes of this segment were known to be durable when the frame was
// written: with the entry at that place it is the last one known durable.
// Damage below the highest mark is rot and refused; damage at or above it is
// what a crash leaves of writes that nobody was told of, and is cut off.
//
//	type 1, entries: term and index of the last one
//	+----------------+--------------+----------------+-----------------+
//	| hard term uvar | vote uvar    | commit uvar    | n uvar          |
//	+----------------+--------------+----------------+-----------------+
//	n × | entry type 1B | term uvar | length uvar | data |
//
//	type 2, hard state: term, vote and commit as above; no n
//	type 3, snapshot marker: term and index of a durable snapshot; no payload
//	type 4, restart: term and index of a durable snapshot that came from another
//	                 member: the frames before are void, also above it; no payload
//
// What the data of an entry means has a version of its own, the semantics in
// the header of a batch: see package machine.
//
// The entries of a frame are consecutive and end at index. A frame whose first
// index is not above an earlier one's replaces the log from there on. A batch
// is one frame, so that of a batch all or nothing is read back.
//
// Log is not safe for concurrent use.
package wal

import (
	"errors"
	"hash/crc32"

	"github.com/coffer-dev/coffer/engine/vault"
)

// Version of the format that is written. A segment of a newer one is refused.
const Version = 2

const (
	frameHeader = 40
	frameAlign  = 8

	// MaxPayload bounds a frame's payload in bytes.
	MaxPayload = 1 << 30
	// largestSegment has room for one frame of MaxPayload, and slack. What is
	// larger was not written by a log, and is not read into memory.
	largestSegment = (headerSize + frameHeader + MaxPayload + vault.Overhead + slack + 2*4095) &^ 4095
	// slack is kept free at a segment's end by Reserve, so that the frames of
	// an election fit while the volume is full.
	slack = 4 << 10
)

const (
	typeEntries   = 1
	typeHardState = 2
	typeSnapshot  = 3
	typeRestart   = 4
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Errors of Open: what is on disk cannot be used.
var (
	// ErrDamaged is wrapped by a *DamageError.
	ErrDamaged = errors.New("log is damaged")
	// ErrVersion is returned for a segment of a newer engine.
	ErrVersion = errors.New("log is of a newer engine")
	// ErrGap is returned when entries are missing between the snapshot and the
	// log, or between two segments.
	ErrGap = errors.New("log is incomplete")
)

// Errors of a running log.
var (
	// ErrFull is returned when there is no space for another segment. Nothing
	// was written and nothing is lost; the call can be repeated.
	ErrFull = errors.New("no space for the log")
	// ErrFailed is returned when a write or an fsync failed. It is final: what
	// is on disk is unknown until the log is opened again (Rebello et al.,
	// "Can Applications Recover from fsync Failures?", ATC 2020).
	ErrFailed = errors.New("log has failed")
	// ErrTooLarge is returned for a batch above MaxPayload.
	ErrTooLarge = errors.New("batch is too large for the log")
)
