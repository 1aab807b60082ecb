package storm

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/coffer-dev/coffer/api/v1alpha1"
	"github.com/coffer-dev/coffer/controllers/credentials"
	"github.com/coffer-dev/coffer/controllers/desired"
	"github.com/coffer-dev/coffer/controllers/instance"
)

// credential is a password of a database, in the secret that one application
// mounts: the database's own or a token's.
type credential struct {
	*database
	object      func() client.Object // whose annotations rotate it
	secret      string
	user        string
	application *application
	revoked     []string // passwords
}

func (d *database) object() client.Object { return d.kvdatabase() }

func (c *credential) token() client.Object {
	return &v1alpha1.AccessToken{ObjectMeta: metav1.ObjectMeta{Namespace: c.Namespace, Name: c.secret}}
}

func (c *credential) read(ctx context.Context) (*corev1.Secret, error) {
	secret := &corev1.Secret{}
	return secret, c.cluster.Get(ctx, client.ObjectKey{Namespace: c.Namespace, Name: c.secret}, secret)
}

// state is what the object says of its rotations.
type state struct {
	credentials v1alpha1.CredentialsStatus
	tls         v1alpha1.TLSStatus // a database's
	handled     map[string]string
}

func (c *credential) state(ctx context.Context) (state, error) {
	o := c.object()
	err := c.cluster.Get(ctx, client.ObjectKeyFromObject(o), o)
	switch o := o.(type) {
	case *v1alpha1.KVDatabase:
		return state{o.Status.Credentials, o.Status.TLS, o.Status.LastHandled}, err
	case *v1alpha1.AccessToken:
		return state{credentials: o.Status.Credentials, handled: o.Status.LastHandled}, err
	}
	return state{}, err
}

// annotation of each kind of rotation.
var annotation = map[Kind]string{
	Passwords: v1alpha1.AnnotationRotateCredentials, Tokens: v1alpha1.AnnotationRotateCredentials,
	Certificates: v1alpha1.AnnotationRotateTLS, Authorities: v1alpha1.AnnotationRotateCA,
}

// unhurried is the share of rounds, one in so many, in which kubelets deliver as
// they please, and nobody asks them to.
const unhurried = 6

// round rotates a token's password.
func (c *credential) round(ctx context.Context, rng *rand.Rand, n int) error {
	return c.rotate(ctx, []Kind{Tokens}, fmt.Sprint("round-", n), c.patient(rng))
}

// round rotates some of what a database has, at once; the first time all of it.
func (d *database) round(ctx context.Context, rng *rand.Rand, n int) error {
	var kinds []Kind
	all := []Kind{Passwords, Certificates, Authorities}
	chosen := 1 + rng.IntN(1<<len(all)-1)
	for i, kind := range all {
		if n == 1 || chosen&(1<<i) != 0 {
			kinds = append(kinds, kind)
		}
	}
	return d.credentials[0].rotate(ctx, kinds, fmt.Sprint("round-", n), d.patient(rng))
}

// patient says whether kubelets are to be left alone; a short storm has no time for that.
func (s *storm) patient(rng *rand.Rand) bool {
	return rng.IntN(unhurried) == 0 && s.Duration >= patience
}

// before is how things were before a rotation.
type before struct {
	secret   *corev1.Secret
	operator *corev1.Secret // its certificate
	state    state
}

// rotate asks for the rotations, waits until the applications have taken up
// what is new and left what is old, has the overlap ended, and makes sure that
// what was old is refused.
func (c *credential) rotate(ctx context.Context, kinds []Kind, value string, patient bool) error {
	var was before
	var err error
	if was.secret, err = c.read(ctx); err != nil {
		return err
	}
	if was.operator, err = c.cluster.Secret(ctx, c.kvdatabase(), desired.NamesOf(c.kvdatabase()).OperatorTLS()); err != nil {
		return err
	}
	if was.state, err = c.state(ctx); err != nil {
		return err
	}
	for _, kind := range kinds {
		if err := c.cluster.Annotate(ctx, c.object(), annotation[kind], value); err != nil {
			return err
		}
	}
	named := func(err error) error {
		if err != nil {
			err = fmt.Errorf("%s, %s of %v: %w", c.secret, value, kinds, err)
		}
		return err
	}
	if err := c.follow(ctx, kinds, was, patient); err != nil {
		return named(err)
	}
	if err := c.cluster.Annotate(ctx, c.object(), v1alpha1.AnnotationRotateComplete, value); err != nil {
		return named(err)
	}
	if err := await(ctx, "the rotation ends", func(ctx context.Context) (string, error) { return c.unfinished(ctx, kinds, was, value) }); err != nil {
		return named(err)
	}
	if err := c.refused(ctx, kinds, was); err != nil {
		return named(err)
	}
	c.report.rotated(kinds)
	return nil
}

