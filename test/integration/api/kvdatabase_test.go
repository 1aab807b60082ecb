package api

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/coffer-dev/coffer/api/v1alpha1"
)

// database is the smallest one, with further spec lines (two spaces deep).
func database(t *testing.T, name, size, more string) *unstructured.Unstructured {
	t.Helper()
	return instance(t, "KVDatabase", name, size, more)
}

// instance is the smallest one of a kind.
func instance(t *testing.T, kind, name, size, more string) *unstructured.Unstructured {
	t.Helper()
	text := fmt.Sprintf("apiVersion: coffer.dev/v1alpha1\nkind: %s\nmetadata: {name: %s, namespace: %s}\nspec:\n  storage: {size: %s}\n%s",
		kind, name, namespace, size, more)
	object := &unstructured.Unstructured{}
	if err := yaml.UnmarshalStrict([]byte(text), &object.Object); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	return object
}

func create(t *testing.T, object *unstructured.Unstructured) error {
	t.Helper()
	err := server.client.Create(context.Background(), object, client.FieldValidation("Strict"))
	if err == nil {
		t.Cleanup(func() {
			if err := server.client.Delete(context.Background(), object); err != nil {
				t.Errorf("delete %s: %v", object.GetName(), err)
			}
		})
	}
	return err
}

// refused asserts that the server refuses with this text, which is what the
// user reads.
func refused(t *testing.T, err error, want string) {
	t.Helper()
	switch {
	case err == nil:
		t.Fatalf("accepted, want refused with %q", want)
	case !apierrors.IsInvalid(err):
		t.Fatalf("%v: want Invalid", err)
	case !strings.Contains(err.Error(), want):
		t.Fatalf("refused with\n%v\nwant\n%s", err, want)
	}
}

func TestDefaults(t *testing.T) {
	object := database(t, "smallest", "1Gi", "")
	if err := create(t, object); err != nil {
		t.Fatal(err)
	}
	var got v1alpha1.KVDatabase
	if err := server.client.Get(context.Background(), client.ObjectKeyFromObject(object), &got); err != nil {
		t.Fatal(err)
	}
	s := got.Spec
	for _, field := range []struct{ name, got, want string }{
		{"replicas", fmt.Sprint(s.Replicas), "1"},
		{"durability", string(s.Durability), "Always"},
		{"deletionPolicy", string(s.DeletionPolicy), "Retain"},
		{"tls.duration", s.TLS.Duration.Duration.String(), "2160h0m0s"},
		{"tls.renewBefore", s.TLS.RenewBeforeOrDefault().String(), "720h0m0s"},
		{"rotation.completion", string(s.Rotation.Completion), "Automatic"},
		{"rotation.overlap", s.Rotation.Overlap.Duration.String(), "10m0s"},
		{"networkPolicy.mode", string(s.NetworkPolicy.Mode), "Managed"},
		{"service.type", string(s.Service.Type), "ClusterIP"},
		{"memory.evictionPolicy", string(s.Memory.EvictionPolicy), "NoEviction"},
		{"limits.maxClients", fmt.Sprint(*s.Limits.MaxClients), "10000"},
		{"limits.maxRequestBytes", s.Limits.MaxRequestBytes.String(), "256Mi"},
	} {
		if field.got != field.want {
			t.Errorf("%s = %q, want %q", field.name, field.got, field.want)
		}
	}
	// What Go writes back, the rules accept: durations and quantities survive.
	got.Spec.Durability = v1alpha1.DurabilityEverySecond
	if err := server.client.Update(context.Background(), &got); err != nil {
		t.Fatal(err)
	}
}

