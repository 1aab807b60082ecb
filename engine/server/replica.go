package server

import (
	"github.com/coffer-dev/coffer/engine/command"
	"github.com/coffer-dev/coffer/engine/machine"
)

// ReplicaFacts are what INFO and ROLE tell of a port whose state may be stale.
type ReplicaFacts struct {
	LeaderHost string // empty while nobody is known to lead
	LeaderPort int64
	Connected  bool  // the state is not too old to be shown
	Age        int64 // s since the moment that the state is known to show; -1 for never
	Loading    bool  // a snapshot is on its way, or the log that is missing
}

// Replica implements command.Session.
func (c *session) Replica() bool { return c.srv.opts.Replica }

// Role implements command.Session.
func (c *session) Role() command.Role {
	f := c.srv.opts.Facts()
	return command.Role{
		Replica: c.Replica(), LeaderHost: f.Replica.LeaderHost, LeaderPort: f.Replica.LeaderPort,
		Connected: f.Replica.Connected, Applied: int64(f.AppliedIndex), //nolint:gosec // it counts entries
	}
}

// onReplica says why a command is not carried out at a port whose state may be
// stale. What tells nothing of the state and is no way to it needs none; who
// asks whether the port is there is to hear that it shows nothing.
func (c *session) onReplica(cmd *command.Command) error {
	if err := cmd.OnReplica(); err != nil || cmd.Parse != nil || cmd.Flags&(command.Stale|command.NoAuth) != 0 {
		return err
	}
	return c.underLock(func(*machine.Tx) {})
}

func (s *Server) infoReplica(f Facts) []field {
	r := f.Replica
	link, syncing := "down", 0
	if r.Connected {
		link = "up"
	}
	if r.Loading {
		syncing = 1
	}
	return []field{
		{"role", "slave"},
		{"master_host", r.LeaderHost},
		{"master_port", r.LeaderPort},
		{"master_link_status", link},
		{"master_last_io_seconds_ago", r.Age},
		{"master_sync_in_progress", syncing},
		{"slave_repl_offset", f.AppliedIndex},
		{"slave_read_only", 1},
	}
}
