package server

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/coffer-dev/coffer/engine/acl"
	"github.com/coffer-dev/coffer/engine/config"
)

// TestClientBuffersAreBounded: all together, of requests that have not arrived
// whole and of replies that nobody takes; the largest goes, the others stay.
func TestClientBuffersAreBounded(t *testing.T) {
	t.Parallel() // it waits for what is counted to be told
	f := start(t, func(l *config.Limits) { l.MaxClientBufferBytes = 8 << 20 })
	f.audit.SetPolicy(acl.Audit{Level: acl.AuditDenied, RetentionSeconds: 3600})
	small, smallReader := f.login(t)
	exchange(t, small, smallReader, "*2\r\n$4\r\nECHO\r\n$2000000\r\n"+strings.Repeat("x", 1<<20), "")
	large, largeReader := f.login(t)
	_ = large.SetWriteDeadline(time.Now().Add(20 * time.Second))
	_, _ = io.WriteString(large, "*2\r\n$4\r\nECHO\r\n$20000000\r\n"+strings.Repeat("x", 12<<20))
	if _, err := largeReader.ReadByte(); err == nil {
		t.Error("the largest request was answered")
	}
	// Replies that nobody takes: GET after GET of a megabyte.
	exchange(t, small, smallReader, strings.Repeat("x", 2_000_000-1<<20)+"\r\n", "$2000000\r\n"+strings.Repeat("x", 2_000_000)+"\r\n")
	value := strings.Repeat("y", 1<<20)
	exchange(t, small, smallReader, fmt.Sprintf("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$%d\r\n%s\r\n", len(value), value), "+OK\r\n")
	deaf, _ := f.login(t)
	if _, err := io.WriteString(deaf, strings.Repeat("GET k\r\n", 50)); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(20 * time.Second); f.Stats().Shed < 2; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%+v", f.Stats())
		}
	}
	exchange(t, small, smallReader, "PING\r\n", "+PONG\r\n")
	if st := f.Stats(); st.Buffered > 8<<20 || st.Shed != 2 || st.Connections != 1 {
		t.Errorf("%+v", st)
	}
	if got := f.records(t, 1)[0]; got.Operation != "connect" || got.Reason != "limits.maxClientBufferBytes" || got.Count != 2 {
		t.Errorf("%+v", got)
	}
}

// TestBuffersAreCountedToNothing: what is counted in is counted out.
func TestBuffersAreCountedToNothing(t *testing.T) {
	f := start(t)
	for range 3 {
		c, r := f.login(t)
		exchange(t, c, r, "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$100000\r\n"+strings.Repeat("x", 50_000), "")
		if f.Stats().Buffered == 0 {
			time.Sleep(50 * time.Millisecond)
		}
		exchange(t, c, r, strings.Repeat("x", 50_000)+"\r\nSTRLEN a\r\n", "+OK\r\n:100000\r\n")
		c.Close()
	}
	for end := time.Now().Add(20 * time.Second); f.Stats().Buffered != 0; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d bytes are counted of nobody's buffers", f.Stats().Buffered)
		}
	}
}

// TestARequestThatDoesNotComeOn is not waited for; one that does, and a client
// that asks for nothing, are.
func TestARequestThatDoesNotComeOn(t *testing.T) {
	f := start(t, func(l *config.Limits) { l.RequestSeconds = 2 })
	idle, idleReader := f.login(t)
	trickle, trickleReader := f.login(t)
	long, longReader := f.login(t)
	// It comes on until the other is closed and behind it, without a pause.
	size, chunk := 24*writeChunk, strings.Repeat("x", writeChunk)
	whole := fmt.Sprintf("$%d\r\n%s\r\n", size, strings.Repeat(chunk, 24))
	exchange(t, long, longReader, fmt.Sprintf("*2\r\n$4\r\nECHO\r\n$%d\r\n", size), "")
	begin := time.Now()
	closed := make(chan error, 1)
	go func() {
		_, err := trickleReader.ReadByte()
		closed <- err
	}()
	sent := 0
	for open := true; open; {
		_, _ = io.WriteString(trickle, "*1")
		if sent+writeChunk < size {
			exchange(t, long, longReader, chunk, "")
			sent += writeChunk
		}
		select {
		case err := <-closed:
			if err == nil {
				t.Error("half a request was answered")
			}
			open = false
		case <-time.After(100 * time.Millisecond):
		}
	}
	if took := time.Since(begin); took < 2*time.Second {
		t.Errorf("it was closed after %v", took)
	}
	for ; sent < size; sent += writeChunk {
		exchange(t, long, longReader, chunk, "")
	}
	exchange(t, long, longReader, "\r\n", whole)
	exchange(t, idle, idleReader, "PING\r\n", "+PONG\r\n")
	if got := f.Stats().Slow; got != 1 {
		t.Errorf("counted %d", got)
	}
}

// TestMessagesCountForAllWhoListen: one message to many who do not take it may
// not take more memory than all clients together have.
func TestMessagesCountForAllWhoListen(t *testing.T) {
	const limit, size, listeners = 8 << 20, 2 << 20, 20
	f := start(t, func(l *config.Limits) { l.MaxClientBufferBytes = limit })
	for range listeners {
		c, r := f.login(t)
		exchange(t, c, r, "SUBSCRIBE flood\r\n", subscribedTo("flood", 1))
	}
	p, pr := f.login(t)
	exchange(t, p, pr, fmt.Sprintf("*3\r\n$7\r\nPUBLISH\r\n$5\r\nflood\r\n$%d\r\n%s\r\n", size, strings.Repeat("x", size)), fmt.Sprintf(":%d\r\n", listeners))
	if st := f.Stats(); st.Shed < listeners-limit/size || st.Buffered > limit {
		t.Errorf("%+v", st)
	}
}

// TestWhatIsKeptOfAConnectionCounts: its subscriptions, and arguments without a
// byte too.
func TestWhatIsKeptOfAConnectionCounts(t *testing.T) {
	f := start(t)
	hold := make(chan struct{})
	defer close(hold)
	f.executor.hold = hold
	eventually := func(what string, bytes int64) {
		t.Helper()
		for end := time.Now().Add(10 * time.Second); f.Stats().Buffered < bytes; time.Sleep(5 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%s: %d bytes are counted", what, f.Stats().Buffered)
			}
		}
	}
	c, r := f.login(t)
	for i := range 1000 {
		exchange(t, c, r, fmt.Sprintf("SUBSCRIBE %d\r\n", i), subscribedTo(fmt.Sprint(i), i+1))
	}
	eventually("subscriptions", 1000*subscriptionCost)
	empty, emptyReader := f.login(t)
	const arguments = 200_000
	exchange(t, empty, emptyReader, fmt.Sprintf("*%d\r\n$3\r\nDEL\r\n", arguments+1)+strings.Repeat("$0\r\n\r\n", arguments), "")
	eventually("arguments", 1000*subscriptionCost+arguments*argumentCost)
}
