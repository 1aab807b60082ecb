// Package imports holds the house's directions: which part of the tree may
// look at which (ARCHITECTURE.md draws the picture), and that every package
// says what it is.
package imports

import (
	"encoding/json"
	"errors"
	"go/parser"
	"go/token"
	"io"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
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
// matches `of` that none of their direct imports may match `never`; with
// `transitive`, none of their dependencies either.
type rule struct {
	of, never  string
	transitive bool
	why        string
}

var rules = []rule{
	{`^engine(/|$)`, `^k8s\.io/|^sigs\.k8s\.io/|^github\.com/cert-manager/`, true, "data pods carry nothing of Kubernetes"},
	{`^engine(/|$)`, `^` + module + `/(api|controllers)(/|$)`, true, "the engine stands without the operator"},
	{`^api/`, `^` + module + `/`, false, "the API is what everybody else imports"},
	{`^controllers/(desired|rotation)$`, `^sigs\.k8s\.io/controller-runtime|^k8s\.io/client-go/(rest|kubernetes|tools)`, false, "desired state and rotation are pure: values in, values out"},
	{`^controllers/`, `^` + module + `/engine/(?:[^acs]|a[^cd]|c[^ol]|co[^n]|s)`, false, "the operator meets the engine through config, acl, adminapi and client only"},
	{`^controllers/(instance|desired|rotation|apply)$`, `^` + module + `/controllers/(kvdatabase|jobqueue|accesstoken)`, false, "kinds stand above what they share"},
	{`^engine/(config|acl|adminapi|reply|store|protocol/[a-z]+)$`, `^` + module + `/engine/(node|server|command|machine|replica|wal|snapshot|credential|httpapi|metrics|client)(/|$)`, false, "leaves look at nothing above them"},
	{`^engine/machine$`, `^` + module + `/engine/(command|replica|wal|snapshot|server|node|credential|httpapi|metrics|protocol)`, false, "the machine is deterministic and knows neither log nor wire"},
	{`^engine/(machine|store|command)$`, `^(net|net/http|os|crypto/rand|math/rand|math/rand/v2)$`, false, "state is a function of the log: no clock, no randomness, no I/O"},
	{`^engine/(replica|wal|snapshot)$`, `^` + module + `/engine/(command|server|node|credential|httpapi|protocol)`, false, "the log does not know what it carries"},
	{`^engine/(command|httpapi|credential|metrics)$`, `^` + module + `/engine/(server|node)$`, false, "the composition root is the only one that looks at everything"},
	{`^engine/server$`, `^` + module + `/engine/(node|replica|wal|snapshot)`, false, "the server hands commands to an executor that node provides"},
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
				if regexp.MustCompile(r.never).MatchString(i) {
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
	cmd := exec.Command("go", "list", "-json=ImportPath,Dir,GoFiles,Imports,Deps,TestGoFiles,XTestGoFiles", "./...")
	cmd.Dir = "../.."
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var pkgs []pkg
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return pkgs
		} else if err != nil {
			t.Fatal(err)
		}
		pkgs = append(pkgs, p)
	}
}
