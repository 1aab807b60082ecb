package acl

import (
	"slices"
	"testing"
)

// TestAllowsJob: one rule must permit both the operation and the queue.
func TestAllowsJob(t *testing.T) {
	id := identity(t, func(u *User) {
		u.Source = "AccessToken shop/cart"
		u.Jobs = []JobRule{{[]string{"jobs:*", "tasks"}, JobWorker}, {[]string{"mail"}, JobProducer}, {[]string{"all"}, JobAdmin}}
	})
	for queue, allowed := range map[string][]string{
		"jobs:1": JobWorker, "tasks": JobWorker, "tasks2": {}, "mail": JobProducer, "all": OperationNames(), "other": {},
	} {
		for i, name := range OperationNames() {
			denied := id.AllowsJob(1<<i, queue)
			if (denied == nil) != slices.Contains(allowed, name) {
				t.Errorf("%s on %s: %v", name, queue, denied)
			}
		}
	}
	const text = `permission denied: Push on queue "tasks": see AccessToken shop/cart`
	if denied := id.AllowsJob(JobPush, "tasks"); denied == nil || denied.Error() != text || denied.Reason() != "Push is not permitted on this queue" {
		t.Errorf("got %v, want %s", denied, text)
	}
	if denied := id.AllowsJob(JobPush|JobPull, "jobs:1"); denied == nil {
		t.Error("what needs two operations is permitted with one")
	}
	if denied := users(t).Identity("default").AllowsJob(JobRead, "x"); denied == nil {
		t.Error("permitted without a rule")
	}
}

// TestOperationNames: each operation has its own.
func TestOperationNames(t *testing.T) {
	if JobDecrypt.String() != "Decrypt" || JobPush.String() != "Push" || Operation(everyOperation) != JobDecrypt<<1-1 || len(operationNames) != 13 {
		t.Errorf("%s, %s, %b", JobPush, JobDecrypt, Operation(everyOperation))
	}
}
