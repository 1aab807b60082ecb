package clients

import (
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/coffer-dev/coffer/engine/client/jobs"
	"github.com/coffer-dev/coffer/test/linear"
)

// TestATornTransactionIsSeen: half of a transaction is no state that there was.
func TestATornTransactionIsSeen(t *testing.T) {
	for answer, want := range map[string]porcupine.CheckResult{
		"[1 1]": porcupine.Ok, "[:-3 :5]": porcupine.Illegal, "[-2 4]": porcupine.Ok, "[-2 1]": porcupine.Illegal, "[nil nil]": porcupine.Illegal,
	} {
		var h linear.History
		h.Add("pair:1", 1, []string{"PUT", "1"}, 0, 1, "[OK OK]")
		h.Add("pair:1", 2, []string{"MOVE", "3"}, 2, 0, linear.Unknown)
		h.Add("pair:1", 3, []string{"BOTH"}, 3, 4, answer)
		if got := h.Check("pair:1"); got != want {
			t.Errorf("%s is %v, want %v", answer, got, want)
		}
	}
}

// TestWhatBecomesOfJobs: a job that was acknowledged to its producer and never
// carried out is lost, and one that comes after its own acknowledgement is wrong.
func TestWhatBecomesOfJobs(t *testing.T) {
	j := NewJobs()
	j.acknowledged("a")
	j.acknowledged("b")
	j.begin(&jobs.Job{ID: 2}, "b")
	j.begin(&jobs.Job{ID: 3}, "c") // its producer has no answer yet
	j.acknowledged("c")
	if v := j.Check(); v.Jobs != 3 || len(v.Lost) != 1 || v.Lost[0] != "a" {
		t.Errorf("of three jobs, of which one was never carried out: %+v", v)
	}
	j.ran[2] = time.Now()
	before := j.ran[2].Add(-time.Second)
	j.handedOut(&jobs.Job{ID: 2}, before)     // it was asked for before it was acknowledged
	j.handedOut(&jobs.Job{ID: 3}, time.Now()) // nobody was told that it had been
	if v := j.Check(); len(v.Again) != 0 || v.Twice != 2 {
		t.Errorf("what may be carried out twice: %+v", v)
	}
	j.handedOut(&jobs.Job{ID: 2}, time.Now())
	if v := j.Check(); len(v.Again) != 1 {
		t.Errorf("a job handed out after its acknowledgement is not noticed: %+v", v)
	}
}

// TestPause: what counts begins in the time that is asked for, and may end after it.
func TestPause(t *testing.T) {
	p := NewPulse()
	p.begun = time.Now().Add(-time.Minute)
	at := func(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
	p.beats = []time.Duration{at(1), at(2), at(9), at(10), at(18)}
	for _, test := range []struct{ from, to, want float64 }{
		{1, 2, 1}, {2, 3, 7}, {3, 4, 6}, {9.5, 10.5, 8}, {0, 20, 42},
	} {
		if got := p.Pause(p.begun.Add(at(test.from)), p.begun.Add(at(test.to))); got.Round(time.Second) != at(test.want) {
			t.Errorf("from %v to %v: %s, want %v s", test.from, test.to, got, test.want)
		}
	}
	if got := p.PerSecond(p.begun.Add(at(2)), 9); got[0] != 1 || got[7] != 1 || got[8] != 1 || got[1] != 0 {
		t.Errorf("per second: %v", got)
	}
}
