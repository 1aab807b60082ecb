package differential

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/coffer-dev/coffer/test/fixture/redisserver"
)

// redis is a connection to a redis-server that belongs to the test.
type redis struct {
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader
}

// startRedis starts a redis-server, reachable by a unix
// socket only, and connects to it in the given protocol.
func startRedis(t *testing.T, proto int, flags ...string) *redis {
	t.Helper()
	dir := t.TempDir()
	socket := filepath.Join(dir, "s")
	r := &redis{t: t}
	connect := func() (err error) {
		r.conn, err = net.Dial("unix", socket)
		return err
	}
	redisserver.Start(t, dir, connect, append([]string{"--unixsocket", socket}, flags...)...)
	t.Cleanup(func() { r.conn.Close() })
	r.in = bufio.NewReaderSize(r.conn, 1<<16)
	if proto == 3 {
		r.do(args("HELLO", "3"))
	}
	return r
}

// do sends one command and returns the raw bytes of its reply.
func (r *redis) do(argv [][]byte) []byte {
	r.t.Helper()
	r.send(argv)
	return r.receive(argv)
}

// receive is the reply to what was sent.
func (r *redis) receive(argv [][]byte) []byte {
	r.t.Helper()
	raw, err := readRaw(r.in, nil)
	if err != nil {
		r.t.Fatalf("reply to %q: %v", argv, err)
	}
	return raw
}

// readRaw reads one value in RESP2 or RESP3 and appends its bytes to dst.
func readRaw(in *bufio.Reader, dst []byte) ([]byte, error) {
	line, err := in.ReadBytes('\n')
	if err != nil {
		return nil, err
	}
	dst = append(dst, line...)
	n, _ := strconv.Atoi(strings.TrimSpace(string(line[1:])))
	switch line[0] {
	case '$', '=':
		if n < 0 {
			return dst, nil
		}
		body := make([]byte, n+2)
		_, err := io.ReadFull(in, body)
		return append(dst, body...), err
	case '*', '~', '%', '>', '|':
		switch line[0] {
		case '%':
			n *= 2
		case '|': // and the value that it is told of
			n = 2*n + 1
		}
		for range max(n, 0) {
			if dst, err = readRaw(in, dst); err != nil {
				return nil, err
			}
		}
	}
	return dst, nil
}

// elements splits an array, set or map into the raw bytes of its elements, a
// map into keys and values in turn.
func elements(raw []byte) []string {
	in := bufio.NewReader(bytes.NewReader(raw))
	line, _ := in.ReadString('\n')
	if line == "" || !strings.ContainsRune("*~%", rune(line[0])) {
		return nil
	}
	n, _ := strconv.Atoi(strings.TrimSpace(line[1:]))
	if line[0] == '%' {
		n *= 2
	}
	var out []string
	for range max(n, 0) {
		e, err := readRaw(in, nil)
		if err != nil {
			return nil
		}
		out = append(out, string(e))
	}
	return out
}

func args(words ...string) [][]byte {
	argv := make([][]byte, len(words))
	for i, w := range words {
		argv[i] = []byte(w)
	}
	return argv
}
