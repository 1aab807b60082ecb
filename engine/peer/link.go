package peer

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
)

const (
	// What waits for a member that does not take it: more is lost, as on any
	// network.
	maxQueued      = 4096
	maxQueuedBytes = 64 << 20

	dialTimeout = time.Second
	// installTimeout is how long a member may take to take up a snapshot.
	installTimeout = 5 * time.Minute
	// A member that cannot be reached is tried again after pauses of these.
	minPause = 50 * time.Millisecond
	maxPause = time.Second
)

// errRefused is what another member has against this one.
var errRefused = errors.New("refuses")

// link sends one member its messages.
type link struct {
	t    *Transport
	from uint64
	to   uint64
	wake chan struct{}

	mu      sync.Mutex
	queue   []*raftpb.Message
	bytes   int
	conn    net.Conn // nil while there is none
	blank   bool     // it answered with an empty volume
	problem string   // why there is no connection
	closed  bool
}

// Send sends messages of a member, each to whom it says, soon or never.
func (t *Transport) Send(from uint64, messages []*raftpb.Message) {
	for _, m := range messages {
		if l := t.link(from, m.GetTo()); l == nil || !l.push(m) {
			t.opts.Member.Unreachable(m.GetTo())
		}
	}
}

// link is the one to a member; nil when the transport is closed.
func (t *Transport) link(from, to uint64) *link {
	t.mu.Lock()
	defer t.mu.Unlock()
	if l := t.links[to]; l != nil {
		return l
	}
	if t.ctx.Err() != nil {
		return nil
	}
	l := &link{t: t, from: from, to: to, wake: make(chan struct{}, 1)}
	t.links[to] = l
	t.wg.Go(l.run)
	return l
}

// Keep lets go of the links to others than these members.
func (t *Transport) Keep(members map[uint64]bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for id, l := range t.links {
		if !members[id] {
			l.close()
			delete(t.links, id)
		}
	}
}

// Peer tells what is known of a member: whether it answers with an empty volume,
// and why it is not reached.
func (t *Transport) Peer(id uint64) (blank bool, problem string) {
	t.mu.Lock()
	l := t.links[id]
	t.mu.Unlock()
	if l == nil {
		return false, ""
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.blank, l.problem
}

func (l *link) push(m *raftpb.Message) bool {
	size := proto.Size(m)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || len(l.queue) >= maxQueued || l.bytes+size > maxQueuedBytes && len(l.queue) > 0 {
		return false
	}
	l.queue = append(l.queue, m)
	l.bytes += size
	select {
	case l.wake <- struct{}{}:
	default: // it will look
	}
	return true
}

func (l *link) take() []*raftpb.Message {
	l.mu.Lock()
	defer l.mu.Unlock()
	queue := l.queue
	l.queue, l.bytes = nil, 0
	return queue
}

// run connects when there is something to send, and sends.
func (l *link) run() {
	pause := minPause
	for l.wait() {
		err := l.connected(func() { pause = minPause })
		if l.t.ctx.Err() != nil {
			return
		}
		l.take() // is lost
		l.t.opts.Member.Unreachable(l.to)
		l.told(err)
		select {
		case <-time.After(pause):
		case <-l.t.ctx.Done():
			return
		}
		pause = min(2*pause, maxPause)
	}
}

// wait returns when there is something to send; false at the end.
func (l *link) wait() bool {
	for {
		l.mu.Lock()
		closed, queued := l.closed, len(l.queue) > 0
		l.mu.Unlock()
		if closed || queued {
			return !closed
		}
		select {
		case <-l.wake:
		case <-l.t.ctx.Done():
			return false
		}
	}
}

// told keeps why there is no connection, and says it once.
func (l *link) told(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if text := err.Error(); text != l.problem && !l.closed {
		l.problem = text
		l.t.opts.Log.Warn("another member is not reached", "member", l.to, "error", err)
	}
}

// connected dials, and sends until the connection breaks.
func (l *link) connected(greeted func()) error {
	f, err := l.t.dial(Hello{From: l.from, To: l.to, Purpose: forMessages}, l.keep)
	if err != nil {
		return err
	}
	defer l.disconnect()
	greeted()
	l.mu.Lock()
	l.problem = ""
	l.mu.Unlock()
	broken := make(chan error, 1)
	go func() {
		_, err := f.r.ReadByte() // nothing is said: it is the end
		broken <- fmt.Errorf("the connection broke: %w", noEOF(err))
	}()
	for {
		for _, m := range l.take() {
			data, err := proto.Marshal(m)
			if err == nil {
				err = f.write(data)
			}
			if err != nil {
				return err
			}
		}
		if err := f.flush(); err != nil {
			return err
		}
		select {
		case <-l.wake:
		case err := <-broken:
			return err
		case <-l.t.ctx.Done():
			return l.t.ctx.Err()
		}
	}
}

// keep has disconnect close a connection.
func (l *link) keep(conn net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conn = conn
	if l.closed {
		_ = conn.Close()
	}
}

func (l *link) disconnect() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conn != nil {
		_ = l.conn.Close()
		l.conn = nil
	}
}

