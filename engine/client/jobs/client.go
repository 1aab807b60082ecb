// Package jobs is the Go client of a JobQueue: it pushes jobs, works on them
// and manages queues, over one TLS 1.3 connection that all callers share. A
// Client follows what changes under it: it logs in again when its token is
// rotated, verifies by the newest authorities when it connects, and makes a new
// connection when one ends.
//
//	client, err := jobs.Connect(ctx, jobs.Options{SecretDir: "/etc/coffer-connection"})
//	id, err := client.Push(ctx, "mail", Mail{To: "a@example.com"}, jobs.PushOptions{})
//
//	worker := jobs.Worker{Queue: "mail", Concurrency: 8, Handle: send}
//	err = worker.Run(ctx, client)
package jobs

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

const (
	dialTimeout  = 10 * time.Second // for the handshake and the login too
	pingInterval = 3 * time.Second
	pingTimeout  = 5 * time.Second
	// followInterval is how soon a rotated secret is noticed. A kubelet takes
	// up to 90 seconds to deliver it, and the old one works for minutes.
	followInterval = time.Second
	minBackoff     = 50 * time.Millisecond
	maxBackoff     = 5 * time.Second
)

// Options say which queue to connect to, and as whom. Either SecretDir or all of
// Address, Token and CA.
type Options struct {
	// SecretDir is where the connection secret is mounted, with the files host,
	// port, token and ca.crt, and tls.crt and tls.key where the queue wants a
	// certificate. It is read again as long as the client lives.
	SecretDir string
	// Address is host:port; it replaces the host and port of SecretDir.
	Address string
	// ServerName is the name in the server's certificate, where it is not the
	// host of the connection secret, or of Address without one.
	ServerName string
	Token      string
	CA         []byte // PEM, the only authorities that are trusted
	// OnError hears what no caller is told: connections that ended, logins and
	// readings of SecretDir that failed. It must not block. May be nil.
	OnError func(error)
}

// Client is a connection to a JobQueue. It is safe for concurrent use: commands
// of many callers are on their way at once, and each gets its answer as soon as
// it is there.
type Client struct {
	options Options
	lastID  atomic.Uint64
	ctx     context.Context // of the client's life
	close   context.CancelFunc
	closed  sync.WaitGroup

	mu      sync.Mutex
	current *conn
	lost    error         // why there is no connection
	changed chan struct{} // closed when either changes
}

// Connect makes the first connection and logs in. What fails here is not tried
// again; later, connections are made anew for as long as the client lives.
func Connect(ctx context.Context, o Options) (*Client, error) {
	if o.OnError == nil {
		o.OnError = func(error) {}
	}
	secret, err := o.read()
	if err != nil {
		return nil, err
	}
	first, err := dial(ctx, secret)
	if err != nil {
		return nil, err
	}
	c := &Client{options: o, changed: make(chan struct{})}
	c.ctx, c.close = context.WithCancel(context.Background())
	c.publish(first, nil)
	c.closed.Go(func() { c.keep(first) })
	return c, nil
}

// Close ends the connection. Commands that wait for an answer fail with
// ErrClosed; leases that the client holds run out.
func (c *Client) Close() {
	c.close()
	c.closed.Wait()
}

// String names the client, and shows nothing of its credentials.
func (c *Client) String() string {
	return "client of the queue at " + c.options.Address + c.options.SecretDir
}

// keep has the client connected until it is closed.
func (c *Client) keep(current *conn) {
	for {
		c.attend(current)
		if c.ctx.Err() != nil {
			current.end(ErrClosed)
			c.publish(nil, ErrClosed)
			return
		}
		c.publish(nil, current.err)
		c.options.OnError(current.err)
		if current = c.redial(); current == nil {
			c.publish(nil, ErrClosed)
			return
		}
		c.publish(current, nil)
	}
}

// attend follows the secret and sees that the connection lives, until it ends.
func (c *Client) attend(current *conn) {
	follow, ping := time.NewTicker(followInterval), time.NewTicker(pingInterval)
	defer follow.Stop()
	defer ping.Stop()
	for {
		select {
		case <-c.ctx.Done():
			return
		case <-current.gone:
			return
		case <-follow.C:
			if err := c.follow(current); err != nil {
				c.options.OnError(err)
			}
		case <-ping.C:
			// A peer that is gone without a word is noticed here and nowhere
			// else: TCP tells nobody who only waits for an answer. The answer is
			// waited for beside the rest, which must not stop meanwhile.
			go c.ping(current)
		}
	}
}

// follow logs in again when the secret has another token. The connection, and
// what is on its way, stays.
func (c *Client) follow(current *conn) error {
	secret, err := c.options.read()
	if err != nil || secret.token == current.token {
		return err
	}
	ctx, cancel := context.WithTimeout(c.ctx, dialTimeout)
	defer cancel()
	return current.login(ctx, c.lastID.Add(1), secret.token)
}

func (c *Client) ping(current *conn) {
	ctx, cancel := context.WithTimeout(c.ctx, pingTimeout)
	defer cancel()
	if _, err := c.doOn(ctx, current, "PING", nil); err != nil && ctx.Err() != nil && c.ctx.Err() == nil {
		current.end(fmt.Errorf("no answer within %s", pingTimeout))
	}
}

// redial connects, however long it takes; nil when the client was closed.
func (c *Client) redial() *conn {
	for backoff := minBackoff; ; backoff = min(2*backoff, maxBackoff) {
		// Clients that lost the same server do not come back all at once.
		select {
		case <-c.ctx.Done():
			return nil
		case <-time.After(rand.N(backoff)):
		}
		secret, err := c.options.read()
		var next *conn
		if err == nil {
			next, err = dial(c.ctx, secret)
		}
		if err == nil {
			return next
		}
		if c.ctx.Err() == nil {
			c.publish(nil, err)
			c.options.OnError(err)
		}
	}
}

func (c *Client) publish(current *conn, lost error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.current, c.lost = current, lost
	close(c.changed)
	c.changed = make(chan struct{})
}

// connection waits until there is one.
func (c *Client) connection(ctx context.Context) (*conn, error) {
	for {
		c.mu.Lock()
		current, lost, changed := c.current, c.lost, c.changed
		c.mu.Unlock()
		if current != nil || errors.Is(lost, ErrClosed) {
			return current, lost
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, fmt.Errorf("no connection: %w (%w)", context.Cause(ctx), lost)
		}
	}
}

// do sends a command and waits for its answer. A command that has not left when
// the connection ends goes on the next one; one whose answer is lost fails with
// ErrDisconnected, because nobody knows whether it was carried out.
func (c *Client) do(ctx context.Context, cmd string, args any) (*answer, error) {
	for {
		current, err := c.connection(ctx)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", cmd, err)
		}
		a, err := c.doOn(ctx, current, cmd, args)
		if errors.Is(err, errNotSent) {
			// It is published as gone before long.
			select {
			case <-time.After(time.Millisecond):
			case <-ctx.Done():
			}
			continue
		}
		return a, err
	}
}

func (c *Client) doOn(ctx context.Context, current *conn, cmd string, args any) (*answer, error) {
	id := c.lastID.Add(1)
	line, err := encode(id, cmd, args)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", cmd, err)
	}
	a, err := current.roundTrip(ctx, id, line)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", cmd, err)
	}
	return a, nil
}
