package api

import (
	"path/filepath"
	"testing"
)

// What the README tells people to apply, the API server takes as it is. This
// test comes last, by its file's name: it takes the kinds and the operator's
// namespace away, and no controller runs here that would finish that.
func TestManifests(t *testing.T) {
	for _, dir := range []string{"config/samples", "config/default"} {
		t.Run(dir, func(t *testing.T) {
			path := filepath.Join(root, dir)
			kubectl(t, "apply", "--server-side", "--validate=strict", "--force-conflicts", "-k", path)
			t.Cleanup(func() { kubectl(t, "delete", "--wait=false", "--ignore-not-found", "-k", path) })
		})
	}
}
