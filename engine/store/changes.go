package store

// Change is a key that is not what it was, in one of the databases: as by
// redis-server, those who keep what they read do not hear in which.
type Change struct {
	Key string
	By  int64 // who changed it, as By said
	All bool  // every key
}

const (
	// changeCost is what a change takes in memory beside its key, in bytes, and
	// maxChanges what those may that nobody has taken yet: beyond that every key
	// counts as changed.
	changeCost = 48
	maxChanges = 64 << 20
)

// changes are noted for those who keep what they have read, by the member that
// leads alone: they are no part of the state.
type changes struct {
	on    bool
	by    int64
	noted []Change
	bytes int
}

// KeepChanges has changes kept for Changes, or not any more.
func (d *Databases) KeepChanges(on bool) {
	if d.changes.on != on {
		d.changes = changes{on: on}
	}
}

// By says who makes the changes from now on; 0 is nobody in particular.
func (d *Databases) By(who int64) { d.changes.by = who }

// Changes takes the changes since the last call, in their order. That a key has
// expired is one, when it is removed.
func (d *Databases) Changes() []Change {
	noted := d.changes.noted
	d.changes.noted, d.changes.bytes = nil, 0
	return noted
}

// note notes that a key changes.
func (s *Store) note(key []byte) {
	if s.all.changes.on {
		s.all.changes.add(key)
	}
}

func (c *changes) add(key []byte) {
	if c.bytes > maxChanges { // every key has changed
		return
	}
	if n := len(c.noted); n > 0 && !c.noted[n-1].All && c.noted[n-1].Key == string(key) && c.noted[n-1].By == c.by {
		return // as of a script that changes it many times
	}
	if c.bytes += changeCost + len(key); c.bytes > maxChanges {
		c.noted = []Change{{All: true}}
		return
	}
	c.noted = append(c.noted, Change{Key: string(key), By: c.by})
}

// noteAll notes that every key changes.
func (d *Databases) noteAll() {
	c := &d.changes
	if n := len(c.noted); c.on && (n == 0 || !c.noted[n-1].All) {
		c.noted = append(c.noted, Change{All: true, By: c.by})
	}
}
