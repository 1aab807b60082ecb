package storm

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/coffer-dev/coffer/test/fixture"
)

// refuses: a password of before is a wrong one.
func (c *credential) refuses(ctx context.Context, password string) error {
	secret, err := c.read(ctx)
	if err != nil {
		return err
	}
	switch err := fixture.LoginWith(ctx, secret, c.address, password); {
	case err == nil:
		return fmt.Errorf("an old password of %s is accepted", c.secret)
	case !strings.Contains(err.Error(), "WRONGPASS"):
		return fmt.Errorf("an old password of %s: %w", c.secret, err)
	}
	return nil
}

// distrusted: no port serves a certificate of these authorities.
func (d *database) distrusted(ctx context.Context, authorities []byte) error {
	ports, err := d.cluster.Serves(ctx, d.kvdatabase(), authorities)
	if err == nil && len(ports) > 0 {
		err = fmt.Errorf("%s serves a certificate of an old authority on port %s", d.name, strings.Join(ports, ", "))
	}
	return err
}

// logins are tried so many at a time: a failed one in a row of them is answered
// a second late.
const logins = 16

// refuseWhatWas tries, at the end, every password and authority that there was.
func (s *storm) refuseWhatWas(ctx context.Context) error {
	s.note("trying what has been rotated away")
	var mu sync.Mutex
	var problems []error
	var all sync.WaitGroup
	turns := make(chan struct{}, logins)
	try := func(what func(context.Context) error, count *int) {
		turns <- struct{}{}
		all.Go(func() {
			err := what(ctx)
			mu.Lock()
			defer mu.Unlock()
			if problems = append(problems, err); err == nil {
				*count++
			}
			<-turns
		})
	}
	for _, d := range s.databases {
		for _, old := range d.authorities {
			try(func(ctx context.Context) error { return d.distrusted(ctx, old) }, &s.report.AuthoritiesRefused)
		}
		for _, c := range d.credentials {
			for _, old := range c.revoked {
				try(func(ctx context.Context) error { return c.refuses(ctx, old) }, &s.report.PasswordsRefused)
			}
		}
	}
	all.Wait()
	return errors.Join(problems...)
}