// follow waits until all applications have what is new, and nobody is left on
// what is old.
func (c *credential) follow(ctx context.Context, kinds []Kind, was before, patient bool) error {
	generation := credentials.Generation(was.secret)
	if hasPassword(kinds) {
		err := await(ctx, "the application uses the new password", func(ctx context.Context) (string, error) {
			secret, err := c.read(ctx)
			if err != nil || credentials.Generation(secret) == generation {
				return "the secret has not changed", err
			}
			has, _ := c.application.has(secret)
			return c.application.waiting(ctx, has, patient)
		})
		if err != nil {
			return err
		}
	}
	if slices.Contains(kinds, Authorities) {
		for _, other := range c.credentials {
			err := await(ctx, other.application.client.Name+" trusts both authorities", func(ctx context.Context) (string, error) {
				secret, err := other.read(ctx)
				if err != nil || len(authoritiesOf(secret)) < 2 {
					return "the secret has one authority", err
				}
				_, has := other.application.has(secret)
				return other.application.waiting(ctx, has, patient)
			})
			if err != nil {
				return err
			}
		}
	}
	if hasPassword(kinds) {
		if err := c.left(ctx, generation); err != nil {
			return err
		}
	}
	return pause(ctx, settled)
}

// left waits until nobody has been on the generation, or one before it, for a while.
func (c *credential) left(ctx context.Context, generation int64) error {
	none := 0
	return await(ctx, "sessions leave the old password", func(ctx context.Context) (string, error) {
		n, err := c.cluster.SessionsBelow(ctx, c.kvdatabase(), c.user, generation+1)
		if none++; err != nil || n > 0 {
			none = 0
		}
		return notYet(none > int(settled/tick), "%d sessions", n), err
	})
}

// unfinished says what the rotations still wait for.
func (c *credential) unfinished(ctx context.Context, kinds []Kind, was before, value string) (obstacle string, err error) {
	now, err := c.state(ctx)
	if err != nil {
		return "", err
	}
	for _, kind := range kinds {
		if now.handled[annotation[kind]] != value {
			return string(kind) + " not handled", nil
		}
	}
	authority := slices.Contains(kinds, Authorities)
	switch {
	case now.credentials.Phase != v1alpha1.PhaseIdle || now.tls.Phase != v1alpha1.PhaseIdle && now.tls.Phase != "":
		return fmt.Sprintf("passwords %s, certificates %s", now.credentials.Phase, now.tls.Phase), nil
	case hasPassword(kinds) && now.credentials.Generation != was.state.credentials.Generation+1:
		return fmt.Sprintf("generation %d after %d", now.credentials.Generation, was.state.credentials.Generation), nil
	case authority && now.tls.CAGeneration != was.state.tls.CAGeneration+1:
		return fmt.Sprintf("authority %d after %d", now.tls.CAGeneration, was.state.tls.CAGeneration), nil
	case (authority || slices.Contains(kinds, Certificates)) && now.tls.Fingerprint == was.state.tls.Fingerprint:
		return "the certificate is the one before", nil
	}
	if authority {
		for _, other := range c.credentials {
			secret, err := other.read(ctx)
			if err != nil || len(authoritiesOf(secret)) != 1 {
				return other.secret + " has another authority yet", err
			}
		}
	}
	return "", nil
}

// refused makes sure that what has been rotated away is worth nothing.
func (c *credential) refused(ctx context.Context, kinds []Kind, was before) error {
	if hasPassword(kinds) {
		old := string(was.secret.Data["password"])
		c.revoked = append(c.revoked, old)
		if err := c.refuses(ctx, old); err != nil {
			return err
		}
	}
	if !slices.Contains(kinds, Authorities) {
		return nil
	}
	old := instance.Bundle(authoritiesOf(was.secret))
	c.authorities = append(c.authorities, old)
	if err := c.distrusted(ctx, old); err != nil {
		return err
	}
	if _, err := c.cluster.MemberAs(ctx, c.kvdatabase(), was.operator); err == nil {
		return errors.New("the admin port accepts a certificate of the old authority")
	}
	return nil
}

func authoritiesOf(secret *corev1.Secret) []*x509.Certificate {
	return instance.Distinct(instance.Authorities(secret.Data["ca.crt"]))
}

func hasPassword(kinds []Kind) bool {
	return slices.Contains(kinds, Passwords) || slices.Contains(kinds, Tokens)
}
