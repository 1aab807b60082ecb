package job

import (
	"encoding/hex"
	"strconv"

	wire "github.com/coffer-dev/coffer/engine/protocol/job"
	"github.com/coffer-dev/coffer/engine/queue"
)

// Answers are JSON, whose members are appended behind others: each begins with
// its comma.

func appendName(dst []byte, name string) []byte {
	dst = append(dst, `,"`...)
	return append(append(dst, name...), `":`...)
}

func appendInt(dst []byte, n int64) []byte { return strconv.AppendInt(dst, n, 10) }

func appendNumber(dst []byte, name string, n int64) []byte {
	return strconv.AppendInt(appendName(dst, name), n, 10)
}

func appendUint(dst []byte, name string, n uint64) []byte {
	return strconv.AppendUint(appendName(dst, name), n, 10)
}

func appendText(dst []byte, name, text string) []byte {
	return wire.AppendString(appendName(dst, name), text)
}

func appendBool(dst []byte, name string, b bool) []byte {
	return strconv.AppendBool(appendName(dst, name), b)
}

// appendJSON appends JSON as it was sent, or null.
func appendJSON(dst []byte, name, text string) []byte {
	if text == "" {
		text = "null"
	}
	return append(appendName(dst, name), text...)
}

func appendIDs[T any](dst []byte, name string, list []T, id func(T) uint64) []byte {
	dst = append(appendName(dst, name), '[')
	for i, v := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = strconv.AppendUint(dst, id(v), 10)
	}
	return append(dst, ']')
}

func appendError(dst []byte, code, text string) []byte {
	dst = wire.AppendError(dst, text)
	dst = appendText(dst[:len(dst)-1], "code", code)
	return append(dst, '}')
}

// appendErrors appends those of a batch that there are.
func appendErrors(dst []byte, errs []*queue.Error) []byte {
	if errs == nil {
		return dst
	}
	dst = append(dst, `,"errors":[`...)
	n := 0
	for i, err := range errs {
		if err == nil {
			continue
		}
		if n > 0 {
			dst = append(dst, ',')
		}
		n++
		dst = appendInt(append(dst, `{"index":`...), int64(i))
		dst = appendText(dst, "error", err.Error())
		dst = append(appendText(dst, "code", err.Code), '}')
	}
	return append(dst, ']')
}

// appendPulled appends a job that was pulled, with the token of its lease if
// that is what holds it.
func appendPulled(dst []byte, j *queue.Job, explicit bool) []byte {
	dst = appendMembers(append(dst, '{'), j)
	if explicit {
		dst = append(appendName(dst, "lease"), '"')
		dst = append(hex.AppendEncode(dst, j.Lease.Token[:]), '"')
	}
	dst = appendNumber(dst, "lease_until", j.Lease.Deadline)
	return append(dst, '}')
}

func appendJob(dst []byte, j *queue.Job) []byte {
	return append(appendMembers(append(dst, '{'), j), '}')
}

// appendJobs appends a list of jobs, each as item does, until the answer has as
// many bytes as one may have. It tells how many were left out.
func (c *Client) appendJobs(dst []byte, name string, jobs []*queue.Job, item func([]byte, *queue.Job) []byte) (_ []byte, left int) {
	dst = append(appendName(dst, name), '[')
	for i, j := range jobs {
		if len(dst)+2*len(j.Payload)+len(j.Result) > wire.MaxFrame-1<<16 && i > 0 {
			left = len(jobs) - i
			break
		}
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = c.openly(dst, j, item)
	}
	return append(dst, ']'), left
}

// appendFlat is a job with its state among its members.
func appendFlat(dst []byte, j *queue.Job) []byte {
	dst = appendMembers(append(dst, '{'), j)
	return append(appendText(dst, "state", j.State.String()), '}')
}

// appendNested is that and the job once more, in a member of its own: flashQ's
// client looks for the one and its server has the other.
func appendNested(dst []byte, j *queue.Job) []byte {
	dst = appendFlat(dst, j)
	dst = appendName(dst[:len(dst)-1], "job")
	return append(appendJob(dst, j), '}')
}

// appendMembers appends what there is to say of a job. Members that most jobs
// have not are left out where they are zero.
func appendMembers(dst []byte, j *queue.Job) []byte {
	dst = append(dst, `"id":`...)
	dst = strconv.AppendUint(dst, j.ID, 10)
	dst = appendText(dst, "queue", j.Queue)
	dst = appendJSON(dst, "data", j.Payload)
	dst = appendNumber(dst, "priority", int64(j.Priority))
	dst = appendNumber(dst, "created_at", j.CreatedAt)
	dst = appendNumber(dst, "run_at", max(j.RunAt, j.CreatedAt))
	dst = appendNumber(dst, "started_at", j.StartedAt)
	dst = appendNumber(dst, "attempts", int64(j.Attempts))
	dst = appendNumber(dst, "max_attempts", max(int64(j.MaxAttempts), 0))
	dst = appendNumber(dst, "backoff", max(j.Backoff, 0))
	dst = appendNumber(dst, "ttl", j.TTL)
	dst = appendNumber(dst, "timeout", j.Timeout)
	dst = appendNumber(dst, "progress", int64(j.Progress))
	dst = append(appendName(dst, "tags"), '[')
	for i, tag := range j.Tags {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = wire.AppendString(dst, tag)
	}
	dst = append(dst, ']')
	dst = appendTexts(dst, [][2]string{
		{"progress_msg", j.Message}, {"unique_key", j.UniqueKey}, {"custom_id", j.CustomID}, {"group_id", j.GroupID}, {"error", j.Error},
	})
	dst = appendNumbers(dst, []member{
		{"stall_timeout", j.StallTimeout}, {"keep_completed_age", j.KeepAge}, {"keep_completed_count", int64(j.KeepCount)},
		{"completed_at", j.FinishedAt}, {"expires_at", j.ExpiresAt}, {"parent_id", int64(j.Parent)}, //nolint:gosec // ids rise from 1
	})
	for _, flag := range [...]struct {
		name string
		is   bool
	}{{"lifo", j.LIFO}, {"remove_on_complete", j.RemoveOnComplete}, {"remove_on_fail", j.RemoveOnFail}} {
		if flag.is {
			dst = appendBool(dst, flag.name, true)
		}
	}
	same := func(id uint64) uint64 { return id }
	if len(j.DependsOn) > 0 {
		dst = appendIDs(dst, "depends_on", j.DependsOn, same)
	}
	if len(j.Children) > 0 {
		dst = appendIDs(dst, "children_ids", j.Children, same)
		dst = appendNumber(dst, "children_completed", int64(len(j.Children)-min(j.Pending, len(j.Children))))
	}
	if j.Result != "" {
		dst = appendJSON(dst, "result", j.Result)
	}
	return dst
}

func appendTexts(dst []byte, members [][2]string) []byte {
	for _, m := range members {
		if m[1] != "" {
			dst = appendText(dst, m[0], m[1])
		}
	}
	return dst
}

type member struct {
	name string
	n    int64
}

func appendNumbers(dst []byte, members []member) []byte {
	for _, m := range members {
		if m.n != 0 {
			dst = appendNumber(dst, m.name, m.n)
		}
	}
	return dst
}
