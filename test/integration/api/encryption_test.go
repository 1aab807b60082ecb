package api

import (
	"context"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/coffer-dev/coffer/api/v1alpha1"
)

func TestEncryptionIsOnByDefault(t *testing.T) {
	object := database(t, "encrypted", "1Gi", "")
	if err := create(t, object); err != nil {
		t.Fatal(err)
	}
	var got v1alpha1.KVDatabase
	if err := server.client.Get(context.Background(), client.ObjectKeyFromObject(object), &got); err != nil {
		t.Fatal(err)
	}
	if got.Spec.Encryption.AtRest != v1alpha1.EncryptionEnabled {
		t.Errorf("encryption.atRest %q", got.Spec.Encryption.AtRest)
	}
}

func TestEncryptionRules(t *testing.T) {
	for name, c := range map[string]struct{ more, want string }{
		"own keys":         {"  encryption: {keySecretRef: {name: my.keys}}\n", ""},
		"disabled":         {"  encryption: {atRest: Disabled}\n", ""},
		"keys for nothing": {"  encryption: {atRest: Disabled, keySecretRef: {name: keys}}\n", "encryption.keySecretRef needs encryption.atRest Enabled: remove it or the mode"},
		"bad name":         {"  encryption: {keySecretRef: {name: Keys}}\n", "encryption.keySecretRef.name must be the name of a Secret"},
		"bad mode":         {"  encryption: {atRest: Sometimes}\n", `supported values: "Enabled", "Disabled"`},
	} {
		t.Run(name, func(t *testing.T) {
			err := create(t, database(t, "rules", "1Gi", c.more))
			if c.want != "" {
				refused(t, err, c.want)
			} else if err != nil {
				t.Fatal(err)
			}
		})
	}
}

// TestEncryptionIsNotTakenBack: the files would stay as they are, and the engine
// would refuse them.
func TestEncryptionIsNotTakenBack(t *testing.T) {
	for name, c := range map[string]struct{ before, after, want string }{
		"enable":           {"Disabled", "Enabled", ""},
		"disable":          {"Enabled", "Disabled", "encryption.atRest cannot be taken back: create a new object without it and copy the data"},
		"disable, default": {"", "Disabled", "encryption.atRest cannot be taken back"},
	} {
		t.Run(name, func(t *testing.T) {
			object := database(t, "turned", "1Gi", "")
			set := func(mode string) {
				if mode != "" {
					if err := unstructured.SetNestedField(object.Object, mode, "spec", "encryption", "atRest"); err != nil {
						t.Fatal(err)
					}
				}
			}
			set(c.before)
			if err := create(t, object); err != nil {
				t.Fatal(err)
			}
			set(c.after)
			err := server.client.Update(context.Background(), object)
			if c.want != "" {
				refused(t, err, c.want)
			} else if err != nil {
				t.Fatal(err)
			}
		})
	}
}
