package node

import (
	"errors"
	"io"
	"log/slog"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/coffer-dev/coffer/engine/adminapi"
	"github.com/coffer-dev/coffer/engine/config"
	"github.com/coffer-dev/coffer/engine/machine"
	"github.com/coffer-dev/coffer/engine/member"
	"github.com/coffer-dev/coffer/engine/queue"
	"github.com/coffer-dev/coffer/engine/reply"
	"github.com/coffer-dev/coffer/engine/vault"
	"github.com/coffer-dev/coffer/engine/wal"
)

// What one log entry carries at most, unless a single request is larger.
const (
	maxEntryItems = 4096
	maxEntryBytes = 4 << 20
)

// ErrStopped is returned when the group takes no more commands.
var ErrStopped = errors.New("the group has stopped")

var (
	replyFull = reply.Error("MISCONF the volume is full: writes are refused until there is space, reads go on")
	// replyUnproven is of a leader that cannot write, and that a majority does not
	// confirm just now. Clients try such a command again.
	replyUnproven = reply.Error("TRYAGAIN it is not proven that this member leads")
	replyWait     = reply.Error("LOADING the log cannot be taken up again before there is space on the volume")
	replyOOM      = reply.Error("OOM command not allowed when used memory > 'maxmemory'.")
	replySize     = reply.Error("ERR the command is too large for the log")
)

// GroupOptions are what a Group runs on.
type GroupOptions struct {
	FS         vfs.FS
	Dir        string // of the data
	Instance   string // namespace/name; the directory of another one is refused
	Durability config.Durability
	Parse      machine.Parse
	Log        *slog.Logger

	Keys *vault.Ring // that files are sealed under; nil: they are not sealed

	SegmentSize   int64 // see member.Options, and
	SnapshotAfter int64 // this too
	MaxData       int64 // bytes of the keyspace in memory, about; no limit when zero
	MaxReply      int64 // bytes; no limit when zero
	// Eviction says what goes when MaxData is reached; NoEviction when empty.
	Eviction config.EvictionPolicy

	// What package queue's hooks of these names are, while the group leads: they
	// are called under its lock and must not call it. Nil for none.
	OnReady func(queue string)
	OnEvent func(queue.Event)

	ID uint64 // of the member; when zero, that of the directory, or of a first member
	// Generation of the group that a member with an empty directory is of; else it is
	// the directory's.
	Generation uint64
	// Network reaches the other members of the group; nil: the member is alone.
	Network Network
	// Boot is of the host, as bootOfHost tells it when empty.
	Boot string
	// DigestEvery is how many entries there are between two digests of the state;
	// digestEvery when zero.
	DigestEvery uint64
	// Stale has the member know how old its state is, so that staleReads can show it.
	Stale bool
	// OnLead is called when the member has taken the group over, when it does not
	// lead any more, when another one does, and when a snapshot has replaced the
	// state: by the group's goroutine, which it must not block or call.
	OnLead func()
}

// Group executes commands: reads at once under its lock, writes through the
// log. One goroutine at a time gathers what all connections have queued into one
// entry, writes it with one fsync, applies it and tells the callers; while it
// waits for the disk the next entry gathers. It is the loop; with EverySecond,
// where there is no wait, mostly the caller itself.
//
// Nothing is acknowledged that the log might still lose: a failed write or
// fsync stops the group for good, and Done tells.
type Group struct {
	opts    GroupOptions
	release io.Closer // of the directory's lock

	mu     sync.Mutex // guards member's machine, leads
	member *member.Member
	leads  bool // what the keyspace notes for a leader is by it; leading follows

	queueMu sync.Mutex // guards queue, closed, reload
	queue   []*request
	closed  bool
	reload  *reload // asked for, and not carried out
	wake    chan struct{}

	now     atomic.Int64  // the latest time stamped, ms
	full    atomic.Bool   // writes are refused for want of space
	leading atomic.Bool   // the state is complete and can be read
	unswept atomic.Bool   // what has expired stays, since somebody tests it
	yields  atomic.Bool   // the leadership is on its way to another member
	lost    atomic.Int64  // how often the leadership was
	term    atomic.Uint64 // of the hard state written last
	leader  atomic.Uint64 // as far as is known; 0 for nobody
	// replaced is how often a snapshot took the state's place: what is watched in
	// the former one does not change any more.
	replaced atomic.Int64
	fresh    freshness

	// The rest is guarded by working, as all of member but its machine.
	working   sync.Mutex
	broken    error // why who worked in the loop's place could not go on
	ticks     uint64
	syncing   bool // the log, beside the loop
	synced    chan wal.Synced
	wanted    int64          // bytes of the entry that found no space
	items     []machine.Item // of the entry at hand
	flight    *flight
	sweeps    bool // expired keys are to be looked for
	snapshot  snapshotting
	digests   digests
	jobs      jobTimer
	evicting  evicting
	retaining retaining
	told      told

	encryption encryption
	recovered  *adminapi.Recovered // how the generation began on this volume; nil elsewhere
	unsynced   bool                // the identity says so of the log
	reborn     bool                // the identity is another member's
	quiet      int                 // seconds in which there was nothing to make durable
	peers      peers
	late       late
	lease      lease

	receiving sync.Mutex // a snapshot of another member

	started atomic.Bool
	stop    chan struct{}
	done    chan struct{}
	err     error // readable when done is closed
}

// request is commands waiting for the log.
type request struct {
	items []machine.Item
	bytes int64
	done  func(error) // nil when another part of the same commands follows
}