func TestAccepted(t *testing.T) {
	for name, more := range map[string]string{
		"cluster issuer":  "  tls: {issuerRef: {name: corp, kind: ClusterIssuer}, duration: 24h, renewBefore: 8h30m}\n",
		"three":           "  replicas: 3\n",
		"five":            "  replicas: 5\n  durability: Always\n",
		"one and fast":    "  replicas: 1\n  durability: EverySecond\n",
		"three and fast":  "  replicas: 3\n  durability: EverySecond\n",
		"foreign issuer":  "  tls: {issuerRef: {name: corp, kind: VaultIssuer, group: issuers.example.com}}\n",
		"short duration":  "  tls: {duration: 1h}\n",
		"longest overlap": "  rotation: {overlap: 24h}\n",
		"schedule":        "  rotation: {interval: 720h, window: {schedule: '30 3 1-7/2 JAN,jul SAT', timeZone: America/Argentina/Buenos_Aires, duration: 4h}, completion: Manual}\n",
		"short interval":  "  rotation: {interval: 1h, overlap: 59m}\n",
		"clients":         "  networkPolicy: {clients: [{podSelector: {matchLabels: {app: web}}}, {namespaceSelector: {}, podSelector: {}}, {ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16]}}], metricsFrom: [{namespaceSelector: {}}]}\n",
		"load balancer":   "  service: {type: LoadBalancer, loadBalancerSourceRanges: [203.0.113.0/24, '2001:db8::/32'], hostnames: [db.example.com, x]}\n",
		"no policy":       "  networkPolicy: {mode: Disabled}\n",
		"own secret":      "  credentials: {secretRef: {name: my.own-secret}}\n",
		"limits":          "  limits: {maxClients: 1, maxRequestBytes: 1024, maxKeyBytes: 512}\n",
		"memory":          "  memory: {limit: 645Mi, evictionPolicy: VolatileTTL}\n",
		"less memory":     "  memory: {limit: 1Mi}\n  resources: {limits: {memory: 128Mi}}\n",
		"unknown memory":  "  memory: {limit: 2Gi, evictionPolicy: AllKeysLFU}\n  resources: {requests: {memory: 3Gi}}\n",
		"events":          "  notifyKeyspaceEvents: 'KEg$lshzxetdnA'\n",
		"retention":       "  retention: [{match: 'user:*', maxAge: 8760h}, {match: '*', maxAge: 1m}, {match: '[ab]\\\\*', maxAge: 87600h}]\n",
		"resources":       "  resources: {requests: {cpu: 1, memory: 1Gi}, limits: {cpu: '2', memory: 1Gi}}\n",
		"scheduling":      "  scheduling: {nodeSelector: {disk: ssd}, tolerations: [{operator: Exists}], priorityClassName: high}\n",
	} {
		t.Run(name, func(t *testing.T) {
			if err := create(t, database(t, strings.ReplaceAll("ok-"+name, " ", "-"), "1Gi", more)); err != nil {
				t.Fatal(err)
			}
		})
	}
	if err := create(t, database(t, strings.Repeat("a", 52), "64Mi", "")); err != nil {
		t.Fatal(err)
	}
}

