package queue

import "unicode/utf8"

// checkQueue says what is wrong with a queue's name.
func checkQueue(field, name string) *Error {
	if !ValidQueue(name) {
		return invalid(field, "must be 1 to %d letters, digits, or _ . : -", MaxQueueName)
	}
	return nil
}

func checkText(field, s string, limit int) *Error {
	if len(s) > limit {
		return invalid(field, "%d bytes, must be at most %d", len(s), limit)
	}
	if !utf8.ValidString(s) {
		return invalid(field, "must be UTF-8")
	}
	return nil
}

// number is a field with its bounds.
type number struct {
	field       string
	value       int64
	least, most int64
	unit        string
}

func checkNumbers(numbers ...number) *Error {
	for _, n := range numbers {
		if n.value < n.least || n.value > n.most {
			return invalid(n.field, "%d, must be from %d to %d%s", n.value, n.least, n.most, n.unit)
		}
	}
	return nil
}

func checkData(field string, data []byte) *Error {
	if len(data) > MaxData {
		return invalid(field, "%d bytes, must be at most %d", len(data), MaxData)
	}
	return nil
}

func checkCount(field string, n, least, most int) *Error {
	if n < least || n > most {
		return invalid(field, "%d, must be from %d to %d", n, least, most)
	}
	return nil
}

// first is the first error there is.
func first(errs ...*Error) *Error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// maxAttemptsLimit bounds the attempts that can be asked for.
const maxAttemptsLimit = 10_000

// check says what is wrong with a job that is to be pushed.
func (j *NewJob) check() *Error {
	err := first(
		checkQueue("queue", j.Queue),
		checkData("data", j.Data),
		checkNumbers(
			number{"delay", j.Delay, 0, MaxDuration, " ms"}, number{"ttl", j.TTL, 0, MaxDuration, " ms"},
			number{"timeout", j.Timeout, 0, MaxDuration, " ms"}, number{"stall_timeout", j.StallTimeout, 0, MaxDuration, " ms"},
			number{"backoff", j.Backoff, None, MaxDuration, " ms"}, number{"max_attempts", int64(j.MaxAttempts), None, maxAttemptsLimit, ""},
			number{"debounce_ttl", j.DebounceTTL, 0, MaxDuration, " ms"}, number{"keep_completed_age", j.KeepAge, 0, MaxDuration, " ms"},
			number{"keep_completed_count", int64(j.KeepCount), 0, 1<<31 - 1, ""},
		),
		checkText("unique_key", j.UniqueKey, MaxKey), checkText("debounce_id", j.DebounceID, MaxKey),
		checkText("job_id", j.CustomID, MaxKey), checkText("group_id", j.GroupID, MaxKey),
		checkCount("tags", len(j.Tags), 0, MaxTags), checkCount("depends_on", len(j.DependsOn), 0, MaxDepends),
	)
	for _, tag := range j.Tags {
		err = first(err, checkText("tags", tag, MaxTag))
	}
	return err
}
