package accesstoken

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/coffer-dev/coffer/api/v1alpha1"
	"github.com/coffer-dev/coffer/controllers/credentials"
	"github.com/coffer-dev/coffer/controllers/desired"
	"github.com/coffer-dev/coffer/controllers/instance"
	"github.com/coffer-dev/coffer/controllers/rotation"
	"github.com/coffer-dev/coffer/engine/acl"
)

// decide asks the rotation machine and gathers the inputs of desired.
func (s *scope) decide(context.Context) error {
	s.seen = s.rotationObserved()
	policy, err := rotation.PolicyOf(s.token.Spec.Rotation, string(s.token.UID))
	if err != nil {
		s.window = &instance.Problem{Reason: v1alpha1.ReasonWindowInvalid, Message: err.Error()}
	}
	s.decision = rotation.Next(s.now, policy, s.seen, credentials.Requests(s.token))
	s.inputs = s.gather()
	return nil
}

// rotationObserved translates secrets and members for the machine. The grant is
// what the server's secret is to a database's own password.
func (s *scope) rotationObserved() rotation.Observed {
	o := rotation.Observed{
		Server:     s.serverOf(),
		Connection: credentials.Connection(s.connection),
		Pending:    credentials.Pending(s.pending),
	}
	if s.access == nil {
		return o // without what clients trust, no member proves anything
	}
	for _, m := range s.members {
		o.Members = append(o.Members, s.memberOf(m))
	}
	return o
}

func (s *scope) serverOf() *rotation.Server {
	if s.grant == nil {
		return nil
	}
	server := &rotation.Server{Marks: credentials.Marks(s.grant)}
	if g, err := desired.ParseGrant(s.grant); err == nil {
		file := acl.File{Users: []acl.User{g.User}}
		server.Verifiers = credentials.Verifiers(file, s.user())
		server.Revision = revisionOf(file.Users, s.user())
	}
	return server
}

// memberOf is what a member proves of this token's user: that it has a users
// file, and what that one says of the user.
func (s *scope) memberOf(m instance.Member) rotation.Member {
	out := credentials.Member(m, s.user())
	if out.Revision == s.users.Revision && out.Revision != "" {
		out.Revision = revisionOf(s.users.Users, s.user())
	} else {
		out.Revision = ""
	}
	return out
}

// gather gives desired what is, changed by the one action that is due.
func (s *scope) gather() desired.TokenInputs {
	in := desired.TokenInputs{
		Token: s.token, Target: s.target,
		Pending:    credentials.PendingInput(s.pending, s.decision, ""),
		Connection: s.connectionInput(),
	}
	verifiers, marks := credentials.Server(s.seen, s.decision)
	in.Marks = credentials.Annotations(marks)
	if len(verifiers) > 0 {
		g := s.wanted()
		g.User.Verifiers = credentials.ACL(verifiers)
		in.Grant = &g
	}
	return in
}

// connectionInput adds to the credential what clients need beside it, as the
// target's own connection has it: so a change of its authority reaches
// everybody alike. A secret that points to another target is left as it is until
// that one accepts the password.
func (s *scope) connectionInput() *desired.Connection {
	out := credentials.ConnectionInput(s.connection, s.pending, s.seen, s.decision)
	if out == nil || s.access == nil || s.moving() {
		return nil
	}
	out.CA, out.Reads = s.access.Data[desired.KeyCA], len(s.access.Data[desired.KeyReadsHost]) > 0
	if t, err := time.Parse(time.RFC3339, string(s.access.Data[desired.KeyNotAfter])); err == nil {
		out.NotAfter = t
	}
	if end := s.lifetime.end; !end.IsZero() && (out.NotAfter.IsZero() || end.Before(out.NotAfter)) {
		out.NotAfter = end
	}
	return out
}

// moving: the secret says how to reach another target, and not every member of
// this one accepts the password yet.
func (s *scope) moving() bool {
	if a := s.decision.Action; a != nil && a.Switch != nil || s.connection == nil {
		return false
	}
	return string(s.connection.Data["host"]) != desired.NamesOf(s.target).Host() && s.unproven() != nil
}

// unproven is why the credential in the secret is not known to be accepted by
// every member; nil when it is.
func (s *scope) unproven() *instance.Problem {
	not := func(format string, args ...any) *instance.Problem {
		return &instance.Problem{Reason: v1alpha1.ReasonCredentialsNotProven, Message: fmt.Sprintf(format, args...), Passing: true}
	}
	c := s.seen.Connection
	if c == nil || !s.seen.Sound() {
		return not("the secret follows once every member accepts its password")
	}
	for _, m := range s.seen.Members {
		if !m.Reported || !accepts(m, c.Generation) {
			return not("member %s does not accept the current password yet", m.Name)
		}
	}
	if len(s.seen.Members) == 0 {
		return not("no member says that it accepts the current password")
	}
	return nil
}

func accepts(m rotation.Member, generation int64) bool {
	return slices.Contains(m.Accepted, generation)
}
