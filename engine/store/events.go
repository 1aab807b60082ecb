package store

import "github.com/coffer-dev/coffer/engine/keyevent"

// Event is something that happened to a key.
type Event struct {
	Class    keyevent.Class
	Name     string // redis-server's: set, lpush, expired
	Key      string
	Database int
}

const (
	// eventCost is what an event takes in memory beside its key, in bytes, and
	// maxEvents what those may that nobody has taken yet: an entry of the log that
	// has more loses them. A listener would lose its connection for as many.
	eventCost = 64
	maxEvents = 64 << 20
)

// events are what is to be told, by the member that leads alone: they are no part
// of the state.
type events struct {
	of    keyevent.Class // what is told
	told  []Event
	bytes int
	lost  int
}

// TellOf has events of these classes kept for Events, and of no others; 0 for
// none.
func (d *Databases) TellOf(classes keyevent.Class) { d.events = events{of: classes} }

// Events takes the events since the last call, in their order. lost is how many
// there was no room for.
func (d *Databases) Events() (told []Event, lost int) {
	told, lost = d.events.told, d.events.lost
	if told != nil || lost > 0 {
		d.events = events{of: d.events.of}
	}
	return told, lost
}

// Tell notes that something happened to a key.
func (s *Store) Tell(class keyevent.Class, name string, key []byte) {
	if s.all.events.of&class != 0 {
		s.all.events.add(Event{Class: class, Name: name, Database: s.number}, key)
	}
}

// add adds an event of the key.
func (e *events) add(event Event, key []byte) {
	if n := len(e.told); n > 0 && e.told[n-1].Key == string(key) {
		event.Key = e.told[n-1].Key // a script may change a long one many times
	} else {
		e.bytes += len(key)
	}
	if e.bytes += eventCost; e.bytes > maxEvents {
		e.lost++
		return
	}
	if event.Key == "" {
		event.Key = string(key)
	}
	e.told = append(e.told, event)
}

// tellNew tells of a key that is about to be written and was not there, or not any
// more.
func (s *Store) tellNew(p *place, key []byte) {
	if s.all.events.of == 0 {
		return
	}
	expired := p.found && p.expired(s.usage.now)
	if expired {
		s.Tell(keyevent.Expired, "expired", key)
	}
	if expired || !p.found {
		s.Tell(keyevent.New, "new", key)
	}
}
