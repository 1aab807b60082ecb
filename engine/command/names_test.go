package command

import (
	"testing"

	"github.com/coffer-dev/coffer/engine/acl"
)

// TestEveryNameIsKnown: whoever writes a token's rules may name any command that
// there is.
func TestEveryNameIsKnown(t *testing.T) {
	for _, c := range table {
		if !acl.KnownCommand(c.Name) {
			t.Errorf("acl does not know %q", c.Name)
		}
	}
	if acl.KnownCommand("gett") || acl.KnownCommand("") {
		t.Error("acl knows what there is not")
	}
}