func TestRefused(t *testing.T) {
	peers := func(n int) string {
		return strings.TrimSuffix(strings.Repeat("{podSelector: {}},", n), ",")
	}
	for _, c := range []struct{ name, object, size, more, want string }{
		{"long name", strings.Repeat("a", 53), "1Gi", "", "metadata.name must have at most 52 characters"},
		{"dotted name", "a.b", "1Gi", "", "metadata.name must be one DNS label that begins with a letter"},
		{"digit name", "1a", "1Gi", "", "metadata.name must be one DNS label that begins with a letter"},
		{"tiny", "x", "63Mi", "", "storage.size must be from 64Mi to 64Ti, not 63Mi"},
		{"huge", "x", "65Ti", "", "storage.size must be from 64Mi to 64Ti, not 65Ti"},
		{"plain bytes", "x", "1000", "", "storage.size must be from 64Mi to 64Ti, not 1000"},
		{"no quantity", "x", "big", "", "spec.storage.size"},
		{"two members", "x", "1Gi", "  replicas: 2\n", "replicas must be 1, 3 or 5: an even number"},
		{"no members", "x", "1Gi", "  replicas: 0\n", "replicas must be 1, 3 or 5:"},
		{"seven members", "x", "1Gi", "  replicas: 7\n", "replicas must be 1, 3 or 5:"},
		{"durability", "x", "1Gi", "  durability: Never\n", `supported values: "Always", "EverySecond"`},
		{"issuer kind", "x", "1Gi", "  tls: {issuerRef: {name: a, kind: Vault}}\n", "tls.issuerRef.kind must be Issuer or ClusterIssuer"},
		{"issuer name", "x", "1Gi", "  tls: {issuerRef: {}}\n", "spec.tls.issuerRef.name: Required value"},
		{"short certificate", "x", "1Gi", "  tls: {duration: 59m}\n", "tls.duration must be from 1h to 87600h"},
		{"long certificate", "x", "1Gi", "  tls: {duration: 87601h}\n", "tls.duration must be from 1h to 87600h"},
		{"duration in days", "x", "1Gi", "  tls: {duration: 90d}\n", "tls.duration must be from 1h to 87600h, written in h, m and s"},
		{"renewal at once", "x", "1Gi", "  tls: {renewBefore: 4m}\n", "tls.renewBefore must be at least 5m"},
		{"renewal after its end", "x", "1Gi", "  tls: {duration: 24h, renewBefore: 24h}\n", "tls.renewBefore must be shorter than tls.duration"},
		{"short overlap", "x", "1Gi", "  rotation: {overlap: 4m59s}\n", "rotation.overlap must be from 5m to 24h"},
		{"long overlap", "x", "1Gi", "  rotation: {overlap: 24h1s}\n", "rotation.overlap must be from 5m to 24h"},
		{"short interval", "x", "1Gi", "  rotation: {interval: 59m}\n", "rotation.interval must be from 1h to 8760h"},
		{"long interval", "x", "1Gi", "  rotation: {interval: 8761h}\n", "rotation.interval must be from 1h to 8760h"},
		{"interval within the overlap", "x", "1Gi", "  rotation: {interval: 2h, overlap: 2h}\n", "rotation.interval must be longer than rotation.overlap"},
		{"interval of a user's password", "x", "1Gi", "  rotation: {interval: 2h}\n  credentials: {secretRef: {name: mine}}\n", "rotation.interval needs a generated password"},
		{"window without interval", "x", "1Gi", "  rotation: {window: {schedule: '0 3 * * *', duration: 1h}}\n", "rotation.window needs rotation.interval"},
		{"window of six fields", "x", "1Gi", "  rotation: {interval: 2h, window: {schedule: '0 0 3 * * *', duration: 1h}}\n", "rotation.window.schedule must be minute, hour"},
		{"window in words", "x", "1Gi", "  rotation: {interval: 2h, window: {schedule: '@daily', duration: 1h}}\n", "rotation.window.schedule must be minute, hour"},
		{"window nowhere", "x", "1Gi", "  rotation: {interval: 2h, window: {schedule: '0 3 * * *', duration: 1h, timeZone: ../etc}}\n", "rotation.window.timeZone must be a name of the IANA database"},
		{"short window", "x", "1Gi", "  rotation: {interval: 2h, window: {schedule: '0 3 * * *', duration: 14m}}\n", "rotation.window.duration must be from 15m to 168h"},
		{"completion", "x", "1Gi", "  rotation: {completion: Never}\n", `supported values: "Automatic", "Manual"`},
		{"empty peer", "x", "1Gi", "  networkPolicy: {clients: [{}]}\n", "a peer has an ipBlock, or a podSelector and/or a namespaceSelector"},
		{"mixed peer", "x", "1Gi", "  networkPolicy: {metricsFrom: [{ipBlock: {cidr: 10.0.0.0/8}, podSelector: {}}]}\n", "a peer has an ipBlock, or a podSelector and/or a namespaceSelector"},
		{"peer's block", "x", "1Gi", "  networkPolicy: {clients: [{ipBlock: {cidr: 10.0.0.1}}]}\n", "ipBlock.cidr must be a CIDR"},
		{"too many peers", "x", "1Gi", "  networkPolicy: {clients: [" + peers(31) + "]}\n", "must have at most 30 items"},
		{"clients without policy", "x", "1Gi", "  networkPolicy: {mode: Disabled, clients: [{podSelector: {}}]}\n", "need networkPolicy.mode Managed"},
		{"service type", "x", "1Gi", "  service: {type: ExternalName}\n", `supported values: "ClusterIP", "NodePort", "LoadBalancer"`},
		{"ranges without balancer", "x", "1Gi", "  service: {loadBalancerSourceRanges: [10.0.0.0/8]}\n", "service.loadBalancerSourceRanges needs service.type LoadBalancer"},
		{"no range", "x", "1Gi", "  service: {type: LoadBalancer, loadBalancerSourceRanges: [everyone]}\n", "must be CIDRs such as 203.0.113.0/24, not everyone"},
		{"hostname", "x", "1Gi", "  service: {hostnames: [DB_1]}\n", "service.hostnames must be lower-case DNS names such as db.example.com, not DB_1"},
		{"address as hostname", "x", "1Gi", "  service: {hostnames: [10.0.0.1]}\n", "service.hostnames must be lower-case DNS names"},
		{"wildcard hostname", "x", "1Gi", "  service: {hostnames: ['*.example.com']}\n", "service.hostnames must be lower-case DNS names"},
		{"hostname twice", "x", "1Gi", "  service: {hostnames: [a, a]}\n", "Duplicate value"},
		{"secret's name", "x", "1Gi", "  credentials: {secretRef: {name: a/b}}\n", "credentials.secretRef.name must be the name of a Secret"},
		{"deletion policy", "x", "1Gi", "  deletionPolicy: Keep\n", `supported values: "Retain", "Delete"`},
		{"no clients", "x", "1Gi", "  limits: {maxClients: 0}\n", "should be greater than or equal to 1"},
		{"small requests", "x", "1Gi", "  limits: {maxRequestBytes: 1023}\n", "limits.maxRequestBytes must be from 1Ki to 1Gi"},
		{"large keys", "x", "1Gi", "  limits: {maxKeyBytes: 2Mi}\n", "limits.maxKeyBytes must be from 1 to 1Mi"},
		{"keys over requests", "x", "1Gi", "  limits: {maxKeyBytes: 2Ki, maxRequestBytes: 1Ki}\n", "limits.maxKeyBytes must not exceed limits.maxRequestBytes"},
		{"memory for data", "x", "1Gi", "  memory: {limit: 1023Ki}\n", "memory.limit must be from 1Mi to 1Ti"},
		{"data over memory", "x", "1Gi", "  memory: {limit: 646Mi}\n", "memory.limit must not exceed 63% of resources.limits.memory"},
		{"data over little memory", "x", "1Gi", "  memory: {limit: 82Mi}\n  resources: {limits: {memory: 128Mi}}\n", "memory.limit must not exceed 63% of resources.limits.memory"},
		{"eviction", "x", "1Gi", "  memory: {evictionPolicy: allkeys-lru}\n", `supported values: "NoEviction", "AllKeysLRU"`},
		{"short retention", "x", "1Gi", "  retention: [{match: a, maxAge: 59s}]\n", "maxAge must be from 1m to 87600h, written in h, m and s"},
		{"long retention", "x", "1Gi", "  retention: [{match: a, maxAge: 87601h}]\n", "maxAge must be from 1m to 87600h"},
		{"retention in days", "x", "1Gi", "  retention: [{match: a, maxAge: 365d}]\n", "maxAge must be from 1m to 87600h"},
		{"retention without age", "x", "1Gi", "  retention: [{match: a}]\n", "spec.retention[0].maxAge: Required value"},
		{"retention of nothing", "x", "1Gi", "  retention: [{match: '', maxAge: 1h}]\n", "spec.retention[0].match"},
		{"misses", "x", "1Gi", "  notifyKeyspaceEvents: KEm\n", "m (misses) is not told"},
		{"events without channels", "x", "1Gi", "  notifyKeyspaceEvents: x\n", "notifyKeyspaceEvents must have K (channels named after keys)"},
		{"channels without events", "x", "1Gi", "  notifyKeyspaceEvents: KE\n", "as in Ex"},
		{"retention twice", "x", "1Gi", "  retention: [{match: a, maxAge: 1h}, {match: a, maxAge: 2h}]\n", "Duplicate value"},
		{"claims", "x", "1Gi", "  resources: {claims: [{name: gpu}]}\n", "resources.claims is not supported"},
		{"memory", "x", "1Gi", "  resources: {requests: {memory: 2Gi}, limits: {memory: 1Gi}}\n", "resources.requests.memory must not exceed resources.limits.memory"},
		{"little memory", "x", "1Gi", "  resources: {limits: {memory: 64Mi}}\n", "resources.limits.memory must be at least 128Mi"},
		{"cpu", "x", "1Gi", "  resources: {requests: {cpu: 2}, limits: {cpu: 500m}}\n", "resources.requests.cpu must not exceed resources.limits.cpu"},
	} {
		t.Run(c.name, func(t *testing.T) {
			refused(t, create(t, database(t, c.object, c.size, c.more)), c.want)
			if !strings.Contains(c.more, "limits: {max") && !strings.Contains(c.more, "  memory: {") && !strings.Contains(c.more, "  retention: [") && !strings.Contains(c.more, "  notifyKeyspaceEvents: ") { // which databases alone have
				refused(t, create(t, instance(t, "JobQueue", c.object, c.size, c.more)), c.want)
			}
		})
	}
}

