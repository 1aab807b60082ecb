package rotation_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/coffer-dev/coffer/controllers/rotation"
)

var start = time.Unix(1_700_000_000, 0)

func server(m rotation.Marks, v ...rotation.Verifier) *rotation.Server {
	return &rotation.Server{Verifiers: v, Revision: revision(v), Marks: m}
}

func member(s *rotation.Server) []rotation.Member {
	m := rotation.Member{Name: "db-0", Reported: true, Revision: s.Revision}
	for _, v := range s.Verifiers {
		m.Accepted = append(m.Accepted, v.Generation)
	}
	return []rotation.Member{m}
}

func TestNext(t *testing.T) {
	one, two, three := rotation.Verifier{Generation: 1, SHA256: "a"}, rotation.Verifier{Generation: 2, SHA256: "b"}, rotation.Verifier{Generation: 3, SHA256: "c"}
	connection := func(v rotation.Verifier, trigger string) *rotation.Connection {
		return &rotation.Connection{Generation: v.Generation, SHA256: v.SHA256, SwitchedAt: start, Trigger: trigger}
	}
	pending := func(v rotation.Verifier, trigger string) *rotation.Pending {
		return &rotation.Pending{Generation: v.Generation, SHA256: v.SHA256, Trigger: trigger, Since: start}
	}
	marked := func(m rotation.Marks, v ...rotation.Verifier) *rotation.Action {
		return &rotation.Action{WriteServer: &rotation.ServerWrite{Verifiers: v, Marks: m}}
	}
	create := func(g int64, trigger string) *rotation.Action {
		return &rotation.Action{CreatePending: &rotation.NewPending{Generation: g, Trigger: trigger}}
	}
	overlapping := server(rotation.Marks{}, one, two)
	tests := map[string]struct {
		o      rotation.Observed
		r      rotation.Requests
		after  time.Duration // since the switch
		phase  rotation.Phase
		action *rotation.Action
		reason string
	}{
		"nothing exists: a first secret, which takes the request with it": {
			r: rotation.Requests{Rotate: "x"}, phase: rotation.Preparing, action: create(1, "x")},
		"the first secret is verified by the server before clients see it": {
			o: rotation.Observed{Pending: pending(one, "")}, phase: rotation.Preparing, action: marked(rotation.Marks{}, one)},
		"no member, no switch": {
			o:     rotation.Observed{Pending: pending(one, ""), Server: server(rotation.Marks{}, one)},
			phase: rotation.Preparing, reason: "WaitingForProof"},
		"at rest nothing is due": {
			o:     rotation.Observed{Connection: connection(one, "x"), Server: server(rotation.Marks{}, one)},
			r:     rotation.Requests{Rotate: "x"},
			phase: rotation.Idle, reason: "Idle"},
		"a new value starts a rotation": {
			o: rotation.Observed{Connection: connection(one, "x"), Server: server(rotation.Marks{}, one)},
			r: rotation.Requests{Rotate: "y"}, phase: rotation.Preparing, action: create(2, "y")},
		"old and new verifier side by side": {
			o:     rotation.Observed{Connection: connection(one, "x"), Server: server(rotation.Marks{}, one), Pending: pending(two, "y")},
			phase: rotation.Preparing, action: marked(rotation.Marks{}, one, two)},
		"a lagging member holds the switch": {
			o: rotation.Observed{Connection: connection(one, "x"), Server: overlapping, Pending: pending(two, "y"),
				Members: member(server(rotation.Marks{}, one))},
			phase: rotation.Preparing, reason: "WaitingForProof"},
		"another file that happens to have the generations proves nothing": {
			o: rotation.Observed{Connection: connection(one, "x"), Server: overlapping, Pending: pending(two, "y"),
				Members: []rotation.Member{{Name: "db-0", Reported: true, Revision: "before the repair", Accepted: []int64{1, 2}}}},
			phase: rotation.Preparing, reason: "WaitingForProof"},
		"proof switches the connection": {
			o:      rotation.Observed{Connection: connection(one, "x"), Server: overlapping, Pending: pending(two, "y"), Members: member(overlapping)},
			phase:  rotation.Preparing,
			action: &rotation.Action{Switch: &rotation.SwitchWrite{Generation: 2, Trigger: "y", SwitchedAt: start.Add(time.Second)}},
			after:  time.Second},
		"what the connection carries is pending no longer": {
			o:     rotation.Observed{Connection: connection(two, "y"), Server: overlapping, Pending: pending(two, "y")},
			phase: rotation.Overlap, action: &rotation.Action{DeletePending: true}},
		"a request during the overlap waits": {
			o: rotation.Observed{Connection: connection(two, "y"), Server: overlapping}, r: rotation.Requests{Rotate: "z"},
			phase: rotation.Overlap, reason: "Overlap"},
		"the overlap ends by time": {
			o: rotation.Observed{Connection: connection(two, "y"), Server: overlapping}, after: 10 * time.Minute,
			phase: rotation.Completing, action: marked(rotation.Marks{RevokedAt: start.Add(10 * time.Minute)}, two)},
		"the overlap ends by request": {
			o: rotation.Observed{Connection: connection(two, "y"), Server: overlapping}, r: rotation.Requests{Complete: "c"},
			phase: rotation.Completing, action: marked(rotation.Marks{Complete: "c", RevokedAt: start}, two)},
		"a request to complete with nothing to complete is used up": {
			o: rotation.Observed{Connection: connection(one, "x"), Server: server(rotation.Marks{}, one)},
			r: rotation.Requests{Rotate: "x", Complete: "c"}, phase: rotation.Idle, action: marked(rotation.Marks{Complete: "c"}, one)},
		"abort while preparing takes the new verifier out": {
			o:     rotation.Observed{Connection: connection(one, "x"), Server: overlapping, Pending: pending(two, "y")},
			r:     rotation.Requests{Rotate: "y", Abort: "a"},
			phase: rotation.Aborting, action: marked(rotation.Marks{Abort: "a", Aborted: 2, AbortedTrigger: "y", AbortedAt: start}, one)},
		"an aborted secret is removed": {
			o: rotation.Observed{Connection: connection(one, "x"), Pending: pending(two, "y"),
				Server: server(rotation.Marks{Abort: "a", Aborted: 2, AbortedTrigger: "y"}, one)},
			r: rotation.Requests{Rotate: "y", Abort: "a"}, phase: rotation.Aborting, action: &rotation.Action{DeletePending: true}},
		"an aborted request does not run again": {
			o: rotation.Observed{Connection: connection(one, "x"),
				Server: server(rotation.Marks{Abort: "a", Aborted: 2, AbortedTrigger: "y"}, one)},
			r: rotation.Requests{Rotate: "y", Abort: "a"}, phase: rotation.Idle, reason: "Idle"},
		"after an abort the next generation is a fresh one": {
			o: rotation.Observed{Connection: connection(one, "x"),
				Server: server(rotation.Marks{Abort: "a", Aborted: 2, AbortedTrigger: "y"}, one)},
			r: rotation.Requests{Rotate: "z", Abort: "a"}, phase: rotation.Preparing, action: create(3, "z")},
		"abort during the overlap comes too late and is used up": {
			o: rotation.Observed{Connection: connection(two, "y"), Server: overlapping}, r: rotation.Requests{Rotate: "y", Abort: "a"},
			phase: rotation.Overlap, action: marked(rotation.Marks{Abort: "a"}, one, two)},
		"abort gives back what clients hold, even when it was taken out by hand": {
			o:     rotation.Observed{Connection: connection(one, "x"), Server: server(rotation.Marks{}, two), Pending: pending(two, "y")},
			r:     rotation.Requests{Rotate: "y", Abort: "a"},
			phase: rotation.Aborting, action: marked(rotation.Marks{Abort: "a", Aborted: 2, AbortedTrigger: "y", AbortedAt: start}, one)},
		"abort does not give up the only secret whose plaintext exists": {
			o: rotation.Observed{Connection: connection(rotation.Verifier{Generation: 2, SHA256: "?"}, "x"),
				Server: server(rotation.Marks{}, two), Pending: pending(three, "y")},
			r:     rotation.Requests{Rotate: "y", Abort: "a"},
			phase: rotation.Preparing, action: marked(rotation.Marks{}, two, three)},
		"a lost server secret is made again from what clients hold": {
			o: rotation.Observed{Connection: connection(two, "y")}, phase: rotation.Idle, action: marked(rotation.Marks{}, two)},
		"a lost connection needs a new secret; the old one stays accepted": {
			o: rotation.Observed{Server: server(rotation.Marks{}, two)}, r: rotation.Requests{Rotate: "y"},
			phase: rotation.Preparing, action: create(3, "y")},
		"a password edited by hand needs a new secret": {
			o:     rotation.Observed{Connection: connection(rotation.Verifier{Generation: 2, SHA256: "?"}, "y"), Server: server(rotation.Marks{}, two)},
			phase: rotation.Preparing, action: create(3, "")},
		"a lost time of switch begins the overlap again": {
			o:     rotation.Observed{Connection: &rotation.Connection{Generation: 2, SHA256: "b", Trigger: "y"}, Server: overlapping},
			phase: rotation.Overlap, action: &rotation.Action{Switch: &rotation.SwitchWrite{Generation: 2, Trigger: "y", SwitchedAt: start}}},
		"a time of switch in the future is not believed": {
			o: rotation.Observed{Server: overlapping,
				Connection: &rotation.Connection{Generation: 2, SHA256: "b", Trigger: "y", SwitchedAt: start.Add(time.Hour)}},
			phase: rotation.Overlap, action: &rotation.Action{Switch: &rotation.SwitchWrite{Generation: 2, Trigger: "y", SwitchedAt: start}}},
		"a member that still accepts the old one is waited for": {
			o:     rotation.Observed{Connection: connection(two, "y"), Server: server(rotation.Marks{}, two), Members: member(overlapping)},
			r:     rotation.Requests{Rotate: "z"},
			phase: rotation.Completing, reason: "Completing"},
		"a user's changed secret starts a rotation": {
			o: rotation.Observed{Connection: connection(two, "y"), Server: server(rotation.Marks{}, two),
				Supplied: &rotation.Supplied{Usable: true, SHA256: three.SHA256}},
			phase:  rotation.Preparing,
			action: &rotation.Action{CreatePending: &rotation.NewPending{Generation: 3, Supplied: true}}},
		"a user's unfit secret changes nothing": {
			o:     rotation.Observed{Connection: connection(two, "y"), Server: server(rotation.Marks{}, two), Supplied: &rotation.Supplied{}},
			phase: rotation.Idle, reason: "Idle"},
		"with a user's secret the request says where to change it": {
			o: rotation.Observed{Connection: connection(two, "y"), Server: server(rotation.Marks{}, two),
				Supplied: &rotation.Supplied{Usable: true, SHA256: "b"}},
			r: rotation.Requests{Rotate: "z"}, phase: rotation.Idle, reason: "SuppliedByUser"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			d := rotation.Next(start.Add(test.after), rotation.Policy{Overlap: 10 * time.Minute}, test.o, test.r)
			if d.Phase != test.phase {
				t.Errorf("phase %s, want %s", d.Phase, test.phase)
			}
			if diff := cmp.Diff(test.action, d.Action); diff != "" {
				t.Errorf("action (-want +got):\n%s", diff)
			}
			if test.reason != "" && d.Reason != test.reason {
				t.Errorf("reason %s (%s), want %s", d.Reason, d.Message, test.reason)
			}
		})
	}
}

func TestWaitingMembersAreAskedQuicklyAtFirst(t *testing.T) {
	o := rotation.Observed{
		Pending: &rotation.Pending{Generation: 1, SHA256: "a", Since: start},
		Server:  server(rotation.Marks{}, rotation.Verifier{Generation: 1, SHA256: "a"}),
		Members: []rotation.Member{{Name: "db-0", Reported: true, Revision: "older"}},
	}
	d := rotation.Next(start.Add(time.Second), rotation.Policy{Overlap: time.Minute}, o, rotation.Requests{})
	if d.After != rotation.PollQuick || !d.Deliver || !d.Initial {
		t.Errorf("%+v", d)
	}
	if d = rotation.Next(start.Add(time.Hour), rotation.Policy{Overlap: time.Minute}, o, rotation.Requests{}); d.After != rotation.PollSlow {
		t.Errorf("%+v", d)
	}
	o.Members[0] = rotation.Member{Name: "db-0"}
	if d = rotation.Next(start, rotation.Policy{Overlap: time.Minute}, o, rotation.Requests{}); d.Deliver || d.Reason != "WaitingForProof" {
		t.Errorf("a silent member is waited for, and delivering to it would not help: %+v", d)
	}
}
