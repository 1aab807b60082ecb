// Package machine is the deterministic core: the state that every member
// computes alike from the same log. It reads no clock and no randomness; both
// arrive in the batch.
//
// # Batch, format version 1
//
// A log entry carries one batch: commands of all connections, as the clients
// sent them. Integers are uvarint as in encoding/binary, but for the fixed
// ones, which are little-endian. Checksums are the log's business.
//
//	+-----------+--------------+--------+---------+-----------+--------------+
//	| format 1B | semantics 2B | now 8B | seed 8B | n uvarint | n × command  |
//	+-----------+--------------+--------+---------+-----------+--------------+
//	command: arguments uvarint, then per argument: length uvarint, bytes
//
// A command that is carried out in another database than 0 has two arguments in
// front that say in which.
//
// format is the layout; semantics is what commands mean: it rises with every
// change that lets the same batch lead to another state, so that members of
// two versions never compute differently. A batch has the lowest that its
// commands need, and a snapshot the highest of what was applied: members one
// version apart work together until somebody uses what is new, and then the older
// one ends. now is the leader's clock in ms.
//
// # Snapshot, format version 3
//
//	+-----------+-----------+--------------+----------+-------------+---------+--------------+--------------+
//	| "CFMS" 4B | format 2B | semantics 2B | index 8B | last now 8B | scripts | store stream | queue stream |
//	+-----------+-----------+--------------+----------+-------------+---------+--------------+--------------+
//	scripts: number uvarint, then per script: kept 1B, length uvarint, text
//
// Fixed integers are little-endian; the streams are described in packages store
// and queue. Version 2 has no queue stream, version 1 no scripts either.
package machine

import (
	"errors"
	"fmt"

	"github.com/coffer-dev/coffer/engine/queue"
	"github.com/coffer-dev/coffer/engine/reply"
	"github.com/coffer-dev/coffer/engine/store"
)

// Semantics is the version of what commands mean.
//
//	1  the first
//	2  what is deleted from a stream's node no longer counts towards its bytes:
//	   in 1 it did, until the member restarted
//	3  lists, hashes, sorted sets, and all commands of theirs; more commands of
//	   sets, streams, strings and keys
//	4  transactions
//	5  scripts
//	6  jobs
//	7  HyperLogLogs; consumer groups of streams; places; SORT; scripts are charged for
//	   what the commands that they run look at
//	8  databases other than 0
const Semantics = 8

// BaseSemantics is what members of the version before this one know. A batch is
// stamped with it unless a command in it says that it needs more.
const BaseSemantics = 6

// An int has 64 bits: with fewer, lengths and counts would wrap around where
// those of other members do not. On other platforms this does not compile.
const _ uint = 1 << 63

// Op is one parsed command. Apply runs it against the state and answers; it
// must be a function of the Op and the Tx alone.
type Op interface {
	Apply(tx *Tx) reply.Reply
}

// Sizer is an Op whose arguments do not tell how much memory it takes.
type Sizer interface {
	Op
	// Needs is about how many bytes Apply allocates beside its arguments.
	Needs(tx *Tx) int64
}

// Overwriter is a Sizer that writes a value anew in the place of the one that was
// there, which is free then.
type Overwriter interface {
	Sizer
	// Growth is about how many bytes are taken afterwards that were not before.
	Growth(tx *Tx) int64
}

// Tx is what an Op may see: the keyspace, the jobs, and the time and seed that the leader
// stamped on the batch. A read evaluated outside the log gets the leader's
// clock and must not change the Databases or the Queues.
type Tx struct {
	Store     *store.Store // the database that the command is carried out in
	Databases *store.Databases
	Queues    *queue.Queues
	Now       int64  // milliseconds since the Unix epoch
	Seed      uint64 // random, another for every command; Random draws from it
	// MaxReply is the size of the largest reply that anybody gets; 0 for no
	// limit. A read may stop where its reply has become larger.
	MaxReply int64
	// Scripts are the texts that EVALSHA finds; a read must not change them.
	Scripts *Scripts
	// Semantics is up to which a script may use what came later than the base:
	// who applies the entry and knows no more must compute the same.
	Semantics uint16
	// Own says that nothing but an answer comes of it: what this member alone
	// knows, of the use of keys, may be told.
	Own bool
	// Grown is about how many bytes the scripts of this entry have added.
	Grown *int64
	// Work is what an Op has done beside what its arguments and its reply tell of, in
	// steps of a script. It is the same on every member.
	Work int64

	machine *Machine
}

