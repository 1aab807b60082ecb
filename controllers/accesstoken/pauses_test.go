package accesstoken

import (
	"errors"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/coffer-dev/coffer/api/v1alpha1"
	"github.com/coffer-dev/coffer/controllers/desired"
	"github.com/coffer-dev/coffer/controllers/instance"
)

// TestASlowTargetHoldsUpNobodyElse: of the tokens of a target that does not
// answer one at a time waits for it, and not all the time; who answers, or fails
// at once, is asked by everybody.
func TestASlowTargetHoldsUpNobodyElse(t *testing.T) {
	slow, other := client.ObjectKey{Name: "slow"}, client.ObjectKey{Name: "other"}
	failed, well := []instance.Member{{Err: errors.New("timeout")}}, []instance.Member{{}}
	var p pauses
	now := noon
	ask := func(target client.ObjectKey, want bool) {
		t.Helper()
		if got := p.begin(target, now); got != want {
			t.Errorf("%v after %v: asked %v", target.Name, now.Sub(noon), got)
		}
	}
	ask(slow, true)
	p.end(slow, failed, now, 2*time.Second)
	ask(slow, false)
	ask(other, true)
	p.end(other, failed, now, time.Millisecond)
	ask(other, true)
	p.end(other, well, now, 2*time.Second)
	ask(other, true)
	now = now.Add(20 * time.Second)
	ask(slow, true)
	ask(slow, false) // somebody is at it
	p.end(slow, failed, now, 2*time.Second)
	ask(slow, false)
	now = now.Add(20 * time.Second)
	ask(slow, true)
	p.end(slow, well, now, time.Millisecond)
	ask(slow, true)
	if len(p.until) != 0 {
		t.Errorf("%v is remembered", p.until)
	}
}

// TestWhatIsAwaitedForLongIsLookedAtRarely, or tokens of a target that never
// serves would take the operator's time from all others.
func TestWhatIsAwaitedForLongIsLookedAtRarely(t *testing.T) {
	for since, want := range map[time.Duration]time.Duration{
		0: 2 * time.Second, 10 * time.Second: 2 * time.Second, time.Minute: 6 * time.Second, time.Hour: 30 * time.Second, -time.Hour: 2 * time.Second,
	} {
		s := granted(func(s *scope) {
			s.members = instance.Members(desired.NamesOf(s.target), 1, nil)
			silence(s.members)
		})
		s.token.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: metav1.ConditionFalse, LastTransitionTime: metav1.NewTime(noon.Add(-since))}}
		if err := s.decide(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := s.rest(); got != want {
			t.Errorf("not ready for %v: looked at after %v, want %v", since, got, want)
		}
	}
}
