package apply

import (
	"encoding/json"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// liveObject is an object as the API server keeps it, with the fields that the
// manager "coffer" is recorded for.
func liveObject(t *testing.T, into client.Object, content, fields string) client.Object {
	t.Helper()
	if err := json.Unmarshal([]byte(content), into); err != nil {
		t.Fatal(err)
	}
	into.SetManagedFields([]metav1.ManagedFieldsEntry{
		{Manager: "kubectl-edit", Operation: metav1.ManagedFieldsOperationUpdate, FieldsV1: metav1.NewFieldsV1(`{"f:spec":{}}`)},
		{Manager: FieldOwner, Operation: metav1.ManagedFieldsOperationApply, FieldsV1: metav1.NewFieldsV1(fields)},
	})
	return into
}

const (
	serviceLive = `{"metadata":{"name":"db","namespace":"shop","labels":{"a":"b"},"annotations":{"by":"others"}},
		"spec":{"clusterIP":"10.0.0.1","type":"ClusterIP","selector":{"app":"db"},"ports":[{"name":"keys","port":6379,"protocol":"TCP","targetPort":6379}]}}`
	serviceFields = `{"f:metadata":{"f:labels":{"f:a":{}}},
		"f:spec":{"f:type":{},"f:selector":{},"f:ports":{"k:{\"port\":6379,\"protocol\":\"TCP\"}":{".":{},"f:name":{},"f:port":{},"f:targetPort":{}}}}}`
	policyLive   = `{"spec":{"podSelector":{},"ingress":[{"from":[{"podSelector":{"matchLabels":{"app":"x"}},"namespaceSelector":{}}]}]}}`
	policyFields = `{"f:spec":{"f:podSelector":{},"f:ingress":{}}}`
	setLive      = `{"spec":{"template":{"spec":{"containers":[{"name":"engine","image":"i","imagePullPolicy":"Always",
		"resources":{"requests":{"memory":"1Gi"}},"volumeMounts":[{"mountPath":"/a","name":"a"}]}]}},
		"volumeClaimTemplates":[{"kind":"PersistentVolumeClaim","apiVersion":"v1","metadata":{"name":"data"},
		"spec":{"accessModes":["ReadWriteOnce"],"volumeMode":"Filesystem","resources":{"requests":{"storage":"1Gi"}}},"status":{"phase":"Pending"}}]}}`
	setFields = `{"f:spec":{"f:volumeClaimTemplates":{},"f:template":{"f:spec":{"f:containers":{"k:{\"name\":\"engine\"}":{".":{},"f:name":{},"f:image":{},
		"f:resources":{"f:requests":{"f:memory":{}}},"f:volumeMounts":{"k:{\"mountPath\":\"/a\"}":{".":{},"f:mountPath":{},"f:name":{}}}}}}}}}`
)

func TestUnchanged(t *testing.T) {
	tests := map[string]struct {
		into                  client.Object
		live, fields, desired string
		want                  bool
	}{
		"what the API server filled in is not ours": {&corev1.Service{}, serviceLive, serviceFields,
			`{"apiVersion":"v1","kind":"Service","metadata":{"name":"db","namespace":"shop","labels":{"a":"b"}},
			"spec":{"type":"ClusterIP","selector":{"app":"db"},"ports":[{"name":"keys","port":6379,"targetPort":6379}]}}`, true},
		"a key field given in full": {&corev1.Service{}, serviceLive, strings.Replace(serviceFields, `"f:port":{}`, `"f:port":{},"f:protocol":{}`, 1),
			`{"metadata":{"labels":{"a":"b"}},"spec":{"type":"ClusterIP","selector":{"app":"db"},"ports":[{"name":"keys","port":6379,"protocol":"TCP","targetPort":6379}]}}`, true},
		"another value": {&corev1.Service{}, serviceLive, serviceFields,
			`{"metadata":{"labels":{"a":"b"}},"spec":{"type":"NodePort","selector":{"app":"db"},"ports":[{"name":"keys","port":6379,"targetPort":6379}]}}`, false},
		"one more port": {&corev1.Service{}, serviceLive, serviceFields,
			`{"metadata":{"labels":{"a":"b"}},"spec":{"type":"ClusterIP","selector":{"app":"db"},"ports":[{"name":"keys","port":6379,"targetPort":6379},{"port":9090}]}}`, false},
		"one port less": {&corev1.Service{}, serviceLive, serviceFields,
			`{"metadata":{"labels":{"a":"b"}},"spec":{"type":"ClusterIP","selector":{"app":"db"}}}`, false},
		"a label no longer wanted": {&corev1.Service{}, serviceLive, serviceFields,
			`{"spec":{"type":"ClusterIP","selector":{"app":"db"},"ports":[{"name":"keys","port":6379,"targetPort":6379}]}}`, false},
		"a field that somebody took over, with the same value": {&corev1.Service{}, serviceLive,
			`{"f:metadata":{"f:labels":{"f:a":{}}},"f:spec":{"f:selector":{}}}`,
			`{"metadata":{"labels":{"a":"b"}},"spec":{"type":"ClusterIP","selector":{"app":"db"}}}`, false},
		"an atomic list": {&networkingv1.NetworkPolicy{}, policyLive, policyFields,
			`{"spec":{"podSelector":{},"ingress":[{"from":[{"podSelector":{"matchLabels":{"app":"x"}},"namespaceSelector":{}}]}]}}`, true},
		"a peer that shall lose a selector": {&networkingv1.NetworkPolicy{}, policyLive, policyFields,
			`{"spec":{"podSelector":{},"ingress":[{"from":[{"podSelector":{"matchLabels":{"app":"x"}}}]}]}}`, false},
		"a peer that shall lose a label": {&networkingv1.NetworkPolicy{}, policyLive, policyFields,
			`{"spec":{"podSelector":{},"ingress":[{"from":[{"podSelector":{},"namespaceSelector":{}}]}]}}`, false},
		"templates of claims are completed by the API server; equal quantities": {&appsv1.StatefulSet{}, setLive, setFields,
			`{"spec":{"template":{"spec":{"containers":[{"name":"engine","image":"i","resources":{"requests":{"memory":"1024Mi"}},"volumeMounts":[{"mountPath":"/a","name":"a"}]}]}},
			"volumeClaimTemplates":[{"metadata":{"name":"data"},"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}}}}]}}`, true},
		"another image": {&appsv1.StatefulSet{}, setLive, setFields,
			`{"spec":{"template":{"spec":{"containers":[{"name":"engine","image":"j","resources":{"requests":{"memory":"1Gi"}},"volumeMounts":[{"mountPath":"/a","name":"a"}]}]}},
			"volumeClaimTemplates":[{"metadata":{"name":"data"},"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}}}}]}}`, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var want map[string]any
			if err := json.Unmarshal([]byte(test.desired), &want); err != nil {
				t.Fatal(err)
			}
			got, err := unchanged(liveObject(t, test.into, test.live, test.fields), want)
			if err != nil || got != test.want {
				t.Errorf("unchanged = %v, %v; want %v", got, err, test.want)
			}
		})
	}
}

