package store

import (
	"bytes"
	"flag"
	"math/rand/v2"
	"os"
	"testing"
)

var update = flag.Bool("update", false, "write golden files of the present version that are missing")

// TestGolden reads the streams that every version wrote. One of the present
// version is written again as it was.
func TestGolden(t *testing.T) {
	const path = "testdata/v1"
	if _, err := os.Stat(path); err != nil && *update {
		s, r := New(), rand.New(rand.NewPCG(7, 7))
		for range 3000 {
			mutate(s, r, 1000)
		}
		_ = os.Mkdir("testdata", 0o755)
		_ = os.WriteFile(path, encode(t, s), 0o644)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	s, err := Restore(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	if s.Len() < 20 || !bytes.Equal(encode(t, s), data) {
		t.Errorf("%d keys, or another encoding of them", s.Len())
	}
}
