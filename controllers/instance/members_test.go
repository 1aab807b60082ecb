package instance

import (
	"crypto/x509"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/coffer-dev/coffer/engine/adminapi"
)

// TestMemberSaysWhoItIs: one that answers for another, or for another
// database's, proves nothing about the one that was asked.
func TestMemberSaysWhoItIs(t *testing.T) {
	var answer adminapi.Status
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(answer)
	}))
	listener, err := net.Listen("tcp", "127.8.8.8:9443")
	if err != nil {
		t.Fatal(err)
	}
	_ = s.Listener.Close()
	s.Listener = listener
	s.StartTLS()
	t.Cleanup(s.Close)
	id := &Identity{Roots: x509.NewCertPool()}
	id.Roots.AddCert(s.Certificate())
	pod := corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "db-0"}, Status: corev1.PodStatus{Phase: corev1.PodRunning, PodIP: "127.8.8.8"}}
	names := Names{Instance: "shop/db", Keys: "db", Admin: func(string) string { return "example.com" }}
	for _, c := range []struct {
		member, instance string
		believed         bool
	}{{"db-0", "shop/db", true}, {"db-1", "shop/db", false}, {"db-0", "other/db", false}, {"", "", false}} {
		answer = adminapi.Status{Version: adminapi.Version, Member: c.member, Instance: c.instance}
		got := Observe(t.Context(), []string{"db-0"}, []corev1.Pod{pod}, id, names)[0]
		if (got.Err == nil) != c.believed || (got.Status != nil) != c.believed {
			t.Errorf("%s of %s: %v", c.member, c.instance, got.Err)
		}
	}
}
