package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// safeguard is something that must not be missing: what stands in a file, what
// is put in its place, and the test that then fails.
type safeguard struct {
	name     string
	file     string
	old, new string // old stands there exactly once
	test     string
	in       string // package of the test, when it is not the file's
}

// where is the test with its package, when that is not the file's.
func (s safeguard) where() string {
	if s.in == "" {
		return s.test
	}
	return s.in + " " + s.test
}

func (s safeguard) pkg() string {
	if s.in != "" {
		return s.in
	}
	return path.Dir(s.file)
}

// mutate gives the file without the safeguard.
func (s safeguard) mutate(text string) (string, error) {
	if n := strings.Count(text, s.old); n != 1 {
		return "", fmt.Errorf("the text stands %d times in %s, it must stand there once: %q", n, s.file, s.old)
	}
	return strings.Replace(text, s.old, s.new, 1), nil
}

// verdict on a safeguard.
type verdict string

const (
	caught   verdict = "caught"
	survived verdict = "survived"
	broken   verdict = "broken" // nothing was learned
)

type result struct {
	verdict verdict
	detail  string
	took    time.Duration
}

const (
	// testTimeout is the program's own: a mutant that hangs is caught.
	testTimeout = 2 * time.Minute
	// tries of a test that passes: some draw what they do anew each time.
	tries = 3
)

// laboratory compiles and runs.
type laboratory struct {
	root, temp string
	sound      sync.Map // package and test -> func() error
}

func failed(format string, args ...any) result {
	return result{verdict: broken, detail: fmt.Sprintf(format, args...)}
}

// try takes one safeguard out.
func (l *laboratory) try(ctx context.Context, number int, s safeguard) (r result) {
	begin := time.Now()
	defer func() { r.took = time.Since(begin) }()
	if err := l.passes(ctx, s); err != nil {
		return failed("with nothing changed: %v", err)
	}
	file := filepath.Join(l.root, s.file)
	text, err := os.ReadFile(file)
	if err != nil {
		return failed("%v", err)
	}
	mutant, err := s.mutate(string(text))
	if err != nil {
		return failed("%v", err)
	}
	dir := filepath.Join(l.temp, fmt.Sprint(number))
	if err := os.Mkdir(dir, 0o700); err != nil {
		return failed("%v", err)
	}
	defer os.RemoveAll(dir)
	overlay, err := writeOverlay(dir, file, mutant)
	if err != nil {
		return failed("%v", err)
	}
	program := filepath.Join(dir, "test")
	if err := l.compile(ctx, s.pkg(), program, "-overlay", overlay); err != nil {
		return failed("%v", err)
	}
	for range tries {
		out, err := l.run(ctx, program, s)
		if err != nil {
			return result{verdict: caught}
		}
		if !strings.Contains(out, "--- PASS: "+s.test) {
			return failed("%s did not run", s.test)
		}
	}
	return result{verdict: survived}
}

// writeOverlay says that file reads as text.
func writeOverlay(dir, file, text string) (string, error) {
	replacement := filepath.Join(dir, filepath.Base(file))
	if err := os.WriteFile(replacement, []byte(text), 0o600); err != nil {
		return "", err
	}
	data, err := json.Marshal(map[string]any{"Replace": map[string]string{file: replacement}})
	if err != nil {
		return "", err
	}
	name := filepath.Join(dir, "overlay.json")
	return name, os.WriteFile(name, data, 0o600)
}

// passes makes sure, once, that the test passes while nothing is changed.
func (l *laboratory) passes(ctx context.Context, s safeguard) error {
	once, _ := l.sound.LoadOrStore(s.pkg(), sync.OnceValues(func() (string, error) {
		program := filepath.Join(l.temp, strings.ReplaceAll(s.pkg(), "/", "_"))
		return program, l.compile(ctx, s.pkg(), program)
	}))
	program, err := once.(func() (string, error))()
	if err != nil {
		return err
	}
	test, _ := l.sound.LoadOrStore(s.pkg()+" "+s.test, sync.OnceValue(func() error {
		out, err := l.run(ctx, program, s)
		if err != nil {
			return fmt.Errorf("%s fails: %w\n%s", s.test, err, out)
		}
		if !strings.Contains(out, "--- PASS: "+s.test) {
			return errors.New(s.test + " did not run")
		}
		return nil
	}))
	return test.(func() error)()
}

func (l *laboratory) compile(ctx context.Context, pkg, program string, flags ...string) error {
	args := append([]string{"test", "-c", "-vet=off", "-o", program}, flags...)
	cmd := exec.CommandContext(ctx, "go", append(args, "./"+pkg)...)
	cmd.Dir = l.root
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("does not compile: %s", bytes.ReplaceAll(bytes.TrimSpace(out), []byte("\n"), []byte(" ")))
	}
	return nil
}

// run runs the test, with the processes that it starts in a group of their own:
// a mutant may leave them behind.
func (l *laboratory) run(ctx context.Context, program string, s safeguard) (string, error) {
	cmd := exec.CommandContext(ctx, program, "-test.v", "-test.failfast", "-test.count=1", "-test.run=^"+s.test+"$", "-test.timeout="+testTimeout.String())
	cmd.Dir = filepath.Join(l.root, s.pkg())
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	out, err := cmd.CombinedOutput()
	if cmd.Process != nil {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // what is left of its group
	}
	return string(out), err
}
