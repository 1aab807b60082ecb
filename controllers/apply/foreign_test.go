package apply

import (
	"errors"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
)

// TestForeignObjectsAreLeftAlone: somebody's object has the name of one of ours.
func TestForeignObjectsAreLeftAlone(t *testing.T) {
	theirs := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "db", Labels: map[string]string{"of": "others"}}, Data: map[string]string{"a": "theirs"}}
	c := fake.NewClientBuilder().WithObjects(theirs).Build()
	a := Applier{Client: c, Live: c, Owner: Owner{Namespace: "shop", Name: "db", UID: "u", Labels: map[string]string{"of": "us"}}}
	_, err := a.One(t.Context(), corev1ac.ConfigMap("db", "shop").WithLabels(a.Owner.Labels).WithData(map[string]string{"a": "ours"}))
	var foreign *ForeignError
	if !errors.As(err, &foreign) || foreign.Name != "db" {
		t.Errorf("applied over a foreign object: %v", err)
	}
	found := &corev1.ConfigMap{}
	if err := c.Get(t.Context(), client.ObjectKeyFromObject(theirs), found); err != nil || found.Data["a"] != "theirs" {
		t.Errorf("the foreign object says %v now, %v", found.Data, err)
	}
}

// TestForeignObjectsAreCalledByTheirOwner: nobody is told to delete what another
// object of Coffer's needs.
func TestForeignObjectsAreCalledByTheirOwner(t *testing.T) {
	theirs := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "db-ca"}}
	if text := Foreign("Secret", theirs).Error(); !strings.Contains(text, "is not Coffer's: delete or rename it") {
		t.Error(text)
	}
	theirs.Labels = OwnerLabels("kvdatabase", "db")
	if text := Foreign("Secret", theirs).Error(); text != `Secret "db-ca" belongs to kvdatabase db: choose another name for this object` {
		t.Error(text)
	}
}
