package ioredis

import (
	"os/exec"
	"testing"

	"github.com/coffer-dev/coffer/engine/acl"
	"github.com/coffer-dev/coffer/test/fixture/npm"
	"github.com/coffer-dev/coffer/test/fixture/rotating"
)

// TestBullMQFollowsRotations holds docs/clients/bullmq.md, with no more
// permissions than it says.
func TestBullMQFollowsRotations(t *testing.T) {
	node := npm.Install(t)
	db := rotating.Start(t, func(u *acl.User) {
		u.Commands, u.Keys, u.Channels = acl.BullMQ.Commands, acl.BullMQ.Keys, acl.BullMQ.Channels
	})
	db.Follow(exec.Command(node, "jobs.mjs", db.Dir))
}
