package desired

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/yaml"

	"github.com/coffer-dev/coffer/api/v1alpha1"
	"github.com/coffer-dev/coffer/engine/acl"
	"github.com/coffer-dev/coffer/engine/config"
)

var update = flag.Bool("update", false, "write the golden files")

const (
	oldPassword = "old-password-of-43-characters-0123456789012"
	newPassword = "new+password/of:43@characters=%012345678901"
	token       = "metrics-token-of-43-characters-012345678901"
	// encryptionKey is known to nobody else, because nothing uses it.
	encryptionKey = "00000000000000000000000000000000000000000000000000000000000000a1"
	caPEM         = "-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----\n"
)

// inputs of the smallest database in the middle of a rotation; modifiers make others.
func inputs(modify ...func(*Inputs)) Inputs {
	in := Inputs{
		Instance: &v1alpha1.KVDatabase{
			ObjectMeta: metav1.ObjectMeta{Name: "sessions", Namespace: "shop", UID: "6a0e3c52-0000-4000-8000-000000000001"},
			Spec:       v1alpha1.KVDatabaseSpec{InstanceSpec: v1alpha1.InstanceSpec{Storage: v1alpha1.Storage{Size: resource.MustParse("1Gi")}}},
		},
		Image:             "registry.example.com/coffer:v1.2.3",
		OperatorNamespace: "coffer-system",
		OperatorLabels:    OperatorLabels(),
		Encryption: &Encryption{Data: map[string][]byte{"primary": []byte("key-1"), "key-1": []byte(encryptionKey)},
			Annotations: map[string]string{v1alpha1.AnnotationRotationTrigger: "sunday"}},
		IssuedSecrets: []IssuedSecret{{Name: "sessions-ca"}, {Name: "sessions-admin-tls"}, {Name: "sessions-operator-tls"},
			{Name: "sessions-server-tls", Certificate: "sessions-server", UID: "6a0e3c52-0000-4000-8000-000000000002"}},
		Pending: &Pending{Password: newPassword, Generation: 2, Annotations: map[string]string{v1alpha1.AnnotationRotationTrigger: "monday"}},
		Server: &Server{
			Verifiers:     []acl.Verifier{Verifier(1, oldPassword), Verifier(2, newPassword)},
			MetricsTokens: []acl.Verifier{Verifier(1, token)},
			Version:       acl.TokensFileVersion,
		},
		Metrics: &Metrics{Token: token, CA: []byte(caPEM)},
		Connection: &Connection{
			Password: newPassword, Generation: 2, CA: []byte(caPEM),
			NotAfter:    time.Date(2027, 2, 20, 10, 0, 0, 0, time.UTC),
			Annotations: map[string]string{v1alpha1.AnnotationSwitchedAt: "2026-11-23T10:00:00Z", v1alpha1.AnnotationRotationTrigger: "monday"},
		},
	}
	for _, m := range modify {
		m(&in)
	}
	return in
}

func database(in Inputs) *v1alpha1.KVDatabase { return in.Instance.(*v1alpha1.KVDatabase) }

