package store

import (
	"fmt"
	"testing"
)

func TestFetchChangesNothing(t *testing.T) {
	s := New()
	keys := [][]byte{nil, []byte("absent")}
	s.Fetch(keys)
	for i := range 1000 {
		key := fmt.Appendf(nil, "key:%d", i)
		keys = append(keys, key)
		s.PutString(key, []byte("value"), 0)
	}
	before := s.Hash()
	s.Fetch(keys)
	s.Delete(keys[5], 0)
	s.Fetch(keys) // what is in a table that others left
	s.PutString(keys[5], []byte("value"), 0)
	if s.Hash() != before {
		t.Fatal("the state is another")
	}
	for _, a := range s.ahead[:cap(s.ahead)] {
		if a.table != nil || a.cell != "" {
			t.Fatal("what was fetched is kept from the collector")
		}
	}
}
