package node

import (
	"context"
	"time"

	"github.com/coffer-dev/coffer/engine/adminapi"
)

// guardRetry is how long to wait until schemas and keys of queues are tried
// again, without which a leader serves nobody.
const guardRetry = time.Second

// disconnectAgain is how often a member that does not lead ends sessions: one may
// have come in just when it lost the leadership.
const disconnectAgain = time.Second

// handOverTime is how long a member that stops waits for another one to lead: an
// election timeout, after which the leadership stays.
const handOverTime = time.Second

// followLead lets clients in while this member leads, and sends them away when
// it does not any more, until the context ends. What a session knows (watched
// keys, subscriptions, leases) is true of one leadership only.
func (n *Node) followLead(ctx context.Context) {
	seen, replaced := int64(0), int64(0)
	for {
		if now := n.group.replaced.Load(); now != replaced {
			replaced = now
			n.dismissReaders()
		}
		if lost := n.group.lost.Load(); lost != seen || !n.group.leading.Load() {
			seen = lost
			n.serving.Store(false)
			n.disconnect()
		}
		var retry <-chan time.Time
		if n.group.leading.Load() && !n.serving.Load() {
			if err := n.takeOver(); err != nil {
				n.opts.Log.Error("this member leads and cannot serve", "error", err)
				retry = time.After(guardRetry)
			}
		}
		for _, e := range n.entrances {
			e.redirect()
		}
		var again <-chan time.Time
		if !n.serving.Load() {
			again = time.After(disconnectAgain)
		}
		select {
		case <-n.leads:
		case <-retry:
		case <-again: // a connection may have come in just then
		case <-ctx.Done():
			return
		}
	}
}

// takeOver makes ready what depends on the state.
func (n *Node) takeOver() error {
	if n.dispatcher != nil {
		if err := n.loadGuard(); err != nil {
			return err
		}
		n.settings.look()
	}
	n.opts.Log.Info("this member leads", "member", n.opts.Member, "term", n.group.term.Load())
	n.serving.Store(true)
	return nil
}

// handOver gives the leadership to another member before this one stops, so that
// nobody has to notice that it is gone.
func (n *Node) handOver() {
	if n.peers == nil || n.group == nil || !n.group.leading.Load() {
		return
	}
	s := n.group.Members()
	var to adminapi.GroupMember
	for _, m := range s.Members {
		if m.Voter && m.Active && m.ID != s.ID && (to.ID == 0 || m.Match > to.Match) {
			to = m
		}
	}
	if to.ID == 0 {
		return
	}
	n.warn("hand the leadership over", n.group.Change(adminapi.GroupTransfer, 0, to.ID))
	for end := time.Now().Add(handOverTime); n.group.leading.Load() && time.Now().Before(end); {
		time.Sleep(forwardLook)
	}
}

// dismissReaders closes the connections that read this member's own state, whose
// place another one has taken: what they watch is in the former one.
func (n *Node) dismissReaders() {
	if n.reads != nil {
		n.reads.Disconnect()
	}
}

func (n *Node) disconnect() {
	n.server.Disconnect()
	if n.jobs != nil {
		n.jobs.Disconnect()
	}
	if n.jobsHTTP != nil {
		n.jobsHTTP.Disconnect()
	}
}
