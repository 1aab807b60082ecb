// Package sidekiq runs Sidekiq, as docs/clients/sidekiq.md has it, with no more
// permissions than an AccessToken of its role has.
package sidekiq

import (
	"os/exec"
	"testing"

	"github.com/coffer-dev/coffer/engine/acl"
	"github.com/coffer-dev/coffer/test/fixture/rotating"
)

func TestSidekiq(t *testing.T) {
	if out, err := exec.Command("ruby", "-e", "require 'sidekiq'").CombinedOutput(); err != nil {
		t.Fatalf("Sidekiq is missing; `make test-conformance` installs it on Debian: %v\n%s", err, out)
	}
	db := rotating.Start(t, func(u *acl.User) {
		u.Commands, u.Keys, u.Channels = acl.Sidekiq.Commands, acl.Sidekiq.Keys, acl.Sidekiq.Channels
	})
	out, err := exec.Command("ruby", "jobs.rb", db.Dir).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
}
