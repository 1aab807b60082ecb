package job

import (
	"testing"
	"time"

	"github.com/coffer-dev/coffer/engine/acl"
	"github.com/coffer-dev/coffer/engine/queue"
)

// TestTheEndOfAJobWaitsForNoSubscriber: it is told under the group's lock.
func TestTheEndOfAJobWaitsForNoSubscriber(t *testing.T) {
	d := New()
	told := make(chan struct{})
	c := d.NewClient(ClientOptions{Deliver: func(_, _ []byte) bool { close(told); return true }})
	c.SetUser(&acl.Identity{}, acl.Credential{}, nil)
	call := c.NewCall()
	call.ID = 1
	w, err := d.events.watch(call, 60_000)
	if err != nil {
		t.Fatal(err)
	}
	w.arm()
	d.events.mu.Lock() // as while subscribers are told
	defer d.events.mu.Unlock()
	go d.OnEvent(queue.Event{Kind: queue.EventCompleted, Queue: "q", ID: 1, Final: true})
	select {
	case <-told:
	case <-time.After(10 * time.Second):
		t.Error("it does")
	}
}