// Read evaluates commands that write nothing, and fills their replies.
// machine.ErrUnproven has them given to Write; another error means that the
// group has stopped.
func (g *Group) Read(items []machine.Item) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case isClosed(g.done):
		return g.err
	case !g.leading.Load() && g.peers.network != nil:
		return machine.ErrUnproven
	case !g.leading.Load():
		answer(items, replyWait)
		return nil
	}
	g.member.Machine().Read(items, g.clock())
	// Looked at behind the state: what was seen was the latest until now.
	if g.peers.network != nil && !g.lease.holds() {
		return machine.ErrUnproven
	}
	return nil
}

// Look evaluates what writes nothing on the state as this member has it, which
// may not be the latest. Its error means that the group has stopped.
func (g *Group) Look(items []machine.Item) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if isClosed(g.done) {
		return g.err
	}
	g.member.Machine().Read(items, g.clock())
	return nil
}

// Write applies commands in their order and fills the replies. It does not
// wait: done is called when the writes are durable, as the group's durability
// says, by the group's goroutine or by Write itself. machine.ErrLost is of a
// member that does not lead any more; another error means that the group has
// stopped.
func (g *Group) Write(items []machine.Item, done func(error)) {
	g.queueMu.Lock()
	closed := g.closed
	for rest := items; !closed; {
		n, bytes := g.portion(rest)
		r := &request{items: rest[:n], bytes: bytes}
		if rest = rest[n:]; len(rest) == 0 {
			r.done = done
		}
		g.queue = append(g.queue, r)
		if len(rest) == 0 {
			break
		}
	}
	g.queueMu.Unlock()
	if closed {
		done(ErrStopped)
		return
	}
	if !g.workNow() {
		g.wakeLoop()
	}
}

// wakeLoop has the loop look at the queue.
func (g *Group) wakeLoop() {
	select {
	case g.wake <- struct{}{}:
	default: // it is awake
	}
}

// perDatabase is about what the log has more of a command that is not in database
// 0, in bytes.
const perDatabase = 16

// portion says how many of the items go together into one entry, and how large
// they are.
func (g *Group) portion(items []machine.Item) (n int, bytes int64) {
	maxItems, maxBytes := portions(g.opts)
	for i := range items {
		if n > 0 && (n == maxItems || bytes > maxBytes) {
			break
		}
		n++
		if items[i].Write {
			for _, arg := range items[i].Argv {
				bytes += int64(len(arg)) + 4
			}
			if items[i].Database != 0 {
				bytes += perDatabase
			}
		}
	}
	return n, bytes
}

func answer(items []machine.Item, r reply.Reply) {
	for i := range items {
		items[i].Reply = r
	}
}

// refuse answers the writes with an error and lets the reads go on.
func (g *Group) refuse(items []machine.Item, r reply.Reply) error {
	for i := range items {
		if items[i].Write {
			items[i].Reply = r
		} else if err := g.Read(items[i : i+1]); errors.Is(err, machine.ErrUnproven) {
			items[i].Reply = replyUnproven
		} else if err != nil {
			return err
		}
	}
	return nil
}

// clock is the leader's time in ms since the epoch. It never runs backwards,
// whatever the machine's clock does.
func (g *Group) clock() int64 {
	wall := time.Now().UnixMilli()
	for {
		last := g.now.Load()
		if wall <= last {
			return last
		}
		if g.now.CompareAndSwap(last, wall) {
			return wall
		}
	}
}

// GroupStats is what a group tells of itself.
type GroupStats struct {
	Term         uint64
	AppliedIndex uint64
	Role         string // leader, or follower until it leads
	Keys         int64
	Databases    []machine.DatabaseStats
	Bytes        int64 // of the keyspace in memory, about
	LastSnapshot int64 // when the last one was taken, or the group opened, in s since the epoch
	Evicted      int64 // keys, since the start
	// Retained is how many keys got an expiry since the start, by a rule's pattern.
	Retained      map[string]int64
	RetainedInAll int64 // those of rules that are gone too
	Storage       adminapi.Storage
	Encryption    adminapi.Encryption
}

// Stats tells how the group is.
func (g *Group) Stats() GroupStats {
	s := GroupStats{Term: g.term.Load(), Role: "follower"}
	if g.leading.Load() {
		s.Role = "leader"
	}
	g.mu.Lock()
	s.AppliedIndex = g.member.Machine().Index()
	s.Keys = int64(g.member.Machine().Keys())
	s.Databases = g.member.Machine().DatabaseStats(g.clock())
	s.Bytes = g.member.Machine().Bytes()
	s.Retained, s.RetainedInAll = maps.Clone(g.retaining.given), g.retaining.total
	g.mu.Unlock()
	s.LastSnapshot = g.snapshot.last.Load()
	s.Evicted = g.evicting.keys.Load()
	s.Storage.Full = g.full.Load()
	if e := g.encryption.status.Load(); e != nil {
		s.Encryption = *e
	}
	if usage, err := g.opts.FS.GetDiskUsage(g.opts.Dir); err == nil {
		s.Storage.CapacityBytes = int64(usage.TotalBytes)
		s.Storage.AvailableBytes = int64(usage.AvailBytes)
	}
	return s
}

// Done is closed when the group has stopped, by Stop or because it failed.
func (g *Group) Done() <-chan struct{} { return g.done }

// Stop finishes what is queued, makes the log durable and gives the directory
// free. It returns why the group had failed before, if it had.
func (g *Group) Stop() error {
	g.halt()
	if !g.started.Swap(true) {
		g.finish(nil)
	}
	<-g.done
	if errors.Is(g.err, ErrStopped) {
		return nil
	}
	return g.err
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// halt keeps new commands out and tells the loop and a running snapshot.
func (g *Group) halt() {
	g.queueMu.Lock()
	defer g.queueMu.Unlock()
	if !g.closed {
		g.closed = true
		close(g.stop)
	}
}
