package node

import "github.com/coffer-dev/coffer/engine/machine"

// Spoil changes a key in memory, as no entry of the log does.
func (n *Node) Spoil(key string) {
	n.group.mu.Lock()
	defer n.group.mu.Unlock()
	spoilt := item("SET", key, "spoilt")
	n.group.member.Machine().Read([]machine.Item{spoilt}, 0)
}

// Ended tells whether the group has.
func (n *Node) Ended() bool { return isClosed(n.group.done) }