// Erased notes that something was removed that is to be gone from files, too,
// soon: see Machine.Erased.
func (tx *Tx) Erased() {
	if tx.machine != nil {
		tx.machine.erased = tx.machine.index
	}
}

// Step is the Tx of the nth command that a command carries out.
func (tx *Tx) Step(n uint64) Tx {
	each := *tx
	each.Seed = mix(tx.Seed ^ mix(step(n)))
	return each
}

// Parse turns a command's arguments (its name first) into an Op. It is how the
// machine reads commands back from the log; package command provides it.
type Parse func(argv [][]byte) (Op, error)

// What an executor of items may say of them.
var (
	// ErrLost: the leadership was lost before they were known to be carried out.
	// Whether they were, or will be, is unknown.
	ErrLost = errors.New("the leadership was lost: the outcome is unknown")
	// ErrUnproven: it cannot be said at once that the state shows all that was
	// acknowledged.
	ErrUnproven = errors.New("it is not proven that the state is the latest")
)

// Item is one command on its way through the machine. A write is carried by
// the log as its Argv; a read is only evaluated at its place in apply order.
type Item struct {
	Op    Op
	Argv  [][]byte
	Write bool
	// Grows says that the write may add to the keyspace.
	Grows bool
	// Reserved says that the write may take what is kept in reserve: redis-server
	// does not refuse it for want of memory.
	Reserved bool
	// Database is where it is carried out, below store.Count.
	Database uint8
	// Since is the semantics that the write needs; 0 for BaseSemantics. Databases
	// beside 0 need more all the same.
	Since uint16
	Reply reply.Reply
	// By is who asks, for those who are told what others have changed; 0 is nobody.
	// It is no part of the state.
	By int64
	// Timing is told when the Op begins and ends; nil: nobody asks. It is no part
	// of the state.
	Timing Timing
}

// Timing looks how long an Op takes, with a clock that the machine does not have.
type Timing interface {
	Begin()
	End()
}

func (i *Item) apply(tx *Tx) reply.Reply {
	tx.Store = tx.Databases.At(int(i.Database))
	if i.Timing == nil {
		return i.Op.Apply(tx)
	}
	i.Timing.Begin()
	defer i.Timing.End()
	return i.Op.Apply(tx)
}

// Machine is the state of one group. It is not safe for concurrent use; the
// group's lock guards it.
type Machine struct {
	// MaxReply is every Tx's. It is no part of the state: a write must not look
	// at it.
	MaxReply int64

	databases *store.Databases
	queues    *queue.Queues
	scripts   *Scripts
	parse     Parse
	known     uint16 // Semantics, but for tests
	// semantics is the highest of what was applied.
	semantics uint16
	index     uint64 // the last log entry applied
	lastNow   int64  // time never runs backwards, whatever the leaders' clocks do
	reads     uint64 // makes the seeds of reads; no part of the state
	erased    uint64 // see Erased
	logged    Logged // Replay's
	grown     int64  // by the scripts of one entry
}

// New makes an empty machine.
func New(parse Parse) *Machine {
	return &Machine{databases: store.New(), queues: queue.New(), scripts: newScripts(), parse: parse, known: Semantics, semantics: BaseSemantics}
}

// Index is the log index of the last entry applied.
func (m *Machine) Index() uint64 { return m.index }

// Keys is the number of keys, expired ones that no sweep has removed included.
func (m *Machine) Keys() int { return m.databases.Len() }

// Bytes approximates the memory of the keyspace, scripts included, and of jobs.
func (m *Machine) Bytes() int64 { return m.databases.Bytes() + m.scripts.bytes + m.queues.Bytes() }

// Erased is the index of the last entry that erased something, of those that
// were applied since Restore; 0 for none. Files have it until a snapshot of
// that index or a later one has taken the place of the log.
func (m *Machine) Erased() uint64 { return m.erased }

// Databases are the keyspace, to be looked at. Restore puts others in their place.
func (m *Machine) Databases() *store.Databases { return m.databases }

// Queues are the jobs. Restore puts others in their place.
func (m *Machine) Queues() *queue.Queues { return m.queues }

// Read evaluates items that write nothing and fills their replies.
func (m *Machine) Read(items []Item, now int64) {
	tx := m.tx(max(now, m.lastNow))
	tx.Own = true
	for i := range items {
		m.fetch(i, len(items), func(i int) (uint8, [][]byte) { return items[i].Database, items[i].Argv })
		tx.Seed = m.readSeed()
		items[i].Reply = items[i].apply(&tx)
	}
}

