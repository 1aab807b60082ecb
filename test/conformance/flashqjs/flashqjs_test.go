// Package flashqjs runs the JavaScript client: the code of an application's
// security page with its connection options alone changed, and
// docs/clients/jobs-js.md under rotations and outages.
package flashqjs

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coffer-dev/coffer/engine/acl"
	"github.com/coffer-dev/coffer/engine/client/jobs"
	"github.com/coffer-dev/coffer/test/fixture/devengine"
	"github.com/coffer-dev/coffer/test/fixture/npm"
	"github.com/coffer-dev/coffer/test/fixture/proxy"
	"github.com/coffer-dev/coffer/test/fixture/rotating"
)

func TestMain(m *testing.M) { devengine.Main(m) }

// run runs a program to its end and returns what it printed.
func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

func engine(t *testing.T) *devengine.Engine {
	t.Helper()
	return devengine.Start(t, devengine.Build(t), t.TempDir())
}

// TestThePageRuns: what the page does with its queue it does with this one.
func TestThePageRuns(t *testing.T) {
	node, e := npm.Install(t), engine(t)
	out := run(t, node, "page.mjs", e.Dir, e.Jobs)
	if n := strings.Count(out, " ok\n"); n != 12 {
		t.Errorf("%d examples passed, want 6 in each of 2 forms:\n%s", n, out)
	}
}

// TestThePageRefusesAForeignCertificate: it runs because of the authority, and
// not because nothing is verified.
func TestThePageRefusesAForeignCertificate(t *testing.T) {
	node, e, other := npm.Install(t), engine(t), engine(t)
	out, err := exec.Command(node, "page.mjs", e.Dir, other.Jobs).CombinedOutput()
	if err == nil || strings.Contains(string(out), " ok\n") || !strings.Contains(string(out), "certificate") {
		t.Errorf("with another engine's authority: %v\n%s", err, out)
	}
}

// TestTheTokensOfThePage have the permissions that the page gives them.
func TestTheTokensOfThePage(t *testing.T) {
	node, e := npm.Install(t), engine(t)
	secrets := t.TempDir()
	ca, err := os.ReadFile(filepath.Join(e.Dir, "ca.crt"))
	must(t, err)
	must(t, os.WriteFile(filepath.Join(secrets, "ca.crt"), ca, 0o600))
	file := acl.File{Version: acl.FileVersion, Revision: "page"}
	for name, rule := range map[string]acl.JobRule{
		"worker":   {Queues: []string{"jobs:*", "tasks:*"}, Operations: []string{"Pull", "Ack", "Fail", "Progress"}},
		"producer": {Queues: []string{"jobs:*"}, Operations: []string{"Push", "Read", "Cancel"}},
		"admin":    {Queues: []string{"*"}, Operations: []string{"*"}},
	} {
		token := rand.Text() + rand.Text()
		must(t, os.WriteFile(filepath.Join(secrets, name), []byte(token), 0o600))
		sum := sha256.Sum256([]byte(token))
		file.Users = append(file.Users, acl.User{Name: name, Jobs: []acl.JobRule{rule},
			Verifiers: []acl.Verifier{{Generation: 1, SHA256: hex.EncodeToString(sum[:])}}})
	}
	text, err := json.Marshal(file)
	must(t, err)
	must(t, os.WriteFile(filepath.Join(e.Dir, "users/users.json"), text, 0o600))
	token, err := os.ReadFile(filepath.Join(secrets, "admin"))
	must(t, err)
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		c, err := jobs.Connect(t.Context(), jobs.Options{Address: e.Jobs, Token: string(token), CA: ca})
		if err == nil {
			c.Close()
			break
		}
		if time.Now().After(end) {
			t.Fatal(err)
		}
	}
	if out := run(t, node, "permissions.mjs", secrets, e.Jobs); !strings.Contains(out, "9 refusals ok") {
		t.Error(out)
	}
}

// TestFlashQFollowsRotations holds docs/clients/jobs-js.md.
func TestFlashQFollowsRotations(t *testing.T) {
	node := npm.Install(t)
	db := rotating.StartJobs(t)
	db.Follow(exec.Command(node, "load.mjs", db.Dir))
}

// TestWorkerGoesOnAfterOutages: connections that are reset within seconds, and a
// server that is gone for a while (https://github.com/taskforcesh/bullmq/issues/2466).
func TestWorkerGoesOnAfterOutages(t *testing.T) {
	node, binary, dir := npm.Install(t), devengine.Build(t), t.TempDir()
	e := devengine.Start(t, binary, dir)
	p := proxy.Start(t, e.Jobs)
	direct := proxy.Start(t, e.Jobs) // which is not cut, and leads where the engine is
	program := exec.Command(node, "outages.mjs", dir, p.Address, direct.Address)
	in, err := program.StdinPipe()
	must(t, err)
	var out, errs bytes.Buffer
	program.Stdout, program.Stderr = &out, &errs
	must(t, program.Start())
	defer func() { _ = program.Process.Kill() }()
	time.Sleep(time.Second)
	for range 20 {
		p.Cut()
		time.Sleep(50 * time.Millisecond)
	}
	e.Kill()
	time.Sleep(2 * time.Second)
	e = devengine.Start(t, binary, dir)
	p.To(e.Jobs)
	direct.To(e.Jobs)
	time.Sleep(time.Second)
	must(t, in.Close())
	if err := program.Wait(); err != nil {
		t.Fatalf("%v\n%s%s", err, &out, &errs)
	}
	var result struct{ Pushed, Disconnected, Wrong int }
	if err := json.Unmarshal(out.Bytes(), &result); err != nil || result.Wrong > 0 || result.Pushed < 100 || result.Disconnected == 0 {
		t.Errorf("%v: %s%s", err, &out, &errs)
	}
}

// TestTypesAreWhatTheyAre: a program that uses them type-checks.
func TestTypesAreWhatTheyAre(t *testing.T) {
	node := npm.Install(t)
	run(t, node, "node_modules/typescript/bin/tsc", "--noEmit", "--strict", "--target", "es2022", "--module", "nodenext", "--types", "node", "types.ts")
}

// TestPackageHasWhatItNeeds: the archive that is published works by import and
// by require, with nothing beside it.
func TestPackageHasWhatItNeeds(t *testing.T) {
	node := npm.Install(t)
	dir, err := filepath.Abs("../../../engine/client/js")
	must(t, err)
	at := t.TempDir()
	pack := exec.Command("npm", "pack", "--silent", dir)
	pack.Dir = at
	archive, err := pack.Output()
	must(t, err)
	run(t, "tar", "-C", at, "-xzf", filepath.Join(at, strings.TrimSpace(string(archive))))
	for _, name := range []string{"README.md", "index.d.ts"} {
		if _, err := os.Stat(filepath.Join(at, "package", name)); err != nil {
			t.Error(err)
		}
	}
	for _, program := range []string{
		`import(process.argv[1] + '/index.js').then((m) => new m.FlashQ({ token: 'x' }))`,
		`new (require(process.argv[1]).FlashQ)({ token: 'x' })`,
	} {
		run(t, node, "-e", program, filepath.Join(at, "package"))
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
