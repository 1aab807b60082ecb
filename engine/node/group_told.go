package node

import (
	"github.com/coffer-dev/coffer/engine/keyevent"
	"github.com/coffer-dev/coffer/engine/store"
)

// Listener is told what happens to keys, while the group leads: by the group's
// goroutine, which it must not block or call.
type Listener interface {
	// KeyEvents tells of an entry, once it is applied and before it is answered.
	// lost is how many more there were than memory for them.
	KeyEvents(events []store.Event, lost int)
	// KeysChanged tells what an entry has changed, if the keyspace keeps that, as
	// early. The reads of the entry may be of the state before.
	KeysChanged(changes []store.Change)
}

// told is what is told, and to whom; the group's lock guards it.
type told struct {
	listener Listener // nil: nobody
	events   keyevent.Class
}

// Tell has a listener told from now on.
func (g *Group) Tell(l Listener) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.told.listener = l
	g.listen()
}

// TellEvents says of which events it is told.
func (g *Group) TellEvents(of keyevent.Class) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.told.events != of {
		g.told.events = of
		g.listen()
	}
}

// listen has the keyspace keep what is told, while the member leads: the group's
// lock is held.
func (g *Group) listen() {
	var of keyevent.Class
	if g.leads && g.told.listener != nil {
		of = g.told.events
	}
	g.member.Machine().Databases().TellOf(of)
}

// happened is what is to be told of an entry.
type happened struct {
	listener Listener
	events   []store.Event
	lost     int
	changes  []store.Change
}

// takeHappened takes it; the group's lock is held.
func (g *Group) takeHappened() (h happened) {
	if h.listener = g.told.listener; h.listener != nil {
		s := g.member.Machine().Databases()
		h.events, h.lost = s.Events()
		h.changes = s.Changes()
	}
	return h
}

func (h *happened) tell() {
	if len(h.events) > 0 || h.lost > 0 {
		h.listener.KeyEvents(h.events, h.lost)
	}
	if len(h.changes) > 0 {
		h.listener.KeysChanged(h.changes)
	}
}
