package store

import (
	"bytes"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
)

var update = flag.Bool("update", false, "write golden files of the present version that are missing")

// TestGolden reads the streams that every version wrote, and those with kinds
// that came later. They are written again as they were.
func TestGolden(t *testing.T) {
	for path, kinds := range map[string]int{"testdata/v1": 3, "testdata/v1-semantics3": 6, "testdata/v1-semantics7": 6} {
		if _, err := os.Stat(path); err != nil && *update {
			s, r := New().At(0), rand.New(rand.NewPCG(7, 7))
			for range 3000 {
				mutate(s, r, 1000)
			}
			for i := range 400 {
				if v, _ := s.Get(fmt.Appendf(nil, "key:%d", i), 1000).(*Stream); v != nil {
					mutateGroups(v, r, 1000)
				}
			}
			_ = os.Mkdir("testdata", 0o755)
			_ = os.WriteFile(path, encode(t, s), 0o644)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		d, err := Restore(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		s := d.At(0)
		found := map[Kind]bool{}
		grouped := false
		s.Each(1000, func(key string, k Kind) bool {
			found[k] = true
			v, _ := s.Get([]byte(key), 1000).(*Stream)
			grouped = grouped || v != nil && v.GroupCount() > 0
			return true
		})
		if grouped != (path == "testdata/v1-semantics7") {
			t.Errorf("%s: streams with groups: %v", path, grouped)
		}
		if s.Len() < 20 || len(found) != kinds || !bytes.Equal(encode(t, s), data) {
			t.Errorf("%s: %d keys of %d kinds, or another encoding of them", path, s.Len(), len(found))
		}
	}
}
