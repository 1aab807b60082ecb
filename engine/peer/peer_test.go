package peer

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"github.com/coffer-dev/coffer/engine/credential"
	"github.com/coffer-dev/coffer/test/fixture/pki"
)

const name = "peers.kv.shop.coffer.dev"

// one is a member that keeps what it is told.
type one struct {
	welcome Welcome
	got     chan *raftpb.Message
	states  chan string
	sent    chan bool

	mu          sync.Mutex
	unreachable int
}

func (o *one) Greet(Hello) Welcome             { return o.welcome }
func (o *one) Receive(m *raftpb.Message) error { o.got <- m; return nil }
func (o *one) ReceiveSnapshot(m *raftpb.Message, state io.Reader) error {
	data, err := io.ReadAll(state)
	if err != nil {
		return err
	}
	if string(data) == "bad" {
		return errors.New("it is bad")
	}
	o.states <- string(data)
	return nil
}
func (o *one) Generation() uint64                  { return 0 }
func (o *one) Joins(uint64) bool                   { return false }
func (o *one) ReceiveDigest(from uint64, d Digest) { o.states <- fmt.Sprint(from, d) }
func (o *one) Unreachable(uint64)                  { o.mu.Lock(); o.unreachable++; o.mu.Unlock() }
func (o *one) Sent(_ uint64, arrived bool)         { o.sent <- arrived }
func (o *one) lost() int                           { o.mu.Lock(); defer o.mu.Unlock(); return o.unreachable }
func authority(t *testing.T) *pki.Pair {
	return pki.Must(t, x509.Certificate{IsCA: true, KeyUsage: x509.KeyUsageCertSign}, nil)
}
func certificate(t *testing.T, ca *pki.Pair, dnsName string) *credential.Snapshot {
	pair := pki.Must(t, x509.Certificate{DNSNames: []string{dnsName}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}, ca)
	pool := x509.NewCertPool()
	pool.AddCert(ca.Leaf)
	return &credential.Snapshot{Admin: &credential.Certificate{TLS: &pair.Certificate}, Authorities: &credential.Authorities{Pool: pool}}
}

// two are connected: the first speaks to the second.
type two struct {
	from, to *Transport
	speaker  *one
	listener *one
	address  string
}

func connect(t *testing.T, speaks, listens *credential.Snapshot, change func(*Options)) *two {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &two{speaker: &one{sent: make(chan bool, 1)}, listener: &one{got: make(chan *raftpb.Message, 100), states: make(chan string, 1)}, address: l.Addr().String()}
	log := slog.New(slog.DiscardHandler)
	p.to = New(Options{Instance: "shop/kv", Name: name, Credentials: func() *credential.Snapshot { return listens }, Member: p.listener, MaxMessage: 1 << 20, Log: log})
	go func() { _ = p.to.Serve(l) }()
	o := Options{Instance: "shop/kv", Name: name, Credentials: func() *credential.Snapshot { return speaks }, Member: p.speaker, MaxMessage: 1 << 20, Log: log, Address: func(uint64) string { return p.address }}
	if change != nil {
		change(&o)
	}
	p.from = New(o)
	t.Cleanup(func() { p.from.Close(); p.to.Close() })
	return p
}

func message(from, to uint64) *raftpb.Message {
	kind := raftpb.MsgHeartbeat
	return &raftpb.Message{Type: &kind, From: &from, To: &to}
}

// wantProblem waits until the speaker knows why it is not heard.
func (p *two) wantProblem(t *testing.T, says string) {
	t.Helper()
	problem := ""
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		p.from.Send(1, []*raftpb.Message{message(1, 2)})
		if _, problem = p.from.Peer(2); strings.Contains(problem, says) {
			if len(p.listener.got) > 0 {
				t.Error("a message was taken all the same")
			}
			if p.speaker.lost() == 0 {
				t.Error("nobody was told that messages are lost")
			}
			return
		}
	}
	t.Fatalf("problem %q, want %q", problem, says)
}

