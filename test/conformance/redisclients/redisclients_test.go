// Package redisclients runs Debian's own Redis clients against the built
// engine: what a user types first must work as it does with redis-server.
package redisclients

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

const repository = "../../.."

// engine is a coffer-engine serve --dev.
type engine struct {
	dir        string
	host, port string
	password   string
	line       string // the ready-made redis-cli line
}

// needs finds a program or fails with what to install.
func needs(t *testing.T, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		t.Fatalf("%s is missing: install Debian's redis-tools (apt-get install redis-tools)", program)
	}
	return path
}

func build(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "coffer-engine")
	cmd := exec.Command("go", "build", "-o", binary, "./engine")
	cmd.Dir = repository
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building the engine: %v\n%s", err, out)
	}
	return binary
}

// serve starts the engine and waits for its line; stop ends it by SIGTERM and
// asserts that it drained.
func serve(t *testing.T, binary, dir string) (e engine, stop func()) {
	t.Helper()
	var log bytes.Buffer
	cmd := exec.Command(binary, "serve", "--dev", "--dir", dir, "--port", "0")
	cmd.Stderr = &log
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	e.dir = dir
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		t.Fatalf("no line on standard output: %v\n%s", err, log.String())
	}
	e.line = strings.TrimSpace(line)
	words := strings.Fields(e.line)
	e.host, e.port = words[len(words)-3], words[len(words)-1]
	secret, err := os.ReadFile(filepath.Join(dir, "password"))
	if err != nil {
		t.Error(err)
	}
	e.password = strings.TrimSpace(string(secret))
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			t.Errorf("the engine ended with %v\n%s", err, log.String())
		}
		if e.password != "" && strings.Contains(log.String()+line, e.password) {
			t.Error("the engine printed the password")
		}
	}
	t.Cleanup(stop)
	return e, stop
}

// run runs a client with the password in its environment, where redis-cli
// wants it, and returns what it printed.
func run(t *testing.T, e engine, password, program string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	all := append([]string{"--tls", "--cacert", filepath.Join(e.dir, "ca.crt"), "-h", e.host, "-p", e.port}, args...)
	cmd := exec.CommandContext(ctx, needs(t, program), all...)
	cmd.Env = append(os.Environ(), "REDISCLI_AUTH="+password)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("%s: %v", program, err)
	}
	return strings.TrimSpace(strings.ReplaceAll(string(out), "\r\n", "\n"))
}

func TestRedisCLI(t *testing.T) {
	needs(t, "redis-cli")
	binary, dir := build(t), filepath.Join(t.TempDir(), "it is here")
	e, stop := serve(t, binary, dir)
	tests := []struct {
		args []string
		want string
	}{
		{[]string{"PING"}, "PONG"},
		{[]string{"SET", "k", "a value", "EX", "100"}, "OK"},
		{[]string{"GET", "k"}, "a value"},
		{[]string{"TTL", "k"}, "100"},
		{[]string{"INCR", "n"}, "1"},
		{[]string{"SADD", "s", "a"}, "1"},
		{[]string{"TYPE", "s"}, "set"},
		{[]string{"INCR", "s"}, "WRONGTYPE Operation against a key holding the wrong kind of value"},
		{[]string{"--no-raw", "EXISTS", "k", "n", "absent"}, "(integer) 2"},
		{[]string{"-3", "SMEMBERS", "s"}, "a"},
		{[]string{"GET"}, "ERR wrong number of arguments for 'get' command"},
	}
	for _, tt := range tests {
		if got := run(t, e, e.password, "redis-cli", tt.args...); got != tt.want {
			t.Errorf("%q: got %q, want %q", tt.args, got, tt.want)
		}
	}
	if got := run(t, e, "wrong", "redis-cli", "PING"); !strings.Contains(got, "WRONGPASS") && !strings.Contains(got, "NOAUTH") {
		t.Errorf("wrong password: %s", got)
	}

	// The ready-made line is one that a shell runs as it stands.
	out, err := exec.Command("sh", "-c", e.line+" GET k").CombinedOutput()
	if err != nil || strings.TrimSpace(string(out)) != "a value" {
		t.Errorf("%s: %s, %v", e.line, out, err)
	}

	uri, err := os.ReadFile(filepath.Join(dir, "uri"))
	if err != nil {
		t.Fatal(err)
	}
	cli := exec.Command("redis-cli", "-u", strings.TrimSpace(string(uri)), "--cacert", filepath.Join(dir, "ca.crt"), "--no-auth-warning", "GET", "k")
	if out, err := cli.CombinedOutput(); err != nil || strings.TrimSpace(string(out)) != "a value" {
		t.Errorf("redis-cli -u: %s, %v", out, err)
	}

	// A restart keeps data, password and trust.
	before := e.password
	stop()
	e, _ = serve(t, binary, dir)
	if got := run(t, e, before, "redis-cli", "GET", "k"); got != "a value" {
		t.Errorf("after a restart: %q", got)
	}
}

// TestPipeMode feeds redis-cli --pipe, which ends only if every reply came.
func TestPipeMode(t *testing.T) {
	e, _ := serve(t, build(t), filepath.Join(t.TempDir(), "dev"))
	cmd := exec.Command(needs(t, "redis-cli"), "--tls", "--cacert", filepath.Join(e.dir, "ca.crt"), "-h", e.host, "-p", e.port, "--pipe")
	cmd.Env = append(os.Environ(), "REDISCLI_AUTH="+e.password)
	cmd.Stdin = strings.NewReader(strings.Repeat("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n", 20_000))
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "errors: 0, replies: 20000") {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestRedisBenchmark(t *testing.T) {
	needs(t, "redis-benchmark")
	e, _ := serve(t, build(t), filepath.Join(t.TempDir(), "dev"))
	for _, depth := range []string{"1", "16"} {
		// redis-benchmark takes the password as an argument only; it is one
		// made for this test.
		out := run(t, e, e.password, "redis-benchmark", "-a", e.password, "-t", "ping,set,get,incr,sadd,mset", "-n", "5000", "-c", "50", "-P", depth, "--csv")
		for _, test := range []string{`"PING_INLINE"`, `"PING_MBULK"`, `"SET"`, `"GET"`, `"INCR"`, `"SADD"`, `"MSET (10 keys)"`} {
			if !strings.Contains(out, test) {
				t.Errorf("depth %s: %s did not finish:\n%s", depth, test, out)
			}
		}
		if strings.Contains(out, "Error") {
			t.Errorf("depth %s:\n%s", depth, out)
		}
	}
}
