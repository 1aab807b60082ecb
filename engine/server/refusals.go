package server

import (
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/coffer-dev/coffer/engine/acl"
	"github.com/coffer-dev/coffer/engine/command"
)

const (
	// maxRefusals is how many rows ACL LOG has, and grouped for how long, and
	// among how many of the latest, the same refusal is counted in one row.
	maxRefusals  = 128
	grouped      = time.Minute
	groupedAmong = 10
	// maxShown bounds what is shown of a name that a client sent, in bytes.
	maxShown = 128
)

// refusal is a row of ACL LOG, with the time in the place of its age.
type refusal struct {
	command.Refusal
	at time.Time
}

// refusals are the loop's, the latest first.
type refusals []refusal

// add counts a refusal: as one of a row that says the same, or in a new one.
func (r *refusals) add(what command.Refusal, now time.Time) {
	row := refusal{what, now}
	row.Count = 1
	at := slices.IndexFunc((*r)[:min(len(*r), groupedAmong)], func(old refusal) bool {
		return old.Reason == what.Reason && old.Context == what.Context && old.Object == what.Object && old.User == what.User && now.Sub(old.at) <= grouped
	})
	if at >= 0 {
		row.Count += (*r)[at].Count
		*r = slices.Delete(*r, at, at+1)
	}
	*r = slices.Insert((*r)[:min(len(*r), maxRefusals-1)], 0, row)
}

// shown is a name that a client sent, as far as it is shown.
func shown(name string) string {
	if n := len(name) - maxShown; n > 0 {
		return fmt.Sprintf("%s... (%d more bytes)", name[:maxShown], n)
	}
	return strings.Clone(name)
}

var _ command.Access = (*session)(nil)

// Access implements command.Session.
func (c *session) Access() command.Access { return c }

// Users implements command.Access.
func (c *session) Users() *acl.Users { return c.srv.opts.Credentials().Users }

// Lives implements command.Access.
func (c *session) Lives(id *acl.Identity) bool { return !id.ExpiredAt(c.loop.now) }

// Random implements command.Access.
func (c *session) Random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // which never fails
	return b
}

// Refusals implements command.Access.
func (c *session) Refusals() []command.Refusal {
	rows := make([]command.Refusal, 0, len(c.loop.refusals))
	for _, r := range c.loop.refusals {
		r.Age = c.loop.now.Sub(r.at).Truncate(time.Millisecond).Seconds()
		rows = append(rows, r.Refusal)
	}
	return rows
}

// ForgetRefusals implements command.Access.
func (c *session) ForgetRefusals() { c.loop.refusals = nil }

// noteDenied has ACL LOG tell of a command that is not permitted.
func (c *session) noteDenied(context string, denied *acl.Denied) {
	row := command.Refusal{Reason: "key", Context: context, Object: "*", User: c.User(), Client: c.Describe()}
	switch {
	case denied.Command != "":
		row.Reason, row.Object = "command", denied.Command
	case denied.Channel != nil:
		row.Reason, row.Object = "channel", shown(string(denied.Channel))
	case denied.Key != nil:
		row.Object = shown(string(denied.Key))
	}
	c.loop.refusals.add(row, c.loop.now)
}

// noteLogin has ACL LOG tell of a failed login. Somebody's secret in the place of
// a name is not shown, and what names those use who guess all the time neither.
func (c *session) noteLogin(user string, often bool) {
	if often || c.Users().Knows(user) {
		user = ""
	}
	row := command.Refusal{Reason: "auth", Context: c.context(), Object: strings.ToUpper(c.last), User: shown(user), Client: c.Describe()}
	c.loop.refusals.add(row, c.loop.now)
}

// context is where a command of the session stands.
func (c *session) context() string {
	if c.multi != nil || c.executes != nil {
		return "multi"
	}
	return "toplevel"
}
