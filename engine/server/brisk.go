package server

import (
	"time"

	"github.com/coffer-dev/coffer/engine/command"
	"github.com/coffer-dev/coffer/engine/machine"
)

const (
	// briskRun is how long a run of a script takes at most that is short, and
	// briskReply how many bytes its reply has; briskAfter such runs, one behind the
	// other, make the script brisk.
	briskRun   = 200 * time.Microsecond
	briskReply = 4 << 10
	briskAfter = 16
	// briskTogether is how many calls of such scripts a connection has in a batch.
	briskTogether = 16
	// maxBrisk is how many scripts are remembered.
	maxBrisk = 1024
	shaBytes = 40
)

// brisk counts the latest runs of scripts that were short, by their SHA-1, up to
// briskAfter. A script is a heavy command, since nobody can tell what it will do; but most, those of job libraries
// above all, take microseconds, and a client that pipelines fifty of them had fifty
// entries of the log written for it, one after the other.
type brisk map[string]uint8

// has tells whether the command is a call of a brisk script.
func (b brisk) has(cmd *command.Command, argv [][]byte) bool {
	return callsScript(cmd, argv) && b[string(argv[1])] >= briskAfter
}

// note counts runs. One that was not short is not made up for by those beside it in
// a batch, of which there are fewer than briskAfter.
func (b brisk) note(items []machine.Item) {
	for i := range items {
		t, timed := items[i].Timing.(*timing)
		if !timed || t.began.IsZero() || !callsScript(t.cmd, t.argv) {
			continue // it is none, or never ran
		}
		if t.took > briskRun || items[i].Reply.Size() > briskReply {
			delete(b, string(t.argv[1]))
		} else if !b.has(t.cmd, t.argv) {
			if _, known := b[string(t.argv[1])]; !known && len(b) >= maxBrisk {
				clear(b)
			}
			b[string(t.argv[1])]++
		}
	}
}

func callsScript(cmd *command.Command, argv [][]byte) bool {
	return cmd != nil && cmd.Name == "evalsha" && len(argv) > 1 && len(argv[1]) == shaBytes
}
