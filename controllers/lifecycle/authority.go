package lifecycle

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	certmanagerv1 "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/coffer-dev/coffer/api/v1alpha1"
	"github.com/coffer-dev/coffer/controllers/apply"
	"github.com/coffer-dev/coffer/controllers/credentials"
	"github.com/coffer-dev/coffer/controllers/desired"
	"github.com/coffer-dev/coffer/controllers/instance"
	"github.com/coffer-dev/coffer/controllers/rotation"
)

// Annotations of the CA's secret and of the next CA's Certificate, beside the
// trigger of the rotation.
const (
	annotationCAGeneration  = v1alpha1.GroupName + "/ca-generation"
	annotationCAPublishedAt = v1alpha1.GroupName + "/published-at"
)

// takeoverOwner owns what is written into the CA's secret. It is another than
// FieldOwner: an apply of the secret's other fields, by this version of the
// operator or by one that knows nothing of a change of CA, must not take it out.
const takeoverOwner = "coffer-ca"

// authority is the instance's own CA, and the one that is to take its place.
type authority struct {
	nextCertificate *certmanagerv1.Certificate
	next, previous  *corev1.Secret

	// known are all certificates of authorities that the instance's secrets have:
	// the current CA's first, one or more of each.
	known    []*x509.Certificate
	seen     rotation.CAObserved
	decision rotation.CADecision
}

// observeAuthority reads what there is of CAs. While one is to change it reads
// live: the parts are told from each other by what has been written last.
func (s *scope) observeAuthority(ctx context.Context) error {
	if err := s.readAuthority(ctx, s.r.Client); err != nil {
		return err
	}
	a := &s.authority
	asked := credentials.Request(s.object, v1alpha1.AnnotationRotateCA)
	ca := s.issued[s.names.CA()]
	if a.nextCertificate != nil || a.next != nil || a.previous != nil ||
		ca != nil && asked != "" && asked != ca.Annotations[v1alpha1.AnnotationRotationTrigger] {
		if err := s.readAuthority(ctx, s.r.Live); err != nil {
			return err
		}
	}
	secrets := []*corev1.Secret{s.issued[s.names.CA()], a.next}
	for _, secret := range secrets {
		if secret != nil {
			a.known = append(a.known, instance.Authorities(secret.Data[corev1.TLSCertKey])...)
		}
	}
	if a.previous != nil {
		a.known = append(a.known, instance.Authorities(a.previous.Data[desired.KeyCA])...)
	}
	for _, leaf := range s.ownLeaves() {
		if secret := s.issued[leaf.secret]; secret != nil {
			a.known = append(a.known, instance.Authorities(secret.Data[desired.KeyCA])...)
		}
	}
	return nil
}

func (s *scope) readAuthority(ctx context.Context, from client.Reader) error {
	a := &s.authority
	var err error
	if a.nextCertificate, err = apply.Lookup(ctx, from, s.key(s.names.NextCA()), &certmanagerv1.Certificate{}); err != nil {
		return err
	}
	for name, into := range map[string]**corev1.Secret{s.names.NextCA(): &a.next, s.names.PreviousCA(): &a.previous} {
		if *into, err = s.own(ctx, from, name); err != nil {
			return err
		}
	}
	ca, err := s.own(ctx, from, s.names.CA())
	if ca != nil {
		s.issued[s.names.CA()] = ca
	}
	return err
}

// leaf is a certificate of the instance's, by the names of its objects.
type leaf struct{ certificate, secret string }

// ownLeaves are those that the instance's own CA signs.
func (s *scope) ownLeaves() []leaf {
	list := []leaf{{s.names.AdminCertificate(), s.names.AdminTLS()}, {s.names.OperatorCertificate(), s.names.OperatorTLS()}}
	if s.spec().TLS.IssuerRef == nil {
		list = append(list, leaf{s.names.ServerCertificate(), s.names.ServerTLS()})
	}
	return list
}

