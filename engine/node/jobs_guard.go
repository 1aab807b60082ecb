package node

import (
	"github.com/coffer-dev/coffer/engine/guard"
	"github.com/coffer-dev/coffer/engine/machine"
	"github.com/coffer-dev/coffer/engine/queue"
	"github.com/coffer-dev/coffer/engine/reply"
	"github.com/coffer-dev/coffer/engine/vault"
)

// loadGuard has the guard hold what the state says is in force. Where it cannot,
// nothing is served: data would come in that is neither validated nor encrypted.
func (n *Node) loadGuard() error {
	if n.guard == nil {
		n.guard = guard.New(func() *vault.Ring { return n.credentials.Current().Keys })
	}
	op := &guarded{}
	if err := n.group.Look([]machine.Item{{Op: op}}); err != nil {
		return err
	}
	if err := n.guard.Load(op.settings, op.keys); err != nil {
		return err
	}
	return nil
}

// guardBy has the guard hold settings that are about to be in force: what is
// pushed when they are has been through them. Queues that encrypt have keys then.
func (n *Node) guardBy(s *queue.Settings) error {
	ops, err := n.guard.Prepare(s, n.group.queueKeys())
	if err != nil {
		return err
	}
	for _, op := range ops {
		if err := n.carry(op); err != nil {
			return err
		}
	}
	if err := n.guard.Load(s, n.group.queueKeys()); err != nil {
		return err
	}
	return nil
}

// guarded reads what the guard goes by.
type guarded struct {
	settings *queue.Settings
	keys     []queue.Key
}

// Apply implements machine.Op.
func (g *guarded) Apply(tx *machine.Tx) reply.Reply {
	g.settings, g.keys = tx.Queues.Settings(), tx.Queues.Keys()
	return reply.OK
}
