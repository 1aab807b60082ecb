package version

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestBothProgramsTellTheLinkedVersion builds them as the image does.
func TestBothProgramsTellTheLinkedVersion(t *testing.T) {
	dir := t.TempDir()
	for name, pkg := range map[string]string{"coffer": ".", "coffer-engine": "./engine"} {
		program := filepath.Join(dir, name)
		build := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false",
			"-ldflags=-X github.com/coffer-dev/coffer/engine/version.linked=v1.2.3", "-o", program, pkg)
		build.Dir = filepath.Join("..", "..")
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		out, err := exec.CommandContext(t.Context(), program, "version").Output()
		if err != nil || !strings.HasPrefix(string(out), name+" v1.2.3 ") {
			t.Errorf("%s version says %q, %v", name, out, err)
		}
	}
	if v := String(); !strings.HasPrefix(v, "dev") {
		t.Errorf("a plain build calls itself %q", v)
	}
}
