package jobqueue

import (
	"errors"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/coffer-dev/coffer/api/v1alpha1"
	"github.com/coffer-dev/coffer/controllers/desired"
	"github.com/coffer-dev/coffer/controllers/instance"
	"github.com/coffer-dev/coffer/engine/adminapi"
)

func email() *v1alpha1.JobQueue {
	return &v1alpha1.JobQueue{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "work"}, Spec: v1alpha1.JobQueueSpec{Queues: []v1alpha1.Queue{{Name: "email"}}}}
}

// saying is a member that leads and says this of its jobs.
func saying(jobs *adminapi.Jobs) []instance.Member {
	return []instance.Member{{Name: "work-0", Status: &adminapi.Status{Role: "leader", Jobs: jobs}}}
}

// TestQueuesAreProven: they are applied when a member says that it goes by them,
// and not because they were written.
func TestQueuesAreProven(t *testing.T) {
	current := desired.QueuesRevision(email())
	tooMuch := email()
	tooMuch.Spec.Queues[0].Schema = &apiextensionsv1.JSON{Raw: []byte(`"` + strings.Repeat("x", 300<<10) + `"`)}
	for name, c := range map[string]struct {
		of              *v1alpha1.JobQueue
		members         []instance.Member
		reason, message string
		passing         bool
	}{
		"taken up":             {of: email(), members: saying(&adminapi.Jobs{SettingsRevision: current})},
		"an older error":       {of: email(), members: saying(&adminapi.Jobs{SettingsRevision: current, Error: "old"})},
		"no member answers":    {of: email(), members: []instance.Member{{Name: "work-0", Err: errors.New("gone")}}},
		"not yet":              {email(), saying(&adminapi.Jobs{SettingsRevision: "before"}), v1alpha1.ReasonProgressing, "member work-0 has not taken up the queues yet", true},
		"before the first":     {email(), saying(&adminapi.Jobs{}), v1alpha1.ReasonProgressing, "member work-0 has not taken up the queues yet", true},
		"no jobs are served":   {email(), saying(nil), v1alpha1.ReasonProgressing, "does not serve jobs yet", true},
		"refused":              {email(), saying(&adminapi.Jobs{SettingsRevision: "before", Error: "queues[0].schema: not a schema"}), v1alpha1.ReasonQueuesInvalid, "goes on by the queues as they were: spec.queues[0].schema: not a schema", false},
		"refused by name":      {email(), saying(&adminapi.Jobs{SettingsRevision: "before", Error: "settings: no", ErrorRevision: current}), v1alpha1.ReasonQueuesInvalid, "as they were: settings: no", false},
		"mended since":         {email(), saying(&adminapi.Jobs{SettingsRevision: "before", Error: "queues[0].schema: no", ErrorRevision: "between"}), v1alpha1.ReasonProgressing, "member work-0 has not taken up the queues yet", true},
		"more than is carried": {tooMuch, saying(&adminapi.Jobs{SettingsRevision: "before"}), v1alpha1.ReasonQueuesInvalid, "use fewer queues or shorter schemas", false},
	} {
		p := queues{}.Problem(c.of, c.members)
		switch {
		case p == nil && c.reason != "":
			t.Errorf("%s: nothing is wrong", name)
		case p != nil && (p.Reason != c.reason || !strings.Contains(p.Message, c.message) || p.Passing != c.passing):
			t.Errorf("%s: %+v", name, p)
		}
	}
}

func told(name string, waiting int64) adminapi.QueueStatus {
	return adminapi.QueueStatus{Name: name, Declared: true, JobCounts: adminapi.JobCounts{Waiting: waiting, Active: 1}}
}

