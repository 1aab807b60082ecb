package main

const reach = "controllers/reach.go"

var confinement = []safeguard{
	{name: "that no namespace does not mean all", file: reach, test: "TestReachIsWhatMayBeWatched",
		old: "if len(wanted) > 0 && len(r.namespaces) == 0 {", new: "if false {"},
	{name: "that a namespace which may not be watched is left out", file: reach, test: "TestReachIsWhatMayBeWatched",
		old: "if !answer.Status.Allowed {", new: "if answer == nil {"},
	{name: "that a watch is asked for, and not a list alone", file: reach, test: "TestReachIsWhatMayBeWatched",
		old: `[]string{"list", "watch"}`, new: `[]string{"list"}`},
	{name: "that caches are confined", file: reach, test: "TestReachIsWhatMayBeWatched",
		old: "o.DefaultNamespaces[namespace] = cache.Config{}", new: "_ = namespace"},
}

const (
	jobQueueProof = "controllers/jobqueue/jobqueue.go"
	jobQueueTells = "controllers/jobqueue/status.go"
	queuesFile    = "controllers/desired/jobqueue.go"
)

// declaredQueues: what a JobQueue declares reaches its members, and what it says
// of them is so.
var declaredQueues = []safeguard{
	{name: "that members prove the queues", file: jobQueueProof, test: "TestQueuesAreProven",
		old: "m.Status.Jobs.SettingsRevision == want.Revision:", new: `want.Revision != "":`},
	{name: "that changing numbers wait", file: jobQueueTells, test: "TestCountsEnterTheStatusOnceAMinute",
		old: "if !fresh && q.Status.Jobs != nil && slices.EqualFunc(q.Status.Queues, after, alike) {", new: "if false && slices.EqualFunc(q.Status.Queues, after, alike) {"},
	{name: "that a queue which closes does not wait", file: jobQueueTells, test: "TestCountsEnterTheStatusOnceAMinute",
		old: "slices.EqualFunc(q.Status.Queues, after, alike)", new: "(slices.EqualFunc(q.Status.Queues, after, alike) || true)"},
	{name: "the room for queues in a status", file: jobQueueTells, test: "TestWhatAMemberSaysOfQueuesHasRoom",
		old: "if len(after) == adminapi.MaxQueues || seen[name] {", new: "if false {"},
	{name: "the bound on the queues file", file: queuesFile, test: "TestQueuesThatAreTooLarge",
		old: "if len(text) > maxQueuesBytes {", new: "if false {"},
	{name: "that attempts without end are written as such", file: queuesFile, test: "TestQueues",
		old: "s.MaxAttempts = queue.None", new: "_ = queue.None"},
	{name: "that the queues' revision names their content", file: queuesFile, test: "TestQueuesRevision",
		old: "sum := sha256.Sum256(text)", new: "sum := sha256.Sum256(nil)"},
}
