package differential

import (
	"bufio"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coffer-dev/coffer/engine/config"
	"github.com/coffer-dev/coffer/engine/node"
	"github.com/coffer-dev/coffer/test/fixture/redisserver"
	"github.com/coffer-dev/coffer/test/fixture/replicas"
)

// startRedisReplica starts a redis-server and a replica of it, and connects to
// both.
func startRedisReplica(t *testing.T) (master, replica *redis) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String()) // of TCP: it has one
	_ = l.Close()
	dial := func(more ...string) *redis {
		dir := t.TempDir()
		socket, r := filepath.Join(dir, "s"), &redis{t: t}
		redisserver.Start(t, dir, func() (err error) {
			r.conn, err = net.Dial("unix", socket)
			return err
		}, append([]string{"--unixsocket", socket}, more...)...)
		t.Cleanup(func() { _ = r.conn.Close() })
		r.in = bufio.NewReader(r.conn)
		return r
	}
	return dial("--port", port), dial("--replicaof", "127.0.0.1 "+port)
}

// startMember starts a member and connects to its port for reads and writes, and
// to that for reads that may be stale.
func startMember(t *testing.T) (writes, reads *redis) {
	t.Helper()
	g := replicas.New(t, 1, func(c config.Config, name string) (replicas.Member, error) {
		return node.Start(node.Options{Config: c, Member: name, Version: "test", Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	})
	g.Form()
	dial := func(address string) *redis {
		conn, err := tls.Dial("tcp", address, g.TLS())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		r := &redis{t: t, conn: conn, in: bufio.NewReader(conn)}
		r.do(args("AUTH", g.Password()))
		return r
	}
	return dial(g.Configs[0].Listen.Keys), dial(g.Configs[0].Listen.Reads)
}

// TestReplica: the port for reads that may be stale answers as a replica of
// redis-server does, but for messages, which pass that one.
func TestReplica(t *testing.T) {
	master, theirs := startRedisReplica(t)
	writes, ours := startMember(t)
	for _, c := range []string{"SET k v", "RPUSH l a b", "XADD x 1-1 f v"} {
		master.do(args(strings.Fields(c)...))
		writes.do(args(strings.Fields(c)...))
	}
	for _, r := range []*redis{theirs, ours} {
		for end := time.Now().Add(20 * time.Second); string(r.do(args("EXISTS", "x"))) != ":1\r\n"; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatal("the writes never arrive")
			}
		}
	}
	for _, c := range []string{
		"GET k", "SET k w", "SET k", "LRANGE l 0 -1", "BLPOP l 0", "LMOVE l m LEFT LEFT", "XREAD STREAMS x 0", "EXPIRE k 10", "FLUSHALL",
		"WATCH k", "MULTI", "GET k", "STRLEN k", "EXEC", "MULTI", "SET k w", "GET k", "EXEC", "UNWATCH", "PING", "ECHO hi", "READWRITE x",
		"EVAL return|redis.call('get',KEYS[1]) 1 k", "EVAL return|redis.call('set',KEYS[1],'w') 1 k", "EVAL return|redis.pcall('set',KEYS[1],'w') 1 k",
		"EVAL_RO return|redis.call('set',KEYS[1],'w') 1 k", "EVAL_RO return|redis.call('get',KEYS[1]) 1 k",
		"EVAL #!lua\nreturn|1 0", "EVAL #!lua|flags=no-writes\nreturn|1 0", "EVALSHA 0000000000000000000000000000000000000000 0",
	} {
		argv := strings.Split(c, " ")
		for i := range argv {
			argv[i] = strings.ReplaceAll(argv[i], "|", " ")
		}
		if got, want := ours.do(args(argv...)), theirs.do(args(argv...)); string(got) != string(want) {
			t.Errorf("%q: %q, redis-server's replica says %q", argv, got, want)
		}
	}
}
