package store

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/coffer-dev/coffer/engine/keyevent"
)

func heard(s *Store) (words []string) {
	events, _ := s.all.Events()
	for _, e := range events {
		words = append(words, e.Name+" "+e.Key)
	}
	return words
}

// TestExpiryIsToldOnce: when what has expired is removed, whoever does it.
func TestExpiryIsToldOnce(t *testing.T) {
	for name, c := range map[string]struct {
		remove func(s *Store)
		want   []string
	}{
		"a sweep":        {func(s *Store) { s.all.Sweep(20, 9) }, []string{"expired k"}},
		"a write":        {func(s *Store) { s.PutString([]byte("k"), []byte("w"), 0) }, []string{"expired k", "new k"}},
		"a deletion":     {func(s *Store) { s.Delete([]byte("k"), 20) }, []string{"expired k"}},
		"another's name": {func(s *Store) { s.Rename([]byte("other"), []byte("k")) }, []string{"expired k", "new k"}},
	} {
		s := New().At(0)
		s.PutString([]byte("k"), []byte("v"), 10)
		s.PutString([]byte("other"), []byte("v"), 0)
		s.all.TellOf(keyevent.Expired | keyevent.New)
		s.all.Clock(20)
		c.remove(s)
		s.all.Sweep(20, 9)
		if got := heard(s); !slices.Equal(got, c.want) {
			t.Errorf("%s: told %q, want %q", name, got, c.want)
		}
	}
}

// TestEventsThatNobodyWantsAreNotKept.
func TestEventsThatNobodyWantsAreNotKept(t *testing.T) {
	s := New().At(0)
	s.Tell(keyevent.String, "set", []byte("k"))
	s.all.TellOf(keyevent.List)
	s.Tell(keyevent.String, "set", []byte("k"))
	s.Tell(keyevent.List, "lpush", []byte("l"))
	if got := heard(s); !slices.Equal(got, []string{"lpush l"}) {
		t.Errorf("told %q", got)
	}
	if got := heard(s); got != nil {
		t.Errorf("told again: %q", got)
	}
}

// TestEventsAreBounded: an entry that has more than there is room for loses some,
// and says how many; a long key that changes many times is in memory once.
func TestEventsAreBounded(t *testing.T) {
	s := New().At(0)
	s.all.TellOf(keyevent.String)
	long := []byte(strings.Repeat("k", 1<<20))
	for range 1000 {
		s.Tell(keyevent.String, "set", long)
	}
	if events, lost := s.all.Events(); len(events) != 1000 || lost != 0 {
		t.Errorf("of one long key %d were told, %d lost", len(events), lost)
	}
	for i := range 100 {
		s.Tell(keyevent.String, "set", fmt.Appendf(long, "%d", i))
	}
	events, lost := s.all.Events()
	bytes := 0
	for _, e := range events {
		bytes += len(e.Key)
	}
	if bytes > maxEvents || lost == 0 || len(events)+lost != 100 {
		t.Errorf("%d bytes were kept, %d of 100 lost", bytes, lost)
	}
	s.Tell(keyevent.String, "set", []byte("k"))
	if events, lost := s.all.Events(); len(events) != 1 || lost != 0 {
		t.Errorf("the next entry: %d told, %d lost", len(events), lost)
	}
}

// TestEventsSayInWhichDatabase, in the order in which they happened.
func TestEventsSayInWhichDatabase(t *testing.T) {
	d := New()
	d.TellOf(keyevent.New)
	for _, database := range []int{0, 3, 1, 0} {
		d.At(database).PutString(fmt.Append(nil, "k"), nil, 0)
	}
	d.At(3).Move([]byte("k"), d.At(15))
	var got []int
	events, _ := d.Events()
	for _, e := range events {
		got = append(got, e.Database)
	}
	if want := []int{0, 3, 1, 15}; !slices.Equal(got, want) {
		t.Errorf("told of %v, want %v", got, want)
	}
}