// readSeed is another one for every read, of which no write knows.
func (m *Machine) readSeed() uint64 {
	m.reads++
	return mix(m.reads ^ mix(m.index^uint64(m.lastNow)))
}

// Apply runs a committed batch on the member that proposed it and fills the
// replies. The writes among items are the batch's commands, in this order; the
// reads are evaluated at their place.
func (m *Machine) Apply(index uint64, items []Item, now int64, seed uint64) {
	tx := m.begin(index, now, needed(items))
	for i := range items {
		m.fetch(i, len(items), func(i int) (uint8, [][]byte) { return items[i].Database, items[i].Argv })
		if tx.Own = !items[i].Write; items[i].Write {
			seed = step(seed)
			tx.Seed = mix(seed)
			tx.Semantics = m.semantics
			m.databases.By(items[i].By)
		} else {
			tx.Seed = m.readSeed()
			tx.Semantics = Semantics
		}
		items[i].Reply = items[i].apply(&tx)
	}
}

// Replay runs a committed batch from its encoding. An empty one only moves the
// index: the log has entries of its own.
func (m *Machine) Replay(index uint64, data []byte) error {
	if err := m.Parse(&m.logged, index, data); err != nil {
		return err
	}
	m.Run(&m.logged)
	return nil
}

// Logged is a batch out of the log, parsed and not yet applied. Once it has
// been, it can take up another.
type Logged struct {
	index uint64
	batch Batch
	scratch
}

// Parse is the first half of Replay. It looks at nothing that Run changes, so
// that the batch behind it can be parsed while one is applied.
func (m *Machine) Parse(into *Logged, index uint64, data []byte) error {
	into.reset()
	into.index, into.batch = index, Batch{}
	if len(data) == 0 {
		return nil
	}
	var err error
	if into.batch, err = into.decode(data, m.known); err != nil {
		return fmt.Errorf("machine: entry %d: %w", index, err)
	}
	for i := range into.batch.Commands {
		op, err := m.parseLogged(&into.batch.Commands[i])
		if err != nil {
			return fmt.Errorf("machine: entry %d: command %d: %w", index, i, err)
		}
		into.ops = append(into.ops, op)
	}
	return nil
}

// Run is the second half of Replay.
func (m *Machine) Run(l *Logged) {
	defer l.reset()
	tx := m.begin(l.index, l.batch.Now, l.batch.Semantics)
	tx.Semantics = m.semantics
	begin(l.ops, &tx)
	defer end(l.ops)
	seed := l.batch.Seed
	for i, logged := range l.ops {
		m.fetch(i, len(l.ops), func(i int) (uint8, [][]byte) { return l.ops[i].database, l.batch.Commands[i] })
		seed = step(seed)
		tx.Seed = mix(seed)
		tx.Store = m.databases.At(int(logged.database))
		logged.op.Apply(&tx)
	}
}

// fetchAhead is for how many commands at a time the keyspace fetches what they
// are about to look up, and fetchKey how long a key is at most that is worth it:
// what operations on jobs carry is longer.
const (
	fetchAhead = 128
	fetchKey   = 64
)

// fetch has the keys of the commands from the ith on fetched, when it is their
// turn. A key is nearly always the first argument; what is none does no harm.
func (m *Machine) fetch(i, n int, command func(i int) (database uint8, argv [][]byte)) {
	if i%fetchAhead != 0 || i+1 == n || m.databases.Len() == 0 { // as where there are jobs alone
		return
	}
	for expected := 0; i < n && expected < fetchAhead; i++ {
		if database, argv := command(i); len(argv) > 1 && len(argv[1]) <= fetchKey {
			m.databases.At(int(database)).Expect(argv[1])
			expected++
		}
	}
	m.databases.Fetch()
}

func (m *Machine) begin(index uint64, now int64, semantics uint16) Tx {
	m.index = index
	m.semantics = max(m.semantics, semantics)
	m.lastNow = max(m.lastNow, now)
	return m.tx(m.lastNow)
}

func (m *Machine) tx(now int64) Tx {
	m.grown = 0
	m.databases.Clock(now)
	return Tx{Store: m.databases.At(0), Databases: m.databases, Queues: m.queues, Now: now, MaxReply: m.MaxReply, Scripts: m.scripts, Semantics: Semantics, Grown: &m.grown, machine: m}
}

// step and mix are SplitMix64 (Steele, Lea, Flood 2014): a seed per command
// out of the one of the batch.
func step(seed uint64) uint64 { return seed + 0x9e3779b97f4a7c15 }

func mix(z uint64) uint64 {
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}
