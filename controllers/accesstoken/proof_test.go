package accesstoken

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/coffer-dev/coffer/api/v1alpha1"
	"github.com/coffer-dev/coffer/controllers/credentials"
	"github.com/coffer-dev/coffer/controllers/desired"
	"github.com/coffer-dev/coffer/controllers/instance"
	"github.com/coffer-dev/coffer/engine/acl"
	"github.com/coffer-dev/coffer/engine/adminapi"
)

const password = "a-password-of-43-characters-012345678901234"

// granted is a pass over a token that is granted: its secret, its grant, the
// target's users file and its one member agree.
func granted(modify ...func(*scope)) *scope {
	token := &v1alpha1.AccessToken{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "checkout", UID: "t"}}
	token.Spec.TargetRef = v1alpha1.TargetRef{Kind: v1alpha1.TargetKVDatabase, Name: "db"}
	token.Spec.KeyValue = &v1alpha1.KeyValueRules{Role: v1alpha1.RoleReadWrite, Keys: []string{"session:*"}}
	s := (&Reconciler{Now: func() time.Time { return noon }, Sees: func(string) bool { return true }}).newScope(token)
	s.target = &v1alpha1.KVDatabase{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "db", UID: "d"}}
	grant := s.wanted()
	grant.User.Verifiers = []acl.Verifier{desired.Verifier(1, password)}
	s.grant = secretOfGrant(s, grant)
	s.connection = &corev1.Secret{Data: map[string][]byte{
		desired.KeyPassword: []byte(password), desired.KeyGeneration: []byte("1"), "host": []byte("db.shop.svc")}}
	s.access = &corev1.Secret{Data: map[string][]byte{desired.KeyCA: []byte("ca"), desired.KeyNotAfter: []byte("2027-01-01T00:00:00Z")}}
	s.users = acl.File{Version: acl.TokensFileVersion, Revision: "r1", Users: []acl.User{{Name: "default"}, grant.User}}
	s.members = []instance.Member{{Name: "db-0", Status: &adminapi.Status{Credentials: adminapi.Credentials{Revision: "r1", FileVersion: acl.TokensFileVersion,
		Users: []adminapi.User{{Name: "checkout", Generations: []adminapi.Generation{{Number: 1, Accepted: true}}}}}}}}
	for _, m := range modify {
		m(s)
	}
	return s
}

func secretOfGrant(s *scope, g desired.Grant) *corev1.Secret {
	object := desired.GrantObject(desired.TokenInputs{Token: s.token, Target: s.target, Grant: &g})
	return fromApply(object)
}

// TestProofOfAToken: what counts as proof that the credential in the secret may
// be used, and what does not.
func TestProofOfAToken(t *testing.T) {
	for name, c := range map[string]struct {
		modify func(*scope)
		reason string // empty: granted
	}{
		"all agree":                         {func(*scope) {}, ""},
		"a member does not answer":          {func(s *scope) { s.members[0].Status = nil }, v1alpha1.ReasonCredentialsNotProven},
		"a member does not know the user":   {func(s *scope) { s.members[0].Status.Credentials.Users = nil }, v1alpha1.ReasonCredentialsNotProven},
		"a member has another file":         {func(s *scope) { s.members[0].Status.Credentials.Revision = "r0" }, v1alpha1.ReasonProgressing},
		"the file has other rules":          {func(s *scope) { s.users.Users[1].Keys = []string{"*"} }, v1alpha1.ReasonProgressing},
		"the file has another end":          {func(s *scope) { s.users.Users[1].NotAfter = "2026-01-01T00:00:00Z" }, v1alpha1.ReasonProgressing},
		"there is no grant":                 {func(s *scope) { s.grant = nil }, v1alpha1.ReasonProgressing},
		"nobody serves":                     {func(s *scope) { s.members = nil }, v1alpha1.ReasonCredentialsNotProven},
		"nobody says whom clients trust":    {func(s *scope) { s.access = nil }, v1alpha1.ReasonCredentialsNotProven},
		"the engine cannot have tokens":     {func(s *scope) { s.members[0].Status.Credentials.FileVersion = 0 }, v1alpha1.ReasonEngineTooOld},
		"the target is full":                {func(s *scope) { s.full = true }, v1alpha1.ReasonTargetFull},
		"the secret was edited by somebody": {func(s *scope) { s.connection.Data[desired.KeyPassword] = []byte("theirs") }, v1alpha1.ReasonCredentialsNotProven},
	} {
		t.Run(name, func(t *testing.T) {
			s := granted(c.modify)
			if err := s.decide(t.Context()); err != nil {
				t.Fatal(err)
			}
			p := s.problem(nil)
			if c.reason == "" && p != nil || c.reason != "" && (p == nil || p.Reason != c.reason) {
				t.Errorf("%+v, want %q", p, c.reason)
			}
		})
	}
}

