package store

import "testing"

// TestWatch: what counts as a change of a key that is watched.
func TestWatch(t *testing.T) {
	const now = 1000
	tests := []struct {
		name   string
		change func(s *Store)
		broken bool
	}{
		{"nothing", func(*Store) {}, false},
		{"another key", func(s *Store) { s.PutString([]byte("other"), []byte("v"), 0) }, false},
		{"the same value again", func(s *Store) { s.PutString([]byte("string"), []byte("v"), 0) }, true},
		{"deleted", func(s *Store) { s.Delete([]byte("string"), now) }, true},
		{"deleted and made again", func(s *Store) { s.Delete([]byte("string"), now); s.PutString([]byte("string"), []byte("v"), 0) }, true},
		{"made", func(s *Store) { s.PutString([]byte("absent"), []byte("v"), 0) }, true},
		{"made and deleted", func(s *Store) { s.PutString([]byte("absent"), nil, 0); s.Delete([]byte("absent"), now) }, true},
		{"an absent one deleted", func(s *Store) { s.Delete([]byte("absent"), now) }, false},
		{"an expired one deleted", func(s *Store) { s.Delete([]byte("expired"), now) }, false},
		{"an expired one swept", func(s *Store) { s.all.Sweep(now, 10) }, false},
		{"an expired one made again", func(s *Store) { s.PutString([]byte("expired"), nil, 0) }, true},
		{"emptied", func(s *Store) { Edit(s, []byte("set"), func(v *Set) bool { return v.Remove([]byte("m")) }) }, true},
		{"edited", func(s *Store) { Edit(s, []byte("set"), func(v *Set) bool { return v.Add([]byte("n")) }) }, true},
		{"edited to no effect", func(s *Store) { Edit(s, []byte("set"), func(v *Set) bool { return v.Add([]byte("m")) }) }, false},
		{"moved away", func(s *Store) { s.Rename([]byte("string"), []byte("elsewhere")) }, true},
		{"moved there", func(s *Store) { s.PutString([]byte("other"), nil, 0); s.Rename([]byte("other"), []byte("absent")) }, true},
		{"a deadline", func(s *Store) { s.SetDeadline([]byte("string"), 5000) }, true},
		{"no deadline again", func(s *Store) { s.SetDeadline([]byte("string"), 0) }, false},
		{"all deleted", func(s *Store) { s.Flush() }, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := New().At(0)
			s.PutString([]byte("string"), []byte("v"), 0)
			s.PutString([]byte("expired"), []byte("v"), now-1)
			s.Put([]byte("set"), &Set{}, 0)
			Edit(s, []byte("set"), func(v *Set) bool { return v.Add([]byte("m")) })
			var w, second Watch
			for _, key := range []string{"string", "expired", "set", "absent"} {
				s.Watch(&w, []byte(key), now)
				s.Watch(&second, []byte(key), now)
			}
			tt.change(s)
			if got := w.Broken(s.all, now); got != tt.broken || second.Broken(s.all, now) != got {
				t.Errorf("broken: %t", got)
			}
			w.Stop()
			second.Stop()
			if len(s.watched) > 0 {
				t.Errorf("%d keys are still watched", len(s.watched))
			}
		})
	}
}

// TestWatchNoticesExpiry, also of a key that is gone or was flushed by then; a
// flush changes nothing about keys that were absent.
func TestWatchNoticesExpiry(t *testing.T) {
	s, key := New().At(0), []byte("k")
	s.PutString(key, nil, 2000)
	var before, after Watch
	s.Watch(&before, key, 1999)
	s.Watch(&after, key, 2000)
	if before.Broken(s.all, 1999) || !before.Broken(s.all, 2000) || after.Broken(s.all, 2000) {
		t.Error("broken from the deadline on, for who saw the key")
	}
	s.all.Sweep(2000, 1)
	s.Flush()
	if !before.Broken(s.all, 2000) || after.Broken(s.all, 2000) {
		t.Error("broken for who saw the key, when it has been removed")
	}
	if before.Stop(); !before.Broken(s.all, 1999) {
		t.Error("a watch that has ended knows nothing")
	}
	if !after.Broken(New(), 2000) {
		t.Error("of another store a watch knows nothing")
	}
}

// TestWatchesOfOneKey come and go in any order.
func TestWatchesOfOneKey(t *testing.T) {
	s, key := New().At(0), []byte("k")
	watches := make([]Watch, 5)
	for i := range watches {
		s.Watch(&watches[i], key, 0)
		s.Watch(&watches[i], key, 0) // twice is as good as once
	}
	for _, i := range []int{2, 0, 4} {
		watches[i].Stop()
	}
	s.PutString(key, nil, 0)
	if !watches[1].Broken(s.all, 0) || !watches[3].Broken(s.all, 0) {
		t.Error("those that are left were not told")
	}
	watches[1].Stop()
	watches[3].Stop()
	if len(s.watched) > 0 {
		t.Error("the key is still watched")
	}
}
