package docs

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	diff "github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"

	"github.com/coffer-dev/coffer/engine/config"
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
			n := testsOf(t, row[0], row[2])
			if n == 0 && !strings.HasPrefix(row[1], "– ") {
				t.Errorf("%q is held by nothing", row[0])
			}
			named += n
		}
	}
	if named < 40 {
		t.Errorf("only %d tests are named", named)
	}
}

// testsOf counts the tests that a cell names: they must be there.
func testsOf(t *testing.T, line, cell string) int {
	t.Helper()
	tests := goTest.FindAllStringSubmatch(cell, -1)
	specs := e2eTest.FindAllStringSubmatch(cell, -1)
	if n := strings.Count(cell, "`"); n != 2*(len(tests)+len(specs)) {
		t.Errorf("%q names something that is not `package TestName` or `test/e2e \"text\"`: %s", line, cell)
	}
	for _, m := range tests {
		if !stands(t, m[1], "func "+m[2]+"(t *testing.T)") {
			t.Errorf("%q: %s has no %s", line, m[1], m[2])
		}
	}
	for _, m := range specs {
		if !stands(t, "test/e2e", `It("`+m[1]+`"`) {
			t.Errorf("%q: test/e2e has no spec %q", line, m[1])
		}
	}
	return len(tests) + len(specs)
}

// TestLimitsAreDocumented: every limit of the configuration, with the value that
// is its default, and a test that reaches it.
func TestLimitsAreDocumented(t *testing.T) {
	documented := map[string]string{}
	for _, row := range rows(t, read(t, security), "## Limits") {
		if len(row) != 4 || testsOf(t, row[0], row[3]) == 0 {
			t.Errorf("held by nothing: %q", row)
			continue
		}
		if m := regexp.MustCompile("`(limits\\.[a-zA-Z]+)`").FindStringSubmatch(row[0]); m != nil {
			documented[m[1]] = row[1]
		}
	}
	want := map[string]string{}
	limits := reflect.ValueOf(config.Default().Limits)
	for i := range limits.NumField() {
		name, _, _ := strings.Cut(limits.Type().Field(i).Tag.Get("json"), ",")
		want["limits."+name] = inWords(name, limits.Field(i).Int())
	}
	want["limits.requestSeconds"] = fmt.Sprintf("%d s", config.DefaultRequestSeconds)
	want["limits.maxClientBufferBytes"] = "a tenth of the container's memory"
	if d := diff.Diff(want, documented); d != "" {
		t.Errorf("%s (-is +says):\n%s", security, d)
	}
}

// inWords is a limit as people write it.
func inWords(name string, n int64) string {
	switch {
	case strings.HasSuffix(name, "Seconds"):
		return fmt.Sprintf("%d s", n)
	case strings.HasSuffix(name, "Bytes") && n%(1<<20) == 0:
		return fmt.Sprintf("%d MiB", n>>20)
	case strings.HasSuffix(name, "Bytes"):
		return fmt.Sprintf("%d KiB", n>>10)
	}
	digits := fmt.Sprint(n)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
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
