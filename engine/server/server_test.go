package server

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/coffer-dev/coffer/engine/acl"
	"github.com/coffer-dev/coffer/engine/admission"
	"github.com/coffer-dev/coffer/engine/audit"
	"github.com/coffer-dev/coffer/engine/command"
	"github.com/coffer-dev/coffer/engine/config"
	"github.com/coffer-dev/coffer/engine/credential"
	"github.com/coffer-dev/coffer/engine/machine"
	"github.com/coffer-dev/coffer/engine/node/dev"
	"github.com/coffer-dev/coffer/engine/reply"
)

// memory is an executor without a log. It notes the size of each batch.
type memory struct {
	mu      sync.Mutex
	machine *machine.Machine
	index   uint64
	batches []int
	needs   []uint16      // the semantics of entries
	hold    chan struct{} // when set, writes wait for it
	holding int           // batches that do
	stopped error
	refusal reply.Reply // of writes, if it is an error
	told    *Server     // of what happens to keys
}

// Look implements Executor.
func (m *memory) Look(items []machine.Item) error { return m.Read(items) }

// Read implements Executor.
func (m *memory) Read(items []machine.Item) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.batches = append(m.batches, len(items))
	m.machine.Read(items, time.Now().UnixMilli())
	return m.stopped
}

// Write implements Executor, in a goroutine as the real one does.
func (m *memory) Write(items []machine.Item, done func(error)) {
	go func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		if hold := m.hold; hold != nil {
			m.holding++
			m.mu.Unlock()
			<-hold
			m.mu.Lock()
		}
		if m.stopped == nil {
			m.index++
			m.batches = append(m.batches, len(items))
			if entry, err := machine.DecodeBatch(machine.AppendBatch(nil, items, 0, 0)); err == nil {
				m.needs = append(m.needs, entry.Semantics)
			}
			m.machine.Apply(m.index, items, time.Now().UnixMilli(), 1)
		}
		for i := range items {
			if items[i].Write && m.refusal.IsError() {
				items[i].Reply = m.refusal
			}
		}
		events, lost := m.machine.Databases().Events()
		changes := m.machine.Databases().Changes()
		m.told.KeyEvents(events, lost)
		m.told.KeysChanged(changes)
		done(m.stopped)
	}()
}

type fixture struct {
	*Server
	executor    *memory
	credentials atomic.Pointer[credential.Snapshot]
	audit       *audit.Log
	stream      gate
	addr        string
	password    string
}

// gate takes audit records, unless the test has it locked.
type gate struct{ sync.Mutex }

func (g *gate) Write(p []byte) (int, error) {
	g.Lock()
	defer g.Unlock()
	return len(p), nil
}

func start(t *testing.T, change ...func(*config.Limits)) *fixture {
	t.Helper()
	dir := t.TempDir()
	c, err := dev.Prepare(dir, dev.Ports{})
	if err != nil {
		t.Fatal(err)
	}
	c.Limits.RequestSeconds = config.DefaultRequestSeconds
	for _, f := range change {
		f(&c.Limits)
	}
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	watcher, err := credential.Open(credential.Paths{Users: c.Files.Users, ClientTLS: c.Files.ClientTLS, AdminTLS: c.Files.AdminTLS}, log)
	if err != nil {
		t.Fatal(err)
	}
	password, err := os.ReadFile(filepath.Join(dir, "password"))
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{executor: &memory{machine: machine.New(command.Parse)}, password: strings.TrimSpace(string(password))}
	f.credentials.Store(watcher.Current())
	if f.audit, err = audit.Open(audit.Options{
		FS: vfs.NewMem(), Dir: "audit", Member: "kv-0", Policy: acl.Audit{Level: acl.AuditNone}, Log: log, Stream: &f.stream,
		IsSecret: func(text string) bool { return f.credentials.Load().Users.Knows(text) },
	}); err != nil {
		t.Fatal(err)
	}
	f.Server = New(Options{
		Audit:  f.audit,
		Limits: c.Limits, Credentials: f.credentials.Load, Executor: f.executor, Facts: func() Facts {
			return Facts{Keys: 3, Databases: []machine.DatabaseStats{{Number: 0, Keys: 2, Expiring: 1, AverageTTL: 900}, {Number: 15, Keys: 1}}}
		}, Log: log,
	})
	f.executor.told = f.Server
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f.addr = l.Addr().String()
	served := make(chan error, 1)
	go func() { served <- f.Serve(l) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := f.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		if err := <-served; err != nil {
			t.Error(err)
		}
		if err := f.audit.Close(); err != nil {
			t.Error(err)
		}
	})
	return f
}

func (f *fixture) dial(t *testing.T) (net.Conn, *bufio.Reader) {
	t.Helper()
	// The test is about what happens within TLS; node's tests verify chains.
	c, err := tls.Dial("tcp", f.addr, &tls.Config{InsecureSkipVerify: true}) //nolint:gosec
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	return c, bufio.NewReader(c)
}

