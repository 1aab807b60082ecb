package command

import (
	"github.com/coffer-dev/coffer/engine/reply"
)

const (
	errReadOnly     = textError("READONLY You can't write against a read only replica.")
	errNoMessages   = textError("ERR messages do not pass the port for reads that may be stale: subscribe at the port for reads and writes")
	errNoCluster    = textError("ERR This instance has cluster support disabled")
	errWaitReplica  = textError("ERR WAIT cannot be used with replica instances. Please also note that since Redis 4.0 if a replica is configured to be writable (which is not the default) writes to replicas are just local and are not propagated.")
	errStaysReplica = textError("ERR this port has reads that may be stale alone: connect to the port for reads and writes")
)

// Role is a connection's: what the port that it came to is in the group.
type Role struct {
	// Replica: the port shows the state of a member as it is, and takes no writes.
	Replica bool
	// The rest is of a replica: where the leader is, and whether it is in reach.
	LeaderHost string
	LeaderPort int64
	Connected  bool
	Applied    int64 // the last entry of the log that the state has
}

func init() {
	flags := Loading | Stale | Fast
	register(
		connection("role", 1, NoScript|flags, "admin fast dangerous", role),
		connection("wait", 3, NoScript, "slow connection", wait).since7().tip(tipAllShards, tipLeast),
		connection("readonly", 1, flags, "fast connection", func(s Session, _ [][]byte) reply.Reply {
			if s.Replica() {
				return reply.OK // as it is
			}
			return fail(errNoCluster)
		}),
		connection("readwrite", 1, flags, "fast connection", func(s Session, _ [][]byte) reply.Reply {
			if s.Replica() {
				return fail(errStaysReplica)
			}
			return fail(errNoCluster)
		}),
	)
}

// role answers like a server that nobody replicates, or like a replica.
func role(s Session, _ [][]byte) reply.Reply {
	r := s.Role()
	if !r.Replica {
		return reply.Array(reply.BulkString("master"), reply.Integer(r.Applied), reply.Array())
	}
	link := "connect"
	if r.Connected {
		link = "connected"
	}
	return reply.Array(reply.BulkString("slave"), reply.BulkString(r.LeaderHost), reply.Integer(r.LeaderPort), reply.BulkString(link), reply.Integer(r.Applied))
}

// wait answers how many other members hold what was written. A majority does,
// before a write is answered.
func wait(s Session, argv [][]byte) reply.Reply {
	if s.Replica() {
		return fail(errWaitReplica)
	}
	n, err := integer(argv[1])
	if err != nil {
		return fail(err)
	}
	ms, err := parseMilliseconds(argv[2])
	if err != nil {
		return fail(err)
	}
	return s.WaitHolders(n, ms)
}

// OnReplica says why the command is not for a replica; nil if it is. What a script
// does there is for the script to find out.
func (c *Command) OnReplica() error {
	switch {
	case c.Logged() && !c.runsScript(), c.Publishes():
		return errReadOnly
	case c.Flags&PubSub != 0 && !c.unsubscribes():
		return errNoMessages
	}
	return nil
}

func (c *Command) runsScript() bool { return c.Name == "eval" || c.Name == "evalsha" }

func (c *Command) unsubscribes() bool {
	for _, s := range subscriptions {
		if c.Name == s.unsubscribe {
			return true
		}
	}
	return false
}
