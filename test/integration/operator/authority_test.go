package operator

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	certmanagerv1 "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/coffer-dev/coffer/api/v1alpha1"
	"github.com/coffer-dev/coffer/controllers/instance"
)

// mountLag is how far behind the bundle of the clients below is. The tests end
// the overlap no sooner than that after it began.
const mountLag = 400 * time.Millisecond

// handshakes makes one after another with client and metrics port, trusting
// what the secrets held a while ago, and keeps the failures.
type handshakes struct {
	done   chan struct{}
	stop   context.CancelFunc
	made   int
	failed []string
}

func startHandshakes(t *testing.T, db *v1alpha1.KVDatabase) *handshakes {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	h := &handshakes{done: make(chan struct{}), stop: cancel}
	t.Cleanup(cancel)
	namespace := db.Namespace // the test reads the object again meanwhile
	ip := get(t, namespace, db.Name+"-0", &corev1.Pod{}).Status.PodIP
	targets := []struct{ secret, address, name string }{
		{db.Name + "-connection", ip + ":6379", db.Name + "." + db.Namespace + ".svc"},
		{db.Name + "-metrics", ip + ":9090", db.Name + "-0." + db.Name + "-members." + db.Namespace + ".svc"},
	}
	type mount struct {
		at     time.Time
		bundle []byte
	}
	go func() {
		defer close(h.done)
		mounts := make([][]mount, len(targets))
		for ; ctx.Err() == nil; time.Sleep(10 * time.Millisecond) {
			for i, target := range targets {
				secret := &corev1.Secret{}
				if err := suite.client.Get(ctx, client.ObjectKey{Namespace: namespace, Name: target.secret}, secret); err != nil {
					continue
				}
				mounts[i] = append(mounts[i], mount{time.Now(), secret.Data["ca.crt"]})
				for len(mounts[i]) > 1 && time.Since(mounts[i][1].at) > mountLag {
					mounts[i] = mounts[i][1:]
				}
				h.made++
				if err := shake(target.address, target.name, mounts[i][0].bundle); err != nil && ctx.Err() == nil {
					h.failed = append(h.failed, fmt.Sprintf("%s: %v", target.secret, err))
				}
			}
		}
	}()
	return h
}

func (h *handshakes) end(t *testing.T) {
	t.Helper()
	h.stop()
	<-h.done
	if len(h.failed) > 0 || h.made < 20 {
		t.Errorf("%d of %d handshakes failed, the first: %v", len(h.failed), h.made, h.failed[:min(len(h.failed), 3)])
	}
}

func shake(address, name string, bundle []byte) error {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(bundle)
	conn, err := tls.Dial("tcp", address, &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: roots, ServerName: name})
	if err != nil {
		return err
	}
	return conn.Close()
}

func bundleOf(t *testing.T, db *v1alpha1.KVDatabase) []*x509.Certificate {
	t.Helper()
	return instance.Authorities(connection(t, db).Data["ca.crt"])
}

// rotated checks what must hold after a change of CA.
func rotated(t *testing.T, db *v1alpha1.KVDatabase, old []*x509.Certificate, generation int64, value string) {
	t.Helper()
	eventually(t, "the CA has changed", func() string {
		now := current(t, db).Status
		if now.LastHandled[v1alpha1.AnnotationRotateCA] != value || now.TLS.Phase != v1alpha1.PhaseIdle || now.TLS.CAGeneration != generation || now.TLS.CANotAfter == nil {
			return fmt.Sprintf("%+v %v", now.TLS, now.LastHandled)
		}
		return ""
	})
	awaitReady(t, db)
	bundle := bundleOf(t, db)
	if len(bundle) != 1 || instance.Key(bundle[0]) == instance.Key(old[0]) {
		t.Fatalf("the bundle has %d authorities, or the old one", len(bundle))
	}
	absent(t, db.Namespace, db.Name+"-ca-next", &corev1.Secret{})
	absent(t, db.Namespace, db.Name+"-ca-next", &certmanagerv1.Certificate{})
	absent(t, db.Namespace, db.Name+"-ca-previous", &corev1.Secret{})
	if users := get(t, db.Namespace, db.Name+"-server", &corev1.Secret{}); users.Data["authorities.pem"] != nil {
		t.Error("members are still handed further authorities")
	}
	pod := get(t, db.Namespace, db.Name+"-0", &corev1.Pod{})
	member := db.Name + "-0." + db.Name + "-members." + db.Namespace + ".svc"
	for port, name := range map[string]string{":6379": db.Name + "." + db.Namespace + ".svc", ":9090": member, ":9443": member} {
		var unknown x509.UnknownAuthorityError
		if err := shake(pod.Status.PodIP+port, name, instance.Bundle(old)); !errors.As(err, &unknown) {
			t.Errorf("port %s under the old CA: %v", port, err)
		}
	}
	if err := ping(t, db, connection(t, db)); err != nil {
		t.Error(err)
	}
}

