package job

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coffer-dev/coffer/engine/acl"
	"github.com/coffer-dev/coffer/engine/glob"
	wire "github.com/coffer-dev/coffer/engine/protocol/job"
	"github.com/coffer-dev/coffer/engine/queue"
)

// What waits to be told to subscribers: events, and bytes of their data. Those
// beyond are missed, and subscribers are told how many.
const (
	maxEvents     = 16_384
	maxEventBytes = 32 << 20
)

// CodeTimeout is the code of a WAITJOB that was not long enough.
const CodeTimeout = "TIMEOUT"

// EventNames are the events that a subscription may be for.
var EventNames = []string{"pushed", "delayed", "waiting", "active", "progress", "partial", "completed", "failed", "stalled", "removed"}

// connectionCommands are about the connection alone.
var connectionCommands = []command{
	{name: "PING", make: func(c *Call) (queue.Op, *queue.Error) {
		c.answer, c.encoded = []byte(`{"ok":true,"pong":true}`), true
		return nil, nil
	}},
	{name: "SUBSCRIBE", make: makeSubscribe},
	{name: "UNSUBSCRIBE", make: func(c *Call) (queue.Op, *queue.Error) {
		c.client.unsubscribe(pattern(c.Queue))
		return nil, nil
	}},
}

// events tells what happens: to subscribers all of it, as far as they keep up,
// and to those who wait for a job's end that.
type events struct {
	d         *Dispatcher
	listening atomic.Int64 // subscriptions
	watching  atomic.Int64
	bytes     atomic.Int64 // of what is in queue
	lost      atomic.Int64 // events that queue had no room for
	queue     chan queue.Event

	// Telling subscribers takes long, and those who wait are told under the group's
	// lock: neither waits for the other.
	watchMu       sync.Mutex
	watches       map[uint64]map[*watch]struct{} // by job
	mu            sync.Mutex
	subscriptions map[*subscription]struct{}
}

// happened is told of an event, under the group's lock.
func (e *events) happened(event queue.Event) {
	if event.Final && e.watching.Load() > 0 {
		e.end(event)
	}
	if e.listening.Load() == 0 {
		return
	}
	if e.bytes.Load()+int64(len(event.Data)) > maxEventBytes {
		e.lost.Add(1)
		return
	}
	select {
	case e.queue <- event:
		e.bytes.Add(int64(len(event.Data)))
	default:
		e.lost.Add(1)
	}
}

// run tells subscribers until the dispatcher is closed.
func (e *events) run() {
	for {
		select {
		case <-e.d.stop:
			return
		case event := <-e.queue:
			e.bytes.Add(-int64(len(event.Data)))
			e.tell(&event, e.lost.Swap(0))
		}
	}
}

// subscription is a client's wish to be told.
type subscription struct {
	client  *Client
	reqID   []byte
	pattern string
	events  []string // all when empty
	missed  int64    // since it was told last; events.run's
}

func (e *events) tell(event *queue.Event, lost int64) {
	text := appendEvent(nil, event) // before the lock: it may be long
	e.mu.Lock()
	defer e.mu.Unlock()
	for s := range e.subscriptions {
		s.missed += lost
		if s.missed > 0 && s.offer(appendMissed(nil, s.missed)) {
			s.missed = 0
		}
		if !s.wants(event) {
			continue
		}
		if s.missed > 0 || !s.offer(text) {
			s.missed++
		}
	}
}

func (s *subscription) offer(text []byte) bool { return s.client.opts.Offer(s.reqID, text) }

func (s *subscription) wants(event *queue.Event) bool {
	if len(s.events) > 0 && !slices.Contains(s.events, event.Kind.String()) {
		return false
	}
	if s.pattern != event.Queue && !glob.Match([]byte(s.pattern), []byte(event.Queue)) {
		return false
	}
	return s.client.Identity().AllowsJob(acl.JobRead, event.Queue) == nil
}

func appendMissed(dst []byte, n int64) []byte {
	return append(appendInt(append(dst, `{"event":{"event_type":"missed","count":`...), n), `}}`...)
}

// appendEvent appends an event as flashQ's has it.
func appendEvent(dst []byte, e *queue.Event) []byte {
	dst = wire.AppendString(append(dst, `{"event":{"event_type":`...), e.Kind.String())
	dst = appendText(dst, "queue", e.Queue)
	dst = appendUint(dst, "job_id", e.ID)
	dst = appendNumber(dst, "timestamp", e.Time)
	dst = appendNumber(dst, "attempts", int64(e.Attempts))
	switch e.Kind {
	case queue.EventCompleted:
		dst = appendJSON(dst, "data", e.Data)
	case queue.EventPartial:
		dst = appendJSON(appendNumber(dst, "index", e.Index), "data", e.Data)
	case queue.EventProgress:
		dst = appendText(appendNumber(dst, "progress", int64(e.Progress)), "message", e.Data)
	case queue.EventFailed, queue.EventStalled:
		dst = appendBool(appendText(dst, "error", e.Data), "final", e.Final)
	case queue.EventRemoved:
		dst = appendText(dst, "reason", e.Data)
	}
	return append(dst, `}}`...)
}

// pattern is what a subscription is for: a queue, or those that a glob matches.
func pattern(queue string) string {
	if queue == "" {
		return "*"
	}
	return queue
}

