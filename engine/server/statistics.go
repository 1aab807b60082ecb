package server

import (
	"bytes"
	"fmt"
	"maps"
	"math/bits"
	"slices"
	"strings"
	"time"

	"github.com/coffer-dev/coffer/engine/command"
	"github.com/coffer-dev/coffer/engine/machine"
	"github.com/coffer-dev/coffer/engine/reply"
)

const (
	// timedFirst calls of a command are timed, then each timedEach-th: to look at the
	// clock twice takes a good part of what a short command does.
	timedFirst = 16
	timedEach  = 16
	// maxErrorKinds bounds the codes of errors, which scripts can make up.
	maxErrorKinds   = 128
	otherErrors     = "OTHER"
	maxErrorCode    = 31 // bytes
	errorWithNoCode = "ERR"
)

// statistics are what INFO tells of commands and errors, since the start or CONFIG
// RESETSTAT. They are the loop's.
type statistics struct {
	commands []commandStatistics // by the commands' numbers
	errors   map[string]int64    // by their code
	replies  int64               // errors, all of them
}

type commandStatistics struct {
	calls, failed, rejected int64
	timed                   int64
	took                    time.Duration // by those timed
	latency                 *latencies
}

func newStatistics() statistics {
	return statistics{commands: make([]commandStatistics, command.Count()), errors: map[string]int64{}}
}

// samples tells whether the next call is to be timed.
func (s *statistics) samples(c *command.Command) bool {
	n := s.commands[c.Number()].calls
	return n < timedFirst || n%timedEach == 0
}

func (s *statistics) called(c *command.Command) { s.commands[c.Number()].calls++ }

// took notes how long a call took.
func (s *statistics) took(c *command.Command, d time.Duration) {
	row := &s.commands[c.Number()]
	row.timed++
	row.took += d
	if row.latency == nil {
		row.latency = &latencies{}
	}
	row.latency.add(d)
}

// rejected notes a call that was not carried out; it was not counted as one.
func (s *statistics) rejected(argv [][]byte) {
	if c := command.Of(argv); c != nil {
		s.commands[c.Number()].rejected++
	}
}

// failed notes that a call was answered with an error. One that was refused for want
// of memory was not carried out.
func (s *statistics) failed(c *command.Command, answer reply.Reply) {
	switch row := &s.commands[c.Number()]; {
	case c.Grows() && bytes.HasPrefix(answer.Str, []byte("OOM ")):
		row.calls--
		row.rejected++
	default:
		row.failed++
	}
}

// failed notes of an answer whether it is an error.
func (c *session) failed(cmd *command.Command, answer reply.Reply) reply.Reply {
	if answer.IsError() {
		c.loop.statistics.failed(cmd, answer)
	}
	return answer
}

// failedItem is failed of what was executed.
func (c *session) failedItem(item *machine.Item) {
	if !item.Reply.IsError() || len(item.Argv) == 0 {
		return
	}
	if cmd := command.Of(item.Argv); cmd != nil { // else it is a transaction's
		c.loop.statistics.failed(cmd, item.Reply)
	}
}

// noteError counts an answer that is within another one.
func (c *session) noteError(answer reply.Reply) {
	if answer.IsError() {
		c.loop.statistics.answered(answer.Str)
	}
}

// answered counts an error by its code, as redis-server finds it.
func (s *statistics) answered(text []byte) {
	code, _, found := strings.Cut(string(text[:min(len(text), maxErrorCode)]), " ")
	if !found {
		code = errorWithNoCode
	}
	if _, known := s.errors[code]; !known && len(s.errors) >= maxErrorKinds {
		code = otherErrors
	}
	s.replies++
	s.errors[code]++
}

// safe is a name as INFO has it, without what would end it.
var safe = strings.NewReplacer("#", "_", ":", "_", "\n", "_", "\r", "_")

