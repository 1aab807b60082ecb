// Package clone finds the clone of the repository that a program was started in.
package clone

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
)

// Root is the clone's top directory: the nearest one upwards whose go.mod is the product's.
func Root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		data, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil && strings.HasPrefix(string(data), "module github.com/coffer-dev/coffer\n") {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("start it inside a clone of the repository")
		}
		dir = parent
	}
}