func TestAnObjectThatWasNeverAppliedIsApplied(t *testing.T) {
	same, err := unchanged(&corev1.Service{}, map[string]any{})
	if same || err != nil {
		t.Error(same, err)
	}
}

func TestOwns(t *testing.T) {
	a := Applier{Owner: Owner{Labels: OwnerLabels("kvdatabase", "db"), UID: "u"}}
	entry := []metav1.ManagedFieldsEntry{{Manager: FieldOwner, Operation: metav1.ManagedFieldsOperationApply}}
	tests := map[string]struct {
		meta metav1.ObjectMeta
		want bool
	}{
		"somebody's":                       {metav1.ObjectMeta{Labels: map[string]string{"app": "x"}}, false},
		"labelled as ours":                 {metav1.ObjectMeta{Labels: OwnerLabels("kvdatabase", "db")}, true},
		"of another instance of that name": {metav1.ObjectMeta{Labels: OwnerLabels("jobqueue", "db"), ManagedFields: entry}, false},
		"owned":                            {metav1.ObjectMeta{OwnerReferences: []metav1.OwnerReference{{UID: "u"}}}, true},
		"another instance's, with its labels taken off": {metav1.ObjectMeta{ManagedFields: entry,
			OwnerReferences: []metav1.OwnerReference{{UID: "other", Controller: new(true)}}}, false},
		"ours, with its labels taken off": {metav1.ObjectMeta{ManagedFields: entry}, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := a.Owns(&corev1.Secret{ObjectMeta: test.meta}); got != test.want {
				t.Errorf("owns = %v, want %v", got, test.want)
			}
		})
	}
}

func TestConfigMapsOfLivePodsAreKept(t *testing.T) {
	pod := corev1.Pod{Spec: corev1.PodSpec{Volumes: []corev1.Volume{{VolumeSource: corev1.VolumeSource{
		ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: "used"}}}}}}}
	keep := UsedByPods([]corev1.Pod{pod})
	for name, want := range map[string]bool{"used": true, "old": false} {
		if got := keep(&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name}}); got != want {
			t.Errorf("%s: keep = %v", name, got)
		}
	}
}
