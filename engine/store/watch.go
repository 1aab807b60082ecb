package store

import "slices"

// Watch tells whether any of its keys has changed since it was added. It is its
// owner's, no part of the state, and needs the store's lock as all of it does.
type Watch struct {
	// Changed is called when a key changes, for each key once; nil for nobody.
	// Expiry is no change.
	Changed func()

	store   *Store
	marks   []*mark
	touched bool
}

// mark is one key of a Watch.
type mark struct {
	watch *Watch
	key   string
	live  bool // the key was there when it was added
	at    int  // among the marks of the same key; -1 when it is not there any more
}

// Watch adds a key to those that w looks after.
func (s *Store) Watch(w *Watch, key []byte, now int64) {
	w.touched = w.touched || w.store != nil && w.store != s
	w.store = s
	m := &mark{watch: w, key: string(key), live: s.Exists(key, now), at: len(s.watched[string(key)])}
	w.marks = append(w.marks, m)
	if s.watched == nil {
		s.watched = map[string][]*mark{}
	}
	s.watched[m.key] = append(s.watched[m.key], m)
}

// Broken reports whether a key was changed, or has expired. One that is set
// again to what it was has changed; one that was absent all the time has not.
// In another store than the one that was watched nothing is known.
func (w *Watch) Broken(s *Store, now int64) bool {
	if w.touched || len(w.marks) > 0 && w.store != s {
		return true
	}
	return slices.ContainsFunc(w.marks, func(m *mark) bool { return m.live && !s.Exists([]byte(m.key), now) })
}

// Keys are those that are looked after.
func (w *Watch) Keys() [][]byte {
	keys := make([][]byte, 0, len(w.marks))
	for _, m := range w.marks {
		keys = append(keys, []byte(m.key))
	}
	return keys
}

// Stop ends the watch, which is broken from then on.
func (w *Watch) Stop() {
	for _, m := range w.marks {
		if m.at < 0 {
			continue
		}
		same := w.store.watched[m.key]
		last := len(same) - 1
		same[last].at = m.at
		same[m.at], same[last] = same[last], nil
		if last == 0 {
			delete(w.store.watched, m.key)
		} else {
			w.store.watched[m.key] = same[:last]
		}
	}
	*w = Watch{touched: true}
}

// Rouse tells those who wait for a key that it may be worth a look, which is no
// change of it.
func (s *Store) Rouse(key []byte) {
	if len(s.watched) == 0 {
		return
	}
	for _, m := range s.watched[string(key)] {
		if m.watch.Changed != nil {
			m.watch.Changed()
		}
	}
}

// touch tells those who watch a key that it changes: once, since what is broken
// stays broken.
func (s *Store) touch(key []byte) {
	s.note(key)
	if len(s.watched) == 0 {
		return
	}
	for _, m := range s.watched[string(key)] {
		m.watch.touched, m.at = true, -1
		if m.watch.Changed != nil {
			m.watch.Changed()
		}
	}
	delete(s.watched, string(key))
}
