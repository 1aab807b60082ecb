// Package noderedis runs node-redis, which keeps what it reads and relies on being
// told when it changes, against an engine started as a laptop user would start it.
package noderedis

import (
	"context"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/coffer-dev/coffer/test/fixture/devengine"
	"github.com/coffer-dev/coffer/test/fixture/npm"
)

func TestWhatNodeRedisKeepsIsTrue(t *testing.T) {
	node := npm.Install(t)
	dir := devengine.Start(t, devengine.Build(t), t.TempDir()).Dir
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, node, "caching.mjs", dir).CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Fatalf("caching.mjs: %v", err)
	}
	if n := strings.Count(string(out), " ok\n"); n != 15 {
		t.Errorf("%d ways to change what is kept are told, want 15", n)
	}
}
