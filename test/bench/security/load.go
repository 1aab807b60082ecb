package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/coffer-dev/coffer/test/bench/harness"
)

// The load: what applications do, about.
const (
	connections = 50
	keys        = 10_000
	valueBytes  = 100
	writeShare  = 5 // one of so many requests is a SET, the others are GETs
)

// load is connections that have logged in.
type load struct {
	engine  *engine
	clients []*client
	// perSecond is how many requests begin in a second, at their times whatever
	// became of those before; 0 for one after the other.
	perSecond float64
	// refusedOf is of how many requests one is for a key that the user may not
	// use; 0 for none.
	refusedOf int
}

func (e *engine) newLoad() (*load, error) {
	l := &load{engine: e}
	for range connections {
		c, err := e.dial(appUser)
		if err != nil {
			l.close()
			return nil, err
		}
		l.clients = append(l.clients, c)
	}
	return l, nil
}

func (l *load) close() {
	for _, c := range l.clients {
		c.close()
	}
}

// round is what a round showed.
type round struct {
	requests, refused int
	rate              float64 // requests a second
	p50, p99          float64 // ms
	cpu               float64 // of the engine, µs a request
	steal             float64 // share
}

// run has all connections ask for that long.
func (l *load) run(length time.Duration) (r round, err error) {
	steal, all, err := harness.StealTime()
	if err != nil {
		return r, err
	}
	cpu, err := harness.CPUTime(l.engine.cmd.Process.Pid)
	if err != nil {
		return r, err
	}
	begin := time.Now()
	times := make([][]time.Duration, len(l.clients))
	refused := make([]int, len(l.clients))
	done := make(chan error, len(l.clients))
	for i, c := range l.clients {
		go func() {
			var err error
			times[i], refused[i], err = l.ask(c, i, begin, length)
			done <- err
		}()
	}
	for range l.clients {
		err = errors.Join(err, <-done)
	}
	took := time.Since(begin)
	cpuAfter, cpuErr := harness.CPUTime(l.engine.cmd.Process.Pid)
	stealAfter, allAfter, stealErr := harness.StealTime()
	if err = errors.Join(err, cpuErr, stealErr); err != nil {
		return r, err
	}
	latencies := slices.Concat(times...)
	slices.Sort(latencies)
	r.requests = len(latencies)
	for _, n := range refused {
		r.refused += n
	}
	r.rate = float64(r.requests) / took.Seconds()
	r.p50, r.p99 = ms(latencies[r.requests/2]), ms(latencies[r.requests*99/100])
	r.cpu = float64((cpuAfter - cpu).Microseconds()) / float64(r.requests)
	r.steal = (stealAfter - steal) / (allAfter - all)
	return r, nil
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// ask is one connection's part. How long a request took is counted from when it
// was to begin.
func (l *load) ask(c *client, number int, begin time.Time, length time.Duration) (times []time.Duration, refused int, err error) {
	random := rand.New(rand.NewPCG(uint64(number), uint64(begin.UnixNano())))
	var out []byte
	for n := 0; ; n++ {
		at := time.Now()
		if l.perSecond > 0 {
			at = begin.Add(time.Duration(float64(n*len(l.clients)+number) / l.perSecond * float64(time.Second)))
			time.Sleep(time.Until(at))
		}
		if at.Sub(begin) >= length {
			return times, refused, nil
		}
		out = l.appendRequest(out[:0], random)
		if _, err := c.conn.Write(out); err != nil {
			return nil, 0, err
		}
		var no refusal
		switch _, err := c.reply(); {
		case errors.As(err, &no) && l.refusedOf > 0 && strings.HasPrefix(string(no), "-NOPERM"):
			refused++
		case err != nil:
			return nil, 0, err
		}
		times = append(times, time.Since(at))
	}
}

var value = strings.Repeat("v", valueBytes)

func (l *load) appendRequest(out []byte, random *rand.Rand) []byte {
	prefix := appKeys
	if l.refusedOf > 0 && random.IntN(l.refusedOf) == 0 {
		prefix = "other:"
	}
	key := fmt.Sprintf("%s%d", prefix, random.IntN(keys))
	if random.IntN(writeShare) == 0 {
		return fmt.Appendf(out, "*3\r\n$3\r\nSET\r\n$%d\r\n%s\r\n$%d\r\n%s\r\n", len(key), key, valueBytes, value)
	}
	return fmt.Appendf(out, "*2\r\n$3\r\nGET\r\n$%d\r\n%s\r\n", len(key), key)
}
