package node

import (
	"net"
	"strconv"

	"github.com/coffer-dev/coffer/engine/server"
)

// serveReads serves reads that may be stale from this member's own state, if the
// configuration has a port for them. Its clients are counted with those of the
// port for keys. They stay whoever leads.
func (n *Node) serveReads() (net.Addr, error) {
	address := n.opts.Config.Listen.Reads
	if address == "" {
		return nil, nil
	}
	n.reads = server.New(server.Options{
		Limits: n.limits(), Credentials: n.credentials.Current, Executor: staleReads{n.group}, Facts: n.replicaFacts,
		Audit: n.audit, Log: n.opts.Log, Replica: true, Beside: n.server,
	})
	n.credentials.OnChange(n.reads.CredentialsChanged)
	return n.serve("listen.reads", address, n.reads.Serve)
}

// replicaFacts are INFO's and ROLE's at the port for reads that may be stale.
func (n *Node) replicaFacts() server.Facts {
	f := n.facts()
	f.Replica = server.ReplicaFacts{Connected: n.group.tooOld() == nil, Age: n.group.age(), Loading: !n.group.fresh.proven.Load()}
	if leader := n.group.leader.Load(); leader != 0 {
		_, port, _ := net.SplitHostPort(n.opts.Config.Listen.Keys) // it was validated
		f.Replica.LeaderHost = n.peers.hostOf(leader)
		f.Replica.LeaderPort, _ = strconv.ParseInt(port, 10, 64)
	}
	return f
}
