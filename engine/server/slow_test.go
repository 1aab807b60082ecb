package server

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/coffer-dev/coffer/engine/command"
)

// TestSlowlogShowsNoValues, but the command, its keys and how long the rest is.
func TestSlowlogShowsNoValues(t *testing.T) {
	f := start(t)
	f.slowAfter = 0
	c, r := f.login(t)
	long := strings.Repeat("k", 130)
	for _, line := range []string{"CLIENT SETNAME me", "SLOWLOG RESET", "SETRANGE k1 0 hidden-value", "LRANGE " + long + " 0 -1", `EVAL "return 'hidden-value'" 1 k2 hidden-value`,
		"MULTI", "SMEMBERS k3", "EXEC", "MGET" + strings.Repeat(" k4", 70), "GET k5", "SET k6 hidden-value", "OBJECT ENCODING k7", "AUTH hidden-value"} {
		_, _ = fmt.Fprintf(c, "%s\r\n", line)
		if _, err := r.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	_, _ = io.WriteString(c, "SLOWLOG GET -1\r\nQUIT\r\n")
	all, _ := io.ReadAll(r)
	text := plain(string(all))
	if strings.Contains(text, "hidden-value") || strings.Contains(text, "k5") || strings.Contains(text, "k6") || strings.Contains(text, "AUTH") {
		t.Errorf("it shows what it must not: %q", text)
	}
	for _, want := range []string{" SETRANGE k1 (1 bytes) (12 bytes) 127.0.0.1:", " LRANGE " + long[:128] + "... (2 more bytes) (1 bytes) (2 bytes) ", " EVAL (21 bytes) (1 bytes) k2 (12 bytes) ",
		" SMEMBERS k3 ", strings.Repeat("k4 ", 30) + "... (40 more arguments) ", " OBJECT ENCODING k7 ", c.LocalAddr().String() + " me "} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing from %q", want, text)
		}
	}
}

// TestWhatIsFastIsNotSlow.
func TestWhatIsFastIsNotSlow(t *testing.T) {
	f := start(t)
	f.slowAfter = time.Hour
	c, r := f.login(t)
	exchange(t, c, r, "SMEMBERS s\r\nSLOWLOG LEN\r\n", "*0\r\n:0\r\n")
}

// TestSlowlogIsBounded, and numbers go on.
func TestSlowlogIsBounded(t *testing.T) {
	var s slow
	for range 3 * maxSlow {
		s.add(command.SlowCall{})
	}
	if len(s.calls) != maxSlow || s.calls[0].ID != 3*maxSlow-1 {
		t.Errorf("%d calls, the last is %d", len(s.calls), s.calls[0].ID)
	}
}

// TestMemoryUsage is what the data count for, and not for scripts.
func TestMemoryUsage(t *testing.T) {
	f := start(t)
	c, r := f.login(t)
	value := strings.Repeat("x", 5000)
	exchange(t, c, r, "MEMORY USAGE k\r\nSET k "+value+"\r\n", "$-1\r\n+OK\r\n")
	_, _ = io.WriteString(c, "MEMORY USAGE k SAMPLES 0\r\n")
	var n int64
	_, err := fmt.Fscanf(r, ":%d\r\n", &n)
	f.executor.mu.Lock()
	all := f.executor.machine.Bytes()
	f.executor.mu.Unlock()
	if err != nil || n < 5000 || n > all {
		t.Errorf("%d, %v; all data take %d", n, err, all)
	}
	_, _ = io.WriteString(c, "EVAL \"return redis.call('memory', 'usage', KEYS[1])\" 1 k\r\nMEMORY DOCTOR\r\nMEMORY STATS\r\nQUIT\r\n")
	text, _ := io.ReadAll(r)
	for _, want := range []string{"-ERR This Redis command is not allowed from script", "Nothing is wrong: ", "keys.count 3 "} {
		if !strings.Contains(plain(string(text)), want) {
			t.Errorf("%q is missing from %q", want, text)
		}
	}
}

// TestSlowBehindOthers: a call that is carried out alone is timed then, whatever
// came with it.
func TestSlowBehindOthers(t *testing.T) {
	f := start(t)
	f.slowAfter = time.Nanosecond
	c, r := f.login(t)
	exchange(t, c, r, "SET k1 v\r\nMGET"+strings.Repeat(" k1", 70)+"\r\nEVAL \"return 1\" 0\r\n", "+OK\r\n*70\r\n"+strings.Repeat("$1\r\nv\r\n", 70)+":1\r\n")
	_, _ = io.WriteString(c, "SLOWLOG GET -1\r\nQUIT\r\n")
	all, _ := io.ReadAll(r)
	if text := plain(string(all)); !strings.Contains(text, " MGET ") || !strings.Contains(text, " EVAL ") {
		t.Errorf("one is missing from %q", text)
	}
}

// TestWhatIsAnsweredAtOnceIsNotKept: a command that could have waited leaves none of
// its arguments behind.
func TestWhatIsAnsweredAtOnceIsNotKept(t *testing.T) {
	f := start(t)
	c, r := f.login(t)
	for range 3 {
		exchange(t, c, r, "XREAD BLOCK 0 STREAMS k wrong\r\n", "-ERR Invalid stream ID specified as stream command argument\r\n")
	}
	kept := make(chan int)
	f.loop.post(func() {
		n := 0
		f.mu.Lock()
		for s := range f.sessions {
			n += len(s.timings)
		}
		f.mu.Unlock()
		kept <- n
	})
	if n := <-kept; n != 0 {
		t.Errorf("%d calls are kept", n)
	}
}
