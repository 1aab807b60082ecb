package credentials

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/coffer-dev/coffer/api/v1alpha1"
	"github.com/coffer-dev/coffer/controllers/instance"
	"github.com/coffer-dev/coffer/controllers/rotation"
	"github.com/coffer-dev/coffer/engine/acl"
	"github.com/coffer-dev/coffer/engine/adminapi"
)

// holding is a secret with a password.
func holding(password, generation string, notes map[string]string) *corev1.Secret {
	return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Annotations: notes},
		Data: map[string][]byte{"password": []byte(password), "generation": []byte(generation)}}
}

// TestProofIsWhatIsAccepted: a generation that a member has heard of, or that
// another user has, is no proof.
func TestProofIsWhatIsAccepted(t *testing.T) {
	m := instance.Member{Name: "db-0", Status: &adminapi.Status{}}
	m.Status.Credentials.Revision = "r"
	m.Status.Credentials.Users = []adminapi.User{
		{Name: "other", Generations: []adminapi.Generation{{Number: 3, Accepted: true}}},
		{Name: "default", Generations: []adminapi.Generation{{Number: 1, Accepted: false, Sessions: 4}, {Number: 2, Accepted: true}}},
	}
	want := rotation.Member{Name: "db-0", Reported: true, Revision: "r", Accepted: []int64{2}}
	if diff := cmp.Diff(want, Member(m, "default")); diff != "" {
		t.Error(diff)
	}
	m.Status = nil
	if diff := cmp.Diff(rotation.Member{Name: "db-0"}, Member(m, "default")); diff != "" {
		t.Errorf("of a member that did not answer: %s", diff)
	}
}

// TestConnection: what applications read changes with a switch alone, and then
// to what has waited.
func TestConnection(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	connection := holding("old", "1", map[string]string{v1alpha1.AnnotationSwitchedAt: at.Format(time.RFC3339), v1alpha1.AnnotationRotationTrigger: "first"})
	pending := holding("new", "2", map[string]string{v1alpha1.AnnotationRotationTrigger: "second"})
	switched := rotation.Decision{Action: &rotation.Action{Switch: &rotation.SwitchWrite{Generation: 2, Trigger: "second", SwitchedAt: at.Add(time.Hour)}}}
	for name, test := range map[string]struct {
		pending    *corev1.Secret
		decision   rotation.Decision
		server     rotation.Verifier
		password   string
		generation int64
		trigger    string
	}{
		"nothing is due":                    {nil, rotation.Decision{}, rotation.Verifier{Generation: 1, SHA256: Sum([]byte("old"))}, "old", 1, "first"},
		"one waits":                         {pending, rotation.Decision{}, rotation.Verifier{Generation: 1, SHA256: Sum([]byte("old"))}, "old", 1, "first"},
		"the switch":                        {pending, switched, rotation.Verifier{Generation: 1, SHA256: Sum([]byte("old"))}, "new", 2, "second"},
		"the time of a switch is put right": {nil, switched, rotation.Verifier{Generation: 1, SHA256: Sum([]byte("old"))}, "old", 2, "second"},
		"a password that nobody knows":      {nil, rotation.Decision{}, rotation.Verifier{Generation: 1, SHA256: Sum([]byte("another"))}, "", 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			o := rotation.Observed{Connection: Connection(connection), Pending: Pending(test.pending), Server: &rotation.Server{Verifiers: []rotation.Verifier{test.server}}}
			got := ConnectionInput(connection, test.pending, o, test.decision)
			if test.password == "" {
				if got != nil {
					t.Fatalf("generation %d is written", got.Generation)
				}
				return
			}
			if got == nil || got.Password != test.password || got.Generation != test.generation || got.Annotations[v1alpha1.AnnotationRotationTrigger] != test.trigger {
				t.Errorf("generation %d of %q, want %d of %q", got.Generation, got.Annotations, test.generation, test.trigger)
			}
		})
	}
}

// TestPending: one secret waits, from when it is made until it is removed.
func TestPending(t *testing.T) {
	waiting := holding("waits", "2", nil)
	create := func(supplied bool) rotation.Decision {
		return rotation.Decision{Action: &rotation.Action{CreatePending: &rotation.NewPending{Generation: 3, Supplied: supplied}}}
	}
	if got := PendingInput(waiting, rotation.Decision{}, ""); got == nil || got.Password != "waits" || got.Generation != 2 {
		t.Error("what waits is not kept")
	}
	if got := PendingInput(waiting, rotation.Decision{Action: &rotation.Action{DeletePending: true}}, ""); got != nil {
		t.Error("what is to be removed is kept")
	}
	if got := PendingInput(nil, create(true), "the user's"); got == nil || got.Password != "the user's" || got.Generation != 3 {
		t.Error("the user's password is not taken")
	}
	one, other := PendingInput(nil, create(false), "the user's"), PendingInput(nil, create(false), "the user's")
	if one.Password == other.Password || len(one.Password) < 43 {
		t.Errorf("two generated ones of %d characters are alike, or guessable", len(one.Password))
	}
	for what, unfit := range map[string]*corev1.Secret{"none": nil, "no password": holding("", "2", nil), "generation 0": holding("x", "0", nil),
		"more than any generation": holding("x", "9007199254740993", nil), "no number": holding("x", "many", nil)} {
		if Pending(unfit) != nil {
			t.Errorf("%s is taken for a secret that waits", what)
		}
	}
}

// TestVerifiersOfAnEditedFile: a number that no rotation gives makes all of them
// worthless.
func TestVerifiersOfAnEditedFile(t *testing.T) {
	file := func(generation int64) acl.File {
		return acl.File{Users: []acl.User{{Name: "default", Verifiers: []acl.Verifier{{Generation: 1, SHA256: "a"}, {Generation: generation, SHA256: "b"}}}}}
	}
	if got := Verifiers(file(2), "default"); len(got) != 2 {
		t.Errorf("%d verifiers", len(got))
	}
	for _, generation := range []int64{0, -1, rotation.MaxGeneration + 1} {
		if got := Verifiers(file(generation), "default"); got != nil {
			t.Errorf("generation %d is counted on", generation)
		}
	}
}

// TestRequestsHaveRoom: a value of any length asks once, and takes little room.
func TestRequestsHaveRoom(t *testing.T) {
	db := &v1alpha1.KVDatabase{}
	long := func(last string) string {
		db.Annotations = map[string]string{v1alpha1.AnnotationRotateCredentials: strings.Repeat("x", 100_000) + last}
		return Requests(db).Rotate
	}
	if one, other := long("1"), long("2"); one == other || len(one) > maxRequest {
		t.Errorf("%d bytes are kept, or two requests are one", len(one))
	}
}
