package harness

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Section is something that a benchmark measures, and a part of its report.
type Section struct {
	Name    string
	Measure func(*Report) error
}

// Measure measures those sections that are named in only, in the order of sections, and
// writes the report to a file if out is not empty.
func (r *Report) Measure(sections []Section, only []string, out string) error {
	var names []string
	for _, p := range sections {
		names = append(names, p.Name)
	}
	for _, name := range only {
		if !slices.Contains(names, name) {
			return fmt.Errorf("-only %s: one of %s", name, strings.Join(names, ", "))
		}
	}
	for _, p := range sections {
		if !slices.Contains(only, p.Name) {
			continue
		}
		begin := time.Now()
		if err := p.Measure(r); err != nil {
			return fmt.Errorf("%s: %w", p.Name, err)
		}
		fmt.Fprintf(os.Stderr, "%s took %s\n", p.Name, time.Since(begin).Round(time.Second))
	}
	r.Add(LoadNow("At the end"))
	if out == "" {
		return nil
	}
	return r.Write(out)
}

// WithEngine calls run with a directory of its own below parent, in which
// coffer-engine has been built, and removes it. What run needs beside are
// programs of Debian's packages.
func WithEngine(parent string, programs map[string]string, run func(dir string) error) (err error) {
	for program, of := range programs {
		if _, err := exec.LookPath(program); err != nil {
			return fmt.Errorf("%w: apt-get install %s", err, of)
		}
	}
	dir, err := os.MkdirTemp(parent, "coffer-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := BuildEngine(filepath.Join(dir, "coffer-engine")); err != nil {
		return err
	}
	return run(dir)
}
