package node

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	// collectorRoom is how many bytes are allocated between two collections, as
	// far as the percentages below and the memory limit let it. At the runtime's
	// usual 100 % of what lives a small database is collected many times a second,
	// and a large one has as much garbage as data.
	collectorRoom = 128 << 20
	// roomShare of the memory limit is the most that is given to that.
	roomShare = 4 // a quarter
	// leastGCPercent and mostGCPercent bound what that is of what lives.
	leastGCPercent = 45
	mostGCPercent  = 400
	usualGCPercent = 100
	// tunePeriod is how often the percentage follows what lives.
	tunePeriod = time.Second
)

// tuneCollector lets the collector's percentage follow the size of the state,
// unless GOGC is set.
func (n *Node) tuneCollector(ctx context.Context) error {
	if os.Getenv("GOGC") != "" {
		return nil
	}
	ticker := time.NewTicker(tunePeriod)
	defer ticker.Stop()
	defer debug.SetGCPercent(usualGCPercent)
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	for current := usualGCPercent; ; {
		metrics.Read(live)
		// To set it stops the world: not for a little.
		if p := gcPercent(live[0].Value.Uint64(), n.memoryLimit); p < current*9/10 || p > current*11/10 {
			current = p
			debug.SetGCPercent(p)
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// gcPercent is how much the heap may grow between two collections, of which that
// many bytes survived the latest; limit is the memory's, 0 for none.
func gcPercent(live uint64, limit int64) int {
	room := uint64(collectorRoom)
	if limit > 0 {
		room = min(room, uint64(limit)/roomShare)
	}
	return int(min(max(room*100/max(live, 1), leastGCPercent), mostGCPercent))
}
