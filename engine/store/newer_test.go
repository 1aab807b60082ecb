package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// TestNewerStreamIsRefused with both versions named.
func TestNewerStreamIsRefused(t *testing.T) {
	stream := encode(t, New().At(0))
	binary.LittleEndian.PutUint16(stream[4:], SnapshotVersion+9)
	_, err := Restore(bytes.NewReader(stream))
	if want := fmt.Sprintf("version %d, this engine reads up to %d", SnapshotVersion+9, SnapshotVersion); !errors.Is(err, ErrSnapshotVersion) || !strings.Contains(err.Error(), want) {
		t.Fatalf("%v, want %q", err, want)
	}
}
