package store

import "slices"

// Watch tells whether any of its keys has changed since it was added. It is its
// owner's, no part of the state, and needs the store's lock as all of it does.
type Watch struct {
	// Changed is called when a key changes, for each key once; nil for nobody.
	// Expiry is no change.
	Changed func()

	of      *Databases
	marks   []*mark
	touched bool
}

// mark is one key of a Watch.
type mark struct {
	watch *Watch
	store *Store
	key   string
	live  bool // the key was there when it was added
	at    int  // among the marks of the same key; -1 when it is not there any more
}

// Watch adds a key to those that w looks after.
func (s *Store) Watch(w *Watch, key []byte, now int64) {
	w.touched = w.touched || w.of != nil && w.of != s.all
	w.of = s.all
	m := &mark{watch: w, store: s, key: string(key), live: s.Exists(key, now), at: len(s.watched[string(key)])}
	w.marks = append(w.marks, m)
	if s.watched == nil {
		s.watched = map[string][]*mark{}
	}
	s.watched[m.key] = append(s.watched[m.key], m)
}

// Broken reports whether a key was changed, or has expired. One that is set
// again to what it was has changed; one that was absent all the time has not.
// In another state than the one that was watched nothing is known.
func (w *Watch) Broken(d *Databases, now int64) bool {
	if w.touched || len(w.marks) > 0 && w.of != d {
		return true
	}
	return slices.ContainsFunc(w.marks, func(m *mark) bool { return m.live && !m.store.Exists([]byte(m.key), now) })
}

// Keys are those that are looked after, of each database.
func (w *Watch) Keys() (keys [Count][][]byte) {
	for _, m := range w.marks {
		database := m.store.number
		keys[database] = append(keys[database], []byte(m.key))
	}
	return keys
}

// Stop ends the watch, which is broken from then on.
func (w *Watch) Stop() {
	for _, m := range w.marks {
		if m.at < 0 {
			continue
		}
		same := m.store.watched[m.key]
		last := len(same) - 1
		same[last].at = m.at
		same[m.at], same[last] = same[last], nil
		if last == 0 {
			delete(m.store.watched, m.key)
		} else {
			m.store.watched[m.key] = same[:last]
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

// touchSwapped tells those who watch keys that the database has, or had before
// it exchanged what it holds with another.
func (s *Store) touchSwapped(other *Store, now int64) {
	for key := range s.watched {
		if name := []byte(key); s.Exists(name, now) || other.Exists(name, now) {
			s.touch(name)
		}
	}
}

// Succeed puts a state that is the same in the place of one that somebody looked
// at: what is kept of changes goes on being kept, and who watches a key sees it
// change, and can watch it here.
func (d *Databases) Succeed(former *Databases) {
	d.KeepChanges(former.changes.on)
	for i := range former.at {
		s := &former.at[i]
		for key := range s.watched {
			s.touch([]byte(key))
		}
	}
}
