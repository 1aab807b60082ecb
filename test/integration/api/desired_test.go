package api

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/coffer-dev/coffer/api/v1alpha1"
	"github.com/coffer-dev/coffer/controllers/desired"
	"github.com/coffer-dev/coffer/engine/acl"
)

const (
	closed   = "closed" // a namespace under the restricted Pod Security Standard
	password = "a-password-of-the-user's-own:@/%-0123456789"
)

func restricted(t *testing.T) {
	t.Helper()
	err := server.client.Create(context.Background(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name: closed, Labels: map[string]string{"pod-security.kubernetes.io/enforce": "restricted"},
	}})
	if client.IgnoreAlreadyExists(err) != nil {
		t.Fatal(err)
	}
}

func inputs(t *testing.T, o v1alpha1.Instance) desired.Inputs {
	t.Helper()
	restricted(t)
	o.SetNamespace(closed)
	if err := server.client.Create(context.Background(), o); err != nil {
		t.Fatal(err)
	}
	return desired.Inputs{
		Instance: o, Image: "coffer:dev",
		OperatorNamespace: "coffer-system", OperatorLabels: desired.OperatorLabels(),
		Pending: &desired.Pending{Password: password, Generation: 1},
		Server: &desired.Server{
			Verifiers:     []acl.Verifier{desired.Verifier(1, password)},
			MetricsTokens: []acl.Verifier{desired.Verifier(1, password)},
		},
		Metrics:    &desired.Metrics{Token: password, CA: []byte("ca")},
		Connection: &desired.Connection{Password: password, Generation: 1, CA: []byte("ca"), NotAfter: time.Unix(1, 0)},
	}
}

func applyAll(t *testing.T, in desired.Inputs) {
	t.Helper()
	for _, o := range desired.All(in) {
		if err := server.client.Apply(context.Background(), o, client.FieldOwner("coffer"), client.ForceOwnership); err != nil {
			text, _ := json.MarshalIndent(o, "", "  ")
			t.Fatalf("%v\n%s", err, text)
		}
	}
}

// everything uses each field of the API.
func everything(name string) *v1alpha1.KVDatabase {
	everywhere := []networkingv1.NetworkPolicyPeer{
		{NamespaceSelector: &metav1.LabelSelector{}, PodSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}},
		{IPBlock: &networkingv1.IPBlock{CIDR: "10.0.0.0/8"}},
	}
	return &v1alpha1.KVDatabase{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: v1alpha1.KVDatabaseSpec{
			InstanceSpec: v1alpha1.InstanceSpec{
				Storage:   v1alpha1.Storage{Size: resource.MustParse("1Gi"), StorageClassName: ptr.To("fast")},
				Resources: corev1.ResourceRequirements{Limits: corev1.ResourceList{"memory": resource.MustParse("1Gi"), "cpu": resource.MustParse("1")}},
				Scheduling: &v1alpha1.Scheduling{
					NodeSelector: map[string]string{"disk": "ssd"},
					Tolerations:  []corev1.Toleration{{Operator: corev1.TolerationOpExists}},
					Affinity: &corev1.Affinity{PodAntiAffinity: &corev1.PodAntiAffinity{RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{
						{TopologyKey: corev1.LabelHostname, LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"a": "b"}}},
					}}},
				},
				Durability:    v1alpha1.DurabilityEverySecond,
				TLS:           v1alpha1.TLS{IssuerRef: &v1alpha1.IssuerRef{Name: "corp"}, Duration: &metav1.Duration{Duration: time.Hour}},
				NetworkPolicy: v1alpha1.NetworkPolicy{Clients: everywhere, MetricsFrom: everywhere},
				Service: v1alpha1.Service{
					Type: v1alpha1.ServiceLoadBalancer, LoadBalancerSourceRanges: []string{"203.0.113.0/24"},
					Hostnames: []string{"db.example.com"}, Annotations: map[string]string{"a": "b"},
				},
				DeletionPolicy: v1alpha1.DeletionDelete,
			},
		},
	}
}

func smallest(name string) *v1alpha1.KVDatabase {
	return &v1alpha1.KVDatabase{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       v1alpha1.KVDatabaseSpec{InstanceSpec: v1alpha1.InstanceSpec{Storage: v1alpha1.Storage{Size: resource.MustParse("64Mi")}}},
	}
}