func TestADigestArrives(t *testing.T) {
	ca := authority(t)
	p := connect(t, certificate(t, ca, name), certificate(t, ca, name), nil)
	p.from.SendDigest(1, 2, Digest{Index: 1 << 20, Format: "f", Sum: "s"})
	if got := <-p.listener.states; got != "1 {1048576 f s}" {
		t.Errorf("it heard %q", got)
	}
}

func TestMessagesAndSnapshotsArrive(t *testing.T) {
	ca := authority(t)
	p := connect(t, certificate(t, ca, name), certificate(t, ca, name), nil)
	for i := range 3 {
		p.from.Send(1, []*raftpb.Message{message(1, 2)})
		if m := <-p.listener.got; m.GetFrom() != 1 || m.GetTo() != 2 {
			t.Errorf("got %v", m)
		}
		if !p.to.Hosts("127.0.0.1") {
			t.Error("a member is not known by its address")
		}
		renewed := &credential.Snapshot{Admin: &credential.Certificate{Fingerprint: fmt.Sprint(i)}, Authorities: &credential.Authorities{}}
		p.from.CredentialsChanged(renewed) // all is connected anew
		p.to.CredentialsChanged(renewed)
		time.Sleep(10 * time.Millisecond)
	}
	state := strings.Repeat("state", 100_000)
	p.from.SendSnapshot(1, message(1, 2), io.NopCloser(strings.NewReader(state)))
	if got := <-p.listener.states; got != state || !<-p.speaker.sent {
		t.Errorf("a snapshot of %d bytes arrived as %d", len(state), len(got))
	}
	for _, broken := range []io.Reader{strings.NewReader("bad"), io.MultiReader(strings.NewReader(strings.Repeat("half", 100_000)), failing{})} {
		p.from.SendSnapshot(1, message(1, 2), io.NopCloser(broken))
		if <-p.speaker.sent {
			t.Error("a snapshot that was not taken up counts as arrived")
		}
		p.quiet(t)
		if len(p.listener.states) > 0 {
			t.Errorf("a snapshot that broke was taken up: %d bytes", len(<-p.listener.states))
		}
	}
}

// quiet waits until the listener serves no snapshot any more.
func (p *two) quiet(t *testing.T) {
	t.Helper()
	p.from.Keep(nil)
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		p.to.mu.Lock()
		n := len(p.to.accepted)
		p.to.mu.Unlock()
		if n == 0 {
			return
		}
	}
	t.Fatal("a connection is served without end")
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errors.New("the disk is gone") }

// TestStrangersAreNotHeard: another authority, a certificate of the instance that
// is no member's, another instance, a newer version, an empty volume, a refusal.
func TestStrangersAreNotHeard(t *testing.T) {
	ca := authority(t)
	member := certificate(t, ca, name)
	for _, tt := range []struct {
		what    string
		speaks  *credential.Snapshot
		listens *credential.Snapshot
		change  func(*two)
		says    string
	}{
		{"another authority", certificate(t, authority(t), name), member, nil, "certificate"},
		{"a certificate of another authority", &credential.Snapshot{Admin: certificate(t, authority(t), name).Admin, Authorities: member.Authorities}, member, nil, "tls: "},
		{"the operator", &credential.Snapshot{Admin: certificate(t, ca, "operator.kv.shop.coffer.dev").Admin, Authorities: member.Authorities}, member, nil, "tls: bad certificate"},
		{"a server that is no member", member, certificate(t, ca, "kv.shop.svc"), nil, "not " + name},
		{"another instance", member, member, func(p *two) { p.from.opts.Instance = "shop/other" }, `refuses: is of instance "shop/other", this member of "shop/kv"`},
		{"an empty volume", member, member, func(p *two) { p.listener.welcome = Welcome{Blank: true} }, "its volume is empty"},
		{"a refusal", member, member, func(p *two) { p.listener.welcome = Welcome{Refused: "the member is starting"} }, "refuses: the member is starting"},
	} {
		t.Run(tt.what, func(t *testing.T) {
			p := connect(t, tt.speaks, tt.listens, nil)
			if tt.change != nil {
				tt.change(p)
			}
			p.wantProblem(t, tt.says)
		})
	}
}

