package server

import (
	"fmt"
	"io"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/coffer-dev/coffer/engine/command"
)

// TestInfoTellsOfCommands: how often each was called, what was rejected before and
// what failed, and how long the calls took.
func TestInfoTellsOfCommands(t *testing.T) {
	f := start(t)
	c, r := f.login(t)
	exchange(t, c, r, "CONFIG RESETSTAT\r\n", "+OK\r\n")
	for range 100 {
		exchange(t, c, r, "SET k v\r\nGET k\r\n", "+OK\r\n$1\r\nv\r\n")
	}
	exchange(t, c, r, "LPUSH k 1\r\nGET\r\nEVAL \"return redis.call('lpush', KEYS[1], 1)\" 1 list\r\n",
		"-WRONGTYPE Operation against a key holding the wrong kind of value\r\n-ERR wrong number of arguments for 'get' command\r\n:1\r\n")
	text := f.told(t, c, r, "commandstats")
	for _, want := range []string{
		`(?m)^# Commandstats\r$`,
		`(?m)^cmdstat_set:calls=100,usec=\d+,usec_per_call=\d+\.\d\d,rejected_calls=0,failed_calls=0\r$`,
		`(?m)^cmdstat_get:calls=100,usec=\d+,usec_per_call=\d+\.\d\d,rejected_calls=1,failed_calls=0\r$`,
		`(?m)^cmdstat_lpush:calls=1,usec=\d+,usec_per_call=\d+\.\d\d,rejected_calls=0,failed_calls=1\r$`,
		`(?m)^cmdstat_eval:calls=1,`, `(?m)^cmdstat_config\|resetstat:calls=1,`,
	} {
		if !regexp.MustCompile(want).MatchString(text) {
			t.Errorf("%s is missing from\n%s", want, text)
		}
	}
	if text := f.told(t, c, r, "errorstats"); text != "# Errorstats\r\nerrorstat_ERR:count=1\r\nerrorstat_WRONGTYPE:count=1\r\n" {
		t.Errorf("%q", text)
	}
	if text := f.told(t, c, r, "latencystats"); !regexp.MustCompile(`(?m)^latency_percentiles_usec_get:p50=\d+\.\d{3},p99=\d+\.\d{3},p99\.9=\d+\.\d{3}\r$`).MatchString(text) {
		t.Errorf("%q", text)
	}
	usual := f.told(t, c, r, "")
	if strings.Contains(usual, "cmdstat_") || strings.Contains(usual, "latency_") || !strings.Contains(usual, "errorstat_ERR:count=1\r\n") || !strings.Contains(usual, "total_error_replies:2\r\n") {
		t.Errorf("INFO tells %s", usual)
	}
	if all := f.told(t, c, r, "everything"); !strings.Contains(all, "cmdstat_get:") || !strings.Contains(all, "latency_percentiles_usec_get:") {
		t.Errorf("INFO everything tells %s", all)
	}
	exchange(t, c, r, "CONFIG RESETSTAT\r\n", "+OK\r\n")
	if text := f.told(t, c, r, "all"); strings.Contains(text, "cmdstat_get:") || strings.Contains(text, "errorstat_") || strings.Contains(text, "usec_get:") {
		t.Errorf("after CONFIG RESETSTAT: %s", text)
	}
}

// told is what INFO answers.
func (f *fixture) told(t *testing.T, c io.Writer, r io.Reader, section string) string {
	t.Helper()
	_, _ = fmt.Fprintf(c, "INFO %s\r\n", section)
	var n int
	if _, err := fmt.Fscanf(r, "$%d\r\n", &n); err != nil {
		t.Fatal(err)
	}
	text := make([]byte, n+2)
	if _, err := io.ReadFull(r, text); err != nil {
		t.Fatal(err)
	}
	return string(text[:n])
}

// TestErrorCodesAreBounded: scripts can make them up.
func TestErrorCodesAreBounded(t *testing.T) {
	s := newStatistics()
	for i := range 10 * maxErrorKinds {
		s.answered(fmt.Appendf(nil, "CODE%d text", i))
	}
	s.answered([]byte("NOTEXT"))
	s.answered([]byte(strings.Repeat("x", 40) + " text"))
	if len(s.errors) > maxErrorKinds+1 || s.errors[otherErrors] < 9*maxErrorKinds || s.replies != 10*maxErrorKinds+2 {
		t.Errorf("%d codes, %d others, %d replies", len(s.errors), s.errors[otherErrors], s.replies)
	}
}

// TestLatenciesAreNearlyExact, of calls of a nanosecond as of those of a minute.
func TestLatenciesAreNearlyExact(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	for range 100_000 {
		ns := random.Uint64() >> (28 + random.UintN(36))
		b := bucket(ns)
		if top := most(b); top < ns || float64(top-ns) > float64(ns)/128 || bucket(top) != b {
			t.Fatalf("%d ns are counted up to %d", ns, top)
		}
	}
	var l latencies
	for i := range 1000 {
		l.add(time.Duration(i+1) * time.Microsecond)
	}
	l.add(-time.Second)
	l.add(time.Hour)
	for _, tt := range []struct{ share, least, most float64 }{{0.5, 500, 505}, {0.99, 990, 1000}, {1, 6e7, 7e7}} {
		if got := l.micros(tt.share); got < tt.least || got > tt.most {
			t.Errorf("%v of the calls took %v µs, want from %v to %v", tt.share, got, tt.least, tt.most)
		}
	}
	last := command.Cumulated{}
	for _, step := range l.cumulated() {
		if step.Micros <= last.Micros || step.Calls <= last.Calls {
			t.Errorf("%v behind %v", step, last)
		}
		last = step
	}
	if last.Calls != 1002 {
		t.Errorf("%v is the last", last)
	}
}