// decideAuthority asks the machine.
func (s *scope) decideAuthority(ctx context.Context) error {
	a := &s.authority
	a.seen = rotation.CAObserved{
		Current: s.currentCA(), Next: s.nextCA(),
		Leftover: a.next != nil && a.nextCertificate == nil, Fresh: s.set == nil,
		Authorities: keys(a.known),
	}
	if a.previous != nil {
		a.seen.Previous = keys(instance.Authorities(a.previous.Data[desired.KeyCA]))
	}
	for _, m := range s.members {
		a.seen.Members = append(a.seen.Members, s.memberTrust(m))
	}
	for _, secret := range s.carriers() {
		a.seen.Carriers = append(a.seen.Carriers, rotation.Carrier{
			Name: secret.Name, Carries: keys(instance.Authorities(secret.Data[desired.KeyCA])),
		})
	}
	ofTokens, err := s.tokenCarriers(ctx)
	if err != nil {
		return err
	}
	a.seen.Carriers = append(a.seen.Carriers, ofTokens...)
	for _, l := range s.ownLeaves() {
		a.seen.Leaves = append(a.seen.Leaves, s.leafState(l))
	}
	policy, _ := rotation.PolicyOf(s.spec().Rotation, string(s.object.GetUID())) // what is wrong with it concerns passwords
	requests := credentials.Requests(s.object)
	requests.Rotate = credentials.Request(s.object, v1alpha1.AnnotationRotateCA)
	a.decision = rotation.DecideCA(s.now, policy, a.seen, requests)
	return nil
}

// keys are the authorities of these certificates, each once.
func keys(list []*x509.Certificate) []string {
	var out []string
	for _, c := range instance.Distinct(list) {
		out = append(out, instance.Key(c))
	}
	return out
}

func (s *scope) currentCA() *rotation.CurrentCA {
	secret := s.issued[s.names.CA()]
	c := instance.Leaf(secret)
	if c == nil {
		return nil
	}
	return &rotation.CurrentCA{Key: instance.Key(c), Generation: max(caGeneration(secret), 1),
		Trigger: secret.Annotations[v1alpha1.AnnotationRotationTrigger]}
}

func (s *scope) nextCA() *rotation.NextCA {
	c := s.authority.nextCertificate
	if c == nil || c.DeletionTimestamp != nil {
		return nil
	}
	n := &rotation.NextCA{
		Generation: caGeneration(c), Trigger: c.Annotations[v1alpha1.AnnotationRotationTrigger],
		Complete: c.Annotations[v1alpha1.AnnotationRotateComplete], Abort: c.Annotations[v1alpha1.AnnotationRotateAbort],
		Since: c.CreationTimestamp.Time, PublishedAt: credentials.TimeOf(c, annotationCAPublishedAt),
	}
	if issued := instance.Leaf(s.authority.next); issued != nil {
		n.Key = instance.Key(issued)
	}
	return n
}

// caGeneration is 0 for what is not the number of one.
func caGeneration(o client.Object) int64 {
	n, err := strconv.ParseInt(o.GetAnnotations()[annotationCAGeneration], 10, 64)
	if err != nil || n < 0 || n > rotation.MaxGeneration {
		return 0
	}
	return n
}

// memberTrust tells the member's authorities by their keys where they are known.
func (s *scope) memberTrust(m instance.Member) rotation.CAMember {
	out := rotation.CAMember{Name: m.Name}
	if m.Status == nil {
		return out
	}
	out.Reported, out.Tells = true, len(m.Status.TLS.Authorities) > 0
	for _, fingerprint := range m.Status.TLS.Authorities {
		key := fingerprint
		for _, c := range s.authority.known {
			if instance.Fingerprint(c) == fingerprint {
				key = instance.Key(c)
			}
		}
		out.Trusts = append(out.Trusts, key)
	}
	return out
}

// carriers are the secrets from which others learn to trust the instance's CA.
func (s *scope) carriers() []*corev1.Secret {
	var out []*corev1.Secret
	if s.metrics != nil {
		out = append(out, s.metrics)
	}
	if s.connection != nil && s.spec().TLS.IssuerRef == nil {
		out = append(out, s.connection)
	}
	return out
}