func (f *fixture) login(t *testing.T) (net.Conn, *bufio.Reader) {
	t.Helper()
	c, r := f.dial(t)
	exchange(t, c, r, "AUTH "+f.password+"\r\n", "+OK\r\n")
	return c, r
}

func exchange(t *testing.T, c io.Writer, r io.Reader, send, want string) {
	t.Helper()
	if send != "" { // nothing is a record of TLS too
		if _, err := io.WriteString(c, send); err != nil {
			t.Fatal(err)
		}
	}
	got := make([]byte, len(want))
	n, err := io.ReadFull(r, got)
	if err != nil || string(got) != want {
		t.Fatalf("after %.60q: got %q, %v; want %q", send, got[:n], err, want)
	}
}

// TestWhatAConnectionIsCalledIsBounded, since it is kept.
func TestWhatAConnectionIsCalledIsBounded(t *testing.T) {
	f := start(t)
	c, r := f.login(t)
	fits := strings.Repeat("x", 1024)
	for _, command := range []string{"CLIENT SETNAME ", "CLIENT SETINFO LIB-NAME ", "CLIENT SETINFO LIB-VER ", "HELLO 2 SETNAME "} {
		exchange(t, c, r, command+fits+"x\r\n", "-ERR the names of a connection and of its library, and its version, may have 1024 bytes each: use shorter ones\r\n")
	}
	exchange(t, c, r, "CLIENT GETNAME\r\nCLIENT SETNAME "+fits+"\r\nCLIENT GETNAME\r\n", "$-1\r\n+OK\r\n$1024\r\n"+fits+"\r\n")
}

// TestPipelineIsOneBatch: commands that arrive together are executed together,
// and answered in order also where a command of the connection or an error
// stands between them.
func TestPipelineIsOneBatch(t *testing.T) {
	f := start(t)
	c, r := f.login(t)
	exchange(t, c, r, "SET a 1\r\nINCR a\r\nGET a\r\nPING\r\nNOSUCH\r\nINCR a\r\nGET\r\nGET a\r\n",
		"+OK\r\n:2\r\n$1\r\n2\r\n+PONG\r\n-ERR unknown command 'NOSUCH', with args beginning with: \r\n:3\r\n-ERR wrong number of arguments for 'get' command\r\n$1\r\n3\r\n")
	f.executor.mu.Lock()
	defer f.executor.mu.Unlock()
	if got := fmt.Sprint(f.executor.batches); got != "[3 1 1]" {
		t.Errorf("batches %s", got)
	}
}

// TestHeavyCommandsRunAlone: of commands whose work or reply grows with the
// data a client could pipeline a thousand, held against everybody else at once.
func TestHeavyCommandsRunAlone(t *testing.T) {
	f := start(t)
	c, r := f.login(t)
	exchange(t, c, r, "SADD s a\r\nSCARD s\r\nSMEMBERS s\r\nKEYS s\r\nSETRANGE r 1 x\r\nSETRANGE r 0 y\r\nGET r\r\nSTRLEN r\r\n",
		":1\r\n:1\r\n*1\r\n$1\r\na\r\n*1\r\n$1\r\ns\r\n:2\r\n:2\r\n$2\r\nyx\r\n:2\r\n")
	f.executor.mu.Lock()
	defer f.executor.mu.Unlock()
	if got := fmt.Sprint(f.executor.batches); got != "[2 1 1 1 1 2]" {
		t.Errorf("batches %s", got)
	}
}

// TestPipelinedBehindAuth: what follows AUTH in the same packet is served, under
// the limits of an authenticated client.
func TestPipelinedBehindAuth(t *testing.T) {
	f := start(t)
	c, r := f.dial(t)
	value := strings.Repeat("x", 100<<10)
	exchange(t, c, r, fmt.Sprintf("*2\r\n$4\r\nAUTH\r\n$64\r\n%s\r\n*3\r\n$3\r\nSET\r\n$1\r\na\r\n$%d\r\n%s\r\nSTRLEN\r\n", f.password, len(value), value), "+OK\r\n+OK\r\n-ERR")
}

// TestHalfARequestDoesNotHoldTheOthersBack: complete requests are answered
// although another has begun behind them.
func TestHalfARequestDoesNotHoldTheOthersBack(t *testing.T) {
	f := start(t)
	c, r := f.login(t)
	exchange(t, c, r, "PING\r\n*2\r\n$4\r\nEC", "+PONG\r\n")
	exchange(t, c, r, "HO\r\n$2\r\nhi\r\n", "$2\r\nhi\r\n")
}

