// Package harness has what benchmarks of the engine share: where they run, what
// processes use, and how it is written down.
package harness

import (
	"fmt"
	"os"
	"os/exec"
)

// MaxSteal is the share of the processors' time, taken by the hypervisor, above
// which a round says more about the neighbours than about what is measured.
const MaxSteal = 0.05

// BuildEngine builds coffer-engine, as it is shipped, to that path.
func BuildEngine(path string) error {
	build := exec.Command("go", "build", "-trimpath", "-o", path, "./engine")
	build.Env, build.Stderr = append(os.Environ(), "CGO_ENABLED=0"), os.Stderr
	if err := build.Run(); err != nil {
		return fmt.Errorf("build the engine: %w", err)
	}
	return nil
}