// everything is a database that uses every field.
func everything(in *Inputs) {
	database(*in).Spec = v1alpha1.KVDatabaseSpec{
		InstanceSpec: v1alpha1.InstanceSpec{
			Storage: v1alpha1.Storage{Size: resource.MustParse("20Gi"), StorageClassName: ptr.To("fast")},
			Resources: corev1.ResourceRequirements{
				Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("2")},
				Limits:   corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("4Gi")},
			},
			Scheduling: &v1alpha1.Scheduling{
				NodeSelector: map[string]string{"disk": "ssd"},
				Tolerations:  []corev1.Toleration{{Key: "data", Operator: corev1.TolerationOpExists, TolerationSeconds: ptr.To(int64(60))}},
				Affinity: &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{RequiredDuringSchedulingIgnoredDuringExecution: &corev1.NodeSelector{
					NodeSelectorTerms: []corev1.NodeSelectorTerm{{MatchExpressions: []corev1.NodeSelectorRequirement{{Key: "zone", Operator: corev1.NodeSelectorOpIn, Values: []string{"a", "b"}}}}},
				}}},
				PriorityClassName: "high",
			},
			Durability: v1alpha1.DurabilityEverySecond,
			TLS: v1alpha1.TLS{
				IssuerRef: &v1alpha1.IssuerRef{Name: "corp", Kind: "ClusterIssuer"},
				Duration:  &metav1.Duration{Duration: 24 * time.Hour}, RenewBefore: &metav1.Duration{Duration: 2 * time.Hour},
			},
			NetworkPolicy: v1alpha1.NetworkPolicy{
				Clients: []networkingv1.NetworkPolicyPeer{
					{PodSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}},
					{NamespaceSelector: &metav1.LabelSelector{}},
					{IPBlock: &networkingv1.IPBlock{CIDR: "10.0.0.0/8", Except: []string{"10.1.0.0/16"}}},
				},
				MetricsFrom: []networkingv1.NetworkPolicyPeer{{NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"team": "monitoring"}}}},
			},
			Service: v1alpha1.Service{
				Type: v1alpha1.ServiceLoadBalancer, Annotations: map[string]string{"lb.example.com/internal": "true"},
				LoadBalancerSourceRanges: []string{"203.0.113.0/24"}, Hostnames: []string{"db.example.com"},
			},
			Encryption:     v1alpha1.Encryption{AtRest: v1alpha1.EncryptionEnabled, KeySecretRef: &v1alpha1.KeySecretRef{Name: "vaulted"}},
			DeletionPolicy: v1alpha1.DeletionDelete,
		},
		Memory:               &v1alpha1.KVDatabaseMemory{Limit: ptr.To(resource.MustParse("1Gi")), EvictionPolicy: v1alpha1.EvictionAllKeysLRU},
		Limits:               &v1alpha1.KVDatabaseLimits{MaxClients: ptr.To(int32(50)), MaxRequestBytes: ptr.To(resource.MustParse("32Ki")), MaxKeyBytes: ptr.To(resource.MustParse("1Ki"))},
		NotifyKeyspaceEvents: "KEA",
		Retention: []v1alpha1.RetentionRule{
			{Match: "user:*", MaxAge: metav1.Duration{Duration: 365 * 24 * time.Hour}}, {Match: "*", MaxAge: metav1.Duration{Duration: 90 * time.Second}},
		},
	}
	in.ClaimSize = ptr.To(resource.MustParse("10Gi"))
	in.Encryption = nil // the keys are the user's
}

func steady(in *Inputs) {
	in.Encryption = nil
	in.IssuedSecrets, in.Pending, in.Server, in.Metrics, in.Connection = nil, nil, nil, nil, nil
	in.spec().NetworkPolicy.Mode = v1alpha1.NetworkPolicyDisabled
}

func TestGolden(t *testing.T) {
	for _, c := range []struct {
		name   string
		modify func(*Inputs)
	}{
		{"smallest", func(*Inputs) {}},
		{"everything", everything},
		{"steady", steady},
		{"replicas", three},
		{"jobqueue", jobs()},
		{"jobqueue-everything", jobs(everyQueue)},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := render(t, All(inputs(c.modify)))
			path := filepath.Join("testdata", c.name+".yaml")
			if *update {
				if err := os.WriteFile(path, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Errorf("differs from %s (go test ./controllers/desired -update writes it):\n%s", path, diff)
			}
		})
	}
}

func render(t *testing.T, objects []Object) []byte {
	t.Helper()
	var out bytes.Buffer
	for _, o := range objects {
		text, err := yaml.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		out.WriteString("---\n")
		out.Write(text)
	}
	return out.Bytes()
}

// generic is an object as data.
type generic struct {
	Kind     string            `json:"kind"`
	Metadata metav1.ObjectMeta `json:"metadata"`
	Data     map[string]string `json:"data"`
}

func decode(t *testing.T, o Object) (generic, string) {
	t.Helper()
	text, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	var g generic
	if err := json.Unmarshal(text, &g); err != nil {
		t.Fatal(err)
	}
	return g, string(text)
}

func TestSecretsStayInSecrets(t *testing.T) {
	hash := Verifier(1, oldPassword).SHA256
	values := []string{oldPassword, newPassword, token, hash, "old%2Dpassword", encryptionKey}
	for _, v := range slices.Clone(values) {
		values = append(values, base64.StdEncoding.EncodeToString([]byte(v)))
	}
	for _, modify := range []func(*Inputs){func(*Inputs) {}, everything, jobs(everyQueue)} {
		for _, o := range All(inputs(modify)) {
			g, text := decode(t, o)
			for _, v := range values {
				if g.Kind != "Secret" && strings.Contains(text, v) {
					t.Errorf("%s %s holds a secret", g.Kind, g.Metadata.Name)
				}
			}
			// What members mount has verifiers only.
			if g.Metadata.Name == "sessions-server" {
				users, err := base64.StdEncoding.DecodeString(g.Data[KeyUsers])
				if err != nil {
					t.Fatal(err)
				}
				for _, v := range []string{oldPassword, newPassword, token} {
					if strings.Contains(string(users), v) {
						t.Error("the server's secret holds a plaintext password")
					}
				}
			}
		}
	}
}

