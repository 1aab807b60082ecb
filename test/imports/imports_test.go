// Package imports holds the house's directions: which part of the tree may
// look at which (ARCHITECTURE.md draws the picture), and that every package
// says what it is.
package imports

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"io"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
)

const module = "github.com/coffer-dev/coffer"

type pkg struct {
	ImportPath                string
	Dir                       string
	GoFiles                   []string
	Imports                   []string
	Deps                      []string
	TestGoFiles, XTestGoFiles []string
}

// A rule says of the packages whose path (below the module, "." for the root)
// matches `of` that none of their direct imports may match `never`, unless it
// matches `but`; with `transitive`, none of their dependencies either.
type rule struct {
	of, never, but string
	transitive     bool
	why            string
}

const (
	local  = `^` + module + `/`
	engine = local + `engine/`
)

var rules = []rule{
	{of: `^engine(/|$)`, never: `^k8s\.io/|^sigs\.k8s\.io/|^github\.com/cert-manager/`, transitive: true, why: "data pods carry nothing of Kubernetes"},
	{of: `^engine(/|$)`, never: local, but: engine, transitive: true, why: "the engine stands without the rest of the project"},
	{of: `^api/`, never: local, why: "the API is what everybody else imports"},
	{of: `^controllers(/|$)`, never: local, but: local + `(api|controllers)/|` + engine + `(config|acl|adminapi|client|queue|vault)$`, why: "the operator meets the engine through config, acl, adminapi, client, queue and vault only"},
	{of: `^controllers/(desired|rotation|membership)$`, never: `^sigs\.k8s\.io/controller-runtime|^k8s\.io/client-go/(rest|kubernetes|tools)|^(net/http|os|crypto/rand|math/rand|math/rand/v2)$`, why: "desired state, rotation and membership are pure: values in, values out"},
	{of: `^controllers/(credentials|instance|lifecycle|desired|rotation|membership|apply)$`, never: local + `controllers/(kvdatabase|jobqueue|accesstoken)`, why: "kinds stand above what they share"},
	{of: `^controllers/kvdatabase$`, never: local + `controllers/(accesstoken|jobqueue)`, why: "kinds never import each other"},
	{of: `^controllers/jobqueue$`, never: local + `controllers/(accesstoken|kvdatabase)`, why: "kinds never import each other"},
	{of: `^controllers/accesstoken$`, never: local + `controllers/(kvdatabase|jobqueue)`, why: "kinds never import each other"},
	{of: `^engine/(adminapi|glob|keyevent|reply|schema|metrics|vault|replica|version)$`, never: local, why: "leaves look at nothing of the project"},
	{of: `^engine/config$`, never: local, but: engine + `keyevent$`, why: "a leaf, but for the one reading of what events there are"},
	{of: `^engine/store$`, never: local, but: engine + `keyevent$`, why: "the keyspace looks at the names of what happens in it, and at nothing else of the project"},
	{of: `^engine/evict$`, never: local, but: engine + `(config|store)$`, why: "what is evicted is chosen by looking at the keyspace, and goes through the log like any deletion"},
	{of: `^engine/(wal|snapshot)$`, never: local, but: engine + `vault$`, why: "files look at what seals them, and at nothing else of the project"},
	{of: `^engine/queue$`, never: local, but: engine + `(glob$|queue/cron$)`, why: "jobs look at patterns, and at what finds a schedule's next run"},
	{of: `^engine/guard$`, never: local, but: engine + `(queue|schema|vault)$`, why: "what stands before the queues looks at their settings, and at what validates and seals"},
	{of: `^engine/queue/cron$`, never: local, why: "leaves look at nothing of the project"},
	{of: `^engine/audit$`, never: local, but: engine + `(acl|adminapi|vault)$`, why: "records have the admin port's shape and files what seals them; who writes them is the server's business"},
	{of: `^engine/credential$`, never: local, but: engine + `(acl|config|queue|vault)$`, why: "what is mounted is read by who knows its shape"},
	{of: `^engine/retention$`, never: local, but: engine + `(config|glob|store)$`, why: "which keys are to end is found by looking at the keyspace, and goes through the log like any expiry"},
	{of: `^engine/(acl|admission|client|protocol/[a-z]+|machine)$`, never: local, but: engine + `(acl|adminapi|credential|glob|keyevent|queue|reply|store|vault)$`, why: "these look at leaves, and at what holds users and state"},
	{of: `^engine/client/jobs$`, never: local, why: "an application's client brings nothing of the engine along"},
	{of: `^engine/command$`, never: local, but: engine + `(acl|glob|keyevent|machine|reply|script|store)$`, why: "a command says what it needs; permission and durability are decided elsewhere"},
	{of: `^engine/script$`, never: local, but: engine + `reply$`, why: "a script reaches the database through its host"},
	{of: `^engine/(machine|store|queue|command|script)$`, never: `^(net|net/http|os|time|crypto/rand|math/rand|math/rand/v2)$`, why: "state is a function of the log: no clock, no randomness, no I/O"},
	{of: `^engine/member$`, never: local, but: engine + `(machine|replica|snapshot|vault|wal)$`, why: "a member is the log, the snapshots and the machine, as the replica says"},
	{of: `^engine/member$`, never: `^(time|crypto/rand|math/rand|math/rand/v2|sync)$`, why: "a simulation plays it: no clock, no randomness, nothing that runs beside it"},
	{of: `^engine/(wal|snapshot|replica|vault|member|audit)$`, never: `^(os|net)$`, why: "files only through the vfs, so that tests can crash the disk"},
	{of: `^engine/job$`, never: local, but: engine + `(acl|admission|audit|glob|guard|machine|protocol/job|queue|reply)$`, why: "what a request does is the same on every port: the dispatcher knows of none"},
	{of: `^engine/httpapi$`, never: local, but: engine + `(acl|admission|adminapi|audit|credential|job|protocol/job|queue)$`, why: "ports ask those who know; what requests for jobs do is the dispatcher's"},
	{of: `^engine/jobserver$`, never: engine + `(node|member|replica|wal|snapshot|queue|machine|command|server)$`, but: engine + `queue$`, why: "the port takes bytes to calls; what they do is the dispatcher's"},
	{of: `^engine/server$`, never: engine + `(node|member|replica|wal|snapshot)$`, why: "the server hands commands to an executor that node provides"},
}

