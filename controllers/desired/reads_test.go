package desired

import (
	"encoding/json"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/coffer-dev/coffer/api/v1alpha1"
)

// TestReadsAreOfSeveral: a Service, names in the certificate and a way through the
// network for reads that may be stale; nothing of them where a member is alone, or
// for jobs.
func TestReadsAreOfSeveral(t *testing.T) {
	jobs := func(in *Inputs) {
		q := &v1alpha1.JobQueue{ObjectMeta: database(*in).ObjectMeta}
		q.Spec.InstanceSpec = *in.spec()
		in.Instance = q
	}
	for name, c := range map[string]struct {
		in           Inputs
		offered, has bool // by objects; by pods
	}{
		"three":         {inputs(three), true, true},
		"1, of 3":       {inputs(left(3)), true, true},
		"1, at end":     {inputs(left(1)), false, true},
		"one":           {inputs(), false, false},
		"three of jobs": {inputs(three, jobs), false, false},
	} {
		text := string(render(t, All(c.in)))
		if got := strings.Contains(text, "name: sessions-ro\n"); got != c.offered {
			t.Errorf("%s: a Service: %t", name, got)
		}
		if got := strings.Contains(text, "- sessions-ro.shop.svc\n"); got != c.offered {
			t.Errorf("%s: a name in the certificate: %t", name, got)
		}
		if got := strings.Contains(text, `"reads": ":6380"`); got != c.has {
			t.Errorf("%s: a port in the configuration: %t", name, got)
		}
		c.in.spec().NetworkPolicy.Clients = []networkingv1.NetworkPolicyPeer{{PodSelector: &metav1.LabelSelector{}}}
		policy := string(mustJSON(NetworkPolicy(c.in)))
		if got := strings.Contains(policy, `"port":6380`); got != c.offered {
			t.Errorf("%s: a way through the network: %t", name, got)
		}
		words := PeersInWords(c.in)
		if got := strings.HasSuffix(words[len(words)-1].Ports, ", 6380"); got != c.offered {
			t.Errorf("%s: a way through the network is told: %t", name, got)
		}
		pod := corev1.PodSpec{}
		if err := json.Unmarshal(mustJSON(podTemplate(c.in).Spec), &pod); err != nil || ReadsPort(pod) != c.has {
			t.Errorf("%s: the pod's port: %t, %v", name, ReadsPort(pod), err)
		}
	}
}

// TestReadsInSecrets, an AccessToken's too, once they are proven and while there
// are several members.
func TestReadsInSecrets(t *testing.T) {
	offered := func(in *Inputs) { in.Connection = &Connection{Password: newPassword, Generation: 1, Reads: true} }
	for name, c := range map[string]struct {
		in   Inputs
		want bool
	}{
		"proven":   {inputs(three, offered), true},
		"unproven": {inputs(three, func(in *Inputs) { offered(in); in.Connection.Reads = false }), false},
		"left":     {inputs(left(3), offered), false},
	} {
		token := TokenInputs{Token: &v1alpha1.AccessToken{}, Target: c.in.Instance, Connection: c.in.Connection}
		for kind, object := range map[string]Object{"connection": ConnectionSecret(c.in), "token": TokenConnectionObject(token)} {
			secret := as[corev1.Secret](object)
			host, uri := secret.Data["host-ro"], secret.Data["uri-ro"]
			if c.want && (string(host) != "sessions-ro.shop.svc" || !strings.HasSuffix(string(uri), "@sessions-ro.shop.svc:6379")) || !c.want && (host != nil || uri != nil) {
				t.Errorf("%s, %s: %q, %q", name, kind, host, uri)
			}
		}
	}
}
