// Package queue holds all jobs of an instance: their queues, leases, timers and
// schedules. It is pure: it reads no clock and no randomness, both come with
// each Op, so that every member that applies the same operations holds the same
// jobs.
//
// # A job's life
//
//	push -> Delayed | Blocked -> Waiting -> Active -> Completed
//	                               ^ ^---------'  |
//	                               '-- Delayed <--'-> Failed (a dead letter)
//
// A job is handed out at least once. Pull leases it: the lease has a token, a
// deadline and, where the worker knows no tokens, its connection as owner; only
// who has the lease can finish the job or report about it. A lease ends with
// the job, when its deadline passes without Renew, or with Release of its owner.
// An attempt is counted for each that failed or was lost. A lost one is ready
// again at once, at its old place in the line; one that failed waits for its
// backoff, which doubles with each attempt, up to 2^10 times, and up to a quarter
// of it is added by chance. After MaxAttempts (3, unless job or queue say
// otherwise) the job is a dead letter.
//
// Pulled first is who has the highest priority, among those who was ready first;
// a LIFO job stands before all of its priority. Of a group one is ready or active
// at a time, the others are held behind it and count as Waiting.
//
// A job is Blocked until all that it depends on, and all its children, are
// completed. When one of them fails for good or is removed before, it fails too,
// and with it those that wait for it. Retried, it waits for those of them again
// that are there and not completed, dead letters included. A dependency that is
// not there any more when a job is pushed counts as completed. A delay counts
// from the push.
//
// A TTL is the time in which a job must be pulled; it is removed after that. A
// unique key is its job's until that has ended; a custom id is for as long as the
// job is kept. Completed jobs are kept up to DefaultKeepCompleted and
// DefaultKeepBytes in each queue and dead letters until they are purged, unless
// settings say otherwise.
//
// A schedule that missed runs, because nobody led the group, runs once for all
// of them, as soon as somebody does.
//
// # Cost
//
// Every step is logarithmic in the number of jobs, and what concerns many jobs
// is done in portions: by the Op itself, whose ResultMore asks for another one, or by
// Ticks. A job that waits takes about 110 bytes beside its data.
//
// # Operations in the log, version 1
//
// An operation is its code, one byte, and its fields in the order in which its
// method called fields names them: integers are uvarints, signed ones in zigzag,
// texts and lists begin with their length as uvarint, tokens are 16 bytes. A pushed
// job's queue is empty where it is that of the job before, and its options follow
// a mask that says which of them are there (pushop.go). Codes, orders and masks
// are frozen: what is new gets new ones. What operations mean is versioned by
// package machine's Semantics.
//
// # Snapshot stream, version 1
//
//	+-----------+------------+----------------+------+
//	| "CFJS" 4B | version 2B | head length 8B | head |
//	+-----------+------------+----------------+------+
//	+-----------+-------------------------------------------------------+
//	| n uvarint | n × debounce: name, id uvarint, until zigzag          |
//	+-----------+-------------------------------------------------------+
//	then one record per job, ids ascending:
//	+----------------+------------------+
//	| length uvarint | job              |
//	+----------------+------------------+
//	then the end: length 0, and the number of jobs as uvarint
//
// Fixed integers are little-endian; head and job are fields as above, see
// record.go. Indexes are not in it, they follow from the jobs.
package queue
