package ioredis

import (
	"os/exec"
	"testing"

	"github.com/coffer-dev/coffer/test/fixture/npm"
	"github.com/coffer-dev/coffer/test/fixture/rotating"
)

// TestIoredisFollowsRotations holds docs/clients/ioredis.md.
func TestIoredisFollowsRotations(t *testing.T) {
	node := npm.Install(t)
	db := rotating.Start(t)
	db.Follow(exec.Command(node, "load.mjs", db.Dir))
}
