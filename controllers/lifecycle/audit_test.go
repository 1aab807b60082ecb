package lifecycle

import (
	"errors"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/coffer-dev/coffer/api/v1alpha1"
	"github.com/coffer-dev/coffer/controllers/desired"
	"github.com/coffer-dev/coffer/engine/acl"
	"github.com/coffer-dev/coffer/engine/adminapi"
)

// TestAuditing: it is True for what members say that they record, and for
// nothing less.
func TestAuditing(t *testing.T) {
	for name, c := range map[string]struct {
		modify func(*scope)
		reason string
	}{
		"as asked for":             {func(*scope) {}, v1alpha1.ReasonApplied},
		"nothing is asked for":     {func(s *scope) { s.spec().Audit.Level = v1alpha1.AuditNone }, v1alpha1.ReasonAuditDisabled},
		"another level":            {func(s *scope) { s.spec().Audit.Level = v1alpha1.AuditAll }, v1alpha1.ReasonProgressing},
		"an engine without":        {func(s *scope) { s.members[0].Status.Audit = nil }, v1alpha1.ReasonEngineTooOld},
		"the first users file":     {func(s *scope) { s.inputs.Server.Version = acl.FirstFileVersion }, v1alpha1.ReasonEngineTooOld},
		"records were lost":        {func(s *scope) { s.members[0].Status.Audit.Lost = 1 }, v1alpha1.ReasonAuditLost},
		"a file is damaged":        {func(s *scope) { s.members[0].Status.Audit.Error = "00001.audit: damaged" }, v1alpha1.ReasonAuditLost},
		"a member does not answer": {func(s *scope) { s.members[0].Status, s.members[0].Err = nil, errors.New("gone") }, v1alpha1.ReasonMemberUnreachable},
		"there are no members":     {func(s *scope) { s.members = nil }, v1alpha1.ReasonStarting},
	} {
		t.Run(name, func(t *testing.T) {
			s := serving(func(s *scope) {
				s.inputs.Server = &desired.Server{Version: acl.TokensFileVersion}
				s.members[0].Status.Audit = &adminapi.Audit{Level: "Denied"}
			}, c.modify)
			status := s.status(nil)
			got := meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionAuditing)
			if got == nil || got.Reason != c.reason || (got.Status == metav1.ConditionTrue) != (c.reason == v1alpha1.ReasonApplied) {
				t.Errorf("%+v, want reason %s", got, c.reason)
			}
		})
	}
}
