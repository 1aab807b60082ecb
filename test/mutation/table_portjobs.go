package main

const (
	jobPermission = "engine/job/permission.go"
	jobLeases     = "engine/job/leases.go"
	jobWire       = "engine/protocol/job/"
	jobSession    = "engine/jobserver/session.go"
	jobLogin      = "engine/jobserver/login.go"
	jobTests      = "engine/jobserver"
)

// portForJobs are the safeguards of the port for jobs.
var portForJobs = []safeguard{
	{name: "permission on the queue that a request names", file: "engine/job/command.go", in: jobTests, test: "TestPermissions",
		old: "return c.allow(op, c.Queue)", new: "return nil"},
	{name: "permission on the queue that a job is in", file: "engine/job/job.go", in: jobTests, test: "TestPermissions",
		old: "changed := c.judge(tx.Queues, tx.Now)", new: "changed := false"},
	{name: "permission on every queue of a flow", file: "engine/job/work.go", in: jobTests, test: "TestFlowsNeedEveryQueue",
		old: "err = c.allow(acl.JobPush, child.Queue)", new: ""},
	{name: "that jobs of others are as if they were not there", file: jobPermission, in: jobTests, test: "TestNoOracle",
		old: "if c.identity.AllowsJob(acl.JobRead, name) != nil {", new: "if false {"},
	{name: "that what is read is the user's to read", file: jobPermission, in: jobTests, test: "TestNoOracle",
		old: "if j != nil && c.mayRead(j.Queue) {", new: "if j != nil {"},
	{name: "that nobody learns by depends_on", file: jobPermission, in: jobTests, test: "TestNoOracle",
		old: "if name == \"\" || name == jobs[i].Queue {", new: "if true {"},
	{name: "that nobody replaces another's schedule", file: jobPermission, in: jobTests, test: "TestNoOracle",
		old: "if of == \"\" {", new: "if true {"},
	{name: "that a pattern cleans no more than is permitted", file: "engine/job/queues.go", in: jobTests, test: "TestNoOracle",
		old: "&& c.identity.AllowsJob(acl.JobManage, q.Name) == nil {", new: "{"},
	{name: "that events are of queues that may be read", file: "engine/job/events.go", in: jobTests, test: "TestSubscriptions",
		old: "return s.client.Identity().AllowsJob(acl.JobRead, event.Queue) == nil", new: "return true"},
	{name: "that a living connection keeps its jobs", file: jobLeases, in: jobTests, test: "TestTheLeaseOfAConnection",
		old: "l.d.do(&queue.Renew{Owners: owners})", new: "_ = owners"},
	{name: "that a connection that is gone gives its jobs back", file: jobLeases, in: jobTests, test: "TestTheLeaseOfAConnection",
		old: "l.gone = append(l.gone, c.owner)", new: "_ = l"},
	{name: "what a stranger may send", file: jobWire + "reader.go", test: "TestTooLarge",
		old: "func NewReader() *Reader { return &Reader{limit: EarlyFrame} }", new: "func NewReader() *Reader { return &Reader{limit: MaxFrame} }"},
	{name: "the depth of JSON", file: jobWire + "scan.go", test: "TestRefusals",
		old: "if depth+open > MaxDepth {", new: "if false {"},
	{name: "that text is UTF-8", file: jobWire + "request.go", test: "TestRefusals",
		old: "if !utf8.Valid(message) {", new: "if false && !utf8.Valid(message) {"},
	{name: "the depth of MessagePack", file: jobWire + "msgpack.go", test: "TestMessagePackRefusals",
		old: "if depth > MaxDepth {", new: "if false {"},
	{name: "that a revoked token ends its connections", file: jobSession, in: jobTests, test: "TestRevokedCredentialsCloseTheirConnections",
		old: "if !current.Users.Accepts(c.credential, now) {", new: "if false {"},
	{name: "that guessing tokens is slow", file: jobLogin, in: jobTests, test: "TestGuessingIsSlowedDown",
		old: "time.Sleep(delay)", new: "_ = delay"},
	{name: "quotas on the port for jobs", file: jobLogin, in: jobTests, test: "TestQuotas",
		old: "time.Sleep(max(wait, minHold))", new: "_ = minHold"},
}
