package job

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coffer-dev/coffer/engine/acl"
	"github.com/coffer-dev/coffer/engine/admission"
	"github.com/coffer-dev/coffer/engine/audit"
	wire "github.com/coffer-dev/coffer/engine/protocol/job"
	"github.com/coffer-dev/coffer/engine/queue"
)

// Bounds of one client.
const (
	// MaxWaiting is how many of its requests may wait at a time.
	MaxWaiting = 1000
	// MaxHeld is how many jobs may be leased to its connection: those have to be
	// renewed, and given back when it is gone.
	MaxHeld = 10_000
	// MaxSubscriptions is how many it may have.
	MaxSubscriptions = 100
)

// ClientOptions are what a Client needs.
type ClientOptions struct {
	Source   string // its address, for the audit log
	PullWait int64  // ms that a pull waits which does not say
	// TokensOnly has the leases of all its jobs belong to their tokens, since it
	// does not live as long as its jobs take.
	TokensOnly bool
	// Deliver takes the answer to a call that waited, from any goroutine and
	// without blocking. False: the client is gone.
	Deliver func(reqID, answer []byte) bool
	// Offer takes an event, as Deliver does. False: there is no room for it, and
	// the client has missed it.
	Offer func(reqID, event []byte) bool
}

// Client is somebody who sends requests: a connection, or one request of HTTP.
type Client struct {
	d     *Dispatcher
	opts  ClientOptions
	owner uint64 // of its leases; no other client has it, nor had
	user  atomic.Pointer[user]

	mu            sync.Mutex
	gone          bool
	waiting       map[interface{ cancel() }]struct{}
	subscriptions map[string]*subscription // by pattern

	// Of leases that it holds; leases' lock.
	pulled  bool
	held    int
	lease   time.Duration // the shortest
	renewAt time.Time
}

// user is who the client is.
type user struct {
	identity   *acl.Identity
	credential acl.Credential
	usage      *admission.Usage
}

// NewClient makes a client, who is nobody until SetUser.
func (d *Dispatcher) NewClient(opts ClientOptions) *Client {
	var random [8]byte
	_, _ = rand.Read(random[:]) // never fails
	return &Client{
		d: d, opts: opts, owner: binary.LittleEndian.Uint64(random[:]) | 1,
		waiting: map[interface{ cancel() }]struct{}{}, subscriptions: map[string]*subscription{},
	}
}

// SetUser says who the client is, and what it may do from now on.
func (c *Client) SetUser(id *acl.Identity, credential acl.Credential, usage *admission.Usage) {
	c.user.Store(&user{id, credential, usage})
}

// Identity is the client's user, nil for nobody.
func (c *Client) Identity() *acl.Identity {
	if u := c.user.Load(); u != nil {
		return u.identity
	}
	return nil
}

// NewCall makes a call, whose Request is the caller's to fill before Prepare.
func (c *Client) NewCall() *Call { return &Call{client: c} }

// Reset makes a call that has been answered, and does not wait, a new one.
func (c *Call) Reset() { *c = Call{client: c.client, answer: c.answer[:0]} }

// Close forgets the client: what it waits for, and its leases, whose jobs others
// get at once.
func (c *Client) Close() {
	c.mu.Lock()
	c.gone = true
	waiting := c.waiting
	c.waiting = nil
	for _, s := range c.subscriptions {
		c.d.events.unsubscribe(s)
	}
	c.subscriptions = nil
	c.mu.Unlock()
	for w := range waiting {
		w.cancel()
	}
	c.d.leases.close(c)
}

// enter notes something that waits on the client's behalf.
func (c *Client) enter(w interface{ cancel() }) *queue.Error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.gone:
		return &queue.Error{Code: CodeUnavailable, Text: "the connection is closed"}
	case len(c.waiting) >= MaxWaiting:
		return &queue.Error{Code: CodeBusy, Text: "too many requests of this connection wait: it may have " + itoa(MaxWaiting)}
	}
	c.waiting[w] = struct{}{}
	return nil
}

func (c *Client) leave(w interface{ cancel() }) {
	c.mu.Lock()
	delete(c.waiting, w)
	c.mu.Unlock()
}

func (c *Client) isGone() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.gone
}

func (c *Client) countDenied() {
	c.d.denied.Add(1)
	if u := c.user.Load(); u != nil && u.usage != nil {
		u.usage.Denied.Add(1)
	}
}

// entry is what every record of the client has.
func (c *Client) entry(operation string) audit.Entry {
	e := audit.Entry{Time: time.Now(), Source: c.opts.Source, Operation: operation}
	if u := c.user.Load(); u != nil {
		e.Identity, e.Generation = u.credential.User, u.credential.Generation()
	}
	return e
}

// appendPulls appends what a pull took.
func (c *Client) appendPulls(dst []byte, single bool, op *queue.Pull) []byte {
	pulled := func(dst []byte, j *queue.Job) []byte { return appendPulled(dst, j, op.Owner == 0) }
	if single {
		dst = append(dst, `,"job":`...)
		if len(op.Result) == 0 {
			return append(dst, "null"...)
		}
		return c.openly(dst, &op.Result[0], pulled)
	}
	c.giveBackWhatDoesNotFit(op)
	dst = append(dst, `,"jobs":[`...)
	for i := range op.Result {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = c.openly(dst, &op.Result[i], pulled)
	}
	return append(dst, ']')
}

// giveBackWhatDoesNotFit leaves as many jobs in the result as one answer may
// have; the others go back, no attempt counted.
func (c *Client) giveBackWhatDoesNotFit(op *queue.Pull) {
	size := 1 << 16
	for i := range op.Result {
		if size += len(op.Result[i].Payload) + 1<<10; size > wire.MaxFrame && i > 0 {
			rest := op.Result[i:]
			op.Result = op.Result[:i]
			c.giveBack(rest, op.Owner)
			return
		}
	}
}

// giveBack lets others have jobs that the client was not told of.
func (c *Client) giveBack(jobs []queue.Job, owner uint64) {
	if len(jobs) == 0 {
		return
	}
	holders := make([]queue.Holder, len(jobs))
	for i := range jobs {
		holders[i] = queue.Holder{ID: jobs[i].ID, Token: jobs[i].Lease.Token}
	}
	go func() {
		for _, h := range holders {
			c.d.do(&queue.MoveToDelayed{Holder: h})
			c.letGo(queue.Holder{ID: h.ID, Owner: owner})
		}
	}()
}

// clone keeps a reqId that is in memory of the connection's.
func clone(reqID []byte) []byte { return bytes.Clone(reqID) }
