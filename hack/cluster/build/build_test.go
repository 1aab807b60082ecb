package build

import (
	"os"
	"path/filepath"
	"testing"
)

const componentsDir = "../components"

func TestEveryComponentIsPinned(t *testing.T) {
	dirs, err := os.ReadDir(componentsDir)
	if err != nil {
		t.Fatal(err)
	}
	if len(dirs) != len(components) {
		t.Errorf("%d folders in %s, %d components in the table", len(dirs), componentsDir, len(components))
	}
	for _, c := range components {
		version, err := c.version(filepath.Join(componentsDir, c.name))
		if err != nil || version == "" {
			t.Errorf("%s: version %q, %v", c.name, version, err)
		}
	}
}

func TestRecipeChangesWithItsFiles(t *testing.T) {
	dir := t.TempDir()
	c := component{name: "x", programs: map[string]string{"x": "."}}
	var seen []string
	for _, text := range []string{"module x\n", "module y\n"} {
		if err := os.WriteFile(filepath.Join(dir, "go.mod"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		recipe, err := c.recipe(dir)
		if err != nil {
			t.Fatal(err)
		}
		seen = append(seen, recipe)
	}
	if seen[0] == seen[1] {
		t.Error("another go.mod, the same recipe: a stale program would be used")
	}
}
