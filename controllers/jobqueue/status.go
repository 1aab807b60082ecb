package jobqueue

import (
	"fmt"
	"slices"
	"strings"

	"github.com/coffer-dev/coffer/api/v1alpha1"
	"github.com/coffer-dev/coffer/controllers/instance"
	"github.com/coffer-dev/coffer/engine/adminapi"
)

// Status counts the jobs, as the member that leads has them; as they were while
// none says. Numbers that change alone wait until they are to be fresh.
func (queues) Status(o v1alpha1.Instance, members []instance.Member, fresh bool) {
	q, jobs := o.(*v1alpha1.JobQueue), leading(members)
	if jobs == nil {
		return
	}
	var after []v1alpha1.QueueStatus
	seen := map[string]bool{}
	for _, one := range jobs.Queues {
		name := instance.Brief(one.Name, maxName)
		if len(after) == adminapi.MaxQueues || seen[name] {
			continue
		}
		seen[name] = true
		after = append(after, v1alpha1.QueueStatus{Name: name, State: stateOf(one), Declared: one.Declared, JobCounts: counts(one.JobCounts)})
	}
	if !fresh && q.Status.Jobs != nil && slices.EqualFunc(q.Status.Queues, after, alike) {
		return
	}
	q.Status.Queues = after
	q.Status.Jobs = &v1alpha1.JobTotals{Queues: int32(len(jobs.Queues) + max(jobs.More, 0)), JobCounts: counts(jobs.Total)} //nolint:gosec // an engine has at most 65536
}

// maxName is what the CRD has room for; it has none for two of one name.
const maxName = 256

// leading is what the member that leads says of its jobs; nil without one.
func leading(members []instance.Member) *adminapi.Jobs {
	for _, m := range members {
		if m.Leads() {
			return m.Status.Jobs
		}
	}
	return nil
}

// alike but for numbers.
func alike(a, b v1alpha1.QueueStatus) bool {
	return a.Name == b.Name && a.State == b.State && a.Declared == b.Declared
}

func stateOf(q adminapi.QueueStatus) v1alpha1.QueueState {
	switch {
	case q.Closed:
		return v1alpha1.QueueClosed
	case q.Paused:
		return v1alpha1.QueuePaused
	}
	return v1alpha1.QueueOpen
}

func counts(c adminapi.JobCounts) v1alpha1.JobCounts {
	return v1alpha1.JobCounts{Waiting: c.Waiting, Delayed: c.Delayed, Active: c.Active, Completed: c.Completed, Dead: c.Dead}
}

// Awaits: closed queues are gone once they are drained.
func (queues) Awaits(members []instance.Member) bool { return len(closedOf(leading(members))) > 0 }

func closedOf(jobs *adminapi.Jobs) (names []string) {
	if jobs == nil {
		return nil
	}
	for _, one := range jobs.Queues {
		if one.Closed {
			names = append(names, one.Name)
		}
	}
	return names
}

// Conditions says whether members go by what is written, and which queues that
// are no longer written still hold jobs.
func (q queues) Conditions(o v1alpha1.Instance, members []instance.Member, set instance.Setter) {
	jobs := leading(members)
	switch p := q.Problem(o, members); {
	case p != nil:
		set(v1alpha1.ConditionQueuesApplied, false, p.Reason, p.Message)
	case jobs == nil:
		set(v1alpha1.ConditionQueuesApplied, false, v1alpha1.ReasonMemberUnreachable, "no member says what it goes by")
	default:
		set(v1alpha1.ConditionQueuesApplied, true, v1alpha1.ReasonProven, "members go by spec.queues and spec.schedules as they are written")
	}
	closed := closedOf(jobs)
	if len(closed) == 0 {
		set(v1alpha1.ConditionQueuesClosed, false, v1alpha1.ReasonNoneClosed, "every queue that holds jobs is open for more")
		return
	}
	set(v1alpha1.ConditionQueuesClosed, true, v1alpha1.ReasonQueuesRemoved, fmt.Sprintf(
		"no longer in spec.queues and closed for pushes until their jobs are done: %s (status.queues counts them). Put one back to open it, or with deletionPolicy Delete before taking it off to remove its jobs",
		strings.Join(closed, ", ")))
}
