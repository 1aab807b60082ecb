package v1alpha1

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestOperationsNamesEverything holds docs/operations.md to name every condition,
// every reason and every annotation that a user sets.
func TestOperationsNamesEverything(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "operations.md"))
	if err != nil {
		t.Fatal(err)
	}
	words := 0
	for name, value := range constants(t) {
		switch {
		case strings.HasPrefix(name, "Condition"), strings.HasPrefix(name, "Reason"):
		case strings.HasPrefix(name, "AnnotationRotate"), strings.HasPrefix(name, "AnnotationApprove"), name == "AnnotationSwitchover", name == "AnnotationRestart", name == "AnnotationRecoverFrom":
			value = GroupName + value
		default:
			continue
		}
		words++
		if !strings.Contains(string(page), "`"+value+"`") {
			t.Errorf("docs/operations.md does not name `%s` (%s)", value, name)
		}
	}
	if words < 40 {
		t.Errorf("found %d constants: the test looks at the wrong place", words)
	}
}

// constants are the package's string constants; of a sum, its last operand.
func constants(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for _, name := range files {
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok || len(spec.Values) != 1 {
				return true
			}
			value := spec.Values[0]
			if sum, ok := value.(*ast.BinaryExpr); ok {
				value = sum.Y
			}
			if text, ok := value.(*ast.BasicLit); ok && text.Kind == token.STRING {
				found[spec.Names[0].Name] = strings.Trim(text.Value, `"`)
			}
			return true
		})
	}
	return found
}
