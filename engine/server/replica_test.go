package server

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/coffer-dev/coffer/engine/acl"
	"github.com/coffer-dev/coffer/engine/config"
)

// replica is a port beside the fixture's, on the same state, whose reads may be
// stale.
func (f *fixture) replica(t *testing.T) *fixture {
	t.Helper()
	other := &fixture{executor: f.executor, audit: f.audit, password: f.password}
	other.credentials.Store(f.credentials.Load())
	opts := f.opts
	opts.Replica, opts.Beside, opts.Credentials = true, f.Server, other.credentials.Load
	opts.Facts = func() Facts {
		return Facts{Role: "follower", AppliedIndex: 9, Replica: ReplicaFacts{LeaderHost: "kv-1", LeaderPort: 6379, Connected: true, Age: 1}}
	}
	other.Server = New(opts)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	other.addr = l.Addr().String()
	served := make(chan error, 1)
	go func() { served <- other.Serve(l) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := other.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return other
}

// written is how many entries there are.
func (m *memory) written() uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.index
}

const readOnly = "-READONLY You can't write against a read only replica.\r\n"

// TestAReplicaTakesNoWrites, however they come; and shows what there is.
func TestAReplicaTakesNoWrites(t *testing.T) {
	f := start(t)
	c, r := f.login(t)
	exchange(t, c, r, "SET k v\r\nRPUSH l a\r\nXADD x 1-1 f v\r\nSCRIPT LOAD \"return redis.call('get', KEYS[1])\"\r\n",
		"+OK\r\n:1\r\n$3\r\n1-1\r\n$40\r\n4e6d8fc8bb01276962cce5371fa795a7763657ae\r\n")
	before := f.executor.written()
	c, r = f.replica(t).login(t)
	exchange(t, c, r, "GET k\r\nLRANGE l 0 -1\r\nEVALSHA 4e6d8fc8bb01276962cce5371fa795a7763657ae 1 k\r\nEVAL \"return redis.call('get', KEYS[1])\" 1 k\r\n",
		"$1\r\nv\r\n*1\r\n$1\r\na\r\n$1\r\nv\r\n$1\r\nv\r\n")
	for _, write := range []string{
		"SET k w", "DEL k", "BLPOP l 0", "BLMOVE l m LEFT LEFT 0", "GETEX k PERSIST", "EXPIRE k 9", "XDEL x 1-1",
		"SCRIPT LOAD \"return 1\"", "SCRIPT FLUSH", "FLUSHALL", "PUBLISH c m", "SPUBLISH c m",
	} {
		exchange(t, c, r, write+"\r\n", readOnly)
	}
	exchange(t, c, r, "EVAL \"return redis.pcall('set', KEYS[1], 'w')\" 1 k\r\n", readOnly)
	exchange(t, c, r, "EVAL \"return redis.pcall('publish', 'c', 'm')\" 0\r\n", readOnly)
	exchange(t, c, r, "EVAL \"#!lua\\nreturn redis.call('get', KEYS[1])\" 1 k\r\n", readOnly)
	exchange(t, c, r, "EVAL \"#!lua flags=no-writes\\nreturn redis.call('get', KEYS[1])\" 1 k\r\n", "$1\r\nv\r\n")
	exchange(t, c, r, "MULTI\r\nGET k\r\nSET k w\r\nEXEC\r\n", "+OK\r\n+QUEUED\r\n"+readOnly+"-EXECABORT Transaction discarded because of previous errors.\r\n")
	exchange(t, c, r, "WATCH k\r\nMULTI\r\nGET k\r\nEVAL \"return redis.pcall('del', KEYS[1])\" 1 k\r\nEXEC\r\n",
		"+OK\r\n+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n$1\r\nv\r\n"+readOnly)
	exchange(t, c, r, "SUBSCRIBE c\r\n", "-"+"ERR messages do not pass the port for reads that may be stale: subscribe at the port for reads and writes\r\n")
	exchange(t, c, r, "UNSUBSCRIBE c\r\n", "*3\r\n$11\r\nunsubscribe\r\n$1\r\nc\r\n:0\r\n")
	exchange(t, c, r, "GET k\r\nLLEN l\r\n", "$1\r\nv\r\n:1\r\n")
	if after := f.executor.written(); after != before {
		t.Errorf("%d writes at a port that takes none", after-before)
	}
}

