package machine

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// BatchFormat is the version of the batch layout that is written and read.
const BatchFormat = 1

const batchHeader = 1 + 2 + 8 + 8

// MaxBatchCommands bounds the commands of one batch.
const MaxBatchCommands = 1 << 20

var (
	// ErrBatchCorrupt is returned for a batch that makes no sense.
	ErrBatchCorrupt = errors.New("batch is corrupt")
	// ErrBatchVersion is returned for a batch of a newer engine.
	ErrBatchVersion = errors.New("batch is of a newer engine")
)

// Batch is what one log entry carries.
type Batch struct {
	Now      int64  // the leader's clock, ms since the epoch
	Seed     uint64 // the leader's randomness
	Commands [][][]byte
}

// AppendBatch appends the encoding of a batch whose commands are the writes
// among items.
func AppendBatch(dst []byte, items []Item, now int64, seed uint64) []byte {
	dst = append(dst, BatchFormat)
	dst = binary.LittleEndian.AppendUint16(dst, Semantics)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(now))
	dst = binary.LittleEndian.AppendUint64(dst, seed)
	n := 0
	for i := range items {
		if items[i].Write {
			n++
		}
	}
	dst = binary.AppendUvarint(dst, uint64(n))
	for i := range items {
		if items[i].Write {
			dst = appendCommand(dst, items[i].Argv)
		}
	}
	return dst
}

func appendCommand(dst []byte, argv [][]byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(argv)))
	for _, arg := range argv {
		dst = binary.AppendUvarint(dst, uint64(len(arg)))
		dst = append(dst, arg...)
	}
	return dst
}

// DecodeBatch reads a batch. Its arguments point into data.
func DecodeBatch(data []byte) (Batch, error) {
	if len(data) < batchHeader {
		return Batch{}, fmt.Errorf("%w: %d bytes", ErrBatchCorrupt, len(data))
	}
	semantics := binary.LittleEndian.Uint16(data[1:])
	if data[0] > BatchFormat || semantics > Semantics {
		return Batch{}, fmt.Errorf("%w: format %d and semantics %d, this engine reads up to %d and %d",
			ErrBatchVersion, data[0], semantics, BatchFormat, Semantics)
	}
	if data[0] == 0 || semantics == 0 {
		return Batch{}, fmt.Errorf("%w: version 0", ErrBatchCorrupt)
	}
	b := Batch{
		Now:  int64(binary.LittleEndian.Uint64(data[3:])),
		Seed: binary.LittleEndian.Uint64(data[11:]),
	}
	rest := data[batchHeader:]
	n, rest, err := count(rest, 2)
	if err != nil {
		return Batch{}, err
	}
	if n > MaxBatchCommands {
		return Batch{}, fmt.Errorf("%w: %d commands", ErrBatchCorrupt, n)
	}
	b.Commands = make([][][]byte, n)
	for i := range b.Commands {
		if b.Commands[i], rest, err = readCommand(rest); err != nil {
			return Batch{}, err
		}
	}
	if len(rest) != 0 {
		return Batch{}, fmt.Errorf("%w: %d bytes left over", ErrBatchCorrupt, len(rest))
	}
	return b, nil
}

func readCommand(data []byte) (argv [][]byte, rest []byte, err error) {
	n, rest, err := count(data, 1)
	if err != nil {
		return nil, nil, err
	}
	if n == 0 {
		return nil, nil, fmt.Errorf("%w: command without a name", ErrBatchCorrupt)
	}
	argv = make([][]byte, n)
	for i := range argv {
		var size int
		if size, rest, err = count(rest, 1); err != nil {
			return nil, nil, err
		}
		argv[i], rest = rest[:size:size], rest[size:]
	}
	return argv, rest, nil
}

// count reads a number of things of at least minSize bytes each: what is left
// bounds it, so that nothing is allocated for a number that cannot be true.
func count(data []byte, minSize int) (n int, rest []byte, err error) {
	v, size := binary.Uvarint(data)
	if size <= 0 || v > uint64(len(data)-size)/uint64(minSize) {
		return 0, nil, fmt.Errorf("%w: truncated", ErrBatchCorrupt)
	}
	return int(v), data[size:], nil
}
