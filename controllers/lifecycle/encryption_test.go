package lifecycle

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/coffer-dev/coffer/api/v1alpha1"
	"github.com/coffer-dev/coffer/controllers/apply"
	"github.com/coffer-dev/coffer/controllers/desired"
	"github.com/coffer-dev/coffer/controllers/instance"
	"github.com/coffer-dev/coffer/engine/adminapi"
	"github.com/coffer-dev/coffer/engine/vault"
)

// ringData are the items of a secret with keys of those numbers, the first primary.
func ringData(numbers ...int) map[string][]byte {
	data := map[string][]byte{vault.PrimaryFile: fmt.Appendf(nil, "key-%d", numbers[0])}
	for _, n := range numbers {
		data[fmt.Sprintf("key-%d", n)] = fmt.Appendf(nil, "%064x", n)
	}
	return data
}

// ringID is the id of a ring's primary key.
func ringID(t *testing.T, data map[string][]byte) string {
	t.Helper()
	ring, err := vault.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	return ring.Primary().String()
}

func keySecret(s *scope, name string, data map[string][]byte) *corev1.Secret {
	labels := desired.Labels(desired.Inputs{Instance: s.object})
	labels[v1alpha1.LabelWatch] = "true"
	return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name, Labels: labels}, Data: data}
}

// observed makes the pass see these objects.
func (s *scope) observed(t *testing.T, objects ...client.Object) error {
	t.Helper()
	s.r.Client, s.r.Live = fake.NewClientBuilder().Build(), fake.NewClientBuilder().WithObjects(objects...).Build()
	return s.observeEncryption(t.Context())
}

// TestKeysAreJudged: whenever data may be under keys that are not at hand,
// nothing is generated in their place and no pod is replaced.
func TestKeysAreJudged(t *testing.T) {
	supplied := func(s *scope) { s.spec().Encryption.KeySecretRef = &v1alpha1.KeySecretRef{Name: "theirs"} }
	marked := func(secret string) func(*scope) {
		return func(s *scope) {
			s.claims[0].Annotations = map[string]string{v1alpha1.AnnotationEncryptionSecret: secret}
		}
	}
	inUse := func(s *scope) { s.members[0].Status.Encryption.InUse = []string{"0123456789abcdef"} }
	tests := map[string]struct {
		modify func(*scope)
		name   string // of the secret; empty: there is none
		data   map[string][]byte
		change func(*corev1.Secret)
		reason string
		says   string
	}{
		"generated":     {name: "db-encryption", data: ringData(1)},
		"not yet there": {},
		"lost, by the claim": {modify: marked("db-encryption"), reason: v1alpha1.ReasonEncryptionKeyLost,
			says: `Secret "db-encryption" is gone and volume data-db-0 cannot be read without its keys: restore it`},
		"lost, by the template": {modify: func(s *scope) {
			s.set = &appsv1.StatefulSet{}
			s.set.Spec.Template.Spec.Volumes = []corev1.Volume{{Name: "encryption-keys", VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: "db-encryption"}}}}
		}, reason: v1alpha1.ReasonEncryptionKeyLost, says: "restore it"},
		"under others' keys": {modify: marked("theirs"), reason: v1alpha1.ReasonEncryptionKeyMissing, says: `Secret "theirs": name it in spec.encryption.keySecretRef`},
		"edited":             {name: "db-encryption", data: map[string][]byte{"primary": []byte("x")}, reason: v1alpha1.ReasonEncryptionKeyInvalid, says: `"primary" must hold`},
		"a key is missing":   {modify: inUse, name: "db-encryption", data: ringData(1), reason: v1alpha1.ReasonEncryptionKeyMissing, says: "lacks key 0123456789abcdef"},
		"a key was last known": {modify: func(s *scope) {
			s.members[0].Status, s.members[0].Err = nil, errors.New("timeout")
			s.before().Encryption.KeysInUse = []string{"0123456789abcdef"}
		}, name: "db-encryption", data: ringData(1), reason: v1alpha1.ReasonEncryptionKeyMissing, says: "lacks key 0123456789abcdef"},
		"supplied":          {modify: supplied, name: "theirs", data: ringData(1)},
		"supplied, missing": {modify: supplied, reason: v1alpha1.ReasonSecretNotFound, says: `Secret "theirs" not found`},
		"supplied, unseen":  {modify: supplied, name: "theirs", data: ringData(1), change: func(c *corev1.Secret) { c.Labels = nil }, reason: v1alpha1.ReasonSecretNotFound, says: "kubectl label secret theirs"},
		"supplied, no key":  {modify: supplied, name: "theirs", data: map[string][]byte{"tls.key": []byte("SECRET")}, reason: v1alpha1.ReasonEncryptionKeyInvalid, says: `there is no file "primary"`},
		"supplied, too few": {modify: func(s *scope) { supplied(s); inUse(s) }, name: "theirs", data: ringData(1), reason: v1alpha1.ReasonEncryptionKeyMissing, says: "put it back"},
		"disabled":          {modify: func(s *scope) { s.spec().Encryption.AtRest = v1alpha1.EncryptionDisabled }},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := serving()
			if tt.modify != nil {
				tt.modify(s)
			}
			var objects []client.Object
			if tt.name != "" {
				secret := keySecret(s, tt.name, tt.data)
				if tt.change != nil {
					tt.change(secret)
				}
				objects = append(objects, secret)
			}
			if err := s.observed(t, objects...); err != nil {
				t.Fatal(err)
			}
			p := s.encryption.problem
			if tt.reason == "" {
				if p != nil {
					t.Fatalf("problem %+v", p)
				}
				return
			}
			if p == nil || p.Reason != tt.reason || !strings.Contains(p.Message, tt.says) || strings.Contains(p.Message, "SECRET") {
				t.Fatalf("problem %+v, want %s saying %q", p, tt.reason, tt.says)
			}
			if s.encryptionInput() != nil {
				t.Error("keys are written")
			}
			if s.keysMountable() {
				t.Error("a pod would be made")
			}
			status := s.status(nil)
			c := meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionEncrypted)
			if c == nil || c.Status != metav1.ConditionFalse || c.Reason != tt.reason || meta.IsStatusConditionTrue(status.Conditions, v1alpha1.ConditionReady) {
				t.Errorf("condition %+v", c)
			}
		})
	}
}

