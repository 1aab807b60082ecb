package config

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/coffer-dev/coffer/engine/keyevent"
)

func TestSettings(t *testing.T) {
	s, err := ParseSettings([]byte(`{"version": 1, "revision": "r", "retention": [{"match": "user:*", "maxAgeSeconds": 60}, {"match": "*", "maxAgeSeconds": 315360000}], "keyspaceEvents": "Ex"}`))
	want := Settings{Version: 1, Revision: "r", Retention: []RetentionRule{{"user:*", 60}, {"*", 315360000}}, KeyspaceEvents: "Ex"}
	if err != nil || !reflect.DeepEqual(s, want) || s.Events() != keyevent.Keyevent|keyevent.Expired {
		t.Fatalf("%+v, %v", s, err)
	}
	for text, says := range map[string]string{
		`{"version": 1, "revision": "r", "retain": []}`:                                                        `unknown field "retain"`,
		`{"version": 1, "keyspaceEvents": "Km"}`:                                                               `keyspaceEvents: "Km": m (misses) is not told`,
		`{"version": 1, "keyspaceEvents": "x"}`:                                                                `keyspaceEvents: "x": K (channels named after keys)`,
		`{"version": 1} {}`:                                                                                    "after top-level value",
		`{"retention": []}`:                                                                                    "version: 0, must be 1",
		`{"version": 1, "retention": [{"match": "", "maxAgeSeconds": 60}]}`:                                    "retention[0].match: 0 bytes",
		`{"version": 1, "retention": [{"match": "a", "maxAgeSeconds": 59}]}`:                                   "retention[0].maxAgeSeconds: 59, must be from 60 to 315360000",
		`{"version": 1, "retention": [{"match": "a", "maxAgeSeconds": 315360001}]}`:                            "retention[0].maxAgeSeconds: 315360001",
		`{"version": 1, "retention": [{"match": "a", "maxAgeSeconds": 60}, {"match":"a","maxAgeSeconds":70}]}`: `retention[1].match: "a", is another rule's`,
		`{"version": 1, "retention": [{"match": "` + strings.Repeat("x", 1025) + `", "maxAgeSeconds": 60}]}`:   "retention[0].match: 1025 bytes",
		`{"version": 1, "retention": [` + strings.TrimSuffix(strings.Repeat(`{},`, 33), ",") + `]}`:            "33 rules, must be at most 32",
	} {
		if _, err := ParseSettings([]byte(text)); !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), says) {
			t.Errorf("%.80s: %v, want it to say %q", text, err, says)
		}
	}
	if _, err := ParseSettings(fmt.Appendf(nil, `{"version": %d, "more": 1}`, SettingsVersion+1)); !errors.Is(err, ErrNewerVersion) {
		t.Errorf("of a newer version: %v", err)
	}
}
