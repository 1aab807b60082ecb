package determinism

import (
	"bytes"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"

	"github.com/coffer-dev/coffer/engine/acl"
	"github.com/coffer-dev/coffer/engine/command"
	"github.com/coffer-dev/coffer/engine/machine"
	"github.com/coffer-dev/coffer/engine/protocol/resp"
	"github.com/coffer-dev/coffer/engine/reply"
	"github.com/coffer-dev/coffer/engine/store"
	"github.com/coffer-dev/coffer/test/fixture/commands"
)

// The environment says how many commands a run has, and of which seed.
const (
	envCommands = "COFFER_DETERMINISM_COMMANDS"
	envSeed     = "COFFER_DETERMINISM_SEED"
)

const (
	defaultCommands = 10_000
	// every so many entries the machines are compared.
	compareEvery = 250
	// batch is how many commands an entry has at most.
	batch = 12
	// keys of each name: few enough that commands meet, many enough that maps
	// have an order.
	keysOfAName = 60
)

func setting(t *testing.T, name string, otherwise uint64) uint64 {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// leader is a machine that proposes: it applies what it has parsed itself, with
// reads in between, while snapshots are taken of it.
type leader struct {
	t       *testing.T
	r       *rand.Rand
	g       *commands.Generator
	machine *machine.Machine
	now     int64
	log     [][]byte // entry i+1
	hashes  map[uint64]uint64
	count   uint64 // of commands that were logged
	watches []*store.Watch
	grouped int           // transactions
	broken  int           // that were not carried out
	caller  *acl.Identity // of scripts
	jobs    employer
	pulled  int // jobs

	running *machine.Snapshot
	stream  []byte
	last    []byte // the newest whole snapshot
	taken   int
}

// entry proposes and applies one entry of random commands.
func (l *leader) entry() {
	var items []machine.Item
	l.g.Now = l.now
	for n := 1 + l.r.IntN(batch); len(items) < n; {
		if l.r.IntN(4) == 0 {
			if item, ok := l.job(); ok {
				items = append(items, item)
			}
		} else if argv := l.command(); argv != nil {
			items = append(items, l.item(argv)...)
		}
	}
	switch l.r.IntN(20) {
	case 0:
		l.now += l.r.Int64N(200) - 20 // clocks go back at times
	case 1, 2, 3, 4, 5, 6, 7, 8:
		l.now++
	}
	if l.r.IntN(3) == 0 {
		items = l.transactions(items)
	}
	if l.machine.Due(l.now) && l.r.IntN(3) == 0 {
		items = append(items, machine.Sweep(1+l.r.IntN(20)))
	}
	if due := l.machine.Queues().NextDue(); due != 0 && due <= l.now && l.r.IntN(3) == 0 {
		items = append(items, l.machine.Tick(l.now, l.r.Int64N(2)))
	}
	index, seed := uint64(len(l.log)+1), l.r.Uint64()
	data := machine.AppendBatch(nil, items, l.now, seed)
	l.log = append(l.log, data)
	l.machine.Apply(index, items, l.now, seed)
	for _, w := range l.watches {
		w.Stop()
	}
	l.watches = nil
	l.pulled += l.jobs.learn()
	for _, item := range items {
		if item.Write && item.Reply.Kind == reply.KindNullArray && string(item.Argv[0]) == "\x00MULTI" {
			l.broken++
		}
	}
}

// transactions makes transactions of runs of items, which depend on keys that
// those before them in the entry may change.
func (l *leader) transactions(items []machine.Item) (made []machine.Item) {
	for len(items) > 0 {
		n := 1 + l.r.IntN(len(items))
		if l.r.IntN(2) == 0 {
			made = append(made, items[:n]...)
		} else {
			made = append(made, machine.Transaction(items[:n], l.watch()))
			l.grouped++
		}
		items = items[n:]
	}
	return made
}

// watch watches some keys, or none.
func (l *leader) watch() *store.Watch {
	if l.r.IntN(2) == 0 {
		return nil
	}
	w, names := &store.Watch{}, l.g.Names()
	l.watches = append(l.watches, w)
	l.machine.Read([]machine.Item{{Op: watching{w, names[l.r.IntN(len(names)):], l.r}}}, l.now)
	return w
}

// watching begins to watch keys.
type watching struct {
	watch *store.Watch
	names []string
	r     *rand.Rand
}

// Apply implements machine.Op.
func (op watching) Apply(tx *machine.Tx) reply.Reply {
	for _, name := range op.names {
		tx.Databases.At(op.r.IntN(3)).Watch(op.watch, []byte(name), tx.Now)
	}
	return reply.OK
}

func (l *leader) command() [][]byte {
	if l.r.IntN(20_000) == 0 {
		return [][]byte{[]byte([]string{"FLUSHALL", "FLUSHDB"}[l.r.IntN(2)])}
	}
	if l.r.IntN(6) == 0 {
		return l.script()
	}
	return l.g.Command()
}

// item parses a command; what is refused never reaches the log.
func (l *leader) item(argv [][]byte) []machine.Item {
	c, err := command.Resolve(argv)
	if err != nil || c.Parse == nil {
		return nil
	}
	op, err := c.Parse(argv)
	if err != nil {
		return nil
	}
	if called, ok := op.(command.Called); ok {
		argv = called.As(l.caller, func(*command.Command) bool { return true })
	}
	write := c.Logged()
	if write {
		l.count++
	}
	return []machine.Item{{Op: op, Argv: argv, Write: write, Since: c.Since(argv), Database: l.database()}}
}

// database is mostly 0.
func (l *leader) database() uint8 { return uint8(max(l.r.IntN(6)-3, 0)) }

// snapshot begins one, or takes the next piece of the running one.
func (l *leader) snapshot() {
	if l.running == nil {
		if l.r.IntN(60) > 0 {
			return
		}
		var err error
		if l.running, err = l.machine.BeginSnapshot(); err != nil {
			l.t.Fatal(err)
		}
		l.hashes[l.running.Index] = l.machine.Hash()
		l.stream = nil
	}
	chunk, done := l.running.Next(1 + l.r.IntN(8<<10))
	if l.stream = append(l.stream, chunk...); done {
		l.check()
		l.running, l.last = nil, l.stream
		l.taken++
	}
}

// check restores the snapshot: it is the state at its index, although writes
// went on, and what one taken of the restored machine says byte by byte.
func (l *leader) check() {
	l.t.Helper()
	m := restore(l.t, l.stream)
	if m.Hash() != l.hashes[l.running.Index] || m.Index() != l.running.Index {
		l.t.Fatalf("the snapshot at index %d is of another state", l.running.Index)
	}
	if again := whole(l.t, m); !bytes.Equal(again, l.stream) {
		l.t.Fatalf("the snapshot at index %d differs from one of what it restores", l.running.Index)
	}
}

func restore(t *testing.T, stream []byte) *machine.Machine {
	t.Helper()
	m := machine.New(parse)
	if err := m.Restore(bytes.NewReader(stream)); err != nil {
		t.Fatal(err)
	}
	return m
}

func whole(t *testing.T, m *machine.Machine) (stream []byte) {
	t.Helper()
	s, err := m.BeginSnapshot()
	if err != nil {
		t.Fatal(err)
	}
	for {
		chunk, done := s.Next(1 << 20)
		if stream = append(stream, chunk...); done {
			return stream
		}
	}
}

// replay brings a machine up to an index.
func (l *leader) replay(m *machine.Machine, to uint64) {
	l.t.Helper()
	for i := m.Index(); i < to; i++ {
		if err := m.Replay(i+1, l.log[i]); err != nil {
			l.t.Fatal(err)
		}
	}
}

// sees is all that clients can see of a machine, but for the order of KEYS.
func (l *leader) sees(m *machine.Machine, now int64) []byte {
	var calls [][]string
	for _, key := range append(l.g.Names(), commands.Values...) {
		for _, name := range []string{"TYPE", "GET", "PEXPIRETIME", "PTTL", "SMEMBERS", "SCARD", "XLEN"} {
			calls = append(calls, []string{name, key})
		}
		calls = append(calls, []string{"XRANGE", key, "-", "+"}, []string{"LRANGE", key, "0", "-1"}, []string{"HGETALL", key},
			[]string{"ZRANGE", key, "0", "-1", "WITHSCORES"})
	}
	calls = append(calls, []string{"DBSIZE"})
	var out []byte
	for i, call := range append(append(calls, calls...), calls...) {
		argv := make([][]byte, len(call))
		for i, word := range call {
			argv[i] = []byte(word)
		}
		op, err := command.Parse(argv)
		if err != nil {
			l.t.Fatal(err)
		}
		items := []machine.Item{{Op: op, Database: uint8(i / len(calls))}}
		m.Read(items, now)
		out = resp.AppendReply(out, 3, items[0].Reply)
	}
	return out
}

// same compares machines at the same index, by hash and by what they answer.
func (l *leader) same(who string, m *machine.Machine) {
	l.t.Helper()
	if m.Index() != l.machine.Index() || m.Hash() != l.machine.Hash() {
		l.t.Fatalf("entry %d: the state of %s is another than the leader's", l.machine.Index(), who)
	}
}

// TestMachinesAgree feeds one log to a leader, a follower that replays every
// entry, one that never gets a reply, one that restarts from snapshot and log
// at random, and at the end one that replays the log from its beginning.
func TestMachinesAgree(t *testing.T) {
	want, seed := setting(t, envCommands, defaultCommands), setting(t, envSeed, rand.Uint64())
	t.Logf("%s=%d %s=%d", envCommands, want, envSeed, seed)
	r := rand.New(rand.NewPCG(seed, seed))
	l := &leader{t: t, r: r, machine: machine.New(parse), now: 1_700_000_000_000, hashes: map[uint64]uint64{},
		g: &commands.Generator{Rand: r, Keys: keysOfAName, Name: crowd()}, caller: caller(t), jobs: employer{r: r}}
	follower, restarting := machine.New(parse), machine.New(parse)
	follower.MaxReply = 1 // nobody reads what it would answer
	restarts := 0
	for l.count < want {
		l.entry()
		l.snapshot()
		index := l.machine.Index()
		if r.IntN(40) == 0 {
			restarts++
			restarting = machine.New(parse)
			if l.last != nil {
				restarting = restore(t, l.last)
			}
			l.replay(restarting, index)
			l.same("the one that restarted", restarting)
		}
		if index%compareEvery != 0 {
			continue
		}
		l.hashes[index] = l.machine.Hash()
		l.replay(follower, index)
		l.replay(restarting, index)
		l.same("the follower", follower)
		l.same("the one that restarts", restarting)
		if answers := l.sees(l.machine, l.now); !bytes.Equal(answers, l.sees(restarting, l.now)) || !bytes.Equal(answers, l.sees(l.machine, l.now)) {
			t.Fatalf("entry %d: machines of the same state answer differently", index)
		}
	}
	l.fromTheBeginning()
	if stats := l.machine.DatabaseStats(l.now); len(stats) < 3 {
		t.Fatalf("%v: the test proves nothing of several databases", stats)
	}
	if l.pulled == 0 || l.taken == 0 || restarts == 0 || l.broken == 0 || l.broken == l.grouped {
		t.Fatalf("%d jobs pulled, %d snapshots, %d restarts, %d of %d transactions not carried out: the test proves nothing", l.pulled, l.taken, restarts, l.broken, l.grouped)
	}
	t.Logf("%d jobs pushed, %d pulled, %d there", l.jobs.lastID, l.pulled, l.machine.Queues().Len())
	t.Logf("%d writes in %d entries, %d keys, %d snapshots beside writes, %d restarts, state compared at %d indexes",
		l.count, len(l.log), l.machine.Keys(), l.taken, restarts, len(l.hashes))
}

// crowd names keys so that many share a slot: a slot is a map, whose order must
// not show.
func crowd() func(prefix string, i int) string {
	const slots = 16
	found, tried := map[string][]string{}, map[string]int{}
	return func(prefix string, i int) string {
		for ; len(found[prefix]) <= i; tried[prefix]++ {
			if name := prefix + strconv.Itoa(tried[prefix]); store.Slot([]byte(name)) < slots {
				found[prefix] = append(found[prefix], name)
			}
		}
		return found[prefix][i]
	}
}

// fromTheBeginning replays all, and compares wherever the leader was hashed.
func (l *leader) fromTheBeginning() {
	l.t.Helper()
	m := machine.New(parse)
	for i := range l.log {
		index := uint64(i + 1)
		l.replay(m, index)
		if want, ok := l.hashes[index]; ok && m.Hash() != want {
			l.t.Fatalf("entry %d: the replayed log leads to another state", index)
		}
	}
	l.same("the one that replays from the beginning", m)
}

// TestEveryWriteIsGenerated: a command that the generator does not know would
// go untested.
func TestEveryWriteIsGenerated(t *testing.T) {
	known := commands.Verbs()
	known["flushall"], known["flushdb"], known["coffer.erase"] = true, true, true
	for _, c := range command.All() {
		if c.Flags&command.Write != 0 && !known[c.Name] {
			t.Errorf("%s writes, and no template in test/fixture/commands has it", c.Name)
		}
	}
}
