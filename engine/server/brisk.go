package server

import (
	"time"

	"github.com/coffer-dev/coffer/engine/command"
	"github.com/coffer-dev/coffer/engine/machine"
)

const (
	// briskRun is how long the latest run of a script took at most that is brisk,
	// and briskReply how many bytes its reply had.
	briskRun   = 200 * time.Microsecond
	briskReply = 4 << 10
	// briskTogether is how many calls of such scripts a connection has in a batch.
	briskTogether = 16
	// maxBrisk is how many scripts are remembered.
	maxBrisk = 1024
	shaBytes = 40
)

// brisk are scripts by their SHA-1 whose latest run was short. A script is a heavy
// command, since nobody can tell what it will do; but most, those of job libraries
// above all, take microseconds, and a client that pipelines fifty of them had fifty
// entries of the log written for it, one after the other.
type brisk map[string]struct{}

// has tells whether the command is a call of a brisk script.
func (b brisk) has(cmd *command.Command, argv [][]byte) bool {
	if !callsScript(cmd, argv) {
		return false
	}
	_, known := b[string(argv[1])]
	return known
}

// note remembers of scripts that have run whether they were brisk.
func (b brisk) note(items []machine.Item) {
	for i := range items {
		t, timed := items[i].Timing.(*timing)
		if !timed || !callsScript(t.cmd, t.argv) {
			continue
		}
		if t.took > briskRun || items[i].Reply.Size() > briskReply {
			delete(b, string(t.argv[1]))
		} else if !b.has(t.cmd, t.argv) {
			if len(b) >= maxBrisk {
				clear(b)
			}
			b[string(t.argv[1])] = struct{}{}
		}
	}
}

func callsScript(cmd *command.Command, argv [][]byte) bool {
	return cmd != nil && cmd.Name == "evalsha" && len(argv) > 1 && len(argv[1]) == shaBytes
}
