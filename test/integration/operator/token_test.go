package operator

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/coffer-dev/coffer/api/v1alpha1"
	"github.com/coffer-dev/coffer/controllers/desired"
	"github.com/coffer-dev/coffer/engine/acl"
)

// token for the database of the same namespace that is called db.
func token(namespace, name string, modify ...func(*v1alpha1.AccessToken)) *v1alpha1.AccessToken {
	t := &v1alpha1.AccessToken{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	t.Spec.TargetRef = v1alpha1.TargetRef{Kind: v1alpha1.TargetKVDatabase, Name: "db"}
	t.Spec.KeyValue = &v1alpha1.KeyValueRules{Role: v1alpha1.RoleReadWrite, Keys: []string{"session:*"}}
	for _, m := range modify {
		m(t)
	}
	return t
}

func in(namespace string) func(*v1alpha1.AccessToken) {
	return func(t *v1alpha1.AccessToken) { t.Spec.TargetRef.Namespace = namespace }
}

func from(labels map[string]string) func(*v1alpha1.AccessToken) {
	return func(t *v1alpha1.AccessToken) {
		t.Spec.From = []v1alpha1.TokenPeer{{PodSelector: &metav1.LabelSelector{MatchLabels: labels}}}
	}
}

func reread(t *testing.T, token *v1alpha1.AccessToken) *v1alpha1.AccessToken {
	t.Helper()
	return get(t, token.Namespace, token.Name, &v1alpha1.AccessToken{})
}

func awaitGranted(t *testing.T, token *v1alpha1.AccessToken) {
	t.Helper()
	eventually(t, token.Name+" is granted", func() string {
		now := reread(t, token)
		if c := meta.FindStatusCondition(now.Status.Conditions, v1alpha1.ConditionReady); c != nil && c.Status == metav1.ConditionTrue && c.ObservedGeneration == now.Generation {
			return ""
		}
		return "it is not: " + now.Status.Status
	})
}

// awaitTokenProblem waits for a reason on Ready that is also an event, and for
// words in the status column.
func awaitTokenProblem(t *testing.T, token *v1alpha1.AccessToken, reason, words string) {
	t.Helper()
	eventually(t, token.Name+" tells "+reason, func() string {
		now := reread(t, token)
		c := meta.FindStatusCondition(now.Status.Conditions, v1alpha1.ConditionReady)
		if c == nil || c.Status != metav1.ConditionFalse || c.Reason != reason || !strings.Contains(now.Status.Status, words) {
			return fmt.Sprintf("%+v, status %q", c, now.Status.Status)
		}
		return ""
	})
	eventually(t, "an event with that reason", func() string {
		list := &corev1.EventList{}
		if err := suite.client.List(t.Context(), list, client.InNamespace(token.Namespace)); err != nil {
			t.Fatal(err)
		}
		for _, e := range list.Items {
			if e.InvolvedObject.Name == token.Name && e.InvolvedObject.Kind == v1alpha1.KindAccessToken && e.Reason == reason {
				return ""
			}
		}
		return "there is none"
	})
}

// as is a client that reads a token's secret, of one connection.
func as(t *testing.T, db *v1alpha1.KVDatabase, secret *corev1.Secret) *redis.Client {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(secret.Data["ca.crt"])
	pod := get(t, db.Namespace, db.Name+"-0", &corev1.Pod{})
	c := redis.NewClient(&redis.Options{
		Addr: pod.Status.PodIP + ":6379", Username: string(secret.Data["username"]), Password: string(secret.Data["password"]), MaxRetries: -1, PoolSize: 1,
		TLSConfig: &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: roots, ServerName: string(secret.Data["host"])},
	})
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// login says whether the secret's credential is accepted on a new connection.
func login(t *testing.T, db *v1alpha1.KVDatabase, secret *corev1.Secret) error {
	t.Helper()
	c := as(t, db, secret)
	defer c.Close()
	return c.Set(t.Context(), "session:login", "1", 0).Err()
}

func secretOf(t *testing.T, token *v1alpha1.AccessToken) *corev1.Secret {
	t.Helper()
	return get(t, token.Namespace, token.SecretNameOrDefault(), &corev1.Secret{})
}

func grantOf(db *v1alpha1.KVDatabase, token *v1alpha1.AccessToken) client.ObjectKey {
	return client.ObjectKey{Namespace: db.Namespace, Name: desired.GrantSecret(db.Name, client.ObjectKeyFromObject(token))}
}

// awaitRevoked waits until an open session is closed, a new login is refused,
// and nothing of the token is left at its target.
func awaitRevoked(t *testing.T, db *v1alpha1.KVDatabase, token *v1alpha1.AccessToken, open *redis.Client, secret *corev1.Secret) {
	t.Helper()
	eventually(t, "the open session is closed and no other is opened", func() string {
		if open.Get(t.Context(), "session:1").Err() == nil {
			return "it is open"
		}
		if err := login(t, db, secret); err == nil || !strings.Contains(err.Error(), "WRONGPASS") {
			return fmt.Sprint("a login: ", err)
		}
		return ""
	})
	if err := suite.client.Get(t.Context(), grantOf(db, token), &corev1.Secret{}); !apierrors.IsNotFound(err) {
		t.Errorf("the grant is there: %v", err)
	}
	eventually(t, "the network path is closed", func() string {
		policy, err := json.Marshal(get(t, db.Namespace, db.Name, &networkingv1.NetworkPolicy{}).Spec)
		if err != nil || strings.Contains(string(policy), "checkout") {
			return fmt.Sprint(string(policy), err)
		}
		return ""
	})
}

func open(t *testing.T, db *v1alpha1.KVDatabase, secret *corev1.Secret) *redis.Client {
	t.Helper()
	c := as(t, db, secret)
	if err := c.Set(t.Context(), "session:1", "x", 0).Err(); err != nil {
		t.Fatal(err)
	}
	return c
}

// TestTokenFromCreationToDeletion: what a token permits, how its database shows
// it, that it costs no writes once it is granted, and that all of it ends with it.
func TestTokenFromCreationToDeletion(t *testing.T) {
	t.Parallel()
	ns := newNamespace(t)
	startOperator(t, ns)
	db, tok := database(ns, "db"), token(ns, "checkout", from(map[string]string{"app": "checkout"}))
	create(t, tok, db) // the token before its target
	awaitGranted(t, tok)
	awaitReady(t, db)
	secret := secretOf(t, tok)
	session := open(t, db, secret)
	err := session.Get(t.Context(), "other:1").Err()
	if err == nil || !strings.HasPrefix(err.Error(), "NOPERM") || !strings.Contains(err.Error(), "AccessToken "+ns+"/checkout") {
		t.Errorf("another key: %v", err)
	}
	if err := session.FlushAll(t.Context()).Err(); err == nil || !strings.HasPrefix(err.Error(), "NOPERM") {
		t.Errorf("FLUSHALL: %v", err)
	}
	if want := "rediss://checkout:"; !strings.HasPrefix(string(secret.Data["uri"]), want) || secret.Type != "servicebinding.io/redis" || string(secret.Data["generation"]) != "1" {
		t.Errorf("secret: type %s, generation %s", secret.Type, secret.Data["generation"])
	}
	eventually(t, "the database shows it", func() string {
		now := current(t, db)
		if now.Status.AccessTokens != 1 {
			return fmt.Sprintf("%d tokens", now.Status.AccessTokens)
		}
		for _, p := range now.Status.NetworkPolicy.Peers {
			if p.Who == "pods with app=checkout of namespace "+ns && p.Ports == "6379" && p.Because == "AccessToken "+ns+"/checkout" {
				return ""
			}
		}
		return fmt.Sprintf("%+v", now.Status.NetworkPolicy.Peers)
	})
	now := reread(t, tok).Status
	if now.User != "checkout" || now.Endpoint != "db."+ns+".svc:6379" || now.Binding.Name != "checkout" || now.Credentials.Generation != 1 ||
		now.Credentials.Phase != v1alpha1.PhaseIdle || !meta.IsStatusConditionTrue(now.Conditions, v1alpha1.ConditionNetworkPathOpen) {
		t.Errorf("status: %+v", now)
	}
	awaitRest(t, ns)
	writes := writesIn(ns).Load()
	// Wakes the operator, and changes nothing else, as an update from Go would.
	if err := suite.client.Patch(t.Context(), tok, client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"annotations":{"poke":"1"}}}`))); err != nil {
		t.Fatal(err)
	}
	time.Sleep(3 * time.Second)
	if n := writesIn(ns).Load() - writes; n != 0 {
		t.Errorf("%d writes in steady state", n)
	}
	if err := suite.client.Delete(t.Context(), tok); err != nil {
		t.Fatal(err)
	}
	awaitRevoked(t, db, tok, session, secret)
	eventually(t, "the database forgets it", func() string {
		if n := current(t, db).Status.AccessTokens; n != 0 {
			return fmt.Sprint(n, " tokens")
		}
		return ""
	})
	if owner := metav1.GetControllerOf(secret); owner == nil || owner.UID != tok.UID {
		t.Error("the garbage collector would leave the secret")
	}
}

// awaitRest waits until the operator writes nothing.
func awaitRest(t *testing.T, namespace string) {
	t.Helper()
	eventually(t, "rest", func() string {
		before := writesIn(namespace).Load()
		time.Sleep(time.Second)
		if n := writesIn(namespace).Load() - before; n > 0 {
			return fmt.Sprintf("%d writes", n)
		}
		return ""
	})
}

// TestTokenRulesChangeLive: what is taken out of a token is refused to open
// sessions too, without a rotation.
func TestTokenRulesChangeLive(t *testing.T) {
	t.Parallel()
	ns := newNamespace(t)
	startOperator(t, ns)
	db, tok := database(ns, "db"), token(ns, "checkout")
	create(t, db, tok)
	awaitGranted(t, tok)
	session := open(t, db, secretOf(t, tok))
	change(t, tok, func(a *v1alpha1.AccessToken) { a.Spec.KeyValue.Role = v1alpha1.RoleReadOnly })
	eventually(t, "writes are refused", func() string {
		err := session.Set(t.Context(), "session:1", "y", 0).Err()
		if err == nil || !strings.HasPrefix(err.Error(), "NOPERM") {
			return fmt.Sprint(err)
		}
		return ""
	})
	if err := session.Get(t.Context(), "session:1").Err(); err != nil {
		t.Errorf("a read: %v", err)
	}
	awaitGranted(t, tok)
	if s := secretOf(t, tok); string(s.Data["generation"]) != "1" {
		t.Errorf("generation %s", s.Data["generation"])
	}
}

// TestTokenOfAnotherNamespace: with the target's consent and without, both ways
// round, and what becomes of it when the target goes and returns.
func TestTokenOfAnotherNamespace(t *testing.T) {
	t.Parallel()
	theirs, ours := newNamespace(t), newNamespace(t)
	startOperator(t, theirs, ours)
	db, tok := database(theirs, "db"), token(ours, "checkout", in(theirs), from(map[string]string{"app": "checkout"}))
	namesake := token(theirs, "checkout")
	create(t, db, tok, namesake)
	awaitTokenProblem(t, tok, v1alpha1.ReasonNamespaceNotAllowed, "does not let tokens of namespace")
	absent(t, theirs, grantOf(db, tok).Name, &corev1.Secret{})
	absent(t, ours, "checkout", &corev1.Secret{})

	allow := func(a v1alpha1.AllowedNamespaces) {
		change(t, current(t, db), func(db *v1alpha1.KVDatabase) { db.Spec.AllowedNamespaces = a })
	}
	allow(v1alpha1.AllowedNamespaces{From: v1alpha1.NamespacesAll})
	awaitGranted(t, tok)
	awaitGranted(t, namesake)
	secret := secretOf(t, tok)
	if user := string(secret.Data["username"]); user != ours+".checkout" {
		t.Errorf("user %q", user)
	}
	session := open(t, db, secret)
	policy, err := json.Marshal(get(t, theirs, "db", &networkingv1.NetworkPolicy{}).Spec)
	if want := `{"podSelector":{"matchLabels":{"app":"checkout"}},"namespaceSelector":{"matchLabels":{"kubernetes.io/metadata.name":"` + ours + `"}}}`; err != nil || !strings.Contains(string(policy), want) {
		t.Errorf("no %s in %s", want, policy)
	}

	allow(v1alpha1.AllowedNamespaces{From: v1alpha1.NamespacesSelector, Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"team": "shop"}}})
	awaitTokenProblem(t, tok, v1alpha1.ReasonNamespaceNotAllowed, "spec.allowedNamespaces")
	awaitRevoked(t, db, tok, session, secret)
	change(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: ours}}, func(n *corev1.Namespace) { n.Labels["team"] = "shop" })
	awaitGranted(t, tok)
	session = open(t, db, secretOf(t, tok))
	change(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: ours}}, func(n *corev1.Namespace) { delete(n.Labels, "team") })
	awaitRevoked(t, db, tok, session, secret)
	if err := login(t, db, secretOf(t, namesake)); err != nil {
		t.Errorf("the target's own token of that name: %v", err)
	}

	if err := suite.client.Delete(t.Context(), current(t, db)); err != nil {
		t.Fatal(err)
	}
	awaitTokenProblem(t, tok, v1alpha1.ReasonTargetNotFound, "create it or correct spec.targetRef")
	awaitTokenProblem(t, namesake, v1alpha1.ReasonTargetNotFound, "create it or correct spec.targetRef")
}

// TestTokenRotation rotates a token's password while the operator is stopped and
// started; whatever secret is read at any moment is accepted.
func TestTokenRotation(t *testing.T) {
	t.Parallel()
	ns := newNamespace(t)
	stop := startOperator(t, ns)
	db, tok := database(ns, "db"), token(ns, "checkout")
	create(t, db, tok)
	awaitGranted(t, tok)
	password := connection(t, db).Data["password"]
	for round := range 2 {
		old := secretOf(t, tok)
		note(t, tok, v1alpha1.AnnotationRotateCredentials, fmt.Sprint("round-", round))
		time.Sleep(time.Duration(30+round*60) * time.Millisecond)
		stop()
		if err := login(t, db, secretOf(t, tok)); err != nil {
			t.Fatalf("round %d, operator stopped: %v", round, err)
		}
		stop = startOperator(t, ns)
		eventually(t, "the secret is switched", func() string {
			now := secretOf(t, tok)
			for _, s := range []*corev1.Secret{old, now} {
				if err := login(t, db, s); err != nil {
					t.Fatalf("round %d, generation %s: %v", round, s.Data["generation"], err)
				}
			}
			if string(now.Data["generation"]) == string(old.Data["generation"]) {
				return "it is not"
			}
			return ""
		})
		note(t, tok, v1alpha1.AnnotationRotateComplete, fmt.Sprint("round-", round))
		eventually(t, "the old password is refused", func() string {
			if err := login(t, db, old); err == nil {
				return "it is accepted"
			}
			return ""
		})
		if err := login(t, db, secretOf(t, tok)); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "at rest", func() string {
		s := reread(t, tok).Status
		if s.Credentials.Generation != 3 || s.Credentials.Phase != v1alpha1.PhaseIdle || s.LastHandled[v1alpha1.AnnotationRotateCredentials] != "round-1" || s.LastHandled[v1alpha1.AnnotationRotateComplete] != "round-1" {
			return fmt.Sprintf("%+v %v", s.Credentials, s.LastHandled)
		}
		return ""
	})
	absent(t, ns, "checkout-token-pending", &corev1.Secret{})
	if string(connection(t, db).Data["password"]) != string(password) {
		t.Error("the database's own password was rotated too")
	}
}

func note(t *testing.T, tok *v1alpha1.AccessToken, key, value string) {
	t.Helper()
	change(t, tok, func(a *v1alpha1.AccessToken) { metav1.SetMetaDataAnnotation(&a.ObjectMeta, key, value) })
}

// TestTokenExpires: it says so before, ends at its time, and returns with the
// same secret when it is renewed.
func TestTokenExpires(t *testing.T) {
	t.Parallel()
	ns := newNamespace(t)
	startOperator(t, ns)
	db := database(ns, "db")
	tok := token(ns, "checkout", from(map[string]string{"app": "checkout"}))
	create(t, db, tok)
	awaitGranted(t, tok)
	end := metav1.NewTime(time.Now().Add(10 * time.Second).Truncate(time.Second))
	change(t, tok, func(a *v1alpha1.AccessToken) { a.Spec.ExpiresAt = &end })
	var secret *corev1.Secret
	eventually(t, "the secret tells when", func() string {
		secret = secretOf(t, tok)
		if got := string(secret.Data["notAfter"]); got != end.UTC().Format(time.RFC3339) {
			return fmt.Sprintf("notAfter %q, want %s", got, end.UTC().Format(time.RFC3339))
		}
		return ""
	})
	session := open(t, db, secret)
	eventually(t, "it expires soon", func() string {
		if c := meta.FindStatusCondition(reread(t, tok).Status.Conditions, v1alpha1.ConditionExpiringSoon); c == nil || c.Status != metav1.ConditionTrue {
			return "it does not say so"
		}
		return ""
	})
	awaitTokenProblem(t, tok, v1alpha1.ReasonExpired, "set spec.expiresAt to a later time")
	awaitRevoked(t, db, tok, session, secret)
	later := metav1.NewTime(end.Add(24 * time.Hour))
	change(t, tok, func(a *v1alpha1.AccessToken) { a.Spec.ExpiresAt = &later })
	awaitGranted(t, tok)
	if err := login(t, db, secret); err != nil {
		t.Errorf("after its renewal: %v", err)
	}
}

// TestTokenLifetimeIsCountedOnce: a restart of the operator does not begin it
// again; a new request does.
func TestTokenLifetimeIsCountedOnce(t *testing.T) {
	t.Parallel()
	ns := newNamespace(t)
	stop := startOperator(t, ns)
	tok := token(ns, "checkout", func(a *v1alpha1.AccessToken) {
		a.Spec.ExpiresAfter = &metav1.Duration{Duration: time.Hour}
		a.Annotations = map[string]string{v1alpha1.AnnotationRenew: "as it was made"}
	})
	create(t, tok)
	expiry := func() time.Time {
		t.Helper()
		var at time.Time
		eventually(t, "the end is known", func() string {
			now := reread(t, tok)
			if now.Status.ExpiresAt == nil || now.Status.ObservedGeneration != now.Generation || now.Status.LastHandled[v1alpha1.AnnotationRenew] != now.Annotations[v1alpha1.AnnotationRenew] {
				return "it is not"
			}
			at = now.Status.ExpiresAt.Time
			return ""
		})
		return at
	}
	first := expiry()
	if want := tok.CreationTimestamp.Add(time.Hour); !first.Equal(want) {
		t.Errorf("ends at %s, want %s: an hour from its creation", first, want)
	}
	stop()
	time.Sleep(2 * time.Second)
	startOperator(t, ns)
	note(t, tok, "wake", "up")
	time.Sleep(time.Second)
	if again := expiry(); !again.Equal(first) {
		t.Errorf("after a restart: %s, before: %s", again, first)
	}
	note(t, tok, v1alpha1.AnnotationRenew, "now")
	renewed := expiry()
	if !renewed.After(first) {
		t.Errorf("renewed: %s, before: %s", renewed, first)
	}
	change(t, tok, func(a *v1alpha1.AccessToken) { delete(a.Annotations, v1alpha1.AnnotationRenew) })
	change(t, tok, func(a *v1alpha1.AccessToken) { a.Spec.ExpiresAfter.Duration = 2 * time.Hour })
	eventually(t, "another lifetime counts anew", func() string {
		if now := reread(t, tok); now.Status.ExpiresAt == nil || now.Status.ExpiresAt.Sub(renewed) < 59*time.Minute {
			return fmt.Sprint(now.Status.ExpiresAt)
		}
		return ""
	})
}

// TestTokenBadInput: what the CRD cannot know is told by the token, with what to
// do about it.
func TestTokenBadInput(t *testing.T) {
	t.Parallel()
	ns, other := newNamespace(t), newNamespace(t)
	startOperator(t, ns, other)
	db := database(ns, "db", func(db *v1alpha1.KVDatabase) {
		db.Spec.AllowedNamespaces = v1alpha1.AllowedNamespaces{From: v1alpha1.NamespacesAll}
	})
	create(t, db)
	past := metav1.NewTime(time.Now().Add(-time.Hour))
	mine := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "mine"}, StringData: map[string]string{"password": "theirs"}}
	create(t, mine)
	for _, c := range []struct {
		tok           *v1alpha1.AccessToken
		reason, words string
	}{
		{token(ns, "missing", func(a *v1alpha1.AccessToken) { a.Spec.TargetRef.Name = "nothing" }), v1alpha1.ReasonTargetNotFound,
			`KVDatabase "nothing" not found in namespace "` + ns + `"`},
		{token(ns, "over", func(a *v1alpha1.AccessToken) { a.Spec.ExpiresAt = &past }), v1alpha1.ReasonExpired, "was over when the token was made"},
		{token(ns, "unknown", func(a *v1alpha1.AccessToken) {
			a.Spec.KeyValue.Role, a.Spec.KeyValue.Commands = "", []string{"get", "gett"}
		}), v1alpha1.ReasonRulesInvalid, `there is no command "gett"`},
		{token(other, "elsewhere", in(ns), func(a *v1alpha1.AccessToken) {
			a.Spec.From = []v1alpha1.TokenPeer{{NamespaceSelector: &metav1.LabelSelector{}}}
		}), v1alpha1.ReasonPeerNotAllowed, "spec.from[0].namespaceSelector"},
		{token(ns, "selector", func(a *v1alpha1.AccessToken) {
			a.Spec.From = []v1alpha1.TokenPeer{{PodSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"no such key": "x"}}}}
		}), v1alpha1.ReasonPeerNotAllowed, "no such key"},
		{token(ns, "mine"), v1alpha1.ReasonNameTaken, `Secret "mine" exists and is not Coffer's`},
		{token(ns, "db-connection"), v1alpha1.ReasonNameTaken, `Secret "db-connection" belongs to kvdatabase db: choose another name`},
	} {
		create(t, c.tok)
		awaitTokenProblem(t, c.tok, c.reason, c.words)
	}
	if got := get(t, ns, "mine", &corev1.Secret{}); string(got.Data["password"]) != "theirs" || len(got.Labels)+len(got.OwnerReferences) != 0 {
		t.Error("their secret was changed")
	}
	awaitReady(t, db)
	awaitCalm(t, ns)
}

