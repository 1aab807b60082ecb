package audit

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/coffer-dev/coffer/engine/acl"
	"github.com/coffer-dev/coffer/engine/adminapi"
	"github.com/coffer-dev/coffer/engine/vault"
)

const (
	// maxQueued bounds what waits to be written, in bytes, about.
	maxQueued = 1 << 20
	// crashLeap is left out of the indexes behind a crash, so that none is given
	// twice although the last records may be gone.
	crashLeap = 1 << 20
	// tickInterval is how often the log is made durable, and looks at its age.
	tickInterval = time.Second
)

// Options are what a Log needs.
type Options struct {
	FS     vfs.FS
	Dir    string // is made
	Member string
	Keys   *vault.Ring // nil: files are not sealed
	Policy acl.Audit
	// Stream gets every record as a line of JSON; nil for nobody.
	Stream io.Writer
	// MaxBytes bounds all files together; 0 derives it from the volume.
	MaxBytes int64
	// IsSecret tells whether a text is somebody's password: a client may have
	// given it in the place of its name.
	IsSecret func(text string) bool
	Log      *slog.Logger
}

// Class is what kind of thing a record is of.
type Class int32

// The classes, each of which one more level records.
const (
	Refusal Class = 1 + iota // and what else is always worth a record
	Change                   // logins, writes, administration
	Read
)

var classes = map[acl.Level]Class{acl.AuditNone: 0, acl.AuditDenied: Refusal, acl.AuditWrites: Change, acl.AuditAll: Read}

// Log is the audit log. Its methods may be called from anywhere.
type Log struct {
	opts     Options
	level    atomic.Int32 // the highest Class that is recorded
	wake     chan struct{}
	stop     chan struct{}
	done     chan struct{}
	maxBytes int64
	queued   atomic.Int64 // bytes of the queue and of what is being written, about

	mu      sync.Mutex // the queue's, and of what others are told
	queue   []Entry
	counts  map[Entry]int64
	policy  acl.Audit
	ring    *vault.Ring
	files   []*file // ascending; the last one may be written to
	next    uint64
	lost    int64
	problem string // of the last write; empty if it was well

	// The writer's alone.
	keys     *vault.Ring
	current  *file
	out      vfs.File // of current
	synced   int64    // how much of it is durable
	unsynced int      // records behind that
	untold   int64    // lost records that no record tells of
	why      string   // of them
	ticks    int

	unverified []*file // from before, still to be read
}

// Open opens the log of a member, or begins one.
func Open(opts Options) (*Log, error) {
	l := &Log{
		opts: opts, keys: opts.Keys, ring: opts.Keys, maxBytes: opts.MaxBytes, next: 1, counts: map[Entry]int64{},
		wake: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{}),
	}
	l.SetPolicy(opts.Policy)
	err := opts.FS.MkdirAll(opts.Dir, 0o700)
	if err == nil {
		err = syncDir(opts.FS, opts.FS.PathDir(opts.Dir))
	}
	if err != nil {
		return nil, fmt.Errorf("make the audit directory: %w", err)
	}
	firsts, err := list(opts.FS, opts.Dir)
	if err != nil {
		return nil, err
	}
	for _, first := range firsts {
		l.files = append(l.files, l.openFile(first))
	}
	l.follow()
	if l.maxBytes == 0 {
		l.maxBytes = shareOf(opts.FS, opts.Dir)
	}
	go l.run()
	return l, nil
}

// follow finds where the log goes on. The newest file is read whole for it, the
// others in the background.
func (l *Log) follow() {
	n := len(l.files)
	if n == 0 {
		return
	}
	for i, f := range l.files[:n-1] {
		f.next, f.last = l.files[i+1].first, l.files[i+1].begun
		l.unverified = append(l.unverified, f)
	}
	newest := l.files[n-1]
	newest.last = time.Now().UnixMilli() // unless it says
	l.verify(newest)
	if l.next = newest.next; !newest.ended {
		l.next += crashLeap
	}
}

// SetPolicy puts a level and a retention in force.
func (l *Log) SetPolicy(p acl.Audit) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.policy = p
	l.level.Store(int32(classes[p.Level]))
}

// SetKeys puts a key ring in force: new files are sealed under its primary key,
// and those that are there are wrapped again.
func (l *Log) SetKeys(keys *vault.Ring) {
	if keys == nil {
		return
	}
	l.mu.Lock()
	l.ring = keys
	l.mu.Unlock()
	l.poke()
}

// Wants reports whether records of that class are kept.
func (l *Log) Wants(c Class) bool { return l != nil && int32(c) <= l.level.Load() }

// Add queues a record. Whoever adds asks Full before, and waits.
func (l *Log) Add(e Entry) {
	l.mu.Lock()
	l.queue = append(l.queue, e)
	l.queued.Add(int64(e.size()))
	l.mu.Unlock()
	l.poke()
}

// Count has what happens often told in one record every few seconds, with how
// often. The entry's time does not count.
func (l *Log) Count(e Entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e.Time = time.Time{}
	if _, known := l.counts[e]; !known && len(l.counts) >= maxCounts {
		e.Source, e.Identity = "", ""
	}
	l.counts[e]++
}

// Refused counts what is refused, if refusals are recorded.
func (l *Log) Refused(e Entry) {
	if l.Wants(Refusal) {
		e.Denied = true
		l.Count(e)
	}
}

// Full reports whether so much waits to be written that who would add to it has
// to wait.
func (l *Log) Full() bool {
	return l != nil && l.queued.Load() > maxQueued
}

// Status says what there is.
func (l *Log) Status() *adminapi.Audit {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := &adminapi.Audit{Level: string(l.policy.Level), FirstIndex: l.firstIndex(), NextIndex: l.next, Lost: l.lost, Error: l.problem}
	for _, f := range l.files {
		if f.broken != "" && s.Error == "" {
			s.Error = f.name + ": " + f.broken
		}
	}
	return s
}

func (l *Log) firstIndex() uint64 {
	if len(l.files) == 0 {
		return l.next
	}
	return l.files[0].first
}

// Close writes what waits and closes the log.
func (l *Log) Close() error {
	close(l.stop)
	<-l.done
	if l.problem != "" {
		return errors.New(l.problem)
	}
	return nil
}

func (l *Log) path(name string) string { return l.opts.FS.PathJoin(l.opts.Dir, name) }

func (l *Log) poke() {
	select {
	case l.wake <- struct{}{}:
	default: // it will look
	}
}

// run is the writer.
func (l *Log) run() {
	defer close(l.done)
	tick := time.NewTicker(tickInterval)
	defer tick.Stop()
	l.wrapFiles() // a crash may have come between two
	for {
		select {
		case <-l.wake:
			l.writeQueue()
			l.takeKeys()
		case <-tick.C:
			if l.ticks++; l.ticks%countTicks == 0 {
				l.tellCounts()
			}
			l.writeQueue()
			l.sync()
			l.tidy(time.Now())
			if n := len(l.unverified); n > 0 {
				l.verify(l.unverified[n-1])
				l.unverified = l.unverified[:n-1]
			}
		case <-l.stop:
			l.tellCounts()
			l.writeQueue()
			l.endFile()
			return
		}
	}
}
