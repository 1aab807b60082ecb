package server

import (
	"bytes"
	"errors"
	"slices"
	"strings"

	"github.com/coffer-dev/coffer/engine/acl"
	"github.com/coffer-dev/coffer/engine/command"
	"github.com/coffer-dev/coffer/engine/machine"
)

// Clients that keep what they read are told when it changes: with an invalidation,
// on their own connection (RESP3), or on one that stands in for it.
//
//   - What a connection reads is remembered when the command is taken up, before it is
//     evaluated. So every change behind the evaluation finds the connection.
//   - An invalidation that comes while commands are taken up and not answered is
//     withheld until they are: one of them may be of the value before the change.
//
// What is told too often does no harm; what is not told leaves a client with a value
// that is none any more.
//
// A connection that does not take its invalidations is closed, as one that does not
// take its messages is; the client forgets what it kept then. So does the end of a
// leadership, which closes all.

const (
	// maxTrackedKeys is how many keys are remembered, redis-server's
	// tracking-table-max-keys.
	maxTrackedKeys = 1_000_000
	// trackedShare of limits.maxClientBufferBytes is what that may take in memory:
	// trackedCost is a key's part, in bytes, beside its name, and trackerCost that
	// of a connection that has read it.
	trackedShare = 4
	trackedCost  = 300
	trackerCost  = 80
	// forgottenAtOnce is how many keys of a closed connection are forgotten before
	// others are served.
	forgottenAtOnce = 10_000
)

var errTooManyPrefixes = errors.New("ERR the prefixes of one connection may take 1 MiB of memory, of which each counts 16 times: use fewer and shorter ones")

// sessions are a set.
type sessions map[*session]struct{}

// trackers is what the loop knows of those who are told of changes.
type trackers struct {
	on       sessions            // who has tracking on
	keys     map[string]sessions // who has read them; some have tracking off since
	pairs    int                 // of a key and who has read it
	bytes    int64               // that keys take
	prefixes map[string]sessions
	most     int // keys: maxTrackedKeys, but for tests
}

func newTrackers() *trackers {
	return &trackers{on: sessions{}, keys: map[string]sessions{}, prefixes: map[string]sessions{}, most: maxTrackedKeys}
}

// tracking is a session's part.
type tracking struct {
	command.TrackingInfo
	redirect *session            // nil for none
	keys     map[string]struct{} // that are remembered for it
	bytes    int                 // of prefixes
	taking   bool                // commands are being taken up
	withheld []*invalidation     // until answers are written
	waiting  int                 // bytes of them
}

var _ command.Tracker = (*session)(nil)

// Tracker implements command.Session.
func (c *session) Tracker() command.Tracker { return c }

// Tracking implements command.Tracker.
func (c *session) Tracking() command.TrackingInfo { return c.tracking.TrackingInfo }

// StandsIn implements command.Tracker.
func (c *session) StandsIn(id int64) bool {
	other := c.srv.session(id)
	return other != nil && other.User() == c.User()
}

// session finds a connection by its ID; nil if there is none. It is the loop's.
func (s *Server) session(id int64) *session {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.sessions {
		if c.id == id && c.joined && !c.ended {
			return c
		}
	}
	return nil
}

// Track implements command.Tracker. Prefixes are added to those that there are.
func (c *session) Track(o command.TrackingOptions) error {
	if o.Broadcast && len(o.Prefixes) == 0 {
		o.Prefixes = [][]byte{{}}
	}
	prefixes, size := slices.Clone(c.tracking.Prefixes), 0
	for _, prefix := range o.Prefixes {
		if !slices.ContainsFunc(prefixes, func(other []byte) bool { return bytes.Equal(prefix, other) }) {
			prefixes = append(prefixes, bytes.Clone(prefix))
		}
	}
	for _, prefix := range prefixes {
		size += costOf(command.ChannelPattern, len(prefix)) // each is looked at with every change
	}
	if size > maxSubscribed {
		return errTooManyPrefixes
	}
	if err := c.loop.keepChanges(true); err != nil {
		return errStopping
	}
	slices.SortFunc(prefixes, bytes.Compare)
	o.Prefixes = prefixes
	t := c.loop.trackers
	t.on[c] = struct{}{}
	for _, prefix := range prefixes {
		if t.prefixes[string(prefix)] == nil {
			t.prefixes[string(prefix)] = sessions{}
		}
		t.prefixes[string(prefix)][c] = struct{}{}
	}
	c.tracking.TrackingInfo = command.TrackingInfo{TrackingOptions: o, On: true, Caching: c.tracking.Caching}
	c.tracking.bytes, c.tracking.redirect = size, nil
	if o.Redirect != 0 {
		c.tracking.redirect = c.srv.session(o.Redirect)
	}
	return nil
}

