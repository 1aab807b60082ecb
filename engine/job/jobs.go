package job

import (
	"math"

	"github.com/coffer-dev/coffer/engine/acl"
	wire "github.com/coffer-dev/coffer/engine/protocol/job"
	"github.com/coffer-dev/coffer/engine/queue"
)

// jobCommands change one job.
var jobCommands = []command{
	{name: "CANCEL", operation: acl.JobCancel, byJob: true, changes: true, make: func(c *Call) (queue.Op, *queue.Error) {
		return &queue.Cancel{ID: c.ID}, nil
	}},
	{name: "UPDATEJOB", operation: acl.JobUpdate, byJob: true, changes: true, make: makeUpdate, then: thenUpdate},
	{name: "CHANGEPRIORITY", operation: acl.JobUpdate, byJob: true, changes: true, make: func(c *Call) (queue.Op, *queue.Error) {
		if !c.Set.Has(wire.FieldPriority) {
			return nil, missing("priority")
		}
		priority, err := small("priority", c.Priority, math.MinInt32)
		return &queue.SetPriority{ID: c.ID, Priority: priority}, err
	}},
	{name: "MOVETODELAYED", operation: acl.JobUpdate, byJob: true, changes: true, make: func(c *Call) (queue.Op, *queue.Error) {
		if !c.Set.Has(wire.FieldDelay) {
			return nil, missing("delay")
		}
		h, err := c.holder(c.ID, c.Lease)
		return &queue.MoveToDelayed{Holder: h, Delay: c.Delay}, err
	}, then: func(c *Call) (queue.Op, *queue.Error) {
		c.client.letGo(c.op.(*queue.MoveToDelayed).Holder)
		return nil, nil
	}, answer: func(c *Call, dst []byte) []byte {
		return appendNumber(dst, "run_at", c.op.(*queue.MoveToDelayed).Result)
	}},
	{name: "PROMOTE", operation: acl.JobUpdate, byJob: true, changes: true, make: func(c *Call) (queue.Op, *queue.Error) {
		return &queue.Promote{ID: c.ID}, nil
	}},
	{name: "DISCARD", operation: acl.JobUpdate, byJob: true, changes: true, make: func(c *Call) (queue.Op, *queue.Error) {
		return &queue.Discard{ID: c.ID}, nil
	}},
}