// TestNoSwitchBeforeProof: the new password reaches the secret when every member
// has the file with it, and not because one accepts its number.
func TestNoSwitchBeforeProof(t *testing.T) {
	next := strings.Repeat("next", 10)
	rotating := func(s *scope) {
		s.pending = &corev1.Secret{Data: map[string][]byte{desired.KeyPassword: []byte(next), desired.KeyGeneration: []byte("2")}}
		g := s.wanted()
		g.User.Verifiers = []acl.Verifier{desired.Verifier(1, password), desired.Verifier(2, next)}
		s.grant = secretOfGrant(s, g)
		s.users.Users[1] = g.User
		s.members[0].Status.Credentials.Users[0].Generations = []adminapi.Generation{{Number: 1, Accepted: true}, {Number: 2, Accepted: true}}
	}
	for name, c := range map[string]struct {
		modify   func(*scope)
		switches bool
	}{
		"every member has the file":   {func(*scope) {}, true},
		"the member has another file": {func(s *scope) { s.members[0].Status.Credentials.Revision = "r0" }, false},
		"the file has another verifier": {func(s *scope) {
			s.users.Users[1].Verifiers = []acl.Verifier{desired.Verifier(1, password), desired.Verifier(2, "other")}
		}, false},
		"the member lacks the new one": {func(s *scope) {
			s.members[0].Status.Credentials.Users[0].Generations = s.members[0].Status.Credentials.Users[0].Generations[:1]
		}, false},
		"it does not answer": {func(s *scope) { s.members[0].Status = nil }, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := granted(rotating, c.modify)
			if err := s.decide(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := s.decision.Action != nil && s.decision.Action.Switch != nil; got != c.switches {
				t.Errorf("switches: %t, want %t (%+v)", got, c.switches, s.decision)
			}
			if c.switches != (s.inputs.Connection.Password == next) {
				t.Error("the secret is to hold another password than the decision says")
			}
		})
	}
}

// TestSecretFollowsItsTarget: the end in the secret is the first of both, and a
// secret that points elsewhere is moved after proof only.
func TestSecretFollowsItsTarget(t *testing.T) {
	s := granted(func(s *scope) { s.lifetime.end = noon.Add(time.Hour) })
	if err := s.decide(t.Context()); err != nil {
		t.Fatal(err)
	}
	if c := s.inputs.Connection; !c.NotAfter.Equal(noon.Add(time.Hour)) || string(c.CA) != "ca" {
		t.Errorf("ends %s", c.NotAfter)
	}
	elsewhere := func(s *scope) { s.connection.Data["host"] = []byte("old.shop.svc") }
	for name, modify := range map[string]func(*scope){"proven": func(*scope) {}, "not proven": func(s *scope) { s.members[0].Status.Credentials.Users = nil }} {
		s := granted(elsewhere, modify)
		if err := s.decide(t.Context()); err != nil {
			t.Fatal(err)
		}
		if moved := s.inputs.Connection != nil; moved != (name == "proven") {
			t.Errorf("%s: the secret is moved: %t", name, moved)
		}
	}
}

// TestMarksSurvive: what has been carried out is read back as it was written.
func TestMarksSurvive(t *testing.T) {
	s := granted()
	want := credentials.Marks(s.grant)
	want.Complete, want.Abort, want.Aborted, want.AbortedTrigger = "c", "a", 7, "t"
	want.RevokedAt, want.AbortedAt = noon, noon
	if got := credentials.Marks(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Annotations: credentials.Annotations(want)}}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

func fromApply(o desired.Object) *corev1.Secret {
	raw, err := json.Marshal(o)
	if err != nil {
		panic(err)
	}
	s := &corev1.Secret{}
	if err := json.Unmarshal(raw, s); err != nil {
		panic(err)
	}
	return s
}
