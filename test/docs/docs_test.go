// Package docs holds the documentation to the tree: what it quotes is what
// runs, and the tests that it names exist.
package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
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

// TestFoldersAreDrawn: ARCHITECTURE.md has every folder of these four, and none
// that is gone.
func TestFoldersAreDrawn(t *testing.T) {
	_, rest, _ := strings.Cut(read(t, "ARCHITECTURE.md"), "\n## Folders\n")
	picture, _, ok := strings.Cut(rest, "\n## ")
	if !ok {
		t.Fatal("ARCHITECTURE.md has no folders")
	}
	top, drawn := regexp.MustCompile("^([a-z]+)/"), regexp.MustCompile("^  ((?:[a-z0-9/]+/ )+)")
	var paths []string
	within := ""
	for _, line := range strings.Split(picture, "\n") {
		if m := top.FindStringSubmatch(line); m != nil {
			within = m[1]
		}
		if m := drawn.FindStringSubmatch(line + " "); m != nil {
			for _, name := range strings.Fields(m[1]) {
				paths = append(paths, filepath.Join(within, name))
			}
		}
	}
	for _, path := range paths {
		if info, err := os.Stat(filepath.Join(root, path)); err != nil || !info.IsDir() {
			t.Errorf("ARCHITECTURE.md draws %s, which is not there", path)
		}
	}
	for _, within := range []string{"controllers", "engine", "hack", "test"} {
		entries, err := os.ReadDir(filepath.Join(root, within))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			path := within + "/" + e.Name()
			if e.IsDir() && !slices.ContainsFunc(paths, func(p string) bool { return strings.HasPrefix(p+"/", path+"/") }) {
				t.Errorf("ARCHITECTURE.md does not draw %s", path)
			}
		}
	}
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
