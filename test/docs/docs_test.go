// Package docs holds the documentation to the tree: what it quotes is what
// runs, and the tests that it names exist.
package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const root = "../.."

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

var quoted = regexp.MustCompile("(?s)<!-- file: ([^ ]+) -->\n```[a-z]+\n(.*?)```\n")

// TestRecipesAreWhatIsTested: a reader copies what the test suite ran.
func TestRecipesAreWhatIsTested(t *testing.T) {
	pages, err := filepath.Glob(filepath.Join(root, "docs/clients/*.md"))
	if err != nil {
		t.Fatal(err)
	}
	quotes := 0
	for _, page := range pages {
		for _, m := range quoted.FindAllStringSubmatch(read(t, filepath.Join("docs/clients", filepath.Base(page))), -1) {
			quotes++
			if m[2] != read(t, m[1]) {
				t.Errorf("%s does not quote %s as it is: copy the file between the fences", filepath.Base(page), m[1])
			}
		}
		if name := filepath.Base(page); name != "README.md" && !strings.Contains(read(t, "docs/clients/README.md"), "("+name+")") {
			t.Errorf("docs/clients/README.md does not lead to %s", name)
		}
	}
	if quotes < len(pages)-1 {
		t.Errorf("%d quotes on %d pages", quotes, len(pages)-1)
	}
}
