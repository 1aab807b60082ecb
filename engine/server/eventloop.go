package server

import (
	"runtime"
	"sync"
	"time"

	"github.com/coffer-dev/coffer/engine/acl"
	"github.com/coffer-dev/coffer/engine/machine"
	"github.com/coffer-dev/coffer/engine/store"
)

const (
	// maxBatchItems and maxBatchBytes are from when on a batch is handed over
	// although there is more input.
	maxBatchItems = 4096
	maxBatchBytes = 1 << 20
	// longestGathering is how long writes wait for others to share their fsync
	// with, while there is always something else to do.
	longestGathering = 500 * time.Microsecond
	// keptBuffers is how many buffers for output are kept, of keptBuffer bytes
	// at most each.
	keptBuffers = 64
	keptBuffer  = 64 << 10
	keptKeys    = 64
	// yieldPeriod is how often the loop lets go of its processor. One that did not
	// for 10 ms, other than in system calls, is taken from it by the runtime's
	// watchdog, which then looks every 20 µs for some milliseconds.
	yieldPeriod = 4 * time.Millisecond
)

// loop serves all connections from one goroutine, so that none of what it owns
// needs a lock. A turn of it lets every session with input take up its
// commands; the writes among them become one batch, which is handed to the
// executor when the batch before it has been answered, and there is no more
// input for now or has been some for a while: what comes until then shares its
// fsync. The sessions in it answer when the batch is done, and take nothing more
// up before.
//
// Whatever happens elsewhere, in the executor, in timers, in other goroutines,
// reaches the loop by post.
type loop struct {
	srv    *Server
	poller *poller

	mu     sync.Mutex
	posted []func() // to be called by the loop
	asleep bool     // the poller is to be woken

	hub        *hub
	trackers   *trackers
	queues     map[store.Key]*queue // of those that wait for a key
	refusals   refusals
	slow       slow
	brisk      brisk
	statistics statistics
	monitors   map[*session]struct{}
	pause      *pause     // nil: nothing is paused
	again      []*session // go on in the next turn without anything happening
	batch      *batch     // gathering
	writing    int        // batches handed over and not answered
	spare      *batch
	buffers    [][]byte
	keys       []acl.Key // room for those of a command
	now        time.Time // of this turn
	stopped    bool
}

// batch is the writes of one turn, and the reads that the same connections
// have between them.
type batch struct {
	items []machine.Item
	parts []part
	bytes int       // of arguments
	since time.Time // of the turn in which the first part came
}

// late tells that a batch gathers no more: the loop is never quiet while others
// read.
func (b *batch) late(now time.Time) bool {
	return len(b.parts) > 0 && now.Sub(b.since) >= longestGathering
}

// part is a session's share of a batch.
type part struct {
	session  *session
	from, to int
}

func newLoop(s *Server) (*loop, error) {
	p, err := newPoller()
	if err != nil {
		return nil, err
	}
	return &loop{srv: s, poller: p, hub: newHub(), trackers: newTrackers(), queues: map[store.Key]*queue{}, brisk: brisk{}, statistics: newStatistics(), monitors: map[*session]struct{}{}, batch: &batch{}, now: time.Now()}, nil
}

// post has the loop call f, soon. It never blocks and may be called from
// anywhere; once the loop has stopped f is not called any more.
func (l *loop) post(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.posted = append(l.posted, f)
	if l.asleep { // the poller is not closed yet
		l.asleep = false
		l.poller.wake()
	}
}

// run is the loop. It ends after stop.
func (l *loop) run() {
	var posted []func()
	for yielded := l.now; !l.stopped; {
		if l.now.Sub(yielded) >= yieldPeriod {
			yielded = l.now
			runtime.Gosched()
		}
		block := l.idle()
		if block && l.writing > 0 {
			runtime.Gosched() // to whom the batch was given
		}
		ready := l.poller.wait(block)
		l.now = time.Now()
		for _, c := range ready {
			c.serve()
		}
		posted = l.takePosted(posted)
		for _, f := range posted {
			f()
		}
		again := l.again
		l.again = nil
		for _, c := range again {
			c.serve()
		}
		quiet := len(ready) == 0 && len(posted) == 0 && len(again) == 0
		if l.writing == 0 && (quiet || l.batch.late(l.now)) || len(l.batch.items) >= maxBatchItems || l.batch.bytes >= maxBatchBytes {
			l.submit()
		}
	}
	l.poller.close()
}

// idle tells whether there is nothing to do before something happens. From
// then on post wakes the poller.
func (l *loop) idle() bool {
	if len(l.again) > 0 || len(l.batch.parts) > 0 && l.writing == 0 {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asleep = len(l.posted) == 0
	return l.asleep
}

func (l *loop) takePosted(into []func()) []func() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asleep = false
	clear(into)
	into, l.posted = l.posted, into[:0]
	return into
}

// submit hands the batch over. Its sessions go on when it is done.
func (l *loop) submit() {
	b := l.batch
	if len(b.parts) == 0 {
		return
	}
	l.batch, l.spare = l.spare, nil
	if l.batch == nil {
		l.batch = &batch{}
	}
	l.writing++
	l.srv.opts.Executor.Write(b.items, func(err error) {
		l.post(func() { l.done(b, err) })
	})
}

// done lets the sessions of a batch answer.
func (l *loop) done(b *batch, err error) {
	l.writing--
	for _, p := range b.parts {
		p.session.executed(b.items[p.from:p.to], err)
		p.session.serve()
	}
	clear(b.parts)
	clear(b.items)
	if cap(b.items) <= 2*maxBatchItems {
		*b = batch{items: b.items[:0], parts: b.parts[:0]}
		l.spare = b
	}
}

// buffer returns an empty one; release takes it back.
func (l *loop) buffer() []byte {
	if n := len(l.buffers); n > 0 {
		b := l.buffers[n-1]
		l.buffers = l.buffers[:n-1]
		return b
	}
	return make([]byte, 0, 4<<10)
}

func (l *loop) release(b []byte) {
	if len(l.buffers) < keptBuffers && cap(b) <= keptBuffer {
		l.buffers = append(l.buffers, b[:0])
	}
}

// forgetKeys lets go of the keys of the last commands.
func (l *loop) forgetKeys() {
	if l.keys = l.keys[:cap(l.keys)]; len(l.keys) > keptKeys {
		l.keys = nil
	}
	clear(l.keys)
}

// alarm calls a function in the loop when its time has come.
type alarm struct {
	timer *time.Timer
	off   bool // the loop's alone
}

func (l *loop) after(d time.Duration, f func()) *alarm {
	a := &alarm{}
	a.timer = time.AfterFunc(d, func() {
		l.post(func() {
			if !a.off {
				f()
			}
		})
	})
	return a
}

// stop keeps an alarm from going off; on nil it does nothing.
func (a *alarm) stop() {
	if a != nil {
		a.off = true
		a.timer.Stop()
	}
}
