package lifecycle

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/coffer-dev/coffer/api/v1alpha1"
	"github.com/coffer-dev/coffer/controllers/apply"
	"github.com/coffer-dev/coffer/controllers/credentials"
	"github.com/coffer-dev/coffer/controllers/desired"
	"github.com/coffer-dev/coffer/controllers/instance"
	"github.com/coffer-dev/coffer/engine/vault"
)

// encryption is what a pass knows of the keys that the data is under.
type encryption struct {
	secret  *corev1.Secret // nil while there is none
	ring    *vault.Ring    // that it holds
	problem *instance.Problem
}

// observeEncryption reads the ring of keys, live: a cache that is behind must
// not make us generate one that exists.
func (s *scope) observeEncryption(ctx context.Context) error {
	name := desired.EncryptionSecretOf(desired.Inputs{Instance: s.object})
	if name == "" {
		return nil
	}
	secret, err := apply.Lookup(ctx, s.r.Live, s.key(name), &corev1.Secret{})
	if err != nil {
		return err
	}
	if secret != nil && !s.suppliesKeys() && !s.applier.Owns(secret) {
		return apply.StalledBy(apply.Foreign("Secret", secret))
	}
	s.encryption.secret = secret
	if secret == nil {
		s.encryption.problem = s.noKeys(name)
		return nil
	}
	s.encryption.problem = s.judgeKeys()
	return nil
}

// suppliesKeys: the keys are the user's own.
func (s *scope) suppliesKeys() bool { return s.spec().Encryption.KeySecretRef != nil }

// noKeys says what is wrong with there being no secret of that name: nothing,
// when there is no data under its keys and the operator is to make them.
func (s *scope) noKeys(name string) *instance.Problem {
	if s.suppliesKeys() {
		return &instance.Problem{Reason: v1alpha1.ReasonSecretNotFound, Message: fmt.Sprintf(
			"Secret %q not found: create it with a key and the item %q, or remove spec.encryption.keySecretRef", name, vault.PrimaryFile)}
	}
	for _, c := range s.claims {
		if holder := c.Annotations[v1alpha1.AnnotationEncryptionSecret]; holder != "" && holder != name {
			return &instance.Problem{Reason: v1alpha1.ReasonEncryptionKeyMissing, Message: fmt.Sprintf(
				"volume %s is encrypted under the keys of Secret %q: name it in spec.encryption.keySecretRef", c.Name, holder)}
		} else if holder != "" {
			return s.lostKeys(name, "volume "+c.Name)
		}
	}
	if s.set != nil && desired.KeySecretOf(s.set.Spec.Template.Spec) == name {
		return s.lostKeys(name, "the volume")
	}
	return nil
}

func (s *scope) lostKeys(name, volume string) *instance.Problem {
	return &instance.Problem{Reason: v1alpha1.ReasonEncryptionKeyLost, Message: fmt.Sprintf(
		"Secret %q is gone and %s cannot be read without its keys: restore it from a backup; running pods have them in memory and are left alone until then", name, volume)}
}

// judgeKeys says what is wrong with the secret that is there.
func (s *scope) judgeKeys() *instance.Problem {
	e := &s.encryption
	name := e.secret.Name
	if e.secret.Labels[v1alpha1.LabelWatch] != "true" && s.suppliesKeys() {
		return &instance.Problem{Reason: v1alpha1.ReasonSecretNotFound, Message: fmt.Sprintf(
			"Secret %q is not visible to Coffer: run `kubectl label secret %s %s=true`", name, name, v1alpha1.LabelWatch)}
	}
	ring, err := vault.Parse(e.secret.Data)
	if err != nil {
		return &instance.Problem{Reason: v1alpha1.ReasonEncryptionKeyInvalid, Message: fmt.Sprintf("Secret %q: %v", name, err)}
	}
	e.ring = ring
	present := idsOf(ring)
	for _, id := range s.keysInUse() {
		if !slices.Contains(present, id) {
			return &instance.Problem{Reason: v1alpha1.ReasonEncryptionKeyMissing, Message: fmt.Sprintf(
				"Secret %q lacks key %s, which data is under: put it back beside the new one", name, id)}
		}
	}
	return nil
}