func TestUnknownFieldIsRefused(t *testing.T) {
	err := create(t, database(t, "x", "1Gi", "  replica: 3\n"))
	if err == nil || !strings.Contains(err.Error(), `unknown field "spec.replica"`) {
		t.Fatalf("%v: want the unknown field's name", err)
	}
}

func TestTransitions(t *testing.T) {
	for _, c := range []struct {
		name, before, after string // the storage stanza
		want                string // empty: accepted
	}{
		{"grow", "{size: 1Gi}", "{size: 2Gi}", ""},
		{"same in another unit", "{size: 1Gi}", "{size: 1024Mi}", ""},
		{"shrink", "{size: 10Gi}", "{size: 5Gi}", "spec.storage.size: Invalid value: \"5Gi\": storage can only grow (10Gi to 5Gi)"},
		{"other class", "{size: 1Gi, storageClassName: a}", "{size: 1Gi, storageClassName: b}", "storage.storageClassName cannot change"},
		{"add class", "{size: 1Gi}", "{size: 1Gi, storageClassName: b}", "storage.storageClassName cannot change"},
		{"drop class", "{size: 1Gi, storageClassName: a}", "{size: 1Gi}", "storage.storageClassName cannot change"},
	} {
		t.Run(c.name, func(t *testing.T) {
			object := database(t, "moving", "1Gi", "")
			setStorage(t, object, c.before)
			if err := create(t, object); err != nil {
				t.Fatal(err)
			}
			setStorage(t, object, c.after)
			err := server.client.Update(context.Background(), object)
			if c.want != "" {
				refused(t, err, c.want)
			} else if err != nil {
				t.Fatal(err)
			}
		})
	}
}

