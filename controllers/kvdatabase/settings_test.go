package kvdatabase

import (
	"errors"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/coffer-dev/coffer/api/v1alpha1"
	"github.com/coffer-dev/coffer/controllers/desired"
	"github.com/coffer-dev/coffer/controllers/instance"
	"github.com/coffer-dev/coffer/engine/adminapi"
)

func sessions(rules ...v1alpha1.RetentionRule) *v1alpha1.KVDatabase {
	return &v1alpha1.KVDatabase{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "sessions"}, Spec: v1alpha1.KVDatabaseSpec{Retention: rules}}
}

func saying(s *adminapi.Settings) []instance.Member {
	return []instance.Member{{Name: "sessions-0", Status: &adminapi.Status{Settings: s}}}
}

// TestSettingsAreProven: they are applied when every member says that it goes by
// them, and not because they were written.
func TestSettingsAreProven(t *testing.T) {
	ruled := sessions(v1alpha1.RetentionRule{Match: "user:*", MaxAge: metav1.Duration{Duration: time.Hour}})
	current := desired.Settings(ruled).Revision
	told := sessions()
	told.Spec.NotifyKeyspaceEvents = "Ex"
	for name, c := range map[string]struct {
		of      *v1alpha1.KVDatabase
		members []instance.Member
		want    string // the condition: status, reason, the beginning of the message
	}{
		"taken up":                 {ruled, saying(&adminapi.Settings{Revision: current}), "True Proven: members go by spec.retention"},
		"events":                   {told, saying(&adminapi.Settings{Revision: desired.Settings(told).Revision}), "True Proven: "},
		"events, not yet":          {told, saying(&adminapi.Settings{}), "False Progressing: "},
		"not yet":                  {ruled, saying(&adminapi.Settings{Revision: "before"}), "False Progressing: member sessions-0 has not taken up"},
		"one of two":               {ruled, append(saying(&adminapi.Settings{Revision: current}), saying(&adminapi.Settings{})...), "False Progressing: "},
		"refused":                  {ruled, saying(&adminapi.Settings{Error: "version 2"}), "False SettingsInvalid: member sessions-0 goes on by the settings as they were: version 2"},
		"an engine without":        {ruled, saying(nil), "False EngineTooOld: pods run an engine from before there were spec.retention and spec.notifyKeyspaceEvents: run `kubectl annotate kvdb sessions coffer.dev/approve-rollout="},
		"no rules":                 {sessions(), saying(&adminapi.Settings{}), "True Proven: "},
		"rules that are taken off": {sessions(), saying(&adminapi.Settings{Revision: current}), "False Progressing: "},
		"nothing, of such":         {sessions(), saying(nil), "True Proven: "},
		"no member answers":        {ruled, []instance.Member{{Name: "sessions-0", Err: errors.New("gone")}}, "False MemberUnreachable: "},
	} {
		got := ""
		settings{}.Conditions(c.of, c.members, func(kind string, holds bool, reason, message string) {
			if kind == v1alpha1.ConditionSettingsApplied {
				got = map[bool]string{true: "True ", false: "False "}[holds] + reason + ": " + message
			}
		})
		if !strings.HasPrefix(got, c.want) {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}
