// Package version is the one place where both programs learn their version.
package version

import "runtime/debug"

// linked is set by -ldflags "-X github.com/coffer-dev/coffer/engine/version.linked=v1.2.3".
var linked string

// String is the version that was linked in; of a plain build, "dev" with the
// revision of the source where the build knows it.
func String() string {
	if linked != "" {
		return linked
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "dev"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v // go install …@version
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			return "dev-" + s.Value[:12]
		}
	}
	return "dev"
}
