// Package peer carries what the members of a group tell each other, over mutual
// TLS 1.3 on a port of its own.
//
// Every connection is of one direction: who dialed sends, the other side
// answers only what is said here. All numbers are big endian. A frame is
//
//	| length 4B | bytes |
//
// The first frame of a connection is a Hello in JSON, which is answered by a
// Welcome in JSON. Then a connection for messages has a frame for each: a
// raftpb.Message. One for a snapshot has a frame with the message that names
// it, then the state in frames of at most 64 KiB, an empty one behind the last;
// it is answered by a Welcome, when the snapshot was taken up or why it was not.
//
// Certificates say that somebody is a member of this instance, not which one:
// all members have the same. Which one is said by the Hello, and no message of
// its connection may be from another.
//
// Clients' connections are handed through on the same port (through.go).
package peer

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"github.com/coffer-dev/coffer/engine/admission"
	"github.com/coffer-dev/coffer/engine/credential"
)

// Version of what is said. A member listens to its own and to earlier ones; one
// that dials a member of an earlier version must speak that one's, once there is
// a second.
const Version = 1

// Bounds of a connection.
const (
	greetTimeout = 5 * time.Second // for the handshake, Hello and Welcome
	// ioTimeout is for a part of what is sent to be taken: a leader says something
	// ten times a second.
	ioTimeout = 10 * time.Second
	// maxStrangers is how many connections may not have shown yet that they are of
	// members. All that the others introduce at a time are far fewer.
	maxStrangers = 256
)

// The purposes of a connection.
const (
	forMessages = "messages"
	forSnapshot = "snapshot"
	forDigest   = "digest"
)

// Hello says who speaks to whom.
type Hello struct {
	Version  int    `json:"version"`
	Instance string `json:"instance"` // namespace/name
	From     uint64 `json:"from"`
	To       uint64 `json:"to"`
	Purpose  string `json:"purpose"` // messages | snapshot | digest
	// Generation is From's group's: see adminapi.Group.
	Generation uint64 `json:"generation,omitempty"`
	// Digest is all that a connection for one has to say.
	Digest *Digest `json:"digest,omitempty"`
	// Join says that To is a learner that has nothing yet: a member with an empty
	// volume may become it.
	Join bool `json:"join,omitempty"`
}

// Digest is what a member's state was behind an entry of the log.
type Digest struct {
	Index  uint64 `json:"index"`
	Format string `json:"format"` // what the state is written in
	Sum    string `json:"sum"`
}

// Welcome is the answer to a Hello.
type Welcome struct {
	Version int `json:"version"`
	// Blank says that the volume is empty: the member is nobody.
	Blank bool `json:"blank,omitempty"`
	// Refused is why nothing more is taken on the connection; empty when it is.
	Refused string `json:"refused,omitempty"`
}

// Member is who uses a Transport. Its methods are called by several goroutines.
type Member interface {
	// Greet judges who speaks to the member.
	Greet(h Hello) Welcome
	// Receive takes a message. It may wait.
	Receive(m *raftpb.Message) error
	// ReceiveSnapshot takes the message that names a snapshot, and the state.
	ReceiveSnapshot(m *raftpb.Message, state io.Reader) error
	// Generation is the group's.
	Generation() uint64
	// ReceiveDigest takes what another member's state was.
	ReceiveDigest(from uint64, d Digest)
	// Joins tells whether a member is a learner that has nothing yet.
	Joins(id uint64) bool
	// Unreachable is told that messages to a member were lost.
	Unreachable(id uint64)
	// Sent is told what became of a snapshot.
	Sent(id uint64, arrived bool)
}

// Options are what a Transport needs.
type Options struct {
	Instance    string
	Name        string // the DNS name in all members' certificates
	Address     func(id uint64) string
	Credentials func() *credential.Snapshot // Admin and Authorities
	Member      Member
	// Clients is what takes connections that other members hand through; nil while
	// this one does not lead.
	Clients    func(Port) (enter func(net.Conn))
	MaxMessage int // bytes
	Log        *slog.Logger
}