// tokenCarriers are the secrets of tokens, which repeat what the connection
// secret says; of interest while the CA changes. What the cache has of them may
// be old, and is then waited for.
func (s *scope) tokenCarriers(ctx context.Context) ([]rotation.Carrier, error) {
	if s.authority.nextCertificate == nil || s.spec().TLS.IssuerRef != nil {
		return nil, nil
	}
	var out []rotation.Carrier
	for _, token := range s.tokens {
		key := client.ObjectKey{Namespace: token.Namespace, Name: token.SecretNameOrDefault()}
		secret, err := apply.Lookup(ctx, s.r.Client, key, &corev1.Secret{})
		if err != nil {
			return nil, err
		}
		if secret == nil || !metav1.IsControlledBy(secret, token) {
			continue // it is made of what the connection secret says then
		}
		out = append(out, rotation.Carrier{Name: key.String(), Token: client.ObjectKeyFromObject(token).String(), Carries: keys(instance.Authorities(secret.Data[desired.KeyCA]))})
	}
	return out, nil
}

func (s *scope) leafState(l leaf) rotation.Leaf {
	out := rotation.Leaf{Name: l.certificate}
	c := instance.Leaf(s.issued[l.secret])
	if c == nil {
		return out
	}
	if signer := instance.Signer(c, s.authority.known); signer != nil {
		out.Key = instance.Key(signer)
	}
	want := instance.Fingerprint(c)
	for _, m := range s.members {
		uses := m.Status != nil // it let the operator in
		switch l.certificate {
		case s.names.ServerCertificate():
			uses = m.Fingerprint == want
		case s.names.AdminCertificate():
			uses = m.AdminFingerprint == want
		}
		if !uses {
			out.Lagging = m.Name
		}
	}
	return out
}

// bundle is whom those shall trust that judge a certificate of the instance:
// the next CA is among them once members trust it, and not when only its secret
// is left of one that was given up.
func (s *scope) bundle() []*x509.Certificate {
	a := &s.authority
	list, next := instance.Distinct(a.known), instance.Leaf(a.next)
	if next == nil || a.decision.Publish || len(a.seen.Previous) > 0 || a.seen.Current != nil && instance.Key(next) == a.seen.Current.Key {
		return list
	}
	return slices.DeleteFunc(list, func(c *x509.Certificate) bool { return instance.Key(c) == instance.Key(next) })
}

// memberAuthorities is what members are handed beside their own certificate's
// CA; nil when there is only that.
func (s *scope) memberAuthorities() []byte {
	list := instance.Distinct(s.authority.known)
	if len(list) < 2 {
		return nil
	}
	return instance.Bundle(list)
}

// nextCAInput is the next CA's Certificate as it is, made, or nil.
func (s *scope) nextCAInput() *desired.NextCA {
	n, act := s.authority.seen.Next, s.authority.decision.Action
	switch {
	case act != nil && act.DropNext:
		return nil
	case act != nil && act.Begin != nil:
		n = act.Begin
	case n == nil:
		return nil
	}
	notes := credentials.Trigger(n.Trigger)
	notes[annotationCAGeneration] = strconv.FormatInt(n.Generation, 10)
	at := n.PublishedAt
	if act != nil && act.Stamp != nil {
		at = *act.Stamp
	}
	for name, value := range map[string]string{v1alpha1.AnnotationRotateComplete: n.Complete, v1alpha1.AnnotationRotateAbort: n.Abort} {
		if value != "" {
			notes[name] = value
		}
	}
	if !at.IsZero() {
		notes[annotationCAPublishedAt] = at.UTC().Format(time.RFC3339)
	}
	return &desired.NextCA{Annotations: notes}
}

// previousCAInput is the record of the authorities that go.
func (s *scope) previousCAInput() []byte {
	a := &s.authority
	switch act := a.decision.Action; {
	case act != nil && act.DropPrevious:
		return nil
	case act != nil && len(act.Keep) > 0:
		return instance.Bundle(slices.DeleteFunc(instance.Distinct(a.known), func(c *x509.Certificate) bool {
			return !slices.Contains(act.Keep, instance.Key(c))
		}))
	case a.previous != nil:
		return a.previous.Data[desired.KeyCA]
	}
	return nil
}