// TestAReplicaSaysWhatItIs to clients that look for it.
func TestAReplicaSaysWhatItIs(t *testing.T) {
	f := start(t)
	c, r := f.login(t)
	exchange(t, c, r, "READONLY\r\nREADWRITE\r\n", strings.Repeat("-ERR This instance has cluster support disabled\r\n", 2))
	exchange(t, c, r, "ROLE\r\n", "*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n")
	c, r = f.replica(t).login(t)
	exchange(t, c, r, "READONLY\r\n", "+OK\r\n")
	exchange(t, c, r, "READWRITE\r\n", "-ERR this port has reads that may be stale alone: connect to the port for reads and writes\r\n")
	exchange(t, c, r, "ROLE\r\n", "*5\r\n$5\r\nslave\r\n$4\r\nkv-1\r\n:6379\r\n$9\r\nconnected\r\n:9\r\n")
	fmt.Fprint(c, "HELLO\r\n")
	if hello := until(t, r, "modules"); !strings.Contains(hello, "role\r\n$7\r\nreplica") {
		t.Errorf("HELLO: %q", hello)
	}
	exchange(t, c, r, "", "\r\n*0\r\n")
	fmt.Fprint(c, "INFO replication\r\n")
	if info := until(t, r, "coffer_role:follower"); !strings.Contains(info, "role:slave\r\nmaster_host:kv-1\r\nmaster_port:6379\r\nmaster_link_status:up\r\nmaster_last_io_seconds_ago:1\r\n") {
		t.Errorf("INFO: %q", info)
	}
}

// until reads up to a text.
func until(t *testing.T, r *bufio.Reader, text string) string {
	t.Helper()
	var b strings.Builder
	for !strings.HasSuffix(b.String(), text) {
		c, err := r.ReadByte()
		if err != nil {
			t.Fatalf("%v behind %q", err, b.String())
		}
		b.WriteByte(c)
	}
	return b.String()
}

// TestAReplicaHoldsToTheSamePermissions, quotas and users as the other port.
func TestAReplicaHoldsToTheSamePermissions(t *testing.T) {
	f := start(t)
	quota := acl.Quota{Connections: 1}
	f.users(t, user("desk", func(u *acl.User) { u.Keys = []string{"desk:*"} }), user("one", func(u *acl.User) { u.Quota = &quota }))
	reads := f.replica(t)
	c, r := reads.as(t, "desk")
	exchange(t, c, r, "GET desk:a\r\n", "$-1\r\n")
	const denied = "-NOPERM this user has no permissions to access one of the keys used as arguments: see AccessToken shop/desk\r\n"
	exchange(t, c, r, "GET other\r\n", denied)
	exchange(t, c, r, "SET other v\r\n", denied) // before it is a write
	f.as(t, "one")
	d, dr := reads.dial(t)
	exchange(t, d, dr, "AUTH one one\r\n", "-ERR max number of clients reached for this user (quota.connections: 1): see AccessToken shop/one\r\n")
	if n := reads.Stats().Sessions; len(n) != 1 || len(reads.Stats().Users) > 0 {
		t.Errorf("sessions %v, users %v, want desk's, and the users told by the other port", n, reads.Stats().Users)
	}
	reads.users(t, user("one"))
	reads.CredentialsChanged(reads.credentials.Load())
	_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
	wantClosed(t, r)
}

// TestBuffersOfBothPortsAreBounded together: the port whose clients keep more
// closes one, whoever was the last to come.
func TestBuffersOfBothPortsAreBounded(t *testing.T) {
	f := start(t, func(l *config.Limits) { l.MaxClientBufferBytes = 8 << 20 })
	reads := f.replica(t)
	half := func(c net.Conn, bytes int) {
		fmt.Fprintf(c, "*2\r\n$4\r\nECHO\r\n$%d\r\n%s", 2*bytes, strings.Repeat("x", bytes))
	}
	large, largeReader := reads.login(t)
	half(large, 6<<20)
	for end := time.Now().Add(20 * time.Second); reads.Stats().Buffered < 6<<20; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%+v", reads.Stats())
		}
	}
	small, smallReader := f.login(t)
	half(small, 3<<20)
	_ = large.SetReadDeadline(time.Now().Add(20 * time.Second))
	wantClosed(t, largeReader)
	exchange(t, small, smallReader, strings.Repeat("x", 3<<20)+"\r\n", fmt.Sprintf("$%d\r\n%s\r\n", 6<<20, strings.Repeat("x", 6<<20)))
	if r, k := reads.Stats(), f.Stats(); r.Shed != 1 || k.Shed != 0 {
		t.Errorf("%d were closed at the port that keeps more, %d at the other", r.Shed, k.Shed)
	}
}
