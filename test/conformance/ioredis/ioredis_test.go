// Package ioredis runs ioredis, in the two connection forms that its users
// write, against an engine started as a laptop user would start it.
package ioredis

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coffer-dev/coffer/test/fixture/devengine"
	"github.com/coffer-dev/coffer/test/fixture/npm"
)

func TestIoredisRunsTheExamples(t *testing.T) {
	node := npm.Install(t)
	dir := engine(t)
	cmd := exec.Command(node, "examples.mjs", dir)
	cmd.Env = append(os.Environ(), "NODE_EXTRA_CA_CERTS="+filepath.Join(dir, "ca.crt"))
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Fatalf("examples.mjs: %v", err)
	}
	if n := strings.Count(string(out), " ok\n"); n != 12 {
		t.Errorf("%d examples passed, want 6 in each of 2 forms", n)
	}
}

// TestIoredisRefusesAForeignCertificate holds that the examples pass because
// of the CA and not because nothing is verified.
func TestIoredisRefusesAForeignCertificate(t *testing.T) {
	node := npm.Install(t)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, node, "examples.mjs", engine(t))
	cmd.Env = append(os.Environ(), "NODE_EXTRA_CA_CERTS=")
	out, err := cmd.CombinedOutput()
	if err == nil || strings.Contains(string(out), " ok\n") || !strings.Contains(string(out), "certificate") {
		t.Fatalf("without the CA: %v, want a certificate that is not trusted:\n%s", err, out)
	}
}

// engine starts an engine and returns its directory, with uri and ca.crt.
func engine(t *testing.T) string {
	t.Helper()
	return devengine.Start(t, devengine.Build(t), t.TempDir()).Dir
}
