package server

import (
	"math"
	"runtime/metrics"
	"slices"
	"time"

	"github.com/coffer-dev/coffer/engine/command"
)

const (
	// slowAfter is from when on a command is slow, and maxSlow how many of them
	// SLOWLOG has.
	slowAfter = 10 * time.Millisecond
	maxSlow   = 128
	// keptTimings is how many places for calls a session keeps.
	keptTimings = 16
)

// timing is how long a call takes that may be slow, or is one of those that are timed
// for the statistics. The executor tells when it begins and ends with it; what waits
// for the disk, or for a turn, is not counted.
type timing struct {
	cmd   *command.Command
	argv  [][]byte
	began time.Time
	took  time.Duration
}

// Begin implements machine.Timing.
func (t *timing) Begin() { t.began = time.Now() }

// End implements machine.Timing.
func (t *timing) End() { t.took = time.Since(t.began) }

// timed has a call looked at, in the place of one that is over.
func (c *session) timed(cmd *command.Command, argv [][]byte) *timing {
	n := len(c.timings)
	if n < cap(c.timings) {
		c.timings = c.timings[:n+1]
	} else {
		c.timings = append(c.timings, nil)
	}
	if c.timings[n] == nil {
		c.timings[n] = &timing{}
	}
	t := c.timings[n]
	*t = timing{cmd: cmd, argv: argv}
	return t
}

// noteSlow looks at the calls that are over.
func (c *session) noteSlow() {
	for _, t := range c.timings {
		if t.began.IsZero() { // it was refused, or waits
			*t = timing{}
			continue
		}
		c.loop.statistics.took(t.cmd, t.took)
		c.spent += t.took
		if t.took >= c.srv.slowAfter && t.cmd.Timed(t.argv) {
			c.loop.slow.add(command.SlowCall{
				Time: t.began.Unix(), Micros: t.took.Microseconds(), Args: t.cmd.Shown(t.argv), Addr: c.wire.RemoteAddr().String(), Name: c.name,
			})
		}
		*t = timing{}
	}
	if c.timings = c.timings[:0]; cap(c.timings) > keptTimings {
		c.timings = nil
	}
}

// slow are the loop's, the latest first.
type slow struct {
	calls []command.SlowCall
	next  int64
}

func (s *slow) add(call command.SlowCall) {
	call.ID = s.next
	s.next++
	s.calls = slices.Insert(s.calls[:min(len(s.calls), maxSlow-1)], 0, call)
}

var _ command.Slowness = (*session)(nil)

// Slowness implements command.Session.
func (c *session) Slowness() command.Slowness { return c }

// Slow implements command.Slowness.
func (c *session) Slow() []command.SlowCall { return c.loop.slow.calls }

// ForgetSlow implements command.Slowness.
func (c *session) ForgetSlow() { c.loop.slow.calls = nil }

// LastSave implements command.Session.
func (c *session) LastSave() int64 { return c.srv.opts.Facts().LastSnapshot }

// Memory implements command.Session.
func (c *session) Memory() command.Memory {
	sample := []metrics.Sample{{Name: heapObjects}}
	metrics.Read(sample)
	f, used := c.srv.opts.Facts(), int64(min(sample[0].Value.Uint64(), math.MaxInt64)) //nolint:gosec // it is bounded
	m := command.Memory{Used: used, Clients: c.srv.buffered.Load(), Data: f.DataBytes, Limit: f.MaxData, Keys: f.Keys}
	if used > 0 {
		m.Percent = 100 * float64(f.DataBytes) / float64(used)
	}
	return m
}
