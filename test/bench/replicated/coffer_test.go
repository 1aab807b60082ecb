package replicated

import (
	"testing"
	"time"

	"github.com/coffer-dev/coffer/test/fixture/replicas"
)

// coffer is three members of the engine. Clients are spread over them, as its
// Service does: two of three connections are handed through to the leader.
type coffer struct {
	*replicas.Group
	b *testing.B
	// direct has the clients at the leader, to show what handing through costs.
	direct bool
}

func startCoffer(b *testing.B) *coffer {
	c := &coffer{Group: replicas.New(b, 3, replicas.Processes(b)), b: b}
	c.Form()
	return c
}

func (c *coffer) name() string {
	if c.direct {
		return "Coffer, clients at the leader"
	}
	return "Coffer"
}

func (c *coffer) endpoints() (all []endpoint) {
	for i := range c.Configs {
		o := c.Redis(i).Options()
		all = append(all, endpoint{o.Addr, o.Password, o.TLSConfig})
	}
	return all
}

func (c *coffer) connect(l load) func(time.Duration) []time.Duration {
	endpoints := c.endpoints()
	if leader := c.WaitLeader(); c.direct {
		endpoints = endpoints[leader : leader+1]
	}
	return connect(c.b, endpoints, set, l)
}

func (c *coffer) pids() (pids []int) {
	for i := range c.Configs {
		pids = append(pids, c.Member(i).(*replicas.Process).PID())
	}
	return pids
}

func (c *coffer) stop() {
	for i := range c.Configs {
		c.Stop(i)
	}
}
