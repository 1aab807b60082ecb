package rotation_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/coffer-dev/coffer/api/v1alpha1"
	"github.com/coffer-dev/coffer/controllers/rotation"
)

// atRest is a world of one secret, switched at start.
func atRest(change func(*rotation.Observed)) rotation.Observed {
	one := rotation.Verifier{Generation: 1, SHA256: "a"}
	o := rotation.Observed{
		Connection: &rotation.Connection{Generation: 1, SHA256: "a", SwitchedAt: start, Trigger: "x"},
		Server:     server(rotation.Marks{}, one),
	}
	if change != nil {
		change(&o)
	}
	return o
}

func window(t *testing.T, schedule, zone string, d time.Duration) *rotation.Window {
	t.Helper()
	w, err := rotation.ParseWindow(schedule, zone, d)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// start is Tuesday, 14 November 2023, 22:13:20 UTC.
func TestRotationsStartByThemselves(t *testing.T) {
	const day = 24 * time.Hour
	daily := rotation.Policy{Overlap: time.Hour, Interval: day}
	nightly := daily
	nightly.Window = window(t, "0 3 * * *", "Europe/Berlin", 2*time.Hour) // 02:00 to 04:00 UTC
	tests := map[string]struct {
		policy rotation.Policy
		change func(*rotation.Observed)
		after  time.Duration // since start
		begins bool
	}{
		"never without an interval":      {policy: rotation.Policy{Overlap: time.Hour}, after: 365 * day},
		"not in the first nine tenths":   {policy: daily, after: day*9/10 - time.Second},
		"when the interval has passed":   {policy: daily, after: day, begins: true},
		"an unknown last time is long":   {policy: daily, change: func(o *rotation.Observed) { o.Connection.SwitchedAt = time.Time{} }, begins: true},
		"a last time to come is long":    {policy: daily, change: func(o *rotation.Observed) { o.Connection.SwitchedAt = start.Add(day) }, begins: true},
		"not with a user's own secret":   {policy: daily, after: 2 * day, change: func(o *rotation.Observed) { o.Supplied = &rotation.Supplied{Usable: true, SHA256: "a"} }},
		"not soon after one was aborted": {policy: daily, after: 2 * day, change: func(o *rotation.Observed) { o.Server.Marks.AbortedAt = start.Add(2*day - time.Hour) }},
		"an interval after the abort":    {policy: daily, after: 2 * day, change: func(o *rotation.Observed) { o.Server.Marks.AbortedAt = start.Add(day) }, begins: true},
		"due, and the window is closed":  {policy: nightly, after: day},
		"due, and the window opens":      {policy: nightly, after: day + 4*time.Hour, begins: true}, // 02:13 UTC
		"the last moment of the window":  {policy: nightly, after: day + 5*time.Hour + 46*time.Minute + 39*time.Second, begins: true},
		"a window that was missed":       {policy: nightly, after: day + 5*time.Hour + 46*time.Minute + 40*time.Second},
		"the window after that":          {policy: nightly, after: 2*day + 4*time.Hour, begins: true},
		"not in the window before":       {policy: nightly, after: 4 * time.Hour},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			d := rotation.Next(start.Add(test.after), test.policy, atRest(test.change), rotation.Requests{Rotate: "x"})
			if begins := d.Action != nil && d.Action.CreatePending != nil; begins != test.begins {
				t.Fatalf("begins: %v; %+v", begins, d)
			}
			if d.Action != nil && d.Action.CreatePending.Trigger != "x" {
				t.Errorf("the request that was handled last is forgotten: %+v", d.Action.CreatePending)
			}
			if d.Action == nil && test.policy.Interval > 0 && atRest(test.change).Supplied == nil && !d.Scheduled.Equal(start.Add(test.after+d.After)) {
				t.Errorf("looks again after %s, not at %s", d.After, d.Scheduled)
			}
		})
	}
}

// TestAFleetDoesNotRotateAtOnce: many objects of one age and one policy.
func TestAFleetDoesNotRotateAtOnce(t *testing.T) {
	const month = 720 * time.Hour
	for name, w := range map[string]*rotation.Window{"any time": nil, "in a window": window(t, "0 3 * * *", "", 4*time.Hour)} {
		t.Run(name, func(t *testing.T) {
			times := map[time.Time]bool{}
			for i := range 200 {
				p := rotation.Policy{Overlap: time.Hour, Interval: month, Window: w, Seed: fmt.Sprint("uid-", i)}
				d := rotation.Next(start, p, atRest(nil), rotation.Requests{})
				again := rotation.Next(start.Add(d.After/2), p, atRest(nil), rotation.Requests{})
				if !again.Scheduled.Equal(d.Scheduled) {
					t.Fatalf("first %s, then %s", d.Scheduled, again.Scheduled)
				}
				if age := d.Scheduled.Sub(start); age < month*9/10 || age > month+24*time.Hour {
					t.Fatalf("scheduled at the age of %s", age)
				}
				if hour := d.Scheduled.UTC().Hour(); w != nil && (hour < 3 || hour >= 7) {
					t.Fatalf("scheduled at %s, outside the window", d.Scheduled)
				}
				times[d.Scheduled.Truncate(time.Minute)] = true
			}
			if len(times) < 24 {
				t.Errorf("200 objects start in %d different minutes", len(times))
			}
		})
	}
}

func TestManualCompletionWaits(t *testing.T) {
	one, two := rotation.Verifier{Generation: 1, SHA256: "a"}, rotation.Verifier{Generation: 2, SHA256: "b"}
	p := rotation.Policy{Overlap: 10 * time.Minute, Interval: time.Hour, Completion: rotation.Manual}
	o := rotation.Observed{Connection: &rotation.Connection{Generation: 2, SHA256: "b", SwitchedAt: start}, Server: server(rotation.Marks{}, one, two)}
	d := rotation.Next(start.Add(1000*time.Hour), p, o, rotation.Requests{Rotate: "y"})
	if d.Phase != rotation.Overlap || d.Action != nil || d.Reason != "WaitingForCompletion" {
		t.Errorf("%+v", d)
	}
	d = rotation.Next(start, p, o, rotation.Requests{Complete: "now"})
	if d.Action == nil || d.Action.WriteServer == nil || len(d.Action.WriteServer.Verifiers) != 1 {
		t.Errorf("asked to complete: %+v", d)
	}
}

func TestWindowsThatCannotBeAreNamed(t *testing.T) {
	for _, test := range []struct{ schedule, zone, says string }{
		{"0 3 * *", "", "write minute, hour"},
		{"61 3 * * *", "", "61"},
		{"0 0 31 2 *", "", "never comes"},
		{"@daily", "", "write minute, hour"},
		{"TZ=x", "", "write minute, hour"},
		{"0 3 * * *", "Europe/Atlantis", "IANA"},
		{"0 3 * * *", "Local", "IANA"},
	} {
		p, err := rotation.PolicyOf(v1alpha1.Rotation{
			Interval: &metav1.Duration{Duration: time.Hour},
			Window:   &v1alpha1.RotationWindow{Schedule: test.schedule, TimeZone: test.zone, Duration: metav1.Duration{Duration: time.Hour}},
		}, "")
		if err == nil || !strings.Contains(err.Error(), test.says) || !strings.Contains(err.Error(), "spec.rotation.window") {
			t.Errorf("%q in %q: %v", test.schedule, test.zone, err)
		}
		if p.Interval != 0 || p.Overlap != v1alpha1.DefaultOverlap {
			t.Errorf("%q in %q: %+v", test.schedule, test.zone, p)
		}
	}
}
