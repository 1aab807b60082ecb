package replicated

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"
)

// endpoint is a server that speaks RESP.
type endpoint struct {
	address, password string
	tls               *tls.Config
}

// form is how a write is asked for and acknowledged. Requests are of one length
// and answers too, so that the load costs as little as it can: it has the same
// two processors as the servers.
type form struct {
	request string // with a format verb for the key's number
	// acknowledged says whether an answer is one, which has the length of answer.
	acknowledged func(answer []byte) bool
	answer       int // bytes
}

var (
	value = strings.Repeat("v", valueBytes)
	set   = form{
		request:      "*3\r\n$3\r\nSET\r\n$16\r\nkey:%012d\r\n" + fmt.Sprintf("$%d\r\n%s\r\n", valueBytes, value),
		acknowledged: func(answer []byte) bool { return string(answer) == "+OK\r\n" },
		answer:       len("+OK\r\n"),
	}
	setAndWait = form{
		request: set.request + "*3\r\n$4\r\nWAIT\r\n$1\r\n1\r\n$4\r\n5000\r\n",
		acknowledged: func(answer []byte) bool {
			return string(answer) == "+OK\r\n:1\r\n" || string(answer) == "+OK\r\n:2\r\n"
		},
		answer: len("+OK\r\n:1\r\n"),
	}
)

// dial opens a connection and logs in.
func (e endpoint) dial() (*tls.Conn, error) {
	c, err := tls.Dial("tcp", e.address, e.tls)
	if err != nil {
		return nil, err
	}
	ok := make([]byte, len("+OK\r\n"))
	_, err = fmt.Fprintf(c, "*2\r\n$4\r\nAUTH\r\n$%d\r\n%s\r\n", len(e.password), e.password)
	if err == nil {
		_, err = io.ReadFull(c, ok)
	}
	if err != nil || string(ok) != "+OK\r\n" {
		_ = c.Close()
		return nil, fmt.Errorf("log in to %s: %q %w", e.address, ok, err)
	}
	return c, nil
}

// writer is one connection's load.
type writer struct {
	form
	depth       int
	out, answer []byte
}

// batch writes to random keys, and waits for the acknowledgements.
func (w *writer) batch(c *tls.Conn) error {
	w.out = w.out[:0]
	for range w.depth {
		w.out = fmt.Appendf(w.out, w.request, rand.IntN(keySpace))
	}
	if _, err := c.Write(w.out); err != nil {
		return err
	}
	w.answer = append(w.answer[:0], make([]byte, w.form.answer*w.depth)...)
	if _, err := io.ReadFull(c, w.answer); err != nil {
		return err
	}
	for rest := w.answer; len(rest) > 0; rest = rest[w.form.answer:] {
		if !w.acknowledged(rest[:w.form.answer]) {
			return fmt.Errorf("answered %q", bytes.TrimSpace(rest))
		}
	}
	return nil
}

// connect opens connections that are spread over the endpoints, and returns what
// drives the load on them once.
func connect(b *testing.B, endpoints []endpoint, f form, l load) (drive func(time.Duration) []time.Duration) {
	connections := make([]*tls.Conn, l.connections)
	for i := range connections {
		c, err := endpoints[i%len(endpoints)].dial()
		if err != nil {
			b.Fatal(err)
		}
		connections[i] = c
	}
	return func(d time.Duration) []time.Duration { return write(b, connections, f, l.depth, d) }
}

func write(b *testing.B, connections []*tls.Conn, f form, depth int, d time.Duration) (times []time.Duration) {
	var mu sync.Mutex
	var running sync.WaitGroup
	end := time.Now().Add(d)
	for _, c := range connections {
		running.Go(func() {
			defer c.Close()
			var own []time.Duration
			w := writer{form: f, depth: depth}
			for begin := time.Now(); begin.Before(end); {
				if err := w.batch(c); err != nil {
					b.Error(err)
					return
				}
				now := time.Now()
				own, begin = append(own, now.Sub(begin)), now
			}
			mu.Lock()
			defer mu.Unlock()
			times = append(times, own...)
		})
	}
	running.Wait()
	return times
}
