package job

import (
	"fmt"

	"github.com/coffer-dev/coffer/engine/acl"
	"github.com/coffer-dev/coffer/engine/queue"
)

// seal has the guard look at the data that an operation brings, which is
// refused, or goes on with its fields encrypted. An Update has been through it.
func (c *Call) seal(op queue.Op) (err *queue.Error) {
	guard := c.client.d.opts.Guard
	switch op := op.(type) {
	case *queue.Push:
		for i := range op.Jobs {
			if op.Jobs[i].Data, err = guard.Seal(op.Jobs[i].Queue, op.Jobs[i].Data); err != nil {
				if c.Cmd == "PUSHB" {
					err.Field = fmt.Sprintf("jobs[%d].%s", i, err.Field)
				}
				return err
			}
		}
	case *queue.Flow:
		if op.Parent.Data, err = guard.Seal(op.Parent.Queue, op.Parent.Data); err != nil {
			return err
		}
		for i := range op.Children {
			child := &op.Children[i]
			if child.Data, err = guard.Seal(child.Queue, child.Data); err != nil {
				err.Field = fmt.Sprintf("children[%d].%s", i, err.Field)
				return err
			}
		}
	case *queue.SetSchedule:
		op.Data, err = guard.Seal(op.Queue, op.Data)
	}
	return err
}

// makeUpdate looks at the job first: what of its data comes back encrypted
// stays, and which schema there is depends on its queue.
func makeUpdate(c *Call) (queue.Op, *queue.Error) {
	if c.Data == nil {
		return nil, missing("data")
	}
	return &queue.Get{IDs: []uint64{c.ID}}, nil
}

func thenUpdate(c *Call) (queue.Op, *queue.Error) {
	get, ok := c.op.(*queue.Get)
	if !ok {
		return nil, nil
	}
	j := get.Result[0]
	if j == nil {
		return nil, noJob(c.ID)
	}
	if err := c.judgeIn(j.Queue, c.ID); err != nil {
		return nil, err
	}
	data, err := c.client.d.opts.Guard.Update(j.Queue, c.Data, j.Payload)
	return &queue.Update{ID: c.ID, Data: data}, err
}

// openly has a job appended with what of its data the user may see in clear. No
// more than one is in memory like that at a time.
func (c *Client) openly(dst []byte, j *queue.Job, item func([]byte, *queue.Job) []byte) []byte {
	stored := j.Payload
	j.Payload = c.opened(stored)
	dst = item(dst, j)
	j.Payload = stored
	return dst
}

func (c *Client) opened(data string) string {
	return c.d.opts.Guard.Open(data, func(queueName string) bool {
		return c.Identity().AllowsJob(acl.JobDecrypt, queueName) == nil
	})
}
