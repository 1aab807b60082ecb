package sim

import (
	"bytes"
	cryptorand "crypto/rand"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"runtime/debug"
	"strings"

	"go.etcd.io/raft/v3/raftpb"

	"github.com/coffer-dev/coffer/engine/vault"
	"github.com/coffer-dev/coffer/test/linear"
)

// Virtual time is in microseconds.
const (
	millisecond = int64(1000)
	second      = 1000 * millisecond
)

// Report is what one seed led to.
type Report struct {
	Seed     uint64
	Err      error
	Trace    uint64 // a hash of all that happened
	Log      string // of the last happenings, when there was an error or it was asked for
	Events   int
	Stats    map[string]int
	Duration int64 // virtual
}

// world is one simulated group and all that surrounds it.
type world struct {
	rng    *rand.Rand
	now    int64
	queue  events
	serial uint64
	events int

	hosts   []*host // in the order of their creation
	net     network
	clients []*client
	load    workload
	labor   labor
	history linear.History
	nemesis nemesis
	voters  []uint64 // who the group began with

	// What differs from seed to seed.
	tail          int         // entries kept in memory for followers
	snapshotAfter int64       // bytes of log
	patience      int64       // of clients with an answer
	keys          *vault.Ring // that disks are sealed under; nil in some
	lazy          bool        // members say to have what is in the memory of their hosts

	top     uint64            // the highest index that any member was seen to have applied
	members *raftpb.ConfState // as of it
	leaders map[uint64]uint64 // by term
	hashes  map[uint64]uint64 // of states, by index
	stats   map[string]int

	trace   uint64
	verbose bool
	lines   []string
	err     error
}

// Run plays one seed. It takes over crypto/rand's reader, from which raft draws
// its election timeouts, so that no two runs can go on in one process.
func Run(seed uint64, verbose bool) (report Report) {
	w := &world{
		rng: rand.New(rand.NewPCG(seed, 0x636f66666572)), verbose: verbose,
		leaders: map[uint64]uint64{}, hashes: map[uint64]uint64{}, stats: map[string]int{},
	}
	var key [32]byte
	for i := range key {
		key[i] = byte(w.rng.Uint32())
	}
	reader := cryptorand.Reader
	cryptorand.Reader = rand.NewChaCha8(key)
	defer func() {
		cryptorand.Reader = reader
		if p := recover(); p != nil {
			w.fail("panic: %v\n%s", p, shorten(debug.Stack()))
		}
		report = Report{
			Seed: seed, Err: w.err, Trace: w.trace, Log: strings.Join(w.lines, "\n"),
			Events: w.events, Stats: w.stats, Duration: w.now,
		}
	}()
	w.employ(seed)
	w.lazy = seed%4 == 1
	w.play()
	return report
}

func shorten(stack []byte) []byte {
	lines := bytes.Split(stack, []byte("\n"))
	return bytes.Join(lines[:min(len(lines), 40)], []byte("\n"))
}

// fail ends the run; the first reason counts.
func (w *world) fail(format string, args ...any) {
	if w.err == nil {
		w.err = fmt.Errorf("at %.6fs: %s", float64(w.now)/float64(second), fmt.Sprintf(format, args...))
		w.lines = append(w.lines, "FAILED "+w.err.Error())
	}
}

// note folds what happened into the trace.
func (w *world) note(format string, args ...any) {
	line := fmt.Sprintf("%10.6f "+format, append([]any{float64(w.now) / float64(second)}, args...)...)
	h := fnv.New64a()
	_, _ = h.Write([]byte(line))
	w.mix(h.Sum64())
	const kept = 400
	if len(w.lines) >= 2*kept && !w.verbose {
		w.lines = append(w.lines[:0], w.lines[kept:]...)
	}
	w.lines = append(w.lines, line)
}

// mix folds a number into the trace.
func (w *world) mix(v uint64) {
	w.trace = (w.trace ^ v) * 0x9e3779b97f4a7c15
	w.trace ^= w.trace >> 29
}

// chance is true in so many of a hundred cases.
func (w *world) chance(percent int) bool { return w.rng.IntN(100) < percent }

// between returns a number from..to-1.
func (w *world) between(from, to int64) int64 { return from + w.rng.Int64N(to-from) }

// after lets something happen later.
func (w *world) after(delay int64, do func()) {
	w.serial++
	w.queue.push(event{at: w.now + max(delay, 0), serial: w.serial, do: do})
}

// runUntil plays what happens up to a time, or until it is enough.
func (w *world) runUntil(end int64, enough func() bool) bool {
	for w.err == nil {
		if enough != nil && enough() {
			return true
		}
		if len(w.queue) == 0 || w.queue[0].at > end {
			w.now = end
			return false
		}
		e := w.queue.pop()
		w.now = e.at
		w.events++
		w.mix(uint64(e.at) ^ e.serial<<40)
		e.do()
	}
	return false
}

// event is something that happens at a time; of two at the same time the one
// that was asked for first.
type event struct {
	at     int64
	serial uint64
	do     func()
}

func (e event) before(o event) bool { return e.at < o.at || e.at == o.at && e.serial < o.serial }

// events is a heap.
type events []event

func (q *events) push(e event) {
	*q = append(*q, e)
	h := *q
	for i := len(h) - 1; i > 0; {
		parent := (i - 1) / 2
		if !h[i].before(h[parent]) {
			break
		}
		h[i], h[parent] = h[parent], h[i]
		i = parent
	}
}

func (q *events) pop() event {
	h := *q
	top, last := h[0], len(h)-1
	h[0], h[last] = h[last], event{}
	h = h[:last]
	*q = h
	for i := 0; ; {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < len(h); child++ {
			if h[child].before(h[least]) {
				least = child
			}
		}
		if least == i {
			return top
		}
		h[i], h[least] = h[least], h[i]
		i = least
	}
}
