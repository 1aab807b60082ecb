package kvdatabase

import (
	"slices"

	"github.com/coffer-dev/coffer/api/v1alpha1"
	"github.com/coffer-dev/coffer/controllers/desired"
	"github.com/coffer-dev/coffer/controllers/instance"
)

// settings are what a KVDatabase has beside what all kinds have.
type settings struct{}

// Problem says why members do not go by the settings as they are written.
func (settings) Problem(o v1alpha1.Instance, members []instance.Member) *instance.Problem {
	want := desired.Settings(o).Revision
	for _, m := range members {
		switch {
		case m.Status == nil:
		case m.Status.Settings == nil && want == "":
		case m.Status.Settings == nil:
			return &instance.Problem{Reason: v1alpha1.ReasonEngineTooOld, Message: "pods run an engine from before there were spec.retention and spec.notifyKeyspaceEvents: run `" + desired.ApproveRollout(o) + "`"}
		case m.Status.Settings.Revision == want:
		case m.Status.Settings.Error != "":
			return &instance.Problem{Reason: v1alpha1.ReasonSettingsInvalid,
				Message: "member " + m.Name + " goes on by the settings as they were: " + m.Status.Settings.Error}
		default:
			return &instance.Problem{Reason: v1alpha1.ReasonProgressing, Passing: true, Message: "member " + m.Name + " has not taken up the settings yet"}
		}
	}
	return nil
}

// Awaits nothing.
func (settings) Awaits([]instance.Member) bool { return false }

// Status has nothing of its own.
func (settings) Status(v1alpha1.Instance, []instance.Member, bool) {}

// Conditions says whether members go by what is written.
func (s settings) Conditions(o v1alpha1.Instance, members []instance.Member, set instance.Setter) {
	switch p := s.Problem(o, members); {
	case p != nil:
		set(v1alpha1.ConditionSettingsApplied, false, p.Reason, p.Message)
	case !slices.ContainsFunc(members, func(m instance.Member) bool { return m.Status != nil }):
		set(v1alpha1.ConditionSettingsApplied, false, v1alpha1.ReasonMemberUnreachable, "no member says what it goes by")
	default:
		set(v1alpha1.ConditionSettingsApplied, true, v1alpha1.ReasonProven, "members go by spec.retention and spec.notifyKeyspaceEvents as they are written")
	}
}