// Transport is a member's connections with the others.
type Transport struct {
	opts   Options
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu       sync.Mutex
	links    map[uint64]*link
	accepted map[net.Conn]*guest
	listener net.Listener
	under    string // the certificates in force

	introducing chan struct{} // a place for each client that is being introduced
}

// New makes a Transport; Serve lets others connect.
func New(opts Options) *Transport {
	t := &Transport{opts: opts, links: map[uint64]*link{}, accepted: map[net.Conn]*guest{}, introducing: make(chan struct{}, maxIntroducing)}
	t.ctx, t.cancel = context.WithCancel(context.Background())
	t.under = certificatesOf(opts.Credentials())
	return t
}

// Serve accepts the other members' connections until Close; it then returns nil.
func (t *Transport) Serve(l net.Listener) error {
	t.mu.Lock()
	t.listener = l
	closed := t.ctx.Err() != nil
	t.mu.Unlock()
	if closed {
		return l.Close()
	}
	if err := admission.Accept(l, t.opts.Log, t.enter); t.ctx.Err() == nil {
		return fmt.Errorf("accept on the port for peers: %w", err)
	}
	return nil
}

// guest is who connected.
type guest struct {
	source string // as admission knows it
	since  time.Time
	member bool // it has shown that it is one
}

// enter counts a connection in and serves it. Strangers take no place of members:
// of too many the oldest goes.
func (t *Transport) enter(conn net.Conn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ctx.Err() != nil {
		_ = conn.Close()
		return
	}
	strangers := 0
	var oldest net.Conn
	for other, g := range t.accepted {
		if g.member {
			continue
		}
		if strangers++; oldest == nil || g.since.Before(t.accepted[oldest].since) {
			oldest = other
		}
	}
	if strangers >= maxStrangers {
		_ = oldest.Close() // which ends its attend
		delete(t.accepted, oldest)
	}
	t.accepted[conn] = &guest{source: admission.SourceOf(conn.RemoteAddr()), since: time.Now()}
	t.wg.Go(func() { t.attend(conn) })
}

// known takes note that a connection is a member's.
func (t *Transport) known(conn net.Conn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if g := t.accepted[conn]; g != nil {
		g.member = true
	}
}

// Hosts tells whether another member is connected from a source.
func (t *Transport) Hosts(source string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, g := range t.accepted {
		if g.member && g.source == source {
			return true
		}
	}
	return false
}

// attend serves one connection of another member.
func (t *Transport) attend(raw net.Conn) {
	_ = raw.SetDeadline(time.Now().Add(greetTimeout))
	first, passed := make([]byte, 1), false
	_, err := io.ReadFull(raw, first)
	switch {
	case err != nil:
	case first[0] == throughMagic[0]:
		passed, err = t.takeThrough(raw, first[0])
	default:
		err = t.listen(raw, first)
	}
	if !passed {
		_ = raw.Close()
		t.forget(raw)
	}
	if err != nil && t.ctx.Err() == nil && !errors.Is(err, io.EOF) {
		t.opts.Log.Warn("the connection of another member ends", "address", raw.RemoteAddr().String(), "error", err)
	}
}

// forget leaves a connection to itself.
func (t *Transport) forget(conn net.Conn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.accepted, conn)
}

// listen serves a connection whose first byte was read.
func (t *Transport) listen(raw net.Conn, first []byte) error {
	conn := tls.Server(&begun{raw, first}, t.serverTLS())
	if err := conn.HandshakeContext(t.ctx); err != nil {
		return err
	}
	t.known(raw)
	f := newFrames(conn)
	var h Hello
	if err := f.readJSON(&h); err != nil {
		return err
	}
	w := t.judge(h)
	if err := f.writeJSON(w); err != nil {
		return err
	}
	switch {
	case w.Refused != "" || w.Blank:
		return nil // the other side knows and tries again
	case h.Purpose == forDigest:
		t.opts.Member.ReceiveDigest(h.From, *h.Digest)
		return nil
	case h.Purpose == forSnapshot:
		f.patience = ioTimeout
		return t.takeSnapshot(f, h)
	}
	f.patience = 0 // members that do not lead have little to say
	for {
		m, err := t.message(f, h)
		if err != nil {
			return err
		}
		if err := t.opts.Member.Receive(m); err != nil {
			return err
		}
	}
}

