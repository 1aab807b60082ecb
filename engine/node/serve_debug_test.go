package node_test

import (
	"strings"
	"testing"

	"github.com/coffer-dev/coffer/engine/acl"
	"github.com/coffer-dev/coffer/engine/config"
)

// TestDebugIsForTests: an engine that was not started for it refuses DEBUG, and one
// that was has it for those who may use it.
func TestDebugIsForTests(t *testing.T) {
	w := newMember(t).wire(t).auth(t, 1)
	for _, call := range []string{"DEBUG SLEEP 0\r\n", "DEBUG RELOAD\r\n", "DEBUG HELP\r\n", "DEBUG nonsense\r\n"} {
		w.send(t, call)
		if got := w.line(t); !strings.HasPrefix(got, "-ERR DEBUG command not allowed. ") {
			t.Errorf("%s: %s", call, got)
		}
	}
	m := newMember(t, func(c *config.Config) { c.EnableDebugCommand = true })
	m.permit(t, func(f *acl.File) { f.Users[0].Keys = []string{"own:*"} })
	w = m.wire(t).auth(t, 1)
	for _, tt := range [][2]string{
		{"DEBUG SLEEP 0", "+OK"}, {"SET own:a 1", "+OK"}, {"DEBUG OBJECT own:a", "+Value at:"}, {"DEBUG OBJECT other", "-NOPERM"},
		{"DEBUG RELOAD", "+OK"}, {"DEBUG RELOAD NOSAVE", "-ERR DEBUG RELOAD takes no options"}, {"DEBUG LOADAOF", "+OK"}, {"EXISTS own:a", ":1"},
	} {
		w.send(t, tt[0]+"\r\n")
		if got := w.line(t); !strings.HasPrefix(got, tt[1]) {
			t.Errorf("%s: %s", tt[0], got)
		}
	}
	m.permit(t, func(f *acl.File) { f.Users[0].Commands = []string{"@all", "-@dangerous"} })
	w = m.wire(t).auth(t, 1)
	w.send(t, "DEBUG SLEEP 0\r\n")
	if got := w.line(t); !strings.HasPrefix(got, "-NOPERM") {
		t.Errorf("who may run nothing dangerous: %s", got)
	}
}