// TestResetIsUnauthenticated: behind RESET the limits are those of a stranger,
// and so is the time to authenticate.
func TestResetIsUnauthenticated(t *testing.T) {
	f := start(t, func(l *config.Limits) { l.AuthenticateSeconds = 1 })
	c, r := f.login(t)
	exchange(t, c, r, "RESET\r\n", "+RESET\r\n")
	exchange(t, c, r, "*17\r\n", "-ERR Protocol error: unauthenticated multibulk length\r\n")
	wantClosed(t, r)
	c, r = f.login(t)
	exchange(t, c, r, "RESET\r\n", "+RESET\r\n")
	wantClosed(t, r)
}

// wantClosed waits for the other side to close.
func wantClosed(t *testing.T, r *bufio.Reader) {
	t.Helper()
	if n, err := r.Discard(1); !errors.Is(err, io.EOF) {
		t.Errorf("read %d bytes, %v; want the end", n, err)
	}
}

// TestSilenceBeforeTheHandshake: who connects and says nothing is let go of.
func TestSilenceBeforeTheHandshake(t *testing.T) {
	f := start(t, func(l *config.Limits) { l.HandshakeSeconds = 1 })
	c, err := net.Dial("tcp", f.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	wantClosed(t, bufio.NewReader(c))
}

// TestGuessingIsSlowedDown: TestThrottle says when, this that it is felt.
func TestGuessingIsSlowedDown(t *testing.T) {
	f := start(t)
	c, r := f.dial(t)
	const wrong = "-WRONGPASS invalid username-password pair or user is disabled.\r\n"
	for range admission.FreeFailures {
		exchange(t, c, r, "AUTH wrong\r\n", wrong)
	}
	begin := time.Now()
	exchange(t, c, r, "AUTH wrong\r\n", wrong)
	if took := time.Since(begin); took < admission.FailureDelay {
		t.Errorf("the guess after %d wrong ones was answered after %v", admission.FreeFailures, took)
	}
}

func TestOutputLimit(t *testing.T) {
	f := start(t, func(l *config.Limits) { l.MaxOutputBytes = 64 << 10 })
	c, r := f.login(t)
	value := strings.Repeat("x", 70<<10)
	exchange(t, c, r, fmt.Sprintf("*3\r\n$3\r\nSET\r\n$1\r\na\r\n$%d\r\n%s\r\n", len(value), value), "+OK\r\n")
	if _, err := io.WriteString(c, "GET a\r\n"); err != nil {
		t.Fatal(err)
	}
	wantClosed(t, r)
	if got := f.Stats().OutputExceeded; got != 1 {
		t.Errorf("counted %d", got)
	}
}

// TestShutdownFinishesTheCommandAtHand: its reply arrives, then the end.
func TestShutdownFinishesTheCommandAtHand(t *testing.T) {
	f := start(t)
	c, r := f.login(t)
	idle, idleReader := f.login(t)
	defer idle.Close()
	f.executor.mu.Lock()
	f.executor.hold = make(chan struct{})
	f.executor.mu.Unlock()
	if _, err := io.WriteString(c, "SET a 1\r\n"); err != nil {
		t.Fatal(err)
	}
	time.Sleep(50 * time.Millisecond)
	done := make(chan error)
	go func() { done <- f.Shutdown(t.Context()) }()
	if _, err := idleReader.Discard(1); !errors.Is(err, io.EOF) {
		t.Errorf("the idle connection: %v", err)
	}
	close(f.executor.hold)
	exchange(t, c, r, "", "+OK\r\n")
	if _, err := r.Discard(1); !errors.Is(err, io.EOF) {
		t.Errorf("the busy connection: %v", err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestStoppedExecutorEndsTheConnection(t *testing.T) {
	f := start(t)
	c, r := f.login(t)
	f.executor.mu.Lock()
	f.executor.stopped = errors.New("disk gone")
	f.executor.mu.Unlock()
	exchange(t, c, r, "SET a 1\r\n", "-ERR the server is stopping\r\n")
	if _, err := r.Discard(1); !errors.Is(err, io.EOF) {
		t.Errorf("got %v", err)
	}
}

func TestInfoSections(t *testing.T) {
	f := start(t)
	f.login(t) // the loop, which counts, is there
	info := func(names ...string) (text string) {
		f.inLoop(func() { text = f.info(names) })
		return text
	}
	if got, want := info("keyspace"), "# Keyspace\r\ndb0:keys=2,expires=1,avg_ttl=900\r\ndb15:keys=1,expires=0,avg_ttl=0\r\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	all := info()
	for _, want := range []string{"# Server\r\nredis_version:7.2.4\r\n", "\r\n\r\n# Clients\r\n", "# Memory", "# Persistence", "# Stats", "# Replication", "# Keyspace", "# Limits"} {
		if !strings.Contains(all, want) {
			t.Errorf("lacks %q", want)
		}
	}
	if info("everything") == "" || info("nosuch") != "" {
		t.Error("section names")
	}
}

// TestShutdownBeforeServe: a stop that overtakes the start is heeded.
func TestShutdownBeforeServe(t *testing.T) {
	s := New(Options{Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err := s.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Serve(l); err != nil {
		t.Error(err)
	}
}
