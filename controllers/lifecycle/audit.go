package lifecycle

import (
	"fmt"
	"time"

	"github.com/coffer-dev/coffer/api/v1alpha1"
	"github.com/coffer-dev/coffer/controllers/desired"
	"github.com/coffer-dev/coffer/controllers/instance"
)

// setAuditing says whether what spec.audit asks for is recorded: by what members
// say, which is of the users file that they have taken up.
func (s *scope) setAuditing(set instance.Setter) {
	asked := s.spec().Audit.LevelOrDefault()
	if asked == v1alpha1.AuditNone {
		set(v1alpha1.ConditionAuditing, false, v1alpha1.ReasonAuditDisabled, "spec.audit.level is None: nothing is recorded")
		return
	}
	if p := s.auditProblem(asked); p != nil {
		set(v1alpha1.ConditionAuditing, false, p.Reason, p.Message)
		return
	}
	set(v1alpha1.ConditionAuditing, true, v1alpha1.ReasonApplied, fmt.Sprintf("level %s, kept for %s", asked, s.spec().Audit.RetentionOrDefault().Round(time.Second)))
}

func (s *scope) auditProblem(asked v1alpha1.AuditLevel) *instance.Problem {
	for _, m := range s.members {
		if m.Status == nil {
			return &instance.Problem{Reason: v1alpha1.ReasonMemberUnreachable, Message: "member " + m.Name + " does not say what it records"}
		}
		switch audit := m.Status.Audit; {
		case audit == nil || s.tooOld():
			return &instance.Problem{Reason: v1alpha1.ReasonEngineTooOld, Message: "pods run an engine from before there was an audit log: run `" + desired.ApproveRollout(s.object) + "`"}
		case audit.Lost > 0:
			return &instance.Problem{Reason: v1alpha1.ReasonAuditLost, Message: fmt.Sprintf(
				"member %s could not keep %d records: let spec.storage.size grow, or shorten spec.audit.retention (%s)", m.Name, audit.Lost, audit.Error)}
		case audit.Error != "":
			return &instance.Problem{Reason: v1alpha1.ReasonAuditLost, Message: fmt.Sprintf("the audit log of member %s: %s", m.Name, audit.Error)}
		case audit.Level != string(asked):
			return &instance.Problem{Reason: v1alpha1.ReasonProgressing, Message: "member " + m.Name + " records at level " + audit.Level + " still"}
		}
	}
	if len(s.members) == 0 {
		return &instance.Problem{Reason: v1alpha1.ReasonStarting, Message: "no member records anything yet"}
	}
	return nil
}