func (l *link) close() {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	l.disconnect()
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// dial connects to a member and greets it. keep is told of the connection
// before anything can block.
func (t *Transport) dial(h Hello, keep func(net.Conn)) (*frames, error) {
	ctx, cancel := context.WithTimeout(t.ctx, greetTimeout)
	defer cancel()
	dialer := net.Dialer{Timeout: dialTimeout, Control: giveUpSoon}
	raw, err := dialer.DialContext(ctx, "tcp", t.opts.Address(h.To))
	if err != nil {
		return nil, err
	}
	keep(raw)
	f, err := t.greet(ctx, raw, h)
	if err != nil {
		_ = raw.Close()
		return nil, err
	}
	return f, nil
}

func (t *Transport) greet(ctx context.Context, raw net.Conn, h Hello) (*frames, error) {
	_ = raw.SetDeadline(time.Now().Add(greetTimeout))
	conn := tls.Client(raw, t.clientTLS())
	if err := conn.HandshakeContext(ctx); err != nil {
		return nil, err
	}
	f := newFrames(conn)
	h.Version, h.Instance = Version, t.opts.Instance
	h.Generation, h.Join = t.opts.Member.Generation(), t.opts.Member.Joins(h.To)
	if err := f.writeJSON(h); err != nil {
		return nil, err
	}
	var w Welcome
	if err := f.readJSON(&w); err != nil {
		return nil, fmt.Errorf("no answer to the greeting: %w", noEOF(err))
	}
	t.learn(h.To, w)
	if w.Blank {
		return nil, errors.New("its volume is empty")
	}
	if w.Refused != "" {
		return nil, fmt.Errorf("it %w: %s", errRefused, w.Refused)
	}
	_ = raw.SetDeadline(time.Time{})
	f.patience = 0
	return f, nil
}

// learn keeps what a member said of itself.
func (t *Transport) learn(id uint64, w Welcome) {
	t.mu.Lock()
	l := t.links[id]
	t.mu.Unlock()
	if l != nil {
		l.mu.Lock()
		l.blank = w.Blank
		l.mu.Unlock()
	}
}

// SendDigest tells another member what the state was, once: who does not hear of
// it compares at a later index. A member of an earlier version refuses it.
func (t *Transport) SendDigest(from, to uint64, d Digest) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ctx.Err() != nil {
		return
	}
	t.wg.Go(func() {
		var conn net.Conn
		var forget func() bool
		_, err := t.dial(Hello{From: from, To: to, Purpose: forDigest, Digest: &d}, func(c net.Conn) {
			conn = c
			forget = context.AfterFunc(t.ctx, func() { _ = c.Close() }) // Close waits for nobody who is silent
		})
		if err != nil {
			t.opts.Log.Debug("a digest did not arrive", "member", to, "error", err)
		}
		if conn != nil {
			forget()
			_ = conn.Close()
		}
	})
}

// SendSnapshot sends the message that names a snapshot, and the state, which it
// closes. The member is told what became of it.
func (t *Transport) SendSnapshot(from uint64, m *raftpb.Message, state io.ReadCloser) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ctx.Err() != nil {
		_ = state.Close()
		return
	}
	t.wg.Go(func() {
		defer func() { _ = state.Close() }()
		err := t.sendSnapshot(from, m, state)
		if err != nil && t.ctx.Err() == nil {
			t.opts.Log.Warn("a snapshot did not arrive", "member", m.GetTo(), "error", err)
		}
		t.opts.Member.Sent(m.GetTo(), err == nil)
	})
}

func (t *Transport) sendSnapshot(from uint64, m *raftpb.Message, state io.Reader) error {
	var conn net.Conn
	f, err := t.dial(Hello{From: from, To: m.GetTo(), Purpose: forSnapshot}, func(c net.Conn) { conn = c })
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	defer context.AfterFunc(t.ctx, func() { _ = conn.Close() })()
	data, err := proto.Marshal(m)
	if err == nil {
		err = f.write(data)
	}
	chunk := make([]byte, stateChunk)
	for n := 1; err == nil && n > 0; {
		n, err = io.ReadFull(state, chunk)
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			err = nil
		}
		if err == nil {
			err = f.write(chunk[:n])
		}
	}
	if err == nil {
		err = f.flush()
	}
	if err != nil {
		return err
	}
	f.patience = installTimeout
	var w Welcome // when it is taken up, which takes its time
	if err := f.readJSON(&w); err != nil {
		return fmt.Errorf("no answer to a snapshot: %w", noEOF(err))
	}
	if w.Refused != "" {
		return fmt.Errorf("it %w: %s", errRefused, w.Refused)
	}
	return nil
}