// The API server takes every object, under the longest names, and the pod in a
// namespace under the restricted standard; a second time nothing changes.
func TestDesiredObjectsAreAccepted(t *testing.T) {
	jobs := &v1alpha1.JobQueue{ObjectMeta: metav1.ObjectMeta{Name: "jobs"}, Spec: v1alpha1.JobQueueSpec{InstanceSpec: everything("").Spec.InstanceSpec,
		Queues: []v1alpha1.Queue{{Name: "email", RateLimit: &v1alpha1.QueueRateLimit{Max: 1}}}}}
	several := smallest("several")
	several.Spec.Replicas = 5
	for _, o := range []v1alpha1.Instance{
		smallest("small"), everything("every"), smallest(strings.Repeat("l", 52)), several, jobs,
	} {
		t.Run(o.GetName(), func(t *testing.T) {
			in := inputs(t, o)
			applyAll(t, in)
			key := client.ObjectKey{Namespace: closed, Name: o.GetName()}
			var first, second appsv1.StatefulSet
			if err := server.client.Get(context.Background(), key, &first); err != nil {
				t.Fatal(err)
			}
			applyAll(t, in)
			if err := server.client.Get(context.Background(), key, &second); err != nil {
				t.Fatal(err)
			}
			if first.ResourceVersion != second.ResourceVersion {
				t.Error("applying the same StatefulSet again changes it")
			}
			// What the StatefulSet's controller would create.
			pod := &corev1.Pod{
				ObjectMeta: metav1.ObjectMeta{Namespace: closed, Name: o.GetName() + "-0", Labels: first.Spec.Template.Labels},
				Spec:       first.Spec.Template.Spec,
			}
			pod.Spec.Volumes = append(pod.Spec.Volumes, corev1.Volume{Name: desired.VolumeData, VolumeSource: corev1.VolumeSource{
				PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "data-" + o.GetName() + "-0"},
			}})
			// No controller makes the namespace's default service account here.
			account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: closed, Name: "default"}}
			if err := server.client.Create(context.Background(), account); client.IgnoreAlreadyExists(err) != nil {
				t.Fatal(err)
			}
			if err := server.client.Create(context.Background(), pod, client.DryRunAll); err != nil {
				t.Fatalf("the pod is refused: %v", err)
			}
			for _, v := range pod.Spec.Volumes {
				if v.Projected != nil {
					t.Error("the pod mounts a service account's token")
				}
			}
		})
	}
}

// What a user may change in place, the API server lets us change in place.
func TestDesiredObjectsCanChange(t *testing.T) {
	in := inputs(t, smallest("changing"))
	applyAll(t, in)
	in.ClaimSize = ptr.To(in.Instance.InstanceSpec().Storage.Size)
	changed := everything("changing")
	changed.Namespace, changed.UID = closed, in.Instance.GetUID()
	changed.Spec.Storage.StorageClassName = nil // cannot change
	in.Instance = changed
	applyAll(t, in)
	in.Instance.InstanceSpec().Service = v1alpha1.Service{}
	in.Instance.InstanceSpec().DeletionPolicy = v1alpha1.DeletionRetain
	applyAll(t, in)
	var service corev1.Service
	if err := server.client.Get(context.Background(), client.ObjectKey{Namespace: closed, Name: "changing"}, &service); err != nil {
		t.Fatal(err)
	}
	if service.Spec.Type != corev1.ServiceTypeClusterIP || len(service.Spec.LoadBalancerSourceRanges) > 0 || service.Annotations["a"] != "" {
		t.Errorf("the service keeps what was taken back: %+v", service.Spec)
	}
	var connection corev1.Secret
	if err := server.client.Get(context.Background(), client.ObjectKey{Namespace: closed, Name: "changing-connection"}, &connection); err != nil {
		t.Fatal(err)
	}
	if len(connection.OwnerReferences) > 0 {
		t.Error("a retained secret keeps its owner")
	}
	if got, want := string(connection.Data["uri"]), "rediss://default:a-password-of-the-user%27s-own%3A%40%2F%25-0123456789@changing.closed.svc:6379"; got != want {
		t.Errorf("uri %q, want %q", got, want)
	}
}

// Giving an owner to a certificate's secret never creates one: that is
// cert-manager's to do.
func TestCertificateSecretIsNotCreated(t *testing.T) {
	in := inputs(t, smallest("vanished"))
	in.IssuedSecrets = []desired.IssuedSecret{{Name: "vanished-server-tls"}}
	for _, o := range desired.CertificateSecretOwners(in) {
		if err := server.client.Apply(context.Background(), o, client.FieldOwner("coffer"), client.ForceOwnership); !apierrors.IsInvalid(err) {
			t.Fatalf("%v: want the empty TLS secret to be refused", err)
		}
	}
}
