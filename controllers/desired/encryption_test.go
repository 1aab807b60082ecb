package desired

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/coffer-dev/coffer/api/v1alpha1"
)

// hashBeforeEncryption is the pod-spec-hash that operators from before there
// was encryption wrote for the smallest database.
const hashBeforeEncryption = "44136fa355b3678a"

// TestEncryptionDoesNotRollPodsByItself: a database from before there was
// encryption runs on as it is; what the pod mounts follows the revision.
func TestEncryptionDoesNotRollPodsByItself(t *testing.T) {
	if got := PodSpecHash(inputs()); got != hashBeforeEncryption {
		t.Errorf("hash %s: a new operator would replace every pod", got)
	}
	old := inputs(func(in *Inputs) { in.spec().Encryption.AtRest = v1alpha1.EncryptionDisabled })
	template, err := Render(old).template()
	if err != nil {
		t.Fatal(err)
	}
	template.Annotations[v1alpha1.AnnotationPodSpecHash] = hashBeforeEncryption
	held := Revision{Engine: string(engineJSON(old)), Template: string(mustJSON(template))}
	in := inputs(func(in *Inputs) { in.Held = &held })
	_, text := decode(t, StatefulSet(in))
	if strings.Contains(text, volumeKeys) || strings.Contains(held.Engine, "encryptionKeys") || KeySecretInForce(in) != "" {
		t.Error("a pod that is made anew would have keys that its revision had not")
	}
	in.Held = nil
	if _, text = decode(t, StatefulSet(in)); !strings.Contains(text, volumeKeys) || KeySecretInForce(in) != "sessions-encryption" {
		t.Error("a pod of this version's has no keys")
	}
}

func TestKeySecretOf(t *testing.T) {
	for name, c := range map[string]struct {
		encryption v1alpha1.Encryption
		want       string
	}{
		"default":  {v1alpha1.Encryption{}, "sessions-encryption"},
		"theirs":   {v1alpha1.Encryption{KeySecretRef: &v1alpha1.KeySecretRef{Name: "theirs"}}, "theirs"},
		"disabled": {v1alpha1.Encryption{AtRest: v1alpha1.EncryptionDisabled}, ""},
	} {
		in := inputs(func(in *Inputs) { in.spec().Encryption = c.encryption })
		if got := EncryptionSecretOf(in); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
		if got := KeySecretInForce(in); got != c.want {
			t.Errorf("%s: pods mount %q, want %q", name, got, c.want)
		}
		if got := EngineConfig(in).Files.EncryptionKeys != ""; got != (c.want != "") {
			t.Errorf("%s: the engine encrypts: %v", name, got)
		}
	}
	if got := KeySecretOf(corev1.PodSpec{Volumes: []corev1.Volume{{Name: volumeKeys}}}); got != "" {
		t.Errorf("a volume that is no secret: %q", got)
	}
}
