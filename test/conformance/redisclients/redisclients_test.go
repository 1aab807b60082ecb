// Package redisclients runs Debian's own Redis clients against the built
// engine: what a user types first must work as it does with redis-server.
package redisclients

import (
	"context"
	"crypto/x509"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/coffer-dev/coffer/test/fixture/devengine"
)

// needs finds a program or fails with what to install.
func needs(t *testing.T, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		t.Fatalf("%s is missing: install Debian's redis-tools (apt-get install redis-tools)", program)
	}
	return path
}

// run runs a client with the password in its environment, where redis-cli
// wants it, and returns what it printed.
func run(t *testing.T, e *devengine.Engine, password, program string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	all := append([]string{"--tls", "--cacert", filepath.Join(e.Dir, "ca.crt"), "-h", e.Host, "-p", e.Port}, args...)
	cmd := exec.CommandContext(ctx, needs(t, program), all...)
	cmd.Env = append(os.Environ(), "REDISCLI_AUTH="+password)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("%s: %v", program, err)
	}
	return strings.TrimSpace(strings.ReplaceAll(string(out), "\r\n", "\n"))
}

// roots are what a client of the engine trusts.
func roots(t *testing.T, dir string) *x509.CertPool {
	t.Helper()
	pem, err := os.ReadFile(filepath.Join(dir, "ca.crt"))
	pool := x509.NewCertPool()
	if err != nil || !pool.AppendCertsFromPEM(pem) {
		t.Fatalf("ca.crt: %v", err)
	}
	return pool
}

func TestRedisCLI(t *testing.T) {
	needs(t, "redis-cli")
	binary, dir := devengine.Build(t), filepath.Join(t.TempDir(), "it is here")
	e := devengine.Start(t, binary, dir)
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
		{[]string{"-n", "1", "EXISTS", "k"}, "0"},
		{[]string{"-n", "1", "SET", "k", "of 1"}, "OK"},
	}
	for _, tt := range tests {
		if got := run(t, e, e.Password, "redis-cli", tt.args...); got != tt.want {
			t.Errorf("%q: got %q, want %q", tt.args, got, tt.want)
		}
	}
	if got := run(t, e, "wrong", "redis-cli", "PING"); !strings.Contains(got, "WRONGPASS") && !strings.Contains(got, "NOAUTH") {
		t.Errorf("wrong password: %s", got)
	}

	// The ready-made line is one that a shell runs as it stands.
	out, err := exec.Command("sh", "-c", e.Line+" GET k").CombinedOutput()
	if err != nil || strings.TrimSpace(string(out)) != "a value" {
		t.Errorf("%s: %s, %v", e.Line, out, err)
	}

	uri, err := os.ReadFile(filepath.Join(dir, "uri"))
	if err != nil {
		t.Fatal(err)
	}
	for database, want := range map[string]string{"": "a value", "/0": "a value", "/1": "of 1", "/15": ""} {
		cli := exec.Command("redis-cli", "-u", strings.TrimSpace(string(uri))+database, "--cacert", filepath.Join(dir, "ca.crt"), "--no-auth-warning", "GET", "k")
		if out, err := cli.CombinedOutput(); err != nil || strings.TrimSpace(string(out)) != want {
			t.Errorf("redis-cli -u …%s: %s, %v", database, out, err)
		}
		options, err := redis.ParseURL(strings.TrimSpace(string(uri)) + database)
		if err != nil {
			t.Fatal(err)
		}
		options.TLSConfig.RootCAs = roots(t, dir)
		client := redis.NewClient(options)
		if got, err := client.Get(t.Context(), "k").Result(); got != want || (err == nil) != (want != "") {
			t.Errorf("go-redis, …%s: %q, %v", database, got, err)
		}
		_ = client.Close()
	}

	// A restart keeps data, password and trust.
	before := e.Password
	e.Stop()
	e = devengine.Start(t, binary, dir)
	if got := run(t, e, before, "redis-cli", "GET", "k"); got != "a value" {
		t.Errorf("after a restart: %q", got)
	}
}

// TestPipeMode feeds redis-cli --pipe, which ends only if every reply came.
func TestPipeMode(t *testing.T) {
	e := devengine.Start(t, devengine.Build(t), filepath.Join(t.TempDir(), "dev"))
	cmd := exec.Command(needs(t, "redis-cli"), "--tls", "--cacert", filepath.Join(e.Dir, "ca.crt"), "-h", e.Host, "-p", e.Port, "--pipe")
	cmd.Env = append(os.Environ(), "REDISCLI_AUTH="+e.Password)
	cmd.Stdin = strings.NewReader(strings.Repeat("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n", 20_000))
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "errors: 0, replies: 20000") {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestRedisBenchmark(t *testing.T) {
	needs(t, "redis-benchmark")
	e := devengine.Start(t, devengine.Build(t), filepath.Join(t.TempDir(), "dev"))
	for _, depth := range []string{"1", "16"} {
		// redis-benchmark takes the password as an argument only; it is one
		// made for this test.
		out := run(t, e, e.Password, "redis-benchmark", "-a", e.Password, "-t", "ping,set,get,incr,sadd,mset", "-n", "5000", "-c", "50", "-P", depth, "--csv")
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