func TestEngineReadsItsConfig(t *testing.T) {
	for _, modify := range []func(*Inputs){func(*Inputs) {}, everything, jobs(everyQueue), three, func(in *Inputs) {
		in.spec().Replicas = 5
		in.Instance.SetName(strings.Repeat("a", 52))
		in.Instance.SetNamespace(strings.Repeat("b", 63))
		database(*in).Spec.Limits = &v1alpha1.KVDatabaseLimits{MaxClients: ptr.To(int32(1)), MaxRequestBytes: ptr.To(resource.MustParse("1Ki"))}
	}, func(in *Inputs) {
		database(*in).Spec.Limits = &v1alpha1.KVDatabaseLimits{MaxClients: ptr.To(int32(100_000)), MaxRequestBytes: ptr.To(resource.MustParse("1Gi")), MaxKeyBytes: ptr.To(resource.MustParse("1Mi"))}
	}} {
		in := inputs(modify)
		g, _ := decode(t, EngineConfigMap(in))
		path := filepath.Join(t.TempDir(), KeyEngineConfig)
		if err := os.WriteFile(path, []byte(g.Data[KeyEngineConfig]), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := config.Load(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(EngineConfig(in), got); diff != "" {
			t.Error(diff)
		}
		if got.EnableDebugCommand || strings.Contains(g.Data[KeyEngineConfig], "enableDebugCommand") {
			t.Error("DEBUG is for tests, and no pod's")
		}
	}
}

// A limit that the user sets draws in the defaults that would exceed it, so
// that what the API accepts the engine can keep.
func TestLimitsAreDrawnIn(t *testing.T) {
	l := EngineConfig(inputs(func(in *Inputs) {
		database(*in).Spec.Limits = &v1alpha1.KVDatabaseLimits{MaxClients: ptr.To(int32(7)), MaxRequestBytes: ptr.To(resource.MustParse("2Ki"))}
	})).Limits
	if l.MaxUnauthenticated != 7 || l.MaxUnauthenticatedPerHost != 7 || l.MaxBulkBytes != 2<<10 || l.MaxKeyBytes != 2<<10 {
		t.Errorf("%+v", l)
	}
}

func TestEngineReadsItsUsers(t *testing.T) {
	in := inputs()
	g, _ := decode(t, ServerSecret(in))
	text, err := base64.StdEncoding.DecodeString(g.Data[KeyUsers])
	if err != nil {
		t.Fatal(err)
	}
	users, err := acl.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	for generation, password := range map[int64]string{1: oldPassword, 2: newPassword} {
		if _, got, refusal := users.Verify(ConnectionUser, password, time.Time{}); refusal != "" || got.Generation() != generation {
			t.Errorf("generation %d is not accepted", generation)
		}
	}
	if !users.VerifyToken(token) {
		t.Error("the metrics token is not accepted")
	}
	file := UsersFile(in)
	if file.Revision != UsersRevision(file) {
		t.Error("a file as written does not have its own revision")
	}
	file.Users[0].Verifiers = file.Users[0].Verifiers[:1]
	if file.Revision == UsersRevision(file) {
		t.Error("an edited file has its old revision")
	}
}

func TestPodSpecHash(t *testing.T) {
	before := PodSpecHash(inputs())
	for name, c := range map[string]struct {
		modify func(*Inputs)
		rolls  bool
	}{
		"another image":    {func(in *Inputs) { in.Image = "coffer:v9" }, false},
		"another operator": {func(in *Inputs) { in.OperatorNamespace = "elsewhere" }, false},
		"another key":      {func(in *Inputs) { in.Encryption = nil }, false},
		"another password": {func(in *Inputs) { in.Server.Verifiers = in.Server.Verifiers[:1] }, false},
		"a larger volume":  {func(in *Inputs) { in.spec().Storage.Size = resource.MustParse("2Gi") }, false},
		"another client":   {func(in *Inputs) { in.spec().NetworkPolicy.Mode = v1alpha1.NetworkPolicyDisabled }, false},
		"another hostname": {func(in *Inputs) { in.spec().Service.Hostnames = []string{"a"} }, false},
		"defaults written out": {func(in *Inputs) {
			in.spec().Durability = v1alpha1.DurabilityAlways
			in.spec().Scheduling = &v1alpha1.Scheduling{}
			in.spec().Encryption = v1alpha1.Encryption{AtRest: v1alpha1.EncryptionEnabled}
			database(*in).Spec.Limits = &v1alpha1.KVDatabaseLimits{MaxClients: ptr.To(int32(10_000)), MaxRequestBytes: ptr.To(resource.MustParse("256Mi"))}
			database(*in).Spec.Memory = &v1alpha1.KVDatabaseMemory{EvictionPolicy: v1alpha1.EvictionNone}
		}, false},
		"eviction": {func(in *Inputs) {
			database(*in).Spec.Memory = &v1alpha1.KVDatabaseMemory{EvictionPolicy: v1alpha1.EvictionVolatileTTL}
		}, true},
		"memory for data": {func(in *Inputs) {
			database(*in).Spec.Memory = &v1alpha1.KVDatabaseMemory{Limit: ptr.To(resource.MustParse("64Mi"))}
		}, true},
		"members": {func(in *Inputs) { in.spec().Replicas = 3 }, true},
		"memory": {func(in *Inputs) {
			in.spec().Resources.Limits = corev1.ResourceList{"memory": resource.MustParse("2Gi")}
		}, true},
		"keys of the user's own": {func(in *Inputs) {
			in.spec().Encryption.KeySecretRef = &v1alpha1.KeySecretRef{Name: "theirs"}
		}, true},
		"no encryption": {func(in *Inputs) { in.spec().Encryption.AtRest = v1alpha1.EncryptionDisabled }, true},
		"durability":    {func(in *Inputs) { in.spec().Durability = v1alpha1.DurabilityEverySecond }, true},
		"clients":       {func(in *Inputs) { database(*in).Spec.Limits = &v1alpha1.KVDatabaseLimits{MaxClients: ptr.To(int32(9))} }, true},
		"nodes": {func(in *Inputs) {
			in.spec().Scheduling = &v1alpha1.Scheduling{NodeSelector: map[string]string{"a": "b"}}
		}, true},
	} {
		if rolls := PodSpecHash(inputs(c.modify)) != before; rolls != c.rolls {
			t.Errorf("%s: rolls the pod: %v, want %v", name, rolls, c.rolls)
		}
	}
}

// Every object can be found by the operator and collected with its database,
// but for what deletionPolicy keeps.
func TestLabelsAndOwners(t *testing.T) {
	kept := []string{"sessions-encryption", "sessions-connection", "sessions-server", "sessions-metrics", "sessions-ca"}
	certificateSecrets := NamesOf(inputs().Instance).CertificateSecrets()
	for _, modify := range []func(*Inputs){func(*Inputs) {}, everything, jobs(everyQueue), three} {
		in := inputs(modify)
		for _, o := range All(in) {
			g, _ := decode(t, o)
			isSecret := g.Kind == "Secret"
			ours := isSecret && !slices.Contains(certificateSecrets, g.Metadata.Name) || !isSecret
			for k, v := range Labels(in) {
				if ours && g.Metadata.Labels[k] != v {
					t.Errorf("%s %s: label %s=%q, want %q", g.Kind, g.Metadata.Name, k, g.Metadata.Labels[k], v)
				}
			}
			if watched := g.Metadata.Labels[v1alpha1.LabelWatch] == "true"; ours && watched != isSecret {
				t.Errorf("%s %s: watched: %v", g.Kind, g.Metadata.Name, watched)
			}
			want := 1
			if isSecret && in.spec().Retains() && slices.Contains(kept, g.Metadata.Name) {
				want = 0
			}
			if g.Metadata.Name == "sessions-server-tls" && isSecret {
				want = 2 // the database and the Certificate, which must go first
			}
			if len(g.Metadata.OwnerReferences) != want {
				t.Errorf("%s %s: %d owners, want %d", g.Kind, g.Metadata.Name, len(g.Metadata.OwnerReferences), want)
			}
		}
	}
}

// The longest name that the API allows gives names that Kubernetes allows.
func TestLongestName(t *testing.T) {
	in := inputs(func(in *Inputs) { in.Instance.SetName(strings.Repeat("a", 52)) })
	label := regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`)
	for _, o := range All(in) {
		g, _ := decode(t, o)
		limit := 253
		if g.Kind == "Service" {
			limit = 63
		}
		if len(g.Metadata.Name) > limit || !label.MatchString(g.Metadata.Name) {
			t.Errorf("%s %q: not a name", g.Kind, g.Metadata.Name)
		}
	}
	// The StatefulSet's controller labels pods with its name and a ten-digit hash.
	if n := len(NamesOf(in.Instance).StatefulSet()) + 11; n > 63 {
		t.Errorf("a revision label of %d characters", n)
	}
}

func TestInputsAreNotShared(t *testing.T) {
	in := inputs(everything)
	before, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	first, second := render(t, All(in)), render(t, All(in))
	if !bytes.Equal(first, second) {
		t.Error("the same inputs give different objects")
	}
	after, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(before, after) {
		t.Error("building changed the inputs")
	}
}

// TestNetworkIsClosedFirst: applying stops at an object that is refused, and a
// client that was taken off the list must be kept out all the same.
func TestNetworkIsClosedFirst(t *testing.T) {
	if g, _ := decode(t, All(inputs())[0]); g.Kind != "NetworkPolicy" {
		t.Errorf("%s comes before it", g.Kind)
	}
}
