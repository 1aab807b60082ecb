package machine

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
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
	Semantics uint16 // that who applies it must know
	Now       int64  // the leader's clock, ms since the epoch
	Seed      uint64 // the leader's randomness
	Commands  [][][]byte
}

// AppendBatch appends the encoding of a batch whose commands are the writes
// among items.
func AppendBatch(dst []byte, items []Item, now int64, seed uint64) []byte {
	dst = append(dst, BatchFormat)
	dst = binary.LittleEndian.AppendUint16(dst, needed(items))
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
			dst = appendCommand(dst, inDatabase(items[i].Database, items[i].Argv))
		}
	}
	return dst
}

// needed is the lowest semantics with which all writes among items mean what they
// mean here: an older member goes on until somebody uses what it does not know.
func needed(items []Item) uint16 {
	lowest := uint16(BaseSemantics)
	for i := range items {
		if items[i].Write {
			lowest = max(lowest, items[i].since())
		}
	}
	return lowest
}

// since is the semantics that the write needs, where it is carried out.
func (i *Item) since() uint16 {
	if i.Database != 0 {
		return max(i.Since, SinceDatabases)
	}
	return i.Since
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
func DecodeBatch(data []byte) (Batch, error) { return new(scratch).decode(data, Semantics) }

// scratch is what decoding a batch takes, kept for the next one: replaying a
// log is mostly this.
type scratch struct {
	commands [][][]byte
	args     [][]byte // of all commands
	ops      []loggedOp
}

// loggedOp is a command out of the log.
type loggedOp struct {
	op       Op
	database uint8
}

// reset lets go of what the slices point to, and of slices that an unusual
// batch made large.
func (s *scratch) reset() {
	const keep = 1 << 16
	if len(s.args) > keep {
		*s = scratch{}
		return
	}
	clear(s.commands)
	clear(s.args)
	clear(s.ops)
	s.commands, s.args, s.ops = s.commands[:0], s.args[:0], s.ops[:0]
}

func (s *scratch) decode(data []byte, known uint16) (Batch, error) {
	if len(data) < batchHeader {
		return Batch{}, fmt.Errorf("%w: %d bytes", ErrBatchCorrupt, len(data))
	}
	semantics := binary.LittleEndian.Uint16(data[1:])
	if data[0] > BatchFormat || semantics > known {
		return Batch{}, fmt.Errorf("%w: format %d and semantics %d, this engine reads up to %d and %d",
			ErrBatchVersion, data[0], semantics, BatchFormat, known)
	}
	if data[0] == 0 || semantics == 0 {
		return Batch{}, fmt.Errorf("%w: version 0", ErrBatchCorrupt)
	}
	b := Batch{
		Semantics: semantics,
		Now:       int64(binary.LittleEndian.Uint64(data[3:])),
		Seed:      binary.LittleEndian.Uint64(data[11:]),
	}
	rest := data[batchHeader:]
	n, rest, err := count(rest, 2)
	if err != nil {
		return Batch{}, err
	}
	if n > MaxBatchCommands {
		return Batch{}, fmt.Errorf("%w: %d commands", ErrBatchCorrupt, n)
	}
	s.commands = slices.Grow(s.commands, n)
	for range n {
		var argv [][]byte
		if argv, rest, err = s.readCommand(rest); err != nil {
			return Batch{}, err
		}
		s.commands = append(s.commands, argv)
	}
	b.Commands = s.commands
	if len(rest) != 0 {
		return Batch{}, fmt.Errorf("%w: %d bytes left over", ErrBatchCorrupt, len(rest))
	}
	return b, nil
}

func (s *scratch) readCommand(data []byte) (argv [][]byte, rest []byte, err error) {
	n, rest, err := count(data, 1)
	if err != nil {
		return nil, nil, err
	}
	if n == 0 {
		return nil, nil, fmt.Errorf("%w: command without a name", ErrBatchCorrupt)
	}
	from := len(s.args)
	for range n {
		var size int
		if size, rest, err = count(rest, 1); err != nil {
			return nil, nil, err
		}
		s.args = append(s.args, rest[:size:size])
		rest = rest[size:]
	}
	return s.args[from:len(s.args):len(s.args)], rest, nil
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