// judge answers a Hello.
func (t *Transport) judge(h Hello) Welcome {
	w := Welcome{Version: Version}
	switch {
	case h.Version > Version:
		w.Refused = fmt.Sprintf("speaks version %d, this member knows up to %d", h.Version, Version)
	case h.Instance != t.opts.Instance:
		w.Refused = fmt.Sprintf("is of instance %q, this member of %q", h.Instance, t.opts.Instance)
	case h.Purpose != forMessages && h.Purpose != forSnapshot && (h.Purpose != forDigest || h.Digest == nil):
		w.Refused = fmt.Sprintf("connects for %.20q, which this member does not know", h.Purpose)
	default:
		w = t.opts.Member.Greet(h)
		w.Version = Version
	}
	return w
}

// message reads the next one of a connection.
func (t *Transport) message(f *frames, h Hello) (*raftpb.Message, error) {
	data, err := f.read(t.opts.MaxMessage)
	if err != nil {
		return nil, err
	}
	m := &raftpb.Message{}
	if err := proto.Unmarshal(data, m); err != nil {
		return nil, fmt.Errorf("a message of member %d: %w", h.From, err)
	}
	if m.GetFrom() != h.From || m.GetTo() != h.To {
		return nil, fmt.Errorf("a message from %d to %d, on the connection of %d to %d", m.GetFrom(), m.GetTo(), h.From, h.To)
	}
	return m, nil
}

func (t *Transport) takeSnapshot(f *frames, h Hello) error {
	m, err := t.message(f, h)
	if err != nil {
		return err
	}
	w := Welcome{Version: Version}
	state := &stateReader{f: f}
	if err := t.opts.Member.ReceiveSnapshot(m, state); err != nil {
		w.Refused = err.Error()
		t.opts.Log.Warn("a snapshot is not taken up", "from", h.From, "error", err)
	}
	return f.writeJSON(w)
}

func (t *Transport) serverTLS() *tls.Config {
	current := t.opts.Credentials()
	return &tls.Config{
		MinVersion:             tls.VersionTLS13,
		SessionTicketsDisabled: true,
		Certificates:           []tls.Certificate{*current.Admin.TLS},
		ClientAuth:             tls.RequireAndVerifyClientCert,
		ClientCAs:              current.Authorities.Pool,
		VerifyConnection: func(s tls.ConnectionState) error {
			if !slices.Contains(s.PeerCertificates[0].DNSNames, t.opts.Name) {
				return fmt.Errorf("the certificate is not for %q", t.opts.Name)
			}
			return nil
		},
	}
}

func (t *Transport) clientTLS() *tls.Config {
	current := t.opts.Credentials()
	return &tls.Config{
		MinVersion:   tls.VersionTLS13,
		ServerName:   t.opts.Name,
		RootCAs:      current.Authorities.Pool,
		Certificates: []tls.Certificate{*current.Admin.TLS},
	}
}

// CredentialsChanged has all connections made anew when there are other
// certificates in force than they were made under.
func (t *Transport) CredentialsChanged(s *credential.Snapshot) {
	t.mu.Lock()
	defer t.mu.Unlock()
	under := certificatesOf(s)
	if under == t.under {
		return
	}
	t.under = under
	for _, l := range t.links {
		l.disconnect()
	}
	for conn := range t.accepted {
		_ = conn.Close()
	}
}

// certificatesOf tells what connections are made under.
func certificatesOf(s *credential.Snapshot) string {
	return s.Admin.Fingerprint + " " + strings.Join(s.Authorities.Fingerprints, " ")
}

// Close ends all connections.
func (t *Transport) Close() {
	t.cancel()
	t.mu.Lock()
	if t.listener != nil {
		_ = t.listener.Close()
	}
	for _, l := range t.links {
		l.disconnect()
	}
	for conn := range t.accepted {
		_ = conn.Close()
	}
	t.mu.Unlock()
	t.wg.Wait()
}