func idsOf(ring *vault.Ring) []string {
	var ids []string
	for _, id := range ring.IDs() {
		ids = append(ids, id.String())
	}
	return ids
}

// What the CRD has room for, of what a member says.
const (
	maxKeyID     = 16
	maxKeysInUse = 64
)

// keysInUse are those that members need; of members that do not answer, what
// was last known.
func (s *scope) keysInUse() []string {
	var ids []string
	for _, m := range s.members {
		if m.Status == nil {
			ids = append(ids, s.before().Encryption.KeysInUse...)
			continue
		}
		for _, id := range m.Status.Encryption.InUse {
			ids = append(ids, instance.Brief(id, maxKeyID))
		}
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	return ids[:min(len(ids), maxKeysInUse)]
}

// proven: every member says that all of its files are under the primary key.
func (s *scope) proven() bool {
	e := &s.encryption
	if e.ring == nil || len(s.members) < s.spec().Members() {
		return false
	}
	id := e.ring.Primary().String()
	for _, m := range s.members {
		if m.Status == nil || m.Status.Encryption.Error != "" || m.Status.Encryption.Primary != id || !slices.Equal(m.Status.Encryption.InUse, []string{id}) {
			return false
		}
	}
	return true
}

// encryptionInput is the operator's own ring as it is, or one step further: made,
// given a new key, or rid of the old ones. With a problem it is left alone.
func (s *scope) encryptionInput() *desired.Encryption {
	e := &s.encryption
	if !s.spec().Encryption.Encrypts() || s.suppliesKeys() || e.problem != nil {
		return nil
	}
	asked := credentials.Request(s.object, v1alpha1.AnnotationRotateEncryptionKey)
	if e.secret == nil {
		return &desired.Encryption{Data: addKey(map[string][]byte{}), Annotations: credentials.Trigger(asked)}
	}
	handled := e.secret.Annotations[v1alpha1.AnnotationRotationTrigger]
	out := &desired.Encryption{Data: maps.Clone(e.secret.Data), Annotations: credentials.Trigger(handled)}
	switch several := len(e.ring.IDs()) > 1; {
	case several && s.proven():
		primary := strings.TrimSuffix(string(out.Data[vault.PrimaryFile]), "\n")
		out.Data = map[string][]byte{vault.PrimaryFile: []byte(primary), primary: out.Data[primary]}
	case !several && asked != "" && asked != handled:
		out.Data, out.Annotations = addKey(out.Data), credentials.Trigger(asked)
	}
	return out
}

// addKey puts a new key into a ring, as primary.
func addKey(data map[string][]byte) map[string][]byte {
	last := 0
	for name := range data {
		if n, err := strconv.Atoi(strings.TrimPrefix(name, "key-")); err == nil {
			last = max(last, n)
		}
	}
	var key [vault.KeySize]byte
	_, _ = rand.Read(key[:]) // never fails
	name := "key-" + strconv.Itoa(last+1)
	data[name] = []byte(hex.EncodeToString(key[:]))
	data[vault.PrimaryFile] = []byte(name)
	return data
}

// keysMountable: what the pods mount for encryption is there, or is being made.
func (s *scope) keysMountable() bool {
	e := &s.encryption
	return !s.spec().Encryption.Encrypts() || e.problem == nil && (e.secret != nil || s.inputs.Encryption != nil)
}

// markClaims notes on the volumes' claims which secret they cannot be read
// without, before a pod encrypts anything.
func (s *scope) markClaims(ctx context.Context) error {
	secret := desired.KeySecretInForce(s.inputs)
	if secret == "" || s.encryption.problem != nil {
		return nil
	}
	for i := range s.claims {
		claim := &s.claims[i]
		if claim.DeletionTimestamp != nil || claim.Annotations[v1alpha1.AnnotationEncryptionSecret] == secret {
			continue
		}
		patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"uid": claim.UID,
			"annotations": map[string]string{v1alpha1.AnnotationEncryptionSecret: secret}}})
		if err != nil {
			return fmt.Errorf("marshal patch: %w", err)
		}
		if err := s.r.Client.Patch(ctx, claim.DeepCopy(), client.RawPatch(types.MergePatchType, patch)); err != nil {
			return fmt.Errorf("annotate claim %s: %w", claim.Name, err)
		}
	}
	return nil
}

