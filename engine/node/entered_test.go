package node

import (
	"testing"

	"github.com/coffer-dev/coffer/engine/peer"
)

// TestAMemberThatStartsTakesNoClients: the others believe that it leads until they
// hear of another leader, and hand their clients through to it.
func TestAMemberThatStartsTakesNoClients(t *testing.T) {
	starting := &Node{}
	if starting.entered(peer.Keys) != nil {
		t.Error("a member that has no group yet takes clients")
	}
}