// TestLiarsAreCutOff: who announces more than there may be, speaks for another
// member, or says nothing that can be read.
func TestLiarsAreCutOff(t *testing.T) {
	ca := authority(t)
	member := certificate(t, ca, name)
	p := connect(t, member, member, nil)
	large := message(1, 2)
	large.Context = make([]byte, 1<<20)
	greeting := []byte(`{"version":1,"instance":"shop/kv","from":1,"to":2,"purpose":"messages"}`)
	for what, frames := range map[string][][]byte{
		"a greeting that is none":  {[]byte("hello")},
		"a greeting without end":   {bytes.Repeat([]byte("x"), maxGreeting+1)},
		"not a message":            {greeting, {0xff, 0xff, 0xff}},
		"another member's message": {greeting, marshal(t, message(3, 2))},
		"a message for another":    {greeting, marshal(t, message(1, 3))},
		"a message too large":      {greeting, marshal(t, large)},
	} {
		raw, err := tls.Dial("tcp", p.address, p.from.clientTLS())
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range frames {
			head := binary.BigEndian.AppendUint32(nil, uint32(len(f)))
			_, _ = raw.Write(append(head, f...)) // it may be cut off already
		}
		_ = raw.SetReadDeadline(time.Now().Add(20 * time.Second))
		var timeout net.Error
		if _, err := io.Copy(io.Discard, raw); errors.As(err, &timeout) && timeout.Timeout() {
			t.Errorf("%s: the connection stays", what)
		}
		if len(p.listener.got) > 0 {
			t.Errorf("%s: was taken", what)
		}
		_ = raw.Close()
	}
}

// TestConnectionsStayUnderTheSameCertificates: users and queues change often, and
// what is on its way between members is not to be cut off by it.
func TestConnectionsStayUnderTheSameCertificates(t *testing.T) {
	ca := authority(t)
	member := certificate(t, ca, name)
	p := connect(t, member, member, nil)
	p.from.Send(1, []*raftpb.Message{message(1, 2)})
	<-p.listener.got
	conn := p.from.links[2].conn
	p.from.CredentialsChanged(member)
	p.to.CredentialsChanged(member)
	p.from.Send(1, []*raftpb.Message{message(1, 2)})
	<-p.listener.got
	p.from.links[2].mu.Lock()
	defer p.from.links[2].mu.Unlock()
	if p.from.links[2].conn != conn || p.speaker.lost() > 0 {
		t.Error("the connection was made anew")
	}
}

// TestALinkEnds with the member that it leads to.
func TestALinkEnds(t *testing.T) {
	ca := authority(t)
	member := certificate(t, ca, name)
	p := connect(t, member, member, nil)
	p.from.Send(1, []*raftpb.Message{message(1, 2)})
	<-p.listener.got
	p.from.Keep(map[uint64]bool{3: true})
	ended := make(chan struct{})
	go func() { p.from.wg.Wait(); close(ended) }()
	select {
	case <-ended:
	case <-time.After(20 * time.Second):
		t.Error("what sent to a member that was taken out goes on")
	}
}

// TestStrangersTakeNoPlaceOfMembers, however many connect and say nothing.
func TestStrangersTakeNoPlaceOfMembers(t *testing.T) {
	ca := authority(t)
	member := certificate(t, ca, name)
	p := connect(t, member, member, nil)
	for range 2 * maxStrangers {
		conn, err := net.Dial("tcp", p.address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
	}
	p.from.Send(1, []*raftpb.Message{message(1, 2)})
	<-p.listener.got
	p.to.mu.Lock()
	defer p.to.mu.Unlock()
	if n := len(p.to.accepted); n > maxStrangers+1 {
		t.Errorf("%d connections are held", n)
	}
}

func marshal(t *testing.T, m *raftpb.Message) []byte {
	t.Helper()
	data, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