// TestCARotation changes the CA twice under clients whose mounts lag.
func TestCARotation(t *testing.T) {
	t.Parallel()
	db := database(newNamespace(t), "db")
	startOperator(t, db.Namespace)
	create(t, db)
	awaitReady(t, db)
	pod := podOf(t, db)
	clients := startHandshakes(t, db)
	for round := range 2 {
		value, old := fmt.Sprint("round-", round), bundleOf(t, db)
		annotate(t, db, v1alpha1.AnnotationRotateCA, value)
		eventually(t, "both are handed out", func() string {
			now := current(t, db)
			if n := len(bundleOf(t, db)); n != 2 || now.Status.TLS.Phase != v1alpha1.PhaseOverlap {
				return fmt.Sprintf("%d authorities, %+v", n, now.Status.TLS)
			}
			return ""
		})
		time.Sleep(mountLag)
		annotate(t, db, v1alpha1.AnnotationRotateComplete, value)
		rotated(t, db, old, int64(round)+2, value)
	}
	clients.end(t)
	if podOf(t, db) != pod {
		t.Error("the pod was replaced")
	}
}

// TestCARotationSurvivesADeathAfterEachWrite: every operator here makes one
// write, and another one goes on.
func TestCARotationSurvivesADeathAfterEachWrite(t *testing.T) {
	t.Parallel()
	db := database(newNamespace(t), "db")
	stop := startOperator(t, db.Namespace)
	create(t, db)
	awaitReady(t, db)
	stop()
	clients, old, deaths := startHandshakes(t, db), bundleOf(t, db), 0
	annotate(t, db, v1alpha1.AnnotationRotateCA, "now")
	completing := false
	for current(t, db).Status.LastHandled[v1alpha1.AnnotationRotateCA] != "now" {
		if live(t, db.Namespace, 1) {
			deaths++
		}
		if !completing && current(t, db).Status.TLS.Phase == v1alpha1.PhaseOverlap {
			time.Sleep(mountLag)
			annotate(t, db, v1alpha1.AnnotationRotateComplete, "now")
			completing = true
		}
		if deaths > 150 {
			t.Fatalf("no end: %+v", current(t, db).Status.TLS)
		}
	}
	startOperator(t, db.Namespace)
	rotated(t, db, old, 2, "now")
	clients.end(t)
	if deaths < 10 {
		t.Errorf("%d deaths: the test cuts nothing", deaths)
	}
}

// TestCARotationAborted: nobody has seen the new CA, and nobody will.
func TestCARotationAborted(t *testing.T) {
	t.Parallel()
	db := database(newNamespace(t), "db")
	stop := startOperator(t, db.Namespace)
	create(t, db)
	awaitReady(t, db)
	stop()
	old := bundleOf(t, db)
	annotate(t, db, v1alpha1.AnnotationRotateCA, "now")
	next := client.ObjectKey{Namespace: db.Namespace, Name: db.Name + "-ca-next"}
	for suite.client.Get(t.Context(), next, &certmanagerv1.Certificate{}) != nil {
		live(t, db.Namespace, 1)
	}
	annotate(t, db, v1alpha1.AnnotationRotateAbort, "now")
	eventually(t, "it is given up", func() string {
		live(t, db.Namespace, 1)
		if bundle := bundleOf(t, db); len(bundle) != 1 || !bundle[0].Equal(old[0]) {
			t.Fatalf("the bundle is another one, of %d authorities", len(bundle))
		}
		now := current(t, db).Status
		if now.LastHandled[v1alpha1.AnnotationRotateCA] != "now" || now.TLS.Phase != v1alpha1.PhaseIdle || now.TLS.CAGeneration != 1 {
			return fmt.Sprintf("%+v %v", now.TLS, now.LastHandled)
		}
		if err := suite.client.Get(t.Context(), next, &corev1.Secret{}); !apierrors.IsNotFound(err) {
			return fmt.Sprintf("the next CA's Secret is there (%v)", err)
		}
		return ""
	})
}

// TestCARotationWaitsForTokens: a token's clients trust what its secret says. One
// that nobody can write holds the leaves back, until it is passed over.
func TestCARotationWaitsForTokens(t *testing.T) {
	t.Parallel()
	db := database(newNamespace(t), "db")
	startOperator(t, db.Namespace)
	tok := token(db.Namespace, "checkout")
	create(t, db, tok)
	awaitReady(t, db)
	awaitGranted(t, tok)
	yes := true
	change(t, secretOf(t, tok), func(s *corev1.Secret) { s.Immutable = &yes })
	old := bundleOf(t, db)
	served := current(t, db).Status.TLS.Fingerprint
	annotate(t, db, v1alpha1.AnnotationRotateCA, "now")
	eventually(t, "it tells whom it waits for", func() string {
		now := current(t, db)
		c := meta.FindStatusCondition(now.Status.Conditions, v1alpha1.ConditionCARotationInProgress)
		if len(bundleOf(t, db)) != 2 || c == nil || !strings.Contains(c.Message, "AccessToken "+db.Namespace+"/checkout") {
			return fmt.Sprintf("%+v", c)
		}
		return ""
	})
	if err := login(t, db, secretOf(t, tok)); err != nil {
		t.Errorf("the token's clients: %v", err)
	}
	if now := current(t, db).Status.TLS; now.Fingerprint != served || now.Phase != v1alpha1.PhaseOverlap {
		t.Errorf("it did not wait: %+v", now)
	}
	annotate(t, db, v1alpha1.AnnotationRotateComplete, "now")
	rotated(t, db, old, 2, "now")
}
