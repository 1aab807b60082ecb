package acl

import "slices"

// Profile is what a job library needs of a database, and no more: of each type of
// value that it uses all commands, since a next version may use another one, and
// the keys and channels that it has names for. None of them may list the keys of
// others (SCAN, KEYS), or see or change what the whole database has in common.
type Profile struct {
	Commands []string
	// Keys are those of the library's default configuration.
	Keys     []string
	Channels []string
}

// The libraries. What each of them uses was read in its source, and is run by
// test/conformance with these permissions.
var (
	// BullMQ is of its versions 4 to 6: queues, workers, flows and events, whose
	// prefix is "bull".
	BullMQ = Profile{
		Commands: library("@stream", "unlink", "type", "rename", "pexpire", "pexpireat", "persist", "pttl"),
		Keys:     []string{"bull:*"},
	}
	// Asynq is of github.com/hibiken/asynq 0.24 to 0.26: clients, servers, schedulers
	// and the inspector, but for the inspector's view of a cluster.
	Asynq = Profile{
		Commands: library("expireat", "memory|usage", "publish", "subscribe", "unsubscribe"),
		Keys:     []string{"asynq:*"},
		Channels: []string{"asynq:cancel"},
	}
	// Sidekiq is of its versions 6 and 7: clients, processes and the page. A
	// process has keys of its own that begin with its host's name, its number
	// and twelve hexadecimal digits.
	Sidekiq = Profile{
		Commands: library("unlink", "type"),
		Keys: slices.Concat([]string{"queues", "queue:*", "schedule", "retry", "dead", "processes", "process_cleanup", "stat:*"},
			sidekiqProcess("", ":work", ":workers", "-signals")),
	}
	// Celery is of its version 5, with Redis as its broker and for its results, and
	// the queue "celery" of database 0: messages, events, remote control, chords. Who
	// subscribes by a pattern needs that very pattern.
	Celery = Profile{
		Commands: library("publish", "subscribe", "unsubscribe", "psubscribe", "punsubscribe"),
		Keys: []string{
			"celery", "celery??[0-9]", // the queue, and that of a priority
			"_kombu.binding.*", "unacked", "unacked_index", "unacked_mutex",
			"*.celery.pidbox", "*.celery.pidbox??[0-9]", "celeryev.*",
			"celery-task-meta-*", "celery-taskset-meta-*", "chord-unlock-*",
		},
		Channels: []string{"/0.celery.pidbox", "/0.reply.celery.pidbox", "/0.celeryev", "/0.celeryev/*", "/0.celeryev/worker.*", "celery-task-meta-*", "celery-taskset-meta-*"},
	}
)

// library is what all of them need, and what one needs besides.
func library(besides ...string) []string {
	return slices.Concat([]string{"@string", "@hash", "@list", "@set", "@sortedset", "@connection", "@transaction"}, besides,
		[]string{"del", "exists", "expire", "ttl", "eval", "evalsha", "script|load", "script|exists", "-@admin", "-@dangerous", "command", "info", "time"})
}

func sidekiqProcess(ends ...string) (patterns []string) {
	const number, hex = ":[0-9]*:", "[0-9a-f]"
	process := "*" + number
	for range 12 {
		process += hex
	}
	for _, end := range ends {
		patterns = append(patterns, process+end)
	}
	return patterns
}