// encryptionKey is the key that members should use; empty while that is not to
// be judged.
func (s *scope) encryptionKey() string {
	if s.encryption.ring == nil || s.encryption.problem != nil {
		return ""
	}
	return s.encryption.ring.Primary().String()
}

// encryptionProblem is what is wrong with the keys, here or at a member.
func (s *scope) encryptionProblem() *instance.Problem {
	if s.encryption.problem != nil {
		return s.encryption.problem
	}
	for _, m := range s.members {
		if m.Status != nil && m.Status.Encryption.Error != "" {
			return &instance.Problem{Reason: v1alpha1.ReasonEncryptionKeyInvalid, Passing: true,
				Message: fmt.Sprintf("member %s cannot take up its encryption keys: %s", m.Name, m.Status.Encryption.Error)}
		}
	}
	return nil
}

// encryptionStatus is what members prove; of members that do not answer, what
// was last known.
func (s *scope) encryptionStatus(before v1alpha1.EncryptionStatus) v1alpha1.EncryptionStatus {
	after := v1alpha1.EncryptionStatus{
		Phase: v1alpha1.EncryptionOff, Secret: desired.EncryptionSecretOf(desired.Inputs{Instance: s.object}), KeysInUse: s.keysInUse(),
	}
	if after.Secret == "" {
		return after
	}
	plain, off, settled := false, false, s.proven() && (s.suppliesKeys() || len(s.encryption.ring.IDs()) == 1)
	for _, m := range s.members {
		if m.Status == nil {
			after.Phase, after.Key = before.Phase, before.Key
			return after
		}
		after.Key = instance.Brief(m.Status.Encryption.Primary, maxKeyID)
		off = off || after.Key == ""
		plain = plain || m.Status.Encryption.PlainFiles > 0
	}
	switch {
	case off || len(s.members) == 0:
	case plain:
		after.Phase = v1alpha1.EncryptionEncrypting
	case !settled:
		after.Phase = v1alpha1.EncryptionRotating
	default:
		after.Phase = v1alpha1.EncryptionIdle
	}
	return after
}

func (s *scope) setEncrypted(set instance.Setter, status v1alpha1.EncryptionStatus) {
	put := func(holds bool, reason, message string) {
		set(v1alpha1.ConditionEncrypted, holds, reason, message)
	}
	switch p := s.encryptionProblem(); {
	case p != nil:
		put(false, p.Reason, p.Message)
	case status.Secret == "":
		put(false, v1alpha1.ReasonEncryptionDisabled, "spec.encryption.atRest is Disabled: whoever reads the volume reads the data")
	case status.Phase == v1alpha1.EncryptionEncrypting:
		put(false, v1alpha1.ReasonEncrypting, "what is written is encrypted; files from before are being replaced")
	case status.Phase == v1alpha1.EncryptionRotating:
		put(true, v1alpha1.ReasonKeyRotating, "files are being put under key "+s.encryptionKey())
	case status.Phase == v1alpha1.EncryptionIdle:
		put(true, v1alpha1.ReasonProven, "every file is under key "+status.Key)
	case s.answers():
		put(false, v1alpha1.ReasonNotEncrypting, "pods were made before there was encryption: it begins when they are replaced")
	default:
		put(false, v1alpha1.ReasonStarting, "no member has told yet")
	}
}

// handledKey is the request that the operator's own ring has a key for.
func (s *scope) handledKey() string {
	if s.encryption.secret == nil || s.suppliesKeys() {
		return ""
	}
	return s.encryption.secret.Annotations[v1alpha1.AnnotationRotationTrigger]
}

// encrypting: members are at something that shows in their report alone.
func (s *scope) encrypting() bool {
	phase := s.encryptionStatus(s.before().Encryption).Phase
	return phase == v1alpha1.EncryptionEncrypting || phase == v1alpha1.EncryptionRotating
}