func TestForeignKeysAreLeftAlone(t *testing.T) {
	s := serving()
	var stalled *apply.Stalled
	err := s.observed(t, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "db-encryption"}, Data: ringData(1)})
	if !errors.As(err, &stalled) || stalled.Reason != v1alpha1.ReasonNameTaken {
		t.Errorf("got %v", err)
	}
}

// TestKeyRotation: a new key is added, and the old one goes when every member
// has said that no file of its is under it; not before.
func TestKeyRotation(t *testing.T) {
	s := serving()
	s.object.SetAnnotations(map[string]string{v1alpha1.AnnotationRotateEncryptionKey: "monday"})
	live := keySecret(s, "db-encryption", ringData(1))
	pass := func(members ...adminapi.Encryption) {
		t.Helper()
		s.encryption = encryption{}
		s.members = nil
		for i, m := range members {
			s.members = append(s.members, instance.Member{Name: fmt.Sprint("db-", i), Status: &adminapi.Status{Encryption: m}})
		}
		if err := s.observed(t, live.DeepCopy()); err != nil {
			t.Fatal(err)
		}
		if s.encryption.problem != nil {
			t.Fatalf("problem %+v", s.encryption.problem)
		}
		in := s.encryptionInput()
		live.Data, live.Annotations = in.Data, in.Annotations
	}
	one := ringID(t, live.Data)
	under := func(primary string, inUse ...string) adminapi.Encryption {
		return adminapi.Encryption{Primary: primary, InUse: inUse}
	}
	pass(under(one, one))
	two := ringID(t, live.Data)
	if two == one || len(live.Data) != 3 || live.Annotations[v1alpha1.AnnotationRotationTrigger] != "monday" {
		t.Fatalf("no new key: %v", slices.Collect(maps.Keys(live.Data)))
	}
	both := maps.Clone(live.Data)
	for name, members := range map[string][]adminapi.Encryption{
		"nobody has told":         nil,
		"not yet taken up":        {under(one, one)},
		"files are under both":    {under(two, one, two)},
		"another member lags":     {under(two, two), under(one, one)},
		"it could not be read":    {{Primary: two, InUse: []string{two}, Error: "no"}},
		"no file was written yet": {{Primary: two}},
	} {
		pass(members...)
		if !maps.EqualFunc(live.Data, both, slices.Equal) {
			t.Fatalf("%s: the ring has changed", name)
		}
		if name != "nobody has told" && s.encryptionStatus(v1alpha1.EncryptionStatus{}).Phase != v1alpha1.EncryptionRotating {
			t.Errorf("%s: phase %s", name, s.encryptionStatus(v1alpha1.EncryptionStatus{}).Phase)
		}
	}
	pass(under(two, two), under(two, two))
	if len(live.Data) != 2 || ringID(t, live.Data) != two || live.Annotations[v1alpha1.AnnotationRotationTrigger] != "monday" {
		t.Fatalf("the old key is still there, or the new one is not: %v", slices.Collect(maps.Keys(live.Data)))
	}
	pass(under(two, two))
	if len(live.Data) != 2 || s.encryptionStatus(v1alpha1.EncryptionStatus{}).Phase != v1alpha1.EncryptionIdle || s.handledKey() != "monday" {
		t.Fatalf("it was carried out twice: %v", slices.Collect(maps.Keys(live.Data)))
	}
	s.object.GetAnnotations()[v1alpha1.AnnotationRotateEncryptionKey] = "tuesday"
	pass(under(two, two))
	if _, ok := live.Data["key-3"]; !ok || len(live.Data) != 3 {
		t.Fatalf("the next rotation: %v", slices.Collect(maps.Keys(live.Data)))
	}
}