func makeSubscribe(c *Call) (queue.Op, *queue.Error) {
	s := &subscription{client: c.client, reqID: clone(c.ReqID), pattern: pattern(c.Queue), events: c.Events}
	for _, name := range c.Events {
		if !slices.Contains(EventNames, name) {
			return nil, invalid("events", "unknown event %.32q, must be of %v", name, EventNames)
		}
	}
	if queue.ValidQueue(s.pattern) {
		if err := c.allow(acl.JobRead, s.pattern); err != nil {
			return nil, err
		}
	} else if err := acl.ValidatePattern(s.pattern); err != nil {
		return nil, invalid("queue", "%v", err)
	}
	return nil, c.client.subscribe(s)
}

// subscribe adds a subscription, in place of the one with the same pattern.
func (c *Client) subscribe(s *subscription) *queue.Error {
	c.unsubscribe(s.pattern)
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.opts.Offer == nil:
		return &queue.Error{Code: CodeUnavailable, Text: "this port has no subscriptions: ask for the stream of events"}
	case c.gone:
		return nil
	case len(c.subscriptions) >= MaxSubscriptions:
		return &queue.Error{Code: CodeBusy, Text: "too many subscriptions of this connection: it may have " + itoa(MaxSubscriptions)}
	}
	c.subscriptions[s.pattern] = s
	c.d.events.subscribe(s)
	return nil
}

func (c *Client) unsubscribe(pattern string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := c.subscriptions[pattern]; s != nil {
		delete(c.subscriptions, pattern)
		c.d.events.unsubscribe(s)
	}
}

func (e *events) subscribe(s *subscription) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.subscriptions[s] = struct{}{}
	e.listening.Add(1)
}

func (e *events) unsubscribe(s *subscription) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.subscriptions, s)
	e.listening.Add(-1)
}

// watch is a WAITJOB.
type watch struct {
	e      *events
	client *Client
	reqID  []byte
	id     uint64
	wait   int64 // ms

	// e.watchMu's:
	timer *time.Timer
	armed bool
	ended *queue.Event // how the job did
	done  bool
}

// watch notes that somebody waits for a job's end. It is not answered before it
// is armed.
func (e *events) watch(c *Call, wait int64) (*watch, *queue.Error) {
	w := &watch{e: e, client: c.client, reqID: clone(c.ReqID), id: c.ID, wait: wait}
	if err := c.client.enter(w); err != nil {
		return nil, err
	}
	e.watchMu.Lock()
	defer e.watchMu.Unlock()
	if e.watches[w.id] == nil {
		e.watches[w.id] = map[*watch]struct{}{}
	}
	e.watches[w.id][w] = struct{}{}
	e.watching.Add(1)
	return w, nil
}

// end tells those who wait for a job, under the group's lock.
func (e *events) end(event queue.Event) {
	e.watchMu.Lock()
	defer e.watchMu.Unlock()
	for w := range e.watches[event.ID] {
		if w.ended == nil {
			w.ended = &event
			if w.armed {
				go w.finish()
			}
		}
	}
}

// stop ends a watch whose call is answered at once; false: it has been told of
// the end meanwhile.
func (w *watch) stop() bool {
	w.e.watchMu.Lock()
	ended := w.ended != nil
	if !ended {
		w.remove()
	}
	w.e.watchMu.Unlock()
	if !ended {
		w.client.leave(w)
	}
	return !ended
}

// arm has the watch answered from now on.
func (w *watch) arm() {
	w.e.watchMu.Lock()
	defer w.e.watchMu.Unlock()
	w.armed = true
	if w.ended != nil {
		go w.finish()
	} else if !w.done {
		w.timer = time.AfterFunc(time.Duration(w.wait)*time.Millisecond, w.finish)
	}
}

// remove forgets the watch; e.watchMu is held.
func (w *watch) remove() {
	if w.done {
		return
	}
	w.done = true
	w.e.watching.Add(-1)
	others := w.e.watches[w.id]
	if delete(others, w); len(others) == 0 {
		delete(w.e.watches, w.id)
	}
	if w.timer != nil {
		w.timer.Stop()
	}
}

func (w *watch) cancel() {
	w.e.watchMu.Lock()
	defer w.e.watchMu.Unlock()
	w.remove()
}

// finish answers: with the end, or because the time is up.
func (w *watch) finish() {
	w.e.watchMu.Lock()
	over := w.done
	w.remove()
	w.e.watchMu.Unlock()
	if over {
		return
	}
	w.client.leave(w)
	w.client.opts.Deliver(w.reqID, w.answer())
}

func (w *watch) answer() []byte {
	switch e := w.ended; {
	case e == nil:
		return appendError(nil, CodeTimeout, fmt.Sprintf("timed out: job %d did not end within %d ms", w.id, w.wait))
	case w.client.Identity().AllowsJob(acl.JobRead, e.Queue) != nil:
		err := noJob(w.id)
		return appendError(nil, err.Code, err.Error())
	case e.Kind == queue.EventCompleted:
		return append(appendJSON([]byte(`{"ok":true`), "result", e.Data), '}')
	case e.Kind == queue.EventRemoved:
		return appendError(nil, queue.CodeNotFound, fmt.Sprintf("job %d was removed: %s", w.id, e.Data))
	default:
		return append(appendFailure([]byte(`{"ok":true`), e.Data), '}')
	}
}
