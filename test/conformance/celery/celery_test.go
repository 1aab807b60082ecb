// Package celery runs Celery, as docs/clients/celery.md has it, with no more
// permissions than an AccessToken of its role has.
package celery

import (
	"os"
	"os/exec"
	"testing"

	"github.com/coffer-dev/coffer/engine/acl"
	"github.com/coffer-dev/coffer/test/fixture/rotating"
)

// python is Debian's own: Celery is installed for it.
const python = "/usr/bin/python3"

func TestCelery(t *testing.T) {
	if out, err := exec.Command(python, "-c", "import celery, redis").CombinedOutput(); err != nil {
		t.Fatalf("Celery is missing; `make test-conformance` installs it on Debian: %v\n%s", err, out)
	}
	db := rotating.Start(t, func(u *acl.User) {
		u.Commands, u.Keys, u.Channels = acl.Celery.Commands, acl.Celery.Keys, acl.Celery.Channels
	})
	program := exec.Command(python, "tasks.py")
	program.Env = append(os.Environ(), "CONNECTION="+db.Dir)
	out, err := program.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
}
