package queue

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/coffer-dev/coffer/engine/glob"
)

// eraseUnit is how many bytes of data count as one more job for MaxEraseStep.
const eraseUnit = 16 << 10

// Check implements Op.
func (op *Erase) Check(int64) *Error {
	_, err := parsePath(op.Path)
	switch {
	case len(op.Queue) == 0 || len(op.Queue) > MaxQueueName:
		return invalid("queue", "must be a name, or a pattern such as *, of at most %d bytes", MaxQueueName)
	case err != nil:
		return err
	case len(op.Value) > MaxText || !json.Valid(op.Value) || strings.IndexByte(`{["`, op.Value[0]) >= 0 && op.Value[0] != '"':
		return invalid("value", "must be a JSON string, number, true, false or null of at most %d bytes", MaxText)
	case len(op.Redact) > MaxRedact:
		return invalid("redact", "%d paths, must be at most %d", len(op.Redact), MaxRedact)
	}
	for i, path := range op.Redact {
		if _, err := parsePath(path); err != nil {
			err.Field = fmt.Sprintf("redact[%d]", i)
			return err
		}
	}
	return nil
}

// Apply implements Op.
func (op *Erase) Apply(q *Queues, now int64, _ uint64) {
	path, err := parsePath(op.Path)
	if op.Err = err; err != nil {
		return
	}
	var matching []*job
	seen, matches := 0, map[uint64]bool{} // queues by their serials
	q.jobs.from(op.From, func(j *job) bool {
		if seen >= MaxEraseStep {
			op.ResultNext = j.id
			return false
		}
		seen += 1 + len(j.data)/eraseUnit
		qu := j.queue()
		match, known := matches[qu.serial]
		if !known {
			match = glob.Match([]byte(op.Queue), []byte(qu.name))
			matches[qu.serial] = match
		}
		if match && op.concerns(j, path) {
			matching = append(matching, j)
		}
		return true
	})
	for _, j := range matching {
		if len(op.Redact) == 0 {
			q.remove(j, now, "erased")
		} else {
			op.redact(q, j)
		}
		op.Result++
	}
	q.settle(now)
}

func (op *Erase) concerns(j *job, path []string) bool {
	has := func(text string) bool {
		return slices.ContainsFunc(find(text, path), func(s span) bool { return equal(text[s.from:s.to], string(op.Value)) })
	}
	return has(j.data) || j.run != nil && j.run.result != "" && has(j.run.result)
}

// redact replaces what the paths lead to, and drops the texts that could say
// the same.
func (op *Erase) redact(q *Queues, j *job) {
	q.edit(j, func() {
		for _, p := range op.Redact {
			path, err := parsePath(p)
			if err != nil {
				continue
			}
			j.data = redacted(j.data, path)
			if j.run != nil {
				j.run.result = redacted(j.run.result, path)
			}
		}
		if r := j.run; r != nil {
			r.message, r.err, r.logs, r.partials, r.bytesLogs, r.bytesP = "", "", nil, nil, 0, 0
		}
	})
}

func redacted(text string, path []string) string {
	found := find(text, path)
	for _, s := range slices.Backward(found) {
		text = text[:s.from] + `"[REDACTED]"` + text[s.to:]
	}
	return text
}
