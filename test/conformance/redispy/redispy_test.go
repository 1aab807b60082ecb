// Package redispy runs redis-py, as docs/clients/redis-py.md has it, against a
// database that rotates.
package redispy

import (
	"os/exec"
	"testing"

	"github.com/coffer-dev/coffer/test/fixture/rotating"
)

// python is Debian's own: redis-py is installed for it.
const python = "/usr/bin/python3"

func TestRedisPyFollowsRotations(t *testing.T) {
	if out, err := exec.Command(python, "-c", "import redis").CombinedOutput(); err != nil {
		t.Fatalf("redis-py is missing; `make test-conformance` installs it on Debian: %v\n%s", err, out)
	}
	db := rotating.Start(t)
	db.Follow(exec.Command(python, "load.py", db.Dir))
}
