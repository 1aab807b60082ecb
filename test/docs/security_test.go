package docs

import (
	"cmp"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	diff "github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
)

const security = "docs/security.md"

// rows are a table's, below the heading, cell by cell, without its first two lines.
func rows(t *testing.T, page, heading string) (all [][]string) {
	t.Helper()
	_, rest, ok := strings.Cut(page, "\n"+heading+"\n")
	if !ok {
		t.Fatalf("there is no %q", heading)
	}
	below, _, _ := strings.Cut(rest, "\n#")
	for _, line := range strings.Split(below, "\n") {
		if strings.HasPrefix(line, "| ") {
			all = append(all, strings.Split(strings.TrimSuffix(strings.TrimPrefix(line, "| "), "|"), " | "))
		}
	}
	if len(all) < 3 {
		t.Fatalf("%q has no table", heading)
	}
	return all[2:]
}

// TestEveryRightHasItsReason: a rule that somebody adds to the operator's roles
// stands in the page about security with its reason, or this fails.
func TestEveryRightHasItsReason(t *testing.T) {
	var told, given []string
	for _, row := range rows(t, read(t, security), "## Rights of the operator") {
		if len(row) != 5 || len(strings.TrimSpace(row[4])) < 15 {
			t.Fatalf("no reason: %q", row)
		}
		own := row[0] == "its own namespace"
		for _, resource := range strings.Fields(strings.Trim(row[2], "`")) {
			for _, verb := range strings.Fields(row[3]) {
				told = append(told, right(own, row[1], resource, verb))
			}
		}
	}
	decoder := utilyaml.NewYAMLOrJSONDecoder(strings.NewReader(read(t, "config/rbac/role.yaml")), 4096)
	for {
		var role rbacv1.ClusterRole // a Role has the same rules
		if err := decoder.Decode(&role); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		for _, rule := range role.Rules {
			for _, resource := range rule.Resources {
				for _, verb := range rule.Verbs {
					given = append(given, right(role.Kind == "Role", rule.APIGroups[0], resource, verb))
				}
			}
		}
	}
	slices.Sort(told)
	slices.Sort(given)
	if text := diff.Diff(given, slices.Compact(told)); text != "" {
		t.Errorf("given, and told with reasons (make generate writes the page):\n%s", text)
	}
}

func right(own bool, group, resource, verb string) string {
	where := "watched: "
	if own {
		where = "own: "
	}
	return where + verb + " " + resource + "." + cmp.Or(group, "core")
}

var (
	goTest   = regexp.MustCompile("`([a-z0-9/]+) (Test[A-Za-z0-9]+)`")
	e2eTest  = regexp.MustCompile("`test/e2e \"([^`]+)\"`")
	headings = []string{"### Of the database", "### Of the job queue"}
)

// TestWhatHoldsEachLineExists: every line of the checklists names a test that
// is there, or says that it is not ours or not yet.
func TestWhatHoldsEachLineExists(t *testing.T) {
	page := read(t, security)
	named := 0
	for _, heading := range headings {
		for _, row := range rows(t, page, heading) {
			if len(row) != 3 {
				t.Fatalf("%d cells: %q", len(row), row)
			}
			tests := goTest.FindAllStringSubmatch(row[2], -1)
			specs := e2eTest.FindAllStringSubmatch(row[2], -1)
			if len(tests)+len(specs) == 0 && !strings.HasPrefix(row[1], "– ") {
				t.Errorf("%q is held by nothing", row[0])
			}
			if n := strings.Count(row[2], "`"); n != 2*(len(tests)+len(specs)) {
				t.Errorf("%q names something that is not `package TestName` or `test/e2e \"text\"`: %s", row[0], row[2])
			}
			for _, m := range tests {
				named++
				if !stands(t, m[1], "func "+m[2]+"(t *testing.T)") {
					t.Errorf("%q: %s has no %s", row[0], m[1], m[2])
				}
			}
			for _, m := range specs {
				named++
				if !stands(t, "test/e2e", `It("`+m[1]+`"`) {
					t.Errorf("%q: test/e2e has no spec %q", row[0], m[1])
				}
			}
		}
	}
	if named < 40 {
		t.Errorf("only %d tests are named", named)
	}
}

// stands says whether the text is in a test file of the package.
func stands(t *testing.T, pkg, text string) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, pkg, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(data), text) {
			return true
		}
	}
	return false
}
