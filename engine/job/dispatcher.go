package job

import (
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coffer-dev/coffer/engine/audit"
	"github.com/coffer-dev/coffer/engine/guard"
	"github.com/coffer-dev/coffer/engine/machine"
	"github.com/coffer-dev/coffer/engine/queue"
)

// Executor carries operations out in order. machine.ErrLost is of a member that
// does not lead any more; an error of any other kind means that it has stopped
// for good.
type Executor interface {
	// Read evaluates operations that write nothing, at once. machine.ErrUnproven
	// says that Write is to be asked.
	Read(items []machine.Item) error
	// Look evaluates them on a state that may not be the latest.
	Look(items []machine.Item) error
	// Write takes operations some of which write, and does not wait for them:
	// done is called once, from any goroutine, when they are durable. The items
	// are the executor's until then.
	Write(items []machine.Item, done func(error))
}

// Options are what a Dispatcher needs.
type Options struct {
	Executor Executor
	Audit    *audit.Log   // nil: nothing is recorded
	Guard    *guard.Guard // of what is in the data; nil: nobody
}

// Dispatcher carries out the calls of all clients.
type Dispatcher struct {
	opts   Options
	pulls  pulls
	events events
	leases leases
	denied atomic.Int64 // calls, for want of permission

	stop chan struct{}
	wg   sync.WaitGroup
}

// New makes a Dispatcher, whose hooks may be called from now on, and which works
// from Open to Close.
func New() *Dispatcher {
	d := &Dispatcher{stop: make(chan struct{})}
	d.pulls = pulls{d: d, lines: map[string]*line{}}
	d.events = events{d: d, watches: map[uint64]map[*watch]struct{}{}, subscriptions: map[*subscription]struct{}{}, queue: make(chan queue.Event, maxEvents)}
	d.leases = leases{d: d, holders: map[*Client]struct{}{}, wake: make(chan struct{}, 1)}
	return d
}

// Open lets clients come.
func (d *Dispatcher) Open(opts Options) {
	d.opts = opts
	d.wg.Go(d.events.run)
	d.wg.Go(d.leases.run)
}

// Close ends what the dispatcher does by itself. Clients are closed before, and
// the executor after it.
func (d *Dispatcher) Close() {
	close(d.stop)
	d.wg.Wait()
}

// OnReady is the hook of package queue: a job can be pulled.
func (d *Dispatcher) OnReady(name string) { d.pulls.ready(name) }

// OnEvent is the hook of package queue: something happened to a job.
func (d *Dispatcher) OnEvent(e queue.Event) { d.events.happened(e) }

// Denied is how many calls were refused for want of permission.
func (d *Dispatcher) Denied() int64 { return d.denied.Load() }

// Carry carries the calls out in their order, and returns when each of them has
// its answer or waits. The error is the executor's: all have an answer then, too.
func (d *Dispatcher) Carry(calls []*Call) error {
	items := make([]machine.Item, 0, len(calls))
	for {
		pending := make([]*Call, 0, len(calls))
		items = items[:0]
		for _, c := range calls {
			if c.op != nil {
				pending = append(pending, c)
				items = append(items, c.item())
			}
		}
		if len(pending) == 0 {
			return nil
		}
		if err := d.execute(items); err != nil {
			for _, c := range pending {
				c.Fail(CodeUnavailable, whyNot(err))
			}
			return err
		}
		for i, c := range pending {
			if !c.applied && c.failure == nil {
				c.failure = &queue.Error{Code: CodeUnavailable, Text: string(items[i].Reply.Str)}
			}
			c.finish()
		}
		calls = pending
	}
}

// CodeUnavailable is the code of an error that is the engine's: it has no memory
// or no disk for what is asked.
const CodeUnavailable = "UNAVAILABLE"

// execute carries items out and waits for it.
func (d *Dispatcher) execute(items []machine.Item) error {
	if !slices.ContainsFunc(items, func(item machine.Item) bool { return item.Write }) {
		if err := d.opts.Executor.Read(items); !errors.Is(err, machine.ErrUnproven) {
			return err
		}
	}
	done := make(chan error, 1)
	d.opts.Executor.Write(items, func(err error) { done <- err })
	return <-done
}

// ErrLost is Carry's of a member that does not lead any more: nobody knows what to
// answer.
var ErrLost = machine.ErrLost

// whyNot is what a client is told of an executor's error.
func whyNot(err error) string {
	if errors.Is(err, machine.ErrLost) {
		return machine.ErrLost.Error()
	}
	return "the engine is stopping"
}

// do carries out an operation of the dispatcher's own. What is refused, for
// want of space, is not done.
func (d *Dispatcher) do(op queue.Op) { _ = d.execute([]machine.Item{Item(op)}) }

// now is what operations are checked with, ms since the epoch.
func (d *Dispatcher) now() int64 { return time.Now().UnixMilli() }