// keepChanges has the keyspace keep changes for KeysChanged, or not any more.
func (l *loop) keepChanges(on bool) error {
	keep := locked(func(tx *machine.Tx) { tx.Databases.KeepChanges(on) })
	return l.srv.opts.Executor.Look([]machine.Item{{Op: keep}})
}

// Untrack implements command.Tracker. What was read before stays remembered, as
// by redis-server, and counts again if tracking is.
func (c *session) Untrack() {
	if !c.tracking.On {
		return
	}
	t := c.loop.trackers
	for _, prefix := range c.tracking.Prefixes {
		delete(t.prefixes[string(prefix)], c)
		if len(t.prefixes[string(prefix)]) == 0 {
			delete(t.prefixes, string(prefix))
		}
	}
	delete(t.on, c)
	c.tracking.TrackingInfo, c.tracking.redirect, c.tracking.bytes = command.TrackingInfo{}, nil, 0
	if len(t.on) == 0 {
		_ = c.loop.keepChanges(false)
	}
}

// Caching implements command.Tracker.
func (c *session) Caching() { c.tracking.Caching = true }

// spendCaching: what CLIENT CACHING has said is of the next command, or of the
// next transaction, whose end spends it.
func (c *session) spendCaching(name []byte) {
	if c.tracking.Caching && c.multi == nil && !strings.EqualFold(string(name), "client") && !strings.EqualFold(string(name), "multi") {
		c.tracking.Caching = false
	}
}

// remember notes that the connection is about to be told what keys hold.
func (c *session) remember(cmd *command.Command, keys []acl.Key) {
	t := &c.tracking
	if !t.On || t.Broadcast || !cmd.Tracked() || t.OptIn && !t.Caching || t.OptOut && t.Caching {
		return
	}
	t.taking = true
	for i := range keys {
		if !keys[i].Unnamed {
			c.loop.trackers.add(c, keys[i].Name)
			c.loop.boundTracked()
		}
	}
}

func (t *trackers) add(c *session, key []byte) {
	if _, already := t.keys[string(key)][c]; already {
		return
	}
	name := string(key)
	if t.keys[name] == nil {
		t.keys[name] = sessions{}
		t.bytes += trackedCost + int64(len(name))
	}
	if c.tracking.keys == nil {
		c.tracking.keys = map[string]struct{}{}
	}
	t.keys[name][c], c.tracking.keys[name] = struct{}{}, struct{}{}
	t.pairs++
	t.bytes += trackerCost
}

// take forgets a key, and says who had read it.
func (t *trackers) take(key string) sessions {
	readers := t.keys[key]
	if readers == nil {
		return nil
	}
	delete(t.keys, key)
	t.pairs -= len(readers)
	t.bytes -= trackedCost + int64(len(key)) + trackerCost*int64(len(readers))
	for c := range readers {
		delete(c.tracking.keys, key)
	}
	return readers
}

// leave forgets that a connection has read a key.
func (t *trackers) leave(key string, c *session) {
	if delete(c.tracking.keys, key); len(t.keys[key]) == 1 {
		t.take(key)
		return
	}
	delete(t.keys[key], c)
	t.pairs--
	t.bytes -= trackerCost
}

// boundTracked forgets keys, of which those who have read them are told, until no
// more are remembered than may be.
func (l *loop) boundTracked() {
	t, limit := l.trackers, l.srv.opts.Limits.MaxClientBufferBytes/trackedShare
	for len(t.keys) > t.most || limit > 0 && t.bytes > limit {
		for key := range t.keys {
			l.invalidate(key, 0)
			break
		}
	}
}

// stopTracking forgets a connection that has ended, of many keys a part at a time.
func (c *session) stopTracking() {
	c.Untrack()
	n := 0
	for key := range c.tracking.keys {
		if n++; n > forgottenAtOnce {
			c.loop.post(c.stopTracking)
			return
		}
		c.loop.trackers.leave(key, c)
	}
}