func setStorage(t *testing.T, object *unstructured.Unstructured, stanza string) {
	t.Helper()
	var storage map[string]any
	if err := yaml.Unmarshal([]byte(stanza), &storage); err != nil {
		t.Fatal(err)
	}
	if err := unstructured.SetNestedMap(object.Object, storage, "spec", "storage"); err != nil {
		t.Fatal(err)
	}
}

// What people type: short name, category, columns, explain.
func TestKubectl(t *testing.T) {
	if err := create(t, database(t, "typed", "1Gi", "")); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		want []string
	}{
		{[]string{"get", "kvdb"}, []string{"NAME", "READY", "STATUS", "PRIMARY", "REPLICAS", "ROTATED", "AGE", "typed"}},
		{[]string{"get", "coffer"}, []string{"typed"}},
		{[]string{"get", "kvdatabases", "-o", "wide"}, []string{"VERSION", "TLS-EXPIRES", "STORAGE", "ENDPOINT", "1Gi"}},
		{[]string{"explain", "kvdatabase.spec"}, []string{"storage\t<Object> -required-", "deletionPolicy", "Default Retain", "enum: Always, EverySecond"}},
		{[]string{"explain", "kvdatabase.spec.rotation.overlap"}, []string{"Default 10m; from 5m to 24h"}},
	} {
		t.Run(strings.Join(c.args, " "), func(t *testing.T) {
			out := kubectl(t, append([]string{"-n", namespace}, c.args...)...)
			for _, want := range c.want {
				if !strings.Contains(out, want) {
					t.Errorf("no %q in\n%s", want, out)
				}
			}
		})
	}
}

func kubectl(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command(filepath.Join(server.assets, "kubectl"), append([]string{"--kubeconfig", server.config}, args...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("kubectl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}
