package node

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	// collectorRoom is how many bytes are allocated between two collections at
	// least, or as many as live if that is more, as far as the percentages below and
	// the memory limit let it. At the runtime's usual 100 % of what lives a small
	// database is collected many times a second. For a large one less than what lives
	// is too little: a collection looks at all of it, and with 300 MB took a third of
	// the processors' time under writes.
	collectorRoom = 128 << 20
	// roomShare of the memory limit is the most that is given to that.
	roomShare = 4 // a quarter
	// leastGCPercent and mostGCPercent bound what that is of what lives.
	leastGCPercent = 45
	mostGCPercent  = 400
	usualGCPercent = 100
	// tunePeriod is how often the percentage follows what lives.
	tunePeriod = time.Second

	// quietBytes is what a process allocates in a period at most that has little to
	// do, and quietPeriods how many of them it takes to be believed.
	quietBytes   = 1 << 20
	quietPeriods = 5
	// worthBytes is what must have been allocated since the lull before for a
	// collection to be worth its while, and worthShare of what lives; restPeriods
	// is how long there is none after it: the runtime's own come as often.
	worthBytes  = 16 << 20
	worthShare  = 4
	restPeriods = 120
)

// tuneCollector lets the collector's percentage follow the size of the state,
// unless GOGC is set. What was room for garbage goes back to the host when there
// is little to do: nobody wants to pay for what an hour of writing needed.
func (n *Node) tuneCollector(ctx context.Context) error {
	if os.Getenv("GOGC") != "" {
		return nil
	}
	ticker := time.NewTicker(tunePeriod)
	defer ticker.Stop()
	defer debug.SetGCPercent(usualGCPercent)
	heap := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/gc/heap/allocs:bytes"}}
	var lull lull
	for current := usualGCPercent; ; {
		metrics.Read(heap)
		// To set it stops the world: not for a little.
		if p := gcPercent(heap[0].Value.Uint64(), n.memoryLimit); p < current*9/10 || p > current*11/10 {
			current = p
			debug.SetGCPercent(p)
		}
		if lull.begins(heap[1].Value.Uint64(), heap[0].Value.Uint64()) {
			debug.FreeOSMemory()
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// lull finds when a process that was busy has little to do.
type lull struct {
	last    uint64 // allocated until the period before
	quiet   int    // periods
	cleared uint64 // allocated until the latest lull
	rest    int    // periods
}

// begins tells, period after period, whether one begins now. It is given the
// bytes that were allocated since the process started, and those that live.
func (l *lull) begins(allocated, live uint64) bool {
	l.quiet++
	l.rest = max(l.rest, 1) - 1
	if allocated-l.last > quietBytes {
		l.quiet = 0
	}
	l.last = allocated
	if l.quiet < quietPeriods || l.rest > 0 || allocated-l.cleared < max(worthBytes, live/worthShare) {
		return false
	}
	l.cleared, l.rest = allocated, restPeriods
	return true
}

// gcPercent is how much the heap may grow between two collections, of which that
// many bytes survived the latest; limit is the memory's, 0 for none.
func gcPercent(live uint64, limit int64) int {
	room := max(collectorRoom, live)
	if limit > 0 {
		room = min(room, uint64(limit)/roomShare)
	}
	return int(min(max(room*100/max(live, 1), leastGCPercent), mostGCPercent))
}
