package membership

import (
	"slices"

	"github.com/coffer-dev/coffer/api/v1alpha1"
)

// A majority that forgot is a majority that is lost, though all of its volumes are
// there: whoever is left may lack what had been acknowledged. The group goes on from
// the latest log when somebody says so (recover.go).

// forgotten are the members that wait to be added anew, with their logs.
func (m machine) forgotten() (names []string) {
	for _, x := range m.o.Members {
		if forgot(x) {
			names = append(names, x.Name)
		}
	}
	return names
}

// allForgot: nobody answers who remembers.
func (m machine) allForgot() Decision {
	if best := m.latest(); best != nil {
		return m.unled(best.Status.Group)
	}
	return Decision{Reason: v1alpha1.ReasonQuorumLost, Message: "the logs of " + list(m.forgotten(), "and") + " cannot be read; see `kubectl logs`"}
}

// mayRemember: those who do not answer would be a majority, with those who do, if
// they came back and had forgotten nothing.
func (m machine) mayRemember(voters, there int, missing []string) bool {
	return there+len(except(missing, m.forgotten())) > voters/2
}

func except(names, others []string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(n string) bool { return slices.Contains(others, n) })
}
