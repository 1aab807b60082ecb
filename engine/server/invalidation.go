package server

import (
	"maps"
	"slices"
	"strings"

	"github.com/coffer-dev/coffer/engine/acl"
	"github.com/coffer-dev/coffer/engine/reply"
	"github.com/coffer-dev/coffer/engine/store"
)

// invalidations is the channel on which connections of RESP2 are told that stand in
// for others.
const invalidations = "__redis__:invalidate"

// maxBroadcast is how many keys of an entry are told of by their names to who wants
// to know of prefixes, and maxBroadcastBytes how long those may be together.
const (
	maxBroadcast      = 1000
	maxBroadcastBytes = 256 << 10
)

// KeysChanged has those told who keep what they have read: it implements what a
// group tells, and blocks nobody.
func (s *Server) KeysChanged(changes []store.Change) {
	if s.running() {
		s.loop.post(func() { s.loop.changed(changes) })
	}
}

// changed tells of the changes of an entry of the log.
func (l *loop) changed(changes []store.Change) {
	if len(l.trackers.on) == 0 {
		return
	}
	from := 0
	for i := range changes {
		if !changes[i].All {
			l.invalidate(changes[i].Key, changes[i].By)
			continue
		}
		l.broadcast(changes[from:i])
		l.invalidateAll()
		from = i + 1
	}
	l.broadcast(changes[from:])
}

// invalidation is a message in the two forms that it has.
type invalidation struct {
	own     *message
	instead *message // for who stands in with RESP2
}

func newInvalidation(keys ...string) *invalidation {
	of := reply.Null // every key
	if len(keys) > 0 {
		names := make([]reply.Reply, 0, len(keys))
		for _, key := range keys {
			names = append(names, reply.BulkString(key))
		}
		of = reply.Array(names...)
	}
	return &invalidation{
		own:     newMessage(reply.Push(reply.BulkString("invalidate"), of)),
		instead: newMessage(reply.Push(reply.BulkString("message"), reply.BulkString(invalidations), of)),
	}
}

// invalidate tells those who have read a key that it has changed, and forgets them.
// Who made the change and is not told stays: it may have read the key behind it, and
// is to hear of the next.
func (l *loop) invalidate(key string, by int64) {
	readers := l.trackers.take(key)
	if len(readers) == 0 {
		return
	}
	i := newInvalidation(key)
	for c := range readers {
		switch t := &c.tracking; {
		case !t.On || t.Broadcast:
		case t.NoLoop && by == c.id:
			l.trackers.add(c, []byte(key))
		default:
			c.tellChanged(i)
		}
	}
}

// invalidateAll tells everybody that every key has changed.
func (l *loop) invalidateAll() {
	for key := range l.trackers.keys {
		l.trackers.take(key)
	}
	i := newInvalidation()
	for c := range l.trackers.on {
		c.tellChanged(i)
	}
}

// broadcast tells those who want to know of all keys with a prefix: in one message
// for each prefix, of the keys that the user may read. Of many, it tells that every
// key has changed: nobody else is served while names are looked at.
func (l *loop) broadcast(changes []store.Change) {
	if len(changes) == 0 || len(l.trackers.prefixes) == 0 {
		return
	}
	by, names, size := map[string]int64{}, []string{}, 0
	for i := range changes {
		switch who, again := by[changes[i].Key]; {
		case !again:
			by[changes[i].Key] = changes[i].By
			names = append(names, changes[i].Key)
			size += len(changes[i].Key)
		case who != changes[i].By:
			by[changes[i].Key] = 0 // several have changed it
		}
		if len(names) > maxBroadcast || size > maxBroadcastBytes {
			l.broadcastAll()
			return
		}
	}
	slices.Sort(names)
	with := map[string][]string{}
	for prefix := range l.trackers.prefixes {
		from, _ := slices.BinarySearch(names, prefix)
		to := from
		for to < len(names) && strings.HasPrefix(names[to], prefix) {
			to++
		}
		if from < to {
			with[prefix] = names[from:to]
		}
	}
	for _, prefix := range slices.Sorted(maps.Keys(with)) { // as redis-server does
		tellPrefix(l.trackers.prefixes[prefix], with[prefix], by)
	}
}

// broadcastAll tells those who want to know of prefixes that every key has changed.
func (l *loop) broadcastAll() {
	i := newInvalidation()
	for c := range l.trackers.on {
		if c.tracking.Broadcast {
			c.tellChanged(i)
		}
	}
}

func tellPrefix(listeners sessions, names []string, by map[string]int64) {
	readable := map[*acl.Identity][]string{} // the same for all connections of a user
	shared := map[*acl.Identity]*invalidation{}
	for c := range listeners {
		some, known := readable[c.identity]
		if !known {
			some = slices.DeleteFunc(slices.Clone(names), func(name string) bool { return !c.identity.MayRead([]byte(name)) })
			readable[c.identity] = some
			if len(some) > 0 {
				shared[c.identity] = newInvalidation(some...)
			}
		}
		own := func(name string) bool { return by[name] == c.id }
		switch {
		case len(some) == 0:
		case !c.tracking.NoLoop || !slices.ContainsFunc(some, own):
			c.tellChanged(shared[c.identity])
		default:
			if others := slices.DeleteFunc(slices.Clone(some), own); len(others) > 0 {
				c.tellChanged(newInvalidation(others...))
			}
		}
	}
}

// tellChanged tells a connection, or the one that stands in for it. While answers
// are on their way it waits for them: one may be of the value before the change, or
// of one that is not remembered any more.
func (c *session) tellChanged(i *invalidation) {
	if c.answering() {
		if n := len(i.own.bytes(3)); c.bears(n) {
			c.tracking.withheld = append(c.tracking.withheld, i)
			c.tracking.waiting += n
			c.keep()
		}
		return
	}
	to := c
	if c.tracking.Redirect != 0 {
		if to = c.tracking.redirect; to == nil || to.ended || to.User() != c.User() {
			c.tracking.Broken = true
			if c.proto > 2 {
				c.push(newMessage(reply.Push(reply.BulkString("tracking-redir-broken"), reply.Integer(c.tracking.Redirect))))
			}
			return
		}
	}
	switch {
	case to.proto > 2:
		to.push(i.own)
	case to != c && to.Listens():
		to.push(i.instead)
	}
}

// answering tells whether commands of the keyspace are taken up that are not
// answered.
func (c *session) answering() bool {
	return c.executing || c.tracking.taking || c.barrier != nil && c.barrier.item.Op != nil || len(c.replies) > 0
}

// tellWithheld tells what waited for the answers, once they are written.
func (c *session) tellWithheld() {
	if len(c.tracking.withheld) == 0 || c.answering() {
		return
	}
	withheld := c.tracking.withheld
	c.tracking.withheld, c.tracking.waiting = nil, 0
	for _, i := range withheld {
		c.tellChanged(i)
	}
}