// TestANewDatabaseHasHandledItsRequest: its key is new.
func TestANewDatabaseHasHandledItsRequest(t *testing.T) {
	s := serving()
	s.object.SetAnnotations(map[string]string{v1alpha1.AnnotationRotateEncryptionKey: "monday"})
	if err := s.observed(t); err != nil {
		t.Fatal(err)
	}
	in := s.encryptionInput()
	if _, err := vault.Parse(in.Data); err != nil || len(in.Data) != 2 || in.Annotations[v1alpha1.AnnotationRotationTrigger] != "monday" {
		t.Fatalf("%d items, %v: %v", len(in.Data), in.Annotations, err)
	}
}

// TestClaimsAreMarked once pods mount keys, and not before.
func TestClaimsAreMarked(t *testing.T) {
	for name, want := range map[string]string{"encrypts": "db-encryption", "held": ""} {
		t.Run(name, func(t *testing.T) {
			s := serving()
			s.inputs = desired.Inputs{Instance: s.object}
			if name == "held" {
				plain := copied(s.object)
				plain.InstanceSpec().Encryption.AtRest = v1alpha1.EncryptionDisabled
				held := desired.Render(desired.Inputs{Instance: plain})
				s.inputs.Held = &held
			}
			s.claims[0].Namespace = "shop"
			s.r.Client = fake.NewClientBuilder().WithObjects(&s.claims[0]).Build()
			if err := s.markClaims(t.Context()); err != nil {
				t.Fatal(err)
			}
			claim := &corev1.PersistentVolumeClaim{}
			if err := s.r.Client.Get(t.Context(), s.key("data-db-0"), claim); err != nil {
				t.Fatal(err)
			}
			if got := claim.Annotations[v1alpha1.AnnotationEncryptionSecret]; got != want {
				t.Errorf("marked with %q, want %q", got, want)
			}
		})
	}
}

func TestEncryptionPhases(t *testing.T) {
	id := ringID(t, ringData(1))
	for name, tt := range map[string]struct {
		member adminapi.Encryption
		phase  v1alpha1.EncryptionPhase
		status metav1.ConditionStatus
		reason string
	}{
		"from before":    {adminapi.Encryption{PlainFiles: 3}, v1alpha1.EncryptionOff, metav1.ConditionFalse, v1alpha1.ReasonNotEncrypting},
		"being replaced": {adminapi.Encryption{Primary: id, InUse: []string{id}, PlainFiles: 1}, v1alpha1.EncryptionEncrypting, metav1.ConditionFalse, v1alpha1.ReasonEncrypting},
		"encrypted":      {adminapi.Encryption{Primary: id, InUse: []string{id}}, v1alpha1.EncryptionIdle, metav1.ConditionTrue, v1alpha1.ReasonProven},
		"cannot read":    {adminapi.Encryption{Primary: id, InUse: []string{id}, Error: "no"}, v1alpha1.EncryptionRotating, metav1.ConditionFalse, v1alpha1.ReasonEncryptionKeyInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			s := serving()
			s.members[0].Status.Encryption = tt.member
			if err := s.observed(t, keySecret(s, "db-encryption", ringData(1))); err != nil {
				t.Fatal(err)
			}
			status := s.status(nil)
			c := meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionEncrypted)
			if status.Encryption.Phase != tt.phase || c.Status != tt.status || c.Reason != tt.reason {
				t.Errorf("phase %s, %s %s", status.Encryption.Phase, c.Status, c.Reason)
			}
		})
	}
}

// TestNoPodIsReplacedWithoutItsKeys: what the user changes waits, for the new
// pod could not read its volume.
func TestNoPodIsReplacedWithoutItsKeys(t *testing.T) {
	for _, lost := range []bool{false, true} {
		s := serving()
		before := desired.Render(desired.Inputs{Instance: s.object})
		s.set = &appsv1.StatefulSet{}
		s.set.Spec.Template.Annotations = map[string]string{v1alpha1.AnnotationRevision: before.Name("db")}
		s.r.Client = fake.NewClientBuilder().WithObjects(&corev1.ConfigMap{
			ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: before.Name("db"), Labels: desired.Labels(desired.Inputs{Instance: s.object})},
			Data:       map[string]string{desired.KeyEngineConfig: before.Engine, desired.KeyTemplate: before.Template},
		}).Build()
		s.spec().Durability = v1alpha1.DurabilityEverySecond
		s.inputs = desired.Inputs{Instance: s.object}
		if lost {
			s.encryption.problem = &instance.Problem{Reason: v1alpha1.ReasonEncryptionKeyLost}
		}
		if err := s.holdRevision(t.Context()); err != nil {
			t.Fatal(err)
		}
		if held := s.inputs.Held != nil && *s.inputs.Held == before; held != lost {
			t.Errorf("keys lost: %v, revision held: %v", lost, held)
		}
	}
}
