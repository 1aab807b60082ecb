package server

import (
	"io"
	"sync/atomic"
	"testing"
	"time"
)

// TestWait answers once enough members have what was written, or the time is up;
// in between others are served, and its connection may end.
func TestWait(t *testing.T) {
	f := start(t)
	var held atomic.Int64
	f.opts.Facts = func() Facts { return Facts{AppliedIndex: 7} }
	f.opts.Held = func(index uint64) int {
		if index != 7 {
			t.Errorf("asked who has entry %d", index)
		}
		return int(held.Load())
	}
	c, r := f.login(t)
	other, otherReader := f.login(t)
	held.Store(1)
	exchange(t, c, r, "WAIT 1 0\r\nWAIT 2 20\r\nWAIT 0 0\r\nMULTI\r\nWAIT 2 0\r\nEXEC\r\n", ":1\r\n:1\r\n:1\r\n+OK\r\n+QUEUED\r\n*1\r\n:1\r\n")
	for _, end := range []struct{ cause, answer string }{{"TIMEOUT", ":1\r\n"}, {"ERROR", "-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n"}} {
		_, _ = io.WriteString(c, "WAIT 2 0\r\nPING\r\n")
		waitFor(t, other, otherReader, "CLIENT LIST ID 1", " flags=b .* cmd=wait ")
		exchange(t, other, otherReader, "CLIENT UNBLOCK 1 "+end.cause+"\r\n", ":1\r\n")
		exchange(t, c, r, "", end.answer+"+PONG\r\n")
	}
	_, _ = io.WriteString(c, "WAIT 2 0\r\nPING\r\n")
	waitFor(t, other, otherReader, "CLIENT LIST ID 1", " flags=b ")
	held.Store(2)
	exchange(t, c, r, "", ":2\r\n+PONG\r\n")
	exchange(t, c, r, "CLIENT REPLY SKIP\r\nWAIT 3 1\r\nPING\r\n", "+PONG\r\n")
	_, _ = io.WriteString(c, "WAIT 3 0\r\n")
	waitFor(t, other, otherReader, "CLIENT LIST ID 1", " flags=b ")
	_ = c.Close()
	waitFor(t, other, otherReader, "CLIENT LIST ID 1", "^$")
	for range 100 {
		if f.parked.Load() == 0 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("%d wait", f.parked.Load())
}