// actAuthority carries out what is not applied.
func (s *scope) actAuthority(ctx context.Context) error {
	a := &s.authority
	switch act := a.decision.Action; {
	case act == nil:
		return nil
	case act.TakeOver:
		return s.patchCA(ctx, map[string]any{"data": map[string][]byte{
			corev1.TLSCertKey: a.next.Data[corev1.TLSCertKey], corev1.TLSPrivateKeyKey: a.next.Data[corev1.TLSPrivateKeyKey], desired.KeyCA: a.next.Data[desired.KeyCA],
		}}, map[string]string{
			v1alpha1.AnnotationRotationTrigger: a.seen.Next.Trigger, annotationCAGeneration: strconv.FormatInt(a.seen.Next.Generation, 10),
		})
	case act.Handle != nil:
		return s.patchCA(ctx, map[string]any{}, map[string]string{v1alpha1.AnnotationRotationTrigger: *act.Handle})
	case act.DropPrevious:
		return s.remove(ctx, a.previous)
	case act.DropNext:
		// The Certificate first: cert-manager would make the secret again.
		if a.nextCertificate != nil {
			if err := s.applier.Delete(ctx, a.nextCertificate); err != nil {
				return fmt.Errorf("remove the next CA: %w", err)
			}
		}
		return s.remove(ctx, a.next)
	}
	for _, name := range a.decision.Action.Reissue {
		if err := s.renew(ctx, name, "The CA has changed"); err != nil {
			return err
		}
	}
	return nil
}

func (s *scope) remove(ctx context.Context, secret *corev1.Secret) error {
	if secret == nil {
		return nil
	}
	if err := s.applier.Delete(ctx, secret); err != nil {
		return fmt.Errorf("remove secret %s: %w", secret.Name, err)
	}
	return nil
}

// patchCA changes the CA's secret as it was read, and no other.
func (s *scope) patchCA(ctx context.Context, patch map[string]any, notes map[string]string) error {
	ca := s.issued[s.names.CA()]
	patch["metadata"] = map[string]any{"uid": ca.UID, "resourceVersion": ca.ResourceVersion, "annotations": notes}
	data, err := json.Marshal(patch)
	if err != nil {
		return fmt.Errorf("marshal patch: %w", err)
	}
	if err := s.r.Client.Patch(ctx, ca.DeepCopy(), client.RawPatch(types.MergePatchType, data), client.FieldOwner(takeoverOwner)); err != nil {
		return fmt.Errorf("patch secret %s: %w", ca.Name, err)
	}
	return nil
}

// lagging are the members that do not trust exactly those that they shall.
func (s *scope) lagging() map[string]bool {
	out := map[string]bool{}
	for _, m := range s.authority.seen.Members {
		if !m.Reported || !m.Tells {
			continue
		}
		missing := func(key string) bool { return !slices.Contains(m.Trusts, key) }
		unknown := func(key string) bool { return !slices.Contains(s.authority.seen.Authorities, key) }
		if slices.ContainsFunc(s.authority.seen.Authorities, missing) || slices.ContainsFunc(m.Trusts, unknown) {
			out[m.Name] = true
		}
	}
	return out
}

// handledCA is the value of rotate-ca that was carried out last, or given up:
// one that is under way has not been.
func (s *scope) handledCA() string {
	if ca := s.authority.seen.Current; ca != nil && s.authority.decision.Phase == rotation.Idle {
		return ca.Trigger
	}
	return ""
}

// caWarning is how long before its end a CA asks to be rotated. cert-manager
// renews its certificate with the same key long before: this is for when it
// could not.
const caWarning = 365 * 24 * time.Hour

func (s *scope) setCARotation(set instance.Setter) {
	kind := v1alpha1.ConditionCARotationInProgress
	d, ca := s.authority.decision, instance.Leaf(s.issued[s.names.CA()])
	switch {
	case d.Phase == rotation.Preparing && d.Reason == v1alpha1.ReasonEngineTooOld:
		set(kind, true, v1alpha1.ReasonEngineTooOld, d.Message)
	case d.Phase != "" && d.Phase != rotation.Idle:
		set(kind, true, string(credentials.Phase(d.Phase)), d.Message)
	case ca != nil && s.now.Add(caWarning).After(ca.NotAfter):
		set(kind, false, v1alpha1.ReasonCAExpiring, fmt.Sprintf("the CA ends at %s: `kubectl annotate %s %s %s=$(date +%%s) --overwrite`",
			ca.NotAfter.UTC().Format(time.RFC3339), s.r.Kind.Short, s.object.GetName(), v1alpha1.AnnotationRotateCA))
	default:
		set(kind, false, v1alpha1.ReasonIdle, "one certificate authority, everywhere the same")
	}
}