func TestDirections(t *testing.T) {
	for _, p := range list(t) {
		rel := relative(p.ImportPath)
		for _, r := range rules {
			if !regexp.MustCompile(r.of).MatchString(rel) {
				continue
			}
			imports := p.Imports
			if r.transitive {
				imports = p.Deps
			}
			for _, i := range imports {
				if regexp.MustCompile(r.never).MatchString(i) && (r.but == "" || !regexp.MustCompile(r.but).MatchString(i)) {
					t.Errorf("%s imports %s: %s", rel, i, r.why)
				}
			}
		}
	}
}

// TestRulesBite proves that each rule still speaks of packages that exist: a
// rule that matches nothing holds nothing.
func TestRulesBite(t *testing.T) {
	pkgs := list(t)
	for _, r := range rules {
		found := false
		for _, p := range pkgs {
			found = found || regexp.MustCompile(r.of).MatchString(relative(p.ImportPath))
		}
		if !found {
			t.Errorf("no package matches %q (%s)", r.of, r.why)
		}
	}
}

func TestEveryPackageHasADocComment(t *testing.T) {
	for _, p := range list(t) {
		files := p.GoFiles
		if len(files) == 0 {
			files = append(p.TestGoFiles, p.XTestGoFiles...)
		}
		documented := len(files) == 0
		for _, f := range files {
			parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, f), nil, parser.PackageClauseOnly|parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			documented = documented || parsed.Doc != nil
		}
		if !documented {
			t.Errorf("%s has no doc comment", relative(p.ImportPath))
		}
	}
}

func relative(path string) string {
	if path == module {
		return "."
	}
	return strings.TrimPrefix(path, module+"/")
}

func list(t *testing.T) []pkg {
	t.Helper()
	pkgs, err := listed()
	if err != nil {
		t.Fatal(err)
	}
	return pkgs
}

// listed asks once: it takes seconds.
var listed = sync.OnceValues(func() (pkgs []pkg, err error) {
	cmd := exec.Command("go", "list", "-json=ImportPath,Dir,GoFiles,Imports,Deps,TestGoFiles,XTestGoFiles", "./...")
	cmd.Dir = "../.."
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return pkgs, nil
		} else if err != nil {
			return nil, err
		}
		pkgs = append(pkgs, p)
	}
})
