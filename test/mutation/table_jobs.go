package main

const (
	queueFinish     = "engine/queue/finish.go"
	queueTransition = "engine/queue/transition.go"
	queuePush       = "engine/queue/push.go"
	queueLimit      = "engine/queue/limit.go"
	queueDepend     = "engine/queue/depend.go"
	queueTick       = "engine/queue/tick.go"
	queueSnapshot   = "engine/queue/snapshot.go"
	queueErase      = "engine/queue/erase.go"
)

// jobs: who may finish them, and what is given back when they end.
var jobs = []safeguard{
	{name: "that an acknowledgement needs the lease's token", file: queueFinish, test: "TestAckNeedsTheLease",
		old: "case h.Token != Token{} && h.Token != j.run.token:", new: "case false:"},
	{name: "that a job is finished by the connection that pulled it", file: queueFinish, test: "TestAckNeedsTheLease",
		old: "case h.Token == Token{} && (h.Owner == 0 || h.Owner != j.run.owner):", new: "case false:"},
	{name: "that only an active job can be acknowledged", file: queueFinish, test: "TestAckNeedsTheLease",
		old: "case j.state != Active:\n\t\treturn nil,", new: "case false:\n\t\treturn nil,"},
	{name: "that a stalled job gives its group free", file: queueTransition, test: "TestStalledJobFreesWhatItHeld",
		old: "qu.active.Delete(j)\n\t\tqu.vacate(j)", new: "qu.active.Delete(j)"},
	{name: "that a stalled job gives its slot back", file: queueTransition, test: "TestStalledJobFreesWhatItHeld",
		old: "qu.active.Delete(j)\n\t\tqu.vacate(j)", new: "qu.vacate(j)"},
	{name: "that a connection's holds end with its jobs", file: queueTransition, test: "TestModel",
		old: "q.held.Delete(hold{j.run.owner, j.id})", new: ""},
	{name: "that a dead letter gives its unique key back", file: queueFinish, test: "TestStalledJobFreesWhatItHeld",
		old: "qu := j.queue()\n\tq.release(j)\n\tqu.totalFailed++", new: "qu := j.queue()\n\tqu.totalFailed++"},
	{name: "that a completed job gives its unique key back", file: queueFinish, test: "TestDuplicates",
		old: "q.leave(j)\n\tq.release(j)\n\tr := j.run", new: "q.leave(j)\n\tr := j.run"},
	{name: "that a removed job gives its unique key back", file: queueTransition, test: "TestModel",
		old: "if !finished {\n\t\tq.release(j)", new: "if false && !finished {\n\t\tq.release(j)"},
	{name: "that one of a group is active", file: queueTransition, test: "TestGroups",
		old: "default:\n\t\tqu.held.Set(j)\n\t}\n}", new: "default:\n\t\tqu.ready.Set(j)\n\t}\n}"},
	{name: "the rate limit", file: queueLimit, test: "TestRateLimitOfAnyWindow",
		old: "n = int(min(int64(n), qu.window.room(now, limit)))", new: "_ = limit"},
	{name: "that a pull stays in the window for its length", file: queueLimit, test: "TestRateLimitOfAnyWindow",
		old: "return (now + size - 1) / size * size", new: "return now / size * size"},
	{name: "the concurrency limit", file: queueLimit, test: "TestConcurrencyLimit",
		old: "n = int(min(int64(n), max(limit-int64(qu.active.Len()), 0)))", new: "_ = limit"},
	{name: "the bound of a queue", file: queuePush, test: "TestBoundedQueue",
		old: "if room--; room < 0 {", new: "if room--; false {"},
	{name: "that a queue which is not declared any more is closed", file: queuePush, test: "TestSettings",
		old: "case qu.closed || qu.purging:", new: "case false:"},
	{name: "that undeclared queues are denied", file: queuePush, test: "TestSettings",
		old: "if q.settings != nil && q.settings.Undeclared == UndeclaredDeny {", new: "if false {"},
	{name: "that attempts end", file: queueFinish, test: "TestPoisonedJobEnds",
		old: "return most > 0 && int32(j.attempts) >= most", new: "return most > 1<<30"},
	{name: "that a parent waits for its children", file: queueDepend, test: "TestFlow",
		old: "if on := q.jobs.find(id); on != nil && on.state != Completed {", new: "if on := q.jobs.find(id); on != nil && false {"},
	{name: "that a failed child fails its parent", file: queueFinish, test: "TestFailedChildFailsItsParent",
		old: "qu.totalFailed++\n\tq.tell(j.id, false)", new: "qu.totalFailed++"},
	{name: "that a timeout ends an attempt whatever heartbeats say", file: queueTick, test: "TestHeartbeats",
		old: "case j.state == Active && j.terms.timeout > 0 && j.run.started+j.terms.timeout <= now:", new: "case false:"},
	{name: "that a job that changes while a snapshot is taken is kept as it was", file: queueSnapshot, test: "TestModel",
		old: "if _, ok := s.saved.Get(j.id); !ok {", new: "if false {"},
	{name: "that what is erased is erased in results too", file: queueErase, test: "TestErase",
		old: "j.run.result = redacted(j.run.result, path)", new: "_ = path"},
	{name: "that logs go with what is redacted", file: queueErase, test: "TestErase",
		old: "r.message, r.err, r.logs, r.partials, r.bytesLogs, r.bytesP = \"\", \"\", nil, nil, 0, 0", new: "_ = r"},
}
