package store

import (
	"fmt"
	"testing"
)

func TestFetchChangesNothing(t *testing.T) {
	s := New().At(0)
	keys := [][]byte{nil, []byte("absent")}
	fetch := func() {
		for _, key := range keys {
			s.Expect(key)
		}
		s.all.Fetch()
	}
	fetch()
	for i := range 1000 {
		key := fmt.Appendf(nil, "key:%d", i)
		keys = append(keys, key)
		s.PutString(key, []byte("value"), 0)
	}
	before := s.all.Hash()
	fetch()
	s.Delete(keys[5], 0)
	fetch() // what is in a table that others left
	s.PutString(keys[5], []byte("value"), 0)
	if s.all.Hash() != before {
		t.Fatal("the state is another")
	}
	for _, a := range s.all.ahead[:cap(s.all.ahead)] {
		if a.table != nil || a.cell != "" {
			t.Fatal("what was fetched is kept from the collector")
		}
	}
}