// TestTwoTokensOneSecret: the older one has it; the other gets it when that one
// lets go.
func TestTwoTokensOneSecret(t *testing.T) {
	t.Parallel()
	ns := newNamespace(t)
	startOperator(t, ns)
	db := database(ns, "db")
	shared := func(a *v1alpha1.AccessToken) { a.Spec.SecretName = "shared" }
	older, younger := token(ns, "zebra", shared), token(ns, "ant", shared)
	create(t, db, older)
	awaitGranted(t, older)
	create(t, younger)
	awaitTokenProblem(t, younger, v1alpha1.ReasonSecretClaimed, "is AccessToken zebra's: set spec.secretName to another name")
	absent(t, ns, grantOf(db, younger).Name, &corev1.Secret{})
	first := get(t, ns, "shared", &corev1.Secret{})
	change(t, older, func(a *v1alpha1.AccessToken) { a.Spec.SecretName = "" })
	awaitGranted(t, older)
	if err := login(t, db, first); err != nil {
		t.Errorf("the secret of the former name, within its overlap: %v", err)
	}
	note(t, older, v1alpha1.AnnotationRotateComplete, "now")
	awaitGranted(t, younger)
	if user := string(get(t, ns, "shared", &corev1.Secret{}).Data["username"]); user != "ant" {
		t.Errorf("the shared secret is %s's", user)
	}
}