// TestCountsEnterTheStatusOnceAMinute: numbers alone wait; a queue that comes,
// goes or closes does not, nor does what was never told.
func TestCountsEnterTheStatusOnceAMinute(t *testing.T) {
	q := email()
	look := func(fresh bool, list ...adminapi.QueueStatus) int64 {
		queues{}.Status(q, saying(&adminapi.Jobs{Queues: list, More: 2, Total: adminapi.JobCounts{Waiting: 10, Dead: 3}}), fresh)
		return q.Status.Queues[0].Waiting
	}
	closed := told("email", 4)
	closed.Closed = true
	for i, step := range []struct {
		fresh bool
		list  []adminapi.QueueStatus
		want  int64
	}{
		{false, []adminapi.QueueStatus{told("email", 1)}, 1},
		{false, []adminapi.QueueStatus{told("email", 2)}, 1},
		{true, []adminapi.QueueStatus{told("email", 2)}, 2},
		{false, []adminapi.QueueStatus{told("email", 3), told("sms", 0)}, 3},
		{false, []adminapi.QueueStatus{closed}, 4},
	} {
		if got := look(step.fresh, step.list...); got != step.want {
			t.Errorf("step %d: %d waiting, want %d", i, got, step.want)
		}
	}
	want := v1alpha1.JobQueueStatus{
		Jobs:   &v1alpha1.JobTotals{Queues: 3, JobCounts: v1alpha1.JobCounts{Waiting: 10, Dead: 3}},
		Queues: []v1alpha1.QueueStatus{{Name: "email", State: v1alpha1.QueueClosed, Declared: true, JobCounts: v1alpha1.JobCounts{Waiting: 4, Active: 1}}},
	}
	if diff := cmp.Diff(want, q.Status); diff != "" {
		t.Error(diff)
	}
	queues{}.Status(q, []instance.Member{{Name: "work-0", Err: errors.New("gone")}}, true)
	if q.Status.Jobs == nil || q.Status.Jobs.Waiting != 10 {
		t.Error("the counts are forgotten while nobody tells them")
	}
}

// TestWhatAMemberSaysOfQueuesHasRoom: a status that is refused tells nothing.
func TestWhatAMemberSaysOfQueuesHasRoom(t *testing.T) {
	q, jobs := email(), &adminapi.Jobs{}
	for i := range 1000 {
		jobs.Queues = append(jobs.Queues, told(strings.Repeat("x", 1000), 1), told(strconv.Itoa(i), 1))
	}
	queues{}.Status(q, saying(jobs), true)
	if len(q.Status.Queues) != 256 || q.Status.Queues[1].Name == q.Status.Queues[0].Name || len(q.Status.Queues[0].Name) > 256 || q.Status.Jobs.Queues != 2000 {
		t.Errorf("%d queues are shown, of %d", len(q.Status.Queues), q.Status.Jobs.Queues)
	}
}

// TestClosedQueuesAreTold by name.
func TestClosedQueuesAreTold(t *testing.T) {
	conditions := func(jobs *adminapi.Jobs) map[string]string {
		got := map[string]string{}
		instance.Conditions(nil, 1, func(set instance.Setter) {
			queues{}.Conditions(email(), saying(jobs), func(kind string, holds bool, reason, message string) {
				got[kind] = map[bool]string{true: "True ", false: "False "}[holds] + reason + ": " + message
				set(kind, holds, reason, message)
			})
		})
		return got
	}
	current := desired.QueuesRevision(email())
	open := conditions(&adminapi.Jobs{SettingsRevision: current, Queues: []adminapi.QueueStatus{told("email", 1)}})
	if !strings.HasPrefix(open[v1alpha1.ConditionQueuesApplied], "True Proven") || !strings.HasPrefix(open[v1alpha1.ConditionQueuesClosed], "False NoneClosed") {
		t.Errorf("%v", open)
	}
	if (queues{}).Awaits(saying(&adminapi.Jobs{Queues: []adminapi.QueueStatus{told("email", 1)}})) || (queues{}).Awaits(saying(nil)) {
		t.Error("something is awaited of open queues")
	}
	gone := told("sms", 1)
	gone.Declared, gone.Closed = false, true
	if got := conditions(&adminapi.Jobs{SettingsRevision: current, Queues: []adminapi.QueueStatus{told("email", 1), gone}}); !strings.Contains(got[v1alpha1.ConditionQueuesClosed], "True QueuesRemoved: no longer in spec.queues and closed for pushes until their jobs are done: sms") {
		t.Errorf("%v", got)
	}
	if !(queues{}).Awaits(saying(&adminapi.Jobs{Queues: []adminapi.QueueStatus{gone}})) {
		t.Error("nobody looks when a closed queue is drained")
	}
	if got := conditions(nil); !strings.HasPrefix(got[v1alpha1.ConditionQueuesApplied], "False Progressing") {
		t.Errorf("%v", got)
	}
}
