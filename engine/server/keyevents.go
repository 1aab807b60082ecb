package server

import (
	"strconv"

	"github.com/coffer-dev/coffer/engine/command"
	"github.com/coffer-dev/coffer/engine/keyevent"
	"github.com/coffer-dev/coffer/engine/store"
)

// KeyEvents has those who listen told what happened to keys: it implements what a
// group tells, and blocks nobody.
func (s *Server) KeyEvents(events []store.Event, lost int) {
	if lost > 0 {
		s.opts.Log.Warn("events of keys were not told: one entry of the log had too many", "events", lost)
	}
	if s.running() {
		s.loop.post(func() { s.loop.tell(events) })
	}
}

// tell publishes events as redis-server does: first on the channel of the key, then
// on that of the event.
func (l *loop) tell(events []store.Event) {
	if len(l.hub.listeners[command.Channel])+len(l.hub.listeners[command.ChannelPattern]) == 0 {
		return
	}
	on := l.srv.opts.Credentials().Settings.Events()
	var channel []byte
	for i := range events {
		e := &events[i]
		if on&keyevent.Keyspace != 0 {
			channel = appendChannel(channel[:0], "keyspace", e.Database, e.Key)
			if len(channel) <= maxChannel { // as of PUBLISH: matching it takes no longer
				l.hub.publish(command.Channel, channel, []byte(e.Name))
			}
		}
		if on&keyevent.Keyevent != 0 {
			channel = appendChannel(channel[:0], "keyevent", e.Database, e.Name)
			if l.hub.heard(channel) { // else the key is not copied
				l.hub.publish(command.Channel, channel, []byte(e.Key))
			}
		}
	}
}

func appendChannel(dst []byte, kind string, database int, of string) []byte {
	dst = append(append(dst, "__"...), kind...)
	dst = strconv.AppendInt(append(dst, '@'), int64(database), 10)
	return append(append(dst, "__:"...), of...)
}
