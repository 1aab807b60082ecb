package queue

import "unicode/utf8"

// Limits of what a client may send. Text is counted in bytes.
const (
	MaxQueueName = 256
	MaxData      = 10 << 20 // of a job's data, result or one partial result
	MaxBatch     = 1000     // jobs pushed, pulled, acknowledged or asked for at once
	MaxQueues    = 65536    // per instance
	MaxSchedules = 10_000   // per instance
	MaxChildren  = 1000     // of a flow
	MaxDepends   = 1000     // depends_on of one job
	// MaxDependsAll is for the jobs together that are pushed at once.
	MaxDependsAll = 10_000
	MaxKey        = 512 // unique_key, debounce_id, job_id, group_id
	MaxTags       = 32
	MaxTag        = 128
	MaxText       = 4096 // an error, a progress or log message; longer ones are cut
	MaxLogs       = 100  // kept of one job, the latest
	MaxPartials   = 1000 // of one job
	MaxName       = 256  // of a schedule
	MaxCronText   = 256
	MaxListed     = 10_000              // jobs listed at once
	MaxStep       = 10_000              // jobs that one Drain, Clean, Purge, … touches; More tells that there is more to do
	MaxDuration   = 10 * 365 * 86400000 // ms: delays, ttl, timeouts, leases, ages
	MaxRate       = 1_000_000           // jobs per window
	MaxSettings   = 1 << 20             // bytes of Settings as JSON
)

// Defaults, where neither job nor queue says.
const (
	DefaultLease          = 30_000 // ms
	DefaultAttempts       = 3
	DefaultBackoff        = 1000     // ms, doubled with every attempt
	MaxBackoffExponent    = 10       // it is doubled no more often
	DefaultKeepCompleted  = 10_000   // jobs of a queue; failed ones are kept until somebody purges them
	DefaultKeepBytes      = 64 << 20 // of completed jobs of a queue, where settings do not say how many or how long
	defaultDebounceWindow = 5000     // ms, when debounce_ttl is not given
)

// Unset and None are values of durations and counts that have a default.
const (
	Unset = 0  // the queue's, or the engine's
	None  = -1 // attempts without limit; no backoff
)

// ValidQueue says whether a queue may have that name: `[\w.:-]{1,256}`.
func ValidQueue(name string) bool {
	if len(name) == 0 || len(name) > MaxQueueName {
		return false
	}
	for i := range len(name) {
		c := name[i]
		word := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_'
		if !word && c != '.' && c != ':' && c != '-' {
			return false
		}
	}
	return true
}

// clip cuts a text to MaxText bytes, between two characters.
func clip(s string) string {
	if len(s) <= MaxText {
		return s
	}
	n := MaxText
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