// each visits the commands that have statistics, in the order of their names.
func (s *statistics) each(visit func(name string, row *commandStatistics)) {
	for _, c := range command.All() {
		for _, one := range append([]*command.Command{c}, c.Subcommands...) {
			if row := &s.commands[one.Number()]; row.calls+row.failed+row.rejected > 0 {
				visit(safe.Replace(one.Name), row)
			}
		}
	}
}

func (s *Server) infoCommandStats(Facts) (fields []field) {
	s.loop.statistics.each(func(name string, row *commandStatistics) {
		perCall := 0.0
		if row.timed > 0 {
			perCall = float64(row.took.Nanoseconds()) / 1000 / float64(row.timed)
		}
		fields = append(fields, field{"cmdstat_" + name, fmt.Sprintf("calls=%d,usec=%d,usec_per_call=%.2f,rejected_calls=%d,failed_calls=%d",
			row.calls, int64(perCall*float64(row.calls)), perCall, row.rejected, row.failed)})
	})
	return fields
}

func (s *Server) infoErrorStats(Facts) (fields []field) {
	counts := s.loop.statistics.errors
	for _, code := range slices.Sorted(maps.Keys(counts)) {
		fields = append(fields, field{"errorstat_" + safe.Replace(code), fmt.Sprintf("count=%d", counts[code])})
	}
	return fields
}

func (s *Server) infoLatencyStats(Facts) (fields []field) {
	s.loop.statistics.each(func(name string, row *commandStatistics) {
		if l := row.latency; l != nil {
			fields = append(fields, field{"latency_percentiles_usec_" + name, fmt.Sprintf("p50=%.3f,p99=%.3f,p99.9=%.3f", l.micros(0.5), l.micros(0.99), l.micros(0.999))})
		}
	})
	return fields
}

// steps is into how many parts a latency's power of two is divided, as redis-server's
// histograms do: what is told of it is a hundredth off at most.
const (
	stepBits = 7
	steps    = 1 << stepBits
	maxBits  = 36 // ns: beyond a minute all is one
)

// latencies count calls by how long they took.
type latencies struct {
	counts [(maxBits - stepBits + 1) * steps]uint32
	total  uint64
}

// bucket is where a number of ns is counted: below steps one each, then so many to
// each power of two.
func bucket(ns uint64) int {
	ns = min(ns, 1<<maxBits-1)
	shift := max(bits.Len64(ns)-stepBits-1, 0)
	return shift*steps + int(ns>>shift)
}

// most is the largest number of ns of a bucket.
func most(bucket int) uint64 {
	if bucket < 2*steps {
		return uint64(bucket)
	}
	shift := bucket/steps - 1
	return uint64(bucket-shift*steps+1)<<shift - 1
}

func (l *latencies) add(d time.Duration) {
	l.counts[bucket(uint64(max(d, 0)))]++
	l.total++
}

// cumulated are how many calls took at most so many µs, for each power of two of which
// there were any more.
func (l *latencies) cumulated() (steps []command.Cumulated) {
	const first = 10 // 1024 ns
	seen, at := uint64(0), 0
	for n := first; n <= maxBits; n++ {
		end := len(l.counts) - 1
		if n < maxBits {
			end = bucket(1 << n)
		}
		before := seen
		for ; at <= end; at++ {
			seen += uint64(l.counts[at])
		}
		if seen > before {
			steps = append(steps, command.Cumulated{Micros: int64(most(end) / 1000), Calls: int64(seen)})
		}
	}
	return steps
}

// Latencies implements command.Slowness.
func (c *session) Latencies(of *command.Command) []command.Cumulated {
	if l := c.loop.statistics.commands[of.Number()].latency; l != nil {
		return l.cumulated()
	}
	return nil
}

// micros is what that share of the calls took at most, in µs.
func (l *latencies) micros(share float64) float64 {
	rank, seen := max(uint64(share*float64(l.total)+0.5), 1), uint64(0)
	for i, n := range l.counts {
		if seen += uint64(n); seen >= rank {
			return float64(most(i)) / 1000
		}
	}
	return 0
}
