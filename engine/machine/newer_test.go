package machine

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// newer says that an error is the one wanted, and names what was found and what
// can be read.
func newer(t *testing.T, err, want error, found, known [2]int) {
	t.Helper()
	text := fmt.Sprintf("format %d and semantics %d, this engine reads up to %d and %d", found[0], found[1], known[0], known[1])
	if !errors.Is(err, want) || !strings.Contains(err.Error(), text) {
		t.Errorf("%v, want %q", err, text)
	}
}

func TestNewerBatchIsRefused(t *testing.T) {
	known := [2]int{BatchFormat, Semantics}
	for _, found := range [][2]int{{BatchFormat + 1, Semantics}, {BatchFormat, Semantics + 1}, {BatchFormat + 3, Semantics + 400}} {
		batch := AppendBatch(nil, []Item{putItem("a", 0)}, 1, 1)
		batch[0] = byte(found[0])
		binary.LittleEndian.PutUint16(batch[1:], uint16(found[1]))
		m := New(parsePut)
		newer(t, m.Replay(1, batch), ErrBatchVersion, found, known)
		if m.Keys() != 0 || m.Index() != 0 {
			t.Error("a batch that was refused left its traces")
		}
	}
}

func TestNewerSnapshotIsRefused(t *testing.T) {
	known := [2]int{SnapshotFormat, Semantics}
	for _, found := range [][2]int{{SnapshotFormat + 1, Semantics}, {SnapshotFormat, Semantics + 1}, {SnapshotFormat + 300, Semantics + 2}} {
		m := New(parsePut)
		s, err := m.BeginSnapshot()
		if err != nil {
			t.Fatal(err)
		}
		var stream []byte
		for done := false; !done; {
			var chunk []byte
			chunk, done = s.Next(1 << 10)
			stream = append(stream, chunk...)
		}
		binary.LittleEndian.PutUint16(stream[4:], uint16(found[0]))
		binary.LittleEndian.PutUint16(stream[6:], uint16(found[1]))
		newer(t, m.Restore(bytes.NewReader(stream)), ErrSnapshotVersion, found, known)
	}
}
