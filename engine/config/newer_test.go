package config

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// TestNewerConfigurationIsRefused with both versions named, whatever else a
// later operator may have written into it.
func TestNewerConfigurationIsRefused(t *testing.T) {
	_, err := Parse(fmt.Appendf(nil, `{"version": %d, "durability": {"of": "another shape"}, "newField": true}`, Version+5))
	if want := fmt.Sprintf("version %d, this engine reads up to %d", Version+5, Version); !errors.Is(err, ErrNewerVersion) || !strings.Contains(err.Error(), want) {
		t.Fatalf("%v, want %q", err, want)
	}
}
