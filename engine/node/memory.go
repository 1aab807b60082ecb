package node

import (
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/coffer-dev/coffer/engine/config"
)

// memoryShare of the cgroup's limit is what the Go runtime is told to stay
// below; the rest is for what it does not count.
const memoryShare = 90 // percent

// dataShare of the memory limit is what the keyspace may take; the rest is for
// connections, the log, a snapshot and the collector.
const dataShare = 70 // percent

// clientShare of the memory limit is what the buffers of all clients together
// may take, unless the configuration says; without a limit on memory it is
// unlimitedClients.
const (
	clientShare      = 10 // percent
	unlimitedClients = 1 << 30
)

// limits are the configuration's, with what they leave to the memory limit.
func (n *Node) limits() config.Limits {
	l := n.opts.Config.Limits
	if l.RequestSeconds == 0 {
		l.RequestSeconds = config.DefaultRequestSeconds
	}
	switch {
	case l.MaxClientBufferBytes > 0:
	case n.memoryLimit > 0:
		l.MaxClientBufferBytes = max(n.memoryLimit/100*clientShare, 1<<20)
	default:
		l.MaxClientBufferBytes = unlimitedClients
	}
	return l
}

// maxData bounds the keyspace, in bytes; 0 for no limit.
func (n *Node) maxData() int64 {
	bears, wanted := n.memoryLimit/100*dataShare, n.opts.Config.Memory.LimitBytes
	if bears == 0 || wanted > 0 && wanted < bears {
		return wanted
	}
	return bears
}

// limitMemory tells the runtime of the cgroup's limit, unless GOMEMLIMIT is
// set, and returns what is in force; 0 for none.
func limitMemory(log *slog.Logger) int64 {
	if os.Getenv("GOMEMLIMIT") == "" {
		if limit, ok := cgroupLimit("/"); ok {
			debug.SetMemoryLimit(limit / 100 * memoryShare)
			log.Info("memory limit", "cgroup", limit, "runtime", limit/100*memoryShare)
		}
	}
	if limit := debug.SetMemoryLimit(-1); limit < math.MaxInt64 {
		return limit
	}
	return 0
}

// cgroupLimit is the smallest memory limit on this process, of cgroup v2 and
// v1, in its own group (which in a container is the root of what it sees) and
// those above.
func cgroupLimit(root string) (limit int64, ok bool) {
	lines, err := os.ReadFile(filepath.Join(root, "proc/self/cgroup"))
	if err != nil {
		return 0, false
	}
	limit = math.MaxInt64
	for line := range strings.SplitSeq(strings.TrimSpace(string(lines)), "\n") {
		parts := strings.SplitN(line, ":", 3)
		if len(parts) != 3 {
			continue
		}
		base, file := "sys/fs/cgroup", "memory.max"
		if parts[1] == "memory" {
			base, file = "sys/fs/cgroup/memory", "memory.limit_in_bytes"
		} else if parts[1] != "" {
			continue
		}
		for path := filepath.Clean("/" + parts[2]); ; path = filepath.Dir(path) {
			limit = min(limit, readLimit(filepath.Join(root, base, path, file)))
			if path == "/" {
				break
			}
		}
	}
	// cgroup v1 writes "none" as a number near the largest.
	return limit, limit < math.MaxInt64>>1
}

func readLimit(path string) int64 {
	data, err := os.ReadFile(path)
	if err != nil {
		return math.MaxInt64
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(data)), 10, 64)
	if err != nil || n <= 0 {
		return math.MaxInt64 // "max"
	}
	return n
}