// TestTokenChangesItsTarget: the secret points to the new one when that accepts
// the password, and the old one forgets it at once.
func TestTokenChangesItsTarget(t *testing.T) {
	t.Parallel()
	ns := newNamespace(t)
	startOperator(t, ns)
	db, next, tok := database(ns, "db"), database(ns, "next"), token(ns, "checkout")
	create(t, db, next, tok)
	awaitGranted(t, tok)
	awaitReady(t, next)
	old := secretOf(t, tok)
	session := open(t, db, old)
	change(t, tok, func(a *v1alpha1.AccessToken) { a.Spec.TargetRef.Name = "next" })
	eventually(t, "the secret points to the new target", func() string {
		now := secretOf(t, tok)
		if string(now.Data["host"]) == string(old.Data["host"]) {
			return "not yet"
		}
		if err := login(t, next, now); err != nil {
			t.Fatalf("it does, and the target refuses: %v", err)
		}
		return ""
	})
	awaitRevoked(t, db, tok, session, old)
	awaitGranted(t, tok)
}

// TestGrantsOfNobody: a grant whose token is gone, or was another one of that
// name, is removed when the operator starts, and counts for nothing before.
func TestGrantsOfNobody(t *testing.T) {
	t.Parallel()
	ns := newNamespace(t)
	stop := startOperator(t, ns)
	db, tok := database(ns, "db"), token(ns, "checkout")
	create(t, db, tok)
	awaitGranted(t, tok)
	secret := secretOf(t, tok)
	session := open(t, db, secret)
	stop()
	if err := suite.client.Delete(t.Context(), tok); err != nil {
		t.Fatal(err)
	}
	if err := session.Get(t.Context(), "session:1").Err(); err != nil {
		t.Fatalf("without an operator: %v", err)
	}
	startOperator(t, ns)
	awaitRevoked(t, db, tok, session, secret)
}

