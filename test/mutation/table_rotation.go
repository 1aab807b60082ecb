package main

const (
	rotationMachine  = "controllers/rotation/machine.go"
	rotationCA       = "controllers/rotation/ca.go"
	credentialsFile  = "controllers/credentials/credentials.go"
	databaseCA       = "controllers/lifecycle/authority.go"
	databaseRenewal  = "controllers/lifecycle/renewal.go"
	neverRefused     = "TestNoClientIsEverRefused"
	noHandshakeFails = "TestNoHandshakeFails"
)

// rotations: that no client holds what is not accepted yet, or trusts nobody
// that it meets; and that what was rotated away is worth nothing.
var rotations = []safeguard{
	{name: "the wait for every member's proof", file: rotationMachine, test: neverRefused,
		old: "if waiting := m.unproven(); waiting != \"\" {", new: "if waiting := m.unproven(); waiting == \"nobody\" {"},
	{name: "that a proof is of the users file in force", file: rotationMachine, test: "TestProofIsOfTheSecretNotItsNumber",
		old: "if !x.Reported || x.Revision != m.o.Server.Revision {", new: "if !x.Reported {"},
	{name: "that a proof is of every generation", file: rotationMachine, test: "TestProofIsOfTheSecretNotItsNumber",
		old: "if !slices.Contains(x.Accepted, v.Generation) {", new: "if !slices.Contains(x.Accepted, v.Generation) && len(x.Accepted) == 0 {"},
	{name: "the wait for a first member", file: rotationMachine, test: "TestNext",
		old: "if len(m.o.Members) == 0 {", new: "if false {"},
	{name: "that a proof is of what is accepted", file: credentialsFile, test: "TestProofIsWhatIsAccepted",
		old: "if g.Accepted {", new: "if g.Number > 0 {"},
	{name: "that a proof is of this user", file: credentialsFile, test: "TestProofIsWhatIsAccepted",
		old: "for _, u := range m.Status.Credentials.Users {\n\t\tif u.Name != user {", new: "for _, u := range m.Status.Credentials.Users {\n\t\tif user == \"\" {"},
	{name: "the overlap of two passwords", file: rotationMachine, test: "TestCrashAtEveryStep",
		old: "case left > 0:\n\t\treturn Decision{Phase: Overlap, After: left", new: "case left > m.p.Overlap:\n\t\treturn Decision{Phase: Overlap, After: left"},
	{name: "that what clients hold stays when a rotation is given up", file: rotationMachine, test: "TestNext",
		old: "return merge(left, Verifier{m.o.Connection.Generation, m.o.Connection.SHA256})", new: "return left"},
	{name: "that a request is carried out once", file: rotationMachine, test: "TestCrashAtEveryStep",
		old: "requested := m.r.Rotate != \"\" && m.r.Rotate != handledTrigger(m.o)", new: "requested := m.r.Rotate != \"\""},
	{name: "that the old password goes", file: rotationMachine, test: "TestCrashAtEveryStep",
		old: "return m.write(Completing, \"Completing\", []Verifier{{c.Generation, c.SHA256}}, marks)", new: "return m.write(Completing, \"Completing\", m.o.Server.Verifiers, marks)"},
	{name: "that applications are switched to what was proven", file: credentialsFile, test: "TestConnection",
		old: "if o.Pending != nil {\n\t\t\tsource = pending", new: "if o.Pending == nil {\n\t\t\tsource = pending"},
	{name: "that a password which nobody knows is not handed out", file: credentialsFile, test: "TestConnection",
		old: "case o.Sound():", new: "case o.Connection != nil:"},
	{name: "a password for each rotation", file: credentialsFile, test: "TestPending",
		old: "_, _ = rand.Read(b[:]) // never fails", new: "_, _ = rand.Read(nil)"},
	{name: "that an edited generation is not counted on", file: credentialsFile, test: "TestVerifiersOfAnEditedFile",
		old: "v.Generation <= 0 || v.Generation > rotation.MaxGeneration", new: "v.Generation == rotation.MaxGeneration+2"},

	{name: "that every member trusts the new authority first", file: rotationCA, test: noHandshakeFails,
		old: "if d := m.unproven(); d != nil {", new: "if d := m.unproven(); d != nil && len(m.o.Members) == 0 {"},
	{name: "that the secrets of tokens carry the new authority too", file: rotationCA, test: "TestTheCAsPhases",
		old: "(c.Token == \"\" || !complete)", new: "c.Token == \"\""},
	{name: "that applications trust the new authority first", file: rotationCA, test: noHandshakeFails,
		old: "if d := m.unread(); d != nil {", new: "if d := m.unread(); d != nil && false {"},
	{name: "the overlap of two authorities", file: rotationCA, test: noHandshakeFails,
		old: "case left > 0:\n\t\td.After", new: "case left > m.p.Overlap:\n\t\td.After"},
	{name: "that an overlap starts again when a bundle was taken back", file: rotationCA, test: "TestTheCAsPhases",
		old: "if d := m.unread(); d != nil && !taken {", new: "if d := m.unread(); d != nil && taken {"},
	{name: "the record of the authority that goes", file: rotationCA, test: noHandshakeFails,
		old: "Action: &CAAction{Keep: keep}}", new: "Action: &CAAction{TakeOver: len(keep) >= 0}}"},
	{name: "that the old authority stays until every leaf is another's", file: rotationCA, test: "TestTheCAsPhases",
		old: "if old := m.outdated(); len(old) > 0 {", new: "if old := m.outdated(); len(old) > len(m.o.Leaves) {"},
	{name: "that the old authority stays until every member serves another's", file: rotationCA, test: noHandshakeFails,
		old: "if l.Lagging != \"\" {", new: "if l.Lagging == \"nobody\" {"},
	{name: "that members no longer trust the old authority at the end", file: rotationCA, test: "TestTheCAsPhases",
		old: "if x.Reported && !slices.Contains(m.o.Authorities, key) {", new: "if x.Reported && key == \"nobody\" {"},
	{name: "that the next authority is held back from applications", file: databaseCA, test: "TestTheNextAuthorityIsHeldBack",
		old: "if next == nil || a.decision.Publish ||", new: "if next == nil || true ||"},
	{name: "that what is left of an authority that was given up is held back too", file: databaseCA, test: "TestTheNextAuthorityIsHeldBack",
		old: "if next == nil || a.decision.Publish ||", new: "if next == nil || a.seen.Next == nil || a.decision.Publish ||"},
	{name: "that members are handed the next authority", file: databaseCA, test: "TestTheNextAuthorityIsHeldBack",
		old: "list := instance.Distinct(s.authority.known)\n\tif len(list) < 2 {", new: "list := s.bundle()\n\tif len(list) < 2 {"},
	{name: "that a certificate is served before it counts", file: databaseCA, test: "TestALeafLagsUntilItIsServed",
		old: "uses = m.Fingerprint == want", new: "uses = m.Fingerprint != \"\""},
	{name: "that the admin port's certificate is served before it counts", file: databaseCA, test: "TestALeafLagsUntilItIsServed",
		old: "uses = m.AdminFingerprint == want", new: "uses = m.AdminFingerprint != \"\""},
	{name: "that a renewal is done when it is served", file: databaseRenewal, test: "TestRotateTLS",
		old: "if s.leafState(l).Lagging != \"\" {", new: "if s.leafState(l).Lagging == \"nobody\" {"},
}
