package lifecycle

import (
	"context"
	"encoding/json"
	"fmt"

	cmutil "github.com/cert-manager/cert-manager/pkg/api/util"
	certmanagerv1 "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	cmmetav1 "github.com/cert-manager/cert-manager/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/coffer-dev/coffer/api/v1alpha1"
	"github.com/coffer-dev/coffer/controllers/credentials"
	"github.com/coffer-dev/coffer/controllers/instance"
	"github.com/coffer-dev/coffer/controllers/rotation"
)

// annotationRenewedFrom on a Certificate: the fingerprint of the leaf that the
// request beside it is to replace; empty when that leaf was new.
const annotationRenewedFrom = v1alpha1.GroupName + "/renewed-from"

// renewTLS carries out rotate-tls: what is to be replaced is noted on each
// Certificate, and the request is carried out once every member uses another.
// The value that a new database comes with asks for nothing: its certificates
// are new.
func (s *scope) renewTLS(ctx context.Context) error {
	asked := credentials.Request(s.object, v1alpha1.AnnotationRotateTLS)
	if asked == "" || asked == s.handledTLS {
		return nil
	}
	s.renewal = rotation.Preparing
	issued := true
	for _, l := range s.leaves() {
		c, served := s.certificates[l.certificate], instance.Leaf(s.issued[l.secret])
		if c == nil || served == nil {
			return nil // being made
		}
		from := instance.Fingerprint(served)
		switch noted, ok := c.Annotations[annotationRenewedFrom]; {
		case !ok || c.Annotations[v1alpha1.AnnotationRotateTLS] != asked:
			issued = false
			if err := s.noteRenewal(ctx, c, asked, from); err != nil {
				return err
			}
		case noted == from:
			issued = false
			if err := s.renew(ctx, l.certificate, "Renewal asked for by "+v1alpha1.AnnotationRotateTLS); err != nil {
				return err
			}
		}
	}
	if !issued {
		return nil
	}
	s.renewal = rotation.Completing
	for _, l := range s.leaves() {
		if s.leafState(l).Lagging != "" {
			return nil
		}
	}
	s.renewal, s.handledTLS = rotation.Idle, asked
	return nil
}

// leaves are all leaf certificates, whoever signs them.
func (s *scope) leaves() []leaf {
	return []leaf{
		{s.names.ServerCertificate(), s.names.ServerTLS()},
		{s.names.AdminCertificate(), s.names.AdminTLS()},
		{s.names.OperatorCertificate(), s.names.OperatorTLS()},
	}
}

// noteRenewal is not part of what is applied: an operator of another version
// must not take it out.
func (s *scope) noteRenewal(ctx context.Context, c *certmanagerv1.Certificate, asked, from string) error {
	if s.set == nil {
		from = ""
	}
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"uid": c.UID, "resourceVersion": c.ResourceVersion,
		"annotations": map[string]string{v1alpha1.AnnotationRotateTLS: asked, annotationRenewedFrom: from}}})
	if err != nil {
		return fmt.Errorf("marshal patch: %w", err)
	}
	if err := s.r.Client.Patch(ctx, c.DeepCopy(), client.RawPatch(types.MergePatchType, patch), client.FieldOwner(takeoverOwner)); err != nil {
		return fmt.Errorf("annotate certificate %s: %w", c.Name, err)
	}
	return nil
}

// renew has cert-manager issue again: it does when the Issuing condition is
// set, which is what `cmctl renew` does.
func (s *scope) renew(ctx context.Context, name, why string) error {
	c := s.certificates[name]
	issuing := certmanagerv1.CertificateCondition{Type: certmanagerv1.CertificateConditionIssuing, Status: cmmetav1.ConditionTrue}
	if c == nil || cmutil.CertificateHasCondition(c, issuing) {
		return nil
	}
	c = c.DeepCopy()
	cmutil.SetCertificateCondition(c, c.Generation, certmanagerv1.CertificateConditionIssuing, cmmetav1.ConditionTrue, "ManuallyTriggered", why)
	if err := s.r.Client.Status().Update(ctx, c); err != nil {
		return fmt.Errorf("renew certificate %s: %w", name, err)
	}
	return nil
}