// TestForgedGrants: a secret that looks like a grant permits nothing.
func TestForgedGrants(t *testing.T) {
	t.Parallel()
	ns := newNamespace(t)
	startOperator(t, ns)
	db, tok := database(ns, "db"), token(ns, "checkout")
	create(t, db, tok)
	awaitGranted(t, tok)
	password := strings.Repeat("forged", 8)
	forge := func(name, of, uid string, user acl.User) {
		user.Verifiers, user.Commands, user.Keys = []acl.Verifier{desired.Verifier(1, password)}, []string{"@all"}, []string{"*"}
		raw, err := json.Marshal(desired.Grant{Version: 1, User: user})
		if err != nil {
			t.Fatal(err)
		}
		labels := get(t, ns, grantOf(db, tok).Name, &corev1.Secret{}).Labels
		create(t, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: name, Labels: labels,
			Annotations: map[string]string{v1alpha1.AnnotationToken: of, v1alpha1.AnnotationTokenUID: uid}}, Data: map[string][]byte{desired.KeyGrant: raw}})
	}
	nobody := types.NamespacedName{Namespace: ns, Name: "nobody"}
	forge(desired.GrantSecret("db", nobody), nobody.String(), "1", acl.User{Name: "nobody"})
	forge("db-token-0000000000", client.ObjectKeyFromObject(tok).String(), string(tok.UID), acl.User{Name: "checkout"})
	forge("db-token-1111111111", client.ObjectKeyFromObject(tok).String(), string(tok.UID), acl.User{Name: "default"})
	awaitCalm(t, ns)
	secret := secretOf(t, tok)
	for _, user := range []string{"nobody", "checkout", "default"} {
		forged := secret.DeepCopy()
		forged.Data["username"], forged.Data["password"] = []byte(user), []byte(password)
		if err := login(t, db, forged); err == nil || !strings.Contains(err.Error(), "WRONGPASS") {
			t.Errorf("user %s: %v", user, err)
		}
	}
	if err := login(t, db, secret); err != nil {
		t.Errorf("the token itself: %v", err)
	}
	eventually(t, "the grant of nobody is removed", func() string {
		err := suite.client.Get(context.WithoutCancel(t.Context()), client.ObjectKey{Namespace: ns, Name: desired.GrantSecret("db", nobody)}, &corev1.Secret{})
		if !apierrors.IsNotFound(err) {
			return fmt.Sprint("it is there ", err)
		}
		return ""
	})
}
