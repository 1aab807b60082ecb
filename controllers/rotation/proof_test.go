package rotation_test

import (
	"testing"
	"time"

	"github.com/coffer-dev/coffer/controllers/rotation"
)

// TestProofIsOfTheSecretNotItsNumber: a member that accepts the generations of
// an older users file may know another secret under the same number.
func TestProofIsOfTheSecretNotItsNumber(t *testing.T) {
	one, two := rotation.Verifier{Generation: 1, SHA256: "a"}, rotation.Verifier{Generation: 2, SHA256: "b"}
	now := server(rotation.Marks{}, one, two)
	for what, change := range map[string]func(*rotation.Member){
		"an older file":      func(m *rotation.Member) { m.Revision = "older" },
		"nothing reported":   func(m *rotation.Member) { m.Reported = false },
		"not the generation": func(m *rotation.Member) { m.Accepted = m.Accepted[:1] },
	} {
		members := member(now)
		change(&members[0])
		d := rotation.Next(start, rotation.Policy{Overlap: time.Minute}, rotation.Observed{
			Connection: &rotation.Connection{Generation: 1, SHA256: "a", SwitchedAt: start}, Server: now, Members: members,
			Pending: &rotation.Pending{Generation: 2, SHA256: "b", Since: start},
		}, rotation.Requests{})
		if d.Reason != "WaitingForProof" || d.Action != nil {
			t.Errorf("%s: %s", what, d.Reason)
		}
	}
}
