package kvdatabase

import (
	"context"
	"fmt"

	cmutil "github.com/cert-manager/cert-manager/pkg/api/util"
	certmanagerv1 "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	cmmetav1 "github.com/cert-manager/cert-manager/pkg/apis/meta/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	appsv1ac "k8s.io/client-go/applyconfigurations/apps/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/coffer-dev/coffer/api/v1alpha1"
	"github.com/coffer-dev/coffer/controllers/apply"
	"github.com/coffer-dev/coffer/controllers/credentials"
	"github.com/coffer-dev/coffer/controllers/desired"
	"github.com/coffer-dev/coffer/controllers/instance"
)

// apply writes what differs, in desired's order. The StatefulSet is first made
// once everything that its pods mount exists: a kubelet that misses a secret
// tries again only after a growing pause.
func (s *scope) apply(ctx context.Context) error {
	var objects []desired.Object
	for _, o := range desired.All(s.inputs) {
		if _, isSet := o.(*appsv1ac.StatefulSetApplyConfiguration); isSet && s.set == nil && !s.mountable() {
			continue
		}
		objects = append(objects, o)
	}
	changes, err := s.applier.All(ctx, objects)
	s.changes = changes
	if err != nil {
		return stalledBy(err)
	}
	if a := s.decision.Action; a != nil && a.DeletePending {
		if err := s.applier.Delete(ctx, s.pending); err != nil {
			return fmt.Errorf("remove the pending secret: %w", err)
		}
	}
	s.applied = true
	return nil
}

func (s *scope) mountable() bool {
	return s.keysMountable() && s.inputs.Server != nil && s.inputs.Metrics != nil &&
		s.issued[s.names.ServerTLS()] != nil && s.issued[s.names.AdminTLS()] != nil
}

// prune removes what is no longer desired, once the StatefulSet's controller
// has seen the current template: until then it may still make a pod that mounts
// an older configuration.
func (s *scope) prune(ctx context.Context) error {
	if len(s.changes) > 0 || s.set == nil || s.set.Status.ObservedGeneration != s.set.Generation {
		return nil
	}
	kinds := []client.ObjectList{&corev1.ConfigMapList{}, &networkingv1.NetworkPolicyList{}}
	_, err := s.applier.Prune(ctx, desired.All(s.inputs), kinds, apply.UsedByPods(s.pods))
	if err != nil {
		return fmt.Errorf("prune: %w", err)
	}
	return nil
}

// renewTLS carries out rotate-tls: cert-manager issues again when a
// certificate's Issuing condition is set, which is what `cmctl renew` does. The
// value that a new database comes with asks for nothing: its certificates are new.
func (s *scope) renewTLS(ctx context.Context) error {
	asked := credentials.Request(s.db, v1alpha1.AnnotationRotateTLS)
	if asked == "" || asked == s.handledTLS {
		return nil
	}
	if s.db.Status.ObservedGeneration == 0 {
		s.handledTLS = asked
		return nil
	}
	for _, name := range []string{s.names.ServerCertificate(), s.names.AdminCertificate(), s.names.OperatorCertificate()} {
		c := s.certificates[name]
		if c == nil {
			return nil // made in this pass; the next one sees it
		}
		issuing := certmanagerv1.CertificateCondition{Type: certmanagerv1.CertificateConditionIssuing, Status: cmmetav1.ConditionTrue}
		if cmutil.CertificateHasCondition(c, issuing) {
			continue
		}
		c = c.DeepCopy()
		cmutil.SetCertificateCondition(c, c.Generation, certmanagerv1.CertificateConditionIssuing, cmmetav1.ConditionTrue,
			"ManuallyTriggered", "Renewal asked for by "+v1alpha1.AnnotationRotateTLS)
		if err := s.r.Client.Status().Update(ctx, c); err != nil {
			return fmt.Errorf("renew certificate %s: %w", name, err)
		}
	}
	s.handledTLS = asked
	return nil
}

// deliver has the kubelets bring changed secrets to members that lag. A
// revision that is being replaced in this very pass is not worth delivering.
func (s *scope) deliver(ctx context.Context) error {
	revision := ""
	if s.decision.Deliver && s.decision.Action == nil {
		revision = s.seen.Server.Revision
	}
	if err := instance.Deliver(ctx, s.r.Client, s.now, s.members, instance.Revisions{
		Users: revision, TLS: s.tlsFingerprint(), EncryptionKey: s.encryptionKey(),
	}); err != nil {
		return fmt.Errorf("deliver secrets: %w", err)
	}
	return nil
}

func (s *scope) roll(ctx context.Context) error {
	var err error
	if s.rolled, err = instance.Roll(ctx, s.r.Client, s.set, s.members); err != nil {
		return fmt.Errorf("roll: %w", err)
	}
	return nil
}

// grow is the last step and the second kind of imperative act: it waits while
// a pod is being replaced.
func (s *scope) grow(ctx context.Context) error {
	if s.rolled != "" {
		return nil
	}
	var err error
	if s.grown, err = instance.Grow(ctx, s.r.Client, s.claims, s.db.Spec.Storage.Size); err != nil {
		return fmt.Errorf("grow: %w", err)
	}
	return nil
}
