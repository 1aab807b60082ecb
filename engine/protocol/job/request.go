package job

import (
	"math"
	"strconv"
	"unicode/utf8"
)

// Field is one that a request may have.
type Field uint8

// Fields whose absence means something else than zero.
const (
	FieldQueue Field = iota
	FieldData
	FieldPriority
	FieldMaxAttempts
	FieldBackoff
	FieldTimeout
	FieldID
	FieldIDs
	FieldProgress
	FieldLimit
	FieldIndex
	FieldCount
	FieldDelay
	FieldJobs
	FieldMessage
	FieldState
	FieldGrace
	FieldToken
	FieldChildren
	FieldJobID
	FieldName
	FieldParentID
	FieldDebounceTTL
	FieldResult
	FieldStallTimeout
)

// Fields is a set.
type Fields uint32

// Has tells whether a field was there and not null.
func (s Fields) Has(f Field) bool { return s&(1<<f) != 0 }

func (s *Fields) add(f Field) { *s |= 1 << f }

// Job is what is pushed: PUSH itself, an element of PUSHB's jobs and FLOW's
// children. Times are milliseconds. It is bounded by the queue, not here.
type Job struct {
	Set                Fields
	Queue              string
	Data               []byte // JSON; nil if there is none
	Priority           int64
	Delay              int64
	TTL                int64
	Timeout            int64
	MaxAttempts        int64 // 0: without end
	Backoff            int64
	StallTimeout       int64
	UniqueKey          string
	DependsOn          []uint64
	Tags               []string
	Lifo               bool
	RemoveOnComplete   bool
	RemoveOnFail       bool
	DebounceID         string
	DebounceTTL        int64
	CustomID           string // job_id, a string
	KeepCompletedAge   int64
	KeepCompletedCount int64
	GroupID            string
}

// Request is any command with all the fields that there are. A field that a
// command does not have is ignored.
type Request struct {
	Job // of PUSH, FLOW, CRON; the queue, timeout and data of others

	Cmd   string
	ReqID []byte // as it is written: a string or a number; nil if there is none

	Jobs     []Job
	Children []Job

	ID       uint64 // id, parent_id, or a job_id that is a number
	IDs      []uint64
	Result   []byte // JSON
	Error    string
	Message  string
	Level    string
	Progress int64
	Index    int64
	Count    int64
	Limit    int64
	Offset   int64
	Duration int64 // of a rate limit
	Grace    int64
	State    string
	Events   []string
	Token    string // secret

	// ERASE's.
	Path   string
	Value  []byte // JSON
	Redact []string

	// A cron's.
	Name        string
	Schedule    string
	TimeZone    string
	RepeatEvery int64

	// Lease is the token that a PULL was answered with; Leases those of ACKB,
	// one for each of IDs. WantsLease is PULL's: the job is not bound to the
	// connection but to the token, for LeaseFor, or the queue's default if 0.
	Lease      string
	Leases     []string
	Results    [][]byte // JSON, ACKB's, one for each of IDs
	WantsLease bool
	LeaseFor   int64
}

// parseRequest reads a request, which is JSON.
func parseRequest(message []byte, req *Request) error {
	*req = Request{}
	if !utf8.Valid(message) {
		return wrong("", "invalid UTF-8: write text as UTF-8, and bytes as base64 in a string")
	}
	s := scanner{src: message}
	s.object("a request", func(key []byte) { s.field(req, key) })
	if s.err == nil && s.peek() != 0 || s.err == nil && s.pos < len(s.src) {
		s.unexpected("the end of the request")
	}
	if s.err != nil {
		return s.err
	}
	if req.Cmd == "" {
		return wrong("cmd", `is missing: a request is {"cmd":"PUSH", ...}`)
	}
	return nil
}

// field reads one field of a request.
func (s *scanner) field(req *Request, key []byte) {
	if s.absent(key) || s.jobField(&req.Job, key, 1) {
		return
	}
	switch string(key) {
	case "cmd":
		req.Cmd = s.command()
	case "reqId":
		id := s.raw(1)
		if err := validReqID(id); s.err == nil && err != nil {
			s.err = err
			return
		}
		req.ReqID = id
	case "jobs":
		req.Set.add(FieldJobs)
		req.Jobs = nil // of a name that is there twice the last counts
		s.array("jobs", func() { req.Jobs = append(req.Jobs, s.job("jobs")) })
	case "children":
		req.Set.add(FieldChildren)
		req.Children = nil
		s.array("children", func() { req.Children = append(req.Children, s.job("children")) })
	case "id":
		req.Set.add(FieldID)
		req.ID = s.unsigned("id")
	case "parent_id":
		req.Set.add(FieldParentID)
		req.ID = s.unsigned("parent_id")
	case "job_id": // a string is the job's
		if !req.Set.Has(FieldID) {
			req.Set.add(FieldID)
			req.ID = s.unsigned("job_id")
			return
		}
		s.skip(1)
	case "ids":
		req.Set.add(FieldIDs)
		req.IDs = s.unsignedList("ids")
	case "result":
		req.Set.add(FieldResult)
		req.Result = s.raw(1)
	case "error":
		req.Error = s.string("error")
	case "message":
		req.Set.add(FieldMessage)
		req.Message = s.string("message")
	case "level":
		req.Level = s.string("level")
	case "progress":
		req.Set.add(FieldProgress)
		req.Progress = s.rounded("progress")
	case "index":
		req.Set.add(FieldIndex)
		req.Index = s.integer("index")
	case "count":
		req.Set.add(FieldCount)
		req.Count = s.integer("count")
	case "limit":
		s.limit(req)
	case "duration":
		req.Duration = s.integer("duration")
	case "offset":
		req.Offset = s.integer("offset")
	case "grace":
		req.Set.add(FieldGrace)
		req.Grace = s.integer("grace")
	case "state":
		req.Set.add(FieldState)
		req.State = s.string("state")
	case "events":
		req.Events = s.strings("events")
	case "token":
		req.Set.add(FieldToken)
		req.Token = s.string("token")
	case "lease":
		s.lease(req)
	case "leases":
		req.Leases = s.strings("leases")
	case "results":
		req.Results = nil
		s.array("results", func() { req.Results = append(req.Results, s.raw(2)) })
	default:
		s.rareField(req, key)
	}
}

// rareField reads one of crons or of erasing, or skips it.
func (s *scanner) rareField(req *Request, key []byte) {
	switch string(key) {
	case "path":
		req.Path = s.string("path")
	case "value":
		req.Value = s.raw(1)
	case "redact":
		req.Redact = s.strings("redact")
	case "name":
		req.Set.add(FieldName)
		req.Name = s.string("name")
	case "schedule":
		req.Schedule = s.string("schedule")
	case "timezone":
		req.TimeZone = s.string("timezone")
	case "repeat_every":
		req.RepeatEvery = s.integer("repeat_every")
	default:
		s.skip(1)
	}
}

// absent reads null, which stands for a field that is not there; data may be it.
func (s *scanner) absent(key []byte) bool {
	return string(key) != "data" && s.null()
}

// command reads the command's name; that of a common one without allocating.
func (s *scanner) command() string {
	if s.peek() != '"' {
		s.mustBe("cmd", "a string")
		return ""
	}
	switch name := s.text(); string(name) {
	case "PUSH":
		return "PUSH"
	case "PUSHB":
		return "PUSHB"
	case "PULL":
		return "PULL"
	case "PULLB":
		return "PULLB"
	case "ACK":
		return "ACK"
	case "ACKB":
		return "ACKB"
	case "FAIL":
		return "FAIL"
	case "HEARTBEAT":
		return "HEARTBEAT"
	default:
		return string(name)
	}
}

// validReqID says what is wrong with a reqId.
func validReqID(id []byte) *Error {
	switch {
	case len(id) > MaxReqID:
		return wrong("reqId", "has %d bytes, must have at most %d", len(id), MaxReqID)
	case len(id) == 0 || id[0] != '"' && id[0] != '-' && !isDigit(id[0]):
		return wrong("reqId", "must be a string or a number")
	}
	return nil
}

// limit is a number, or a rate limit's {max, duration}.
func (s *scanner) limit(req *Request) {
	req.Set.add(FieldLimit)
	if s.peek() != '{' {
		req.Limit = s.integer("limit")
		return
	}
	s.object("limit", func(key []byte) {
		switch {
		case s.null():
		case string(key) == "max":
			req.Limit = s.integer("limit.max")
		case string(key) == "duration":
			req.Duration = s.integer("limit.duration")
		default:
			s.skip(2)
		}
	})
}

// lease is a token, or what a PULL wants.
func (s *scanner) lease(req *Request) {
	switch c := s.peek(); {
	case c == '"':
		req.Lease = s.string("lease")
	case c == 't' || c == 'f':
		req.WantsLease = s.boolean("lease")
	case c == '-' || isDigit(c):
		req.WantsLease = true
		req.LeaseFor = s.integer("lease")
	default:
		s.mustBe("lease", "true, a number of milliseconds, or the token of a pulled job")
	}
}

// rounded reads a number and rounds it towards zero.
func (s *scanner) rounded(field string) int64 {
	digits, _ := s.number(field)
	if s.err != nil {
		return 0
	}
	f, err := strconv.ParseFloat(string(digits), 64)
	if err != nil || math.Abs(f) > 1<<53 {
		s.fail(field, "must be a number within 2^53, is %.32s", digits)
		return 0
	}
	return int64(f)
}

// job reads an element of a list of jobs.
func (s *scanner) job(field string) (j Job) {
	s.object(field, func(key []byte) {
		if !s.absent(key) && !s.jobField(&j, key, 3) {
			s.skip(3)
		}
	})
	return j
}

// jobField reads a field of a job, at a depth, and tells whether it is one.
func (s *scanner) jobField(j *Job, key []byte, depth int) bool {
	switch string(key) {
	case "queue":
		j.Set.add(FieldQueue)
		j.Queue = s.string("queue")
	case "data":
		j.Set.add(FieldData)
		j.Data = s.raw(depth)
	case "priority":
		j.Set.add(FieldPriority)
		j.Priority = s.integer("priority")
	case "delay":
		j.Set.add(FieldDelay)
		j.Delay = s.integer("delay")
	case "ttl":
		j.TTL = s.integer("ttl")
	case "timeout":
		j.Set.add(FieldTimeout)
		j.Timeout = s.integer("timeout")
	case "max_attempts":
		j.Set.add(FieldMaxAttempts)
		j.MaxAttempts = s.integer("max_attempts")
	case "backoff":
		j.Set.add(FieldBackoff)
		j.Backoff = s.integer("backoff")
	case "stall_timeout":
		j.Set.add(FieldStallTimeout)
		j.StallTimeout = s.integer("stall_timeout")
	case "unique_key":
		j.UniqueKey = s.string("unique_key")
	case "depends_on":
		j.DependsOn = s.unsignedList("depends_on")
	case "tags":
		j.Tags = s.strings("tags")
	case "lifo":
		j.Lifo = s.boolean("lifo")
	case "remove_on_complete":
		j.RemoveOnComplete = s.boolean("remove_on_complete")
	case "remove_on_fail":
		j.RemoveOnFail = s.boolean("remove_on_fail")
	case "debounce_id":
		j.DebounceID = s.string("debounce_id")
	case "debounce_ttl":
		j.Set.add(FieldDebounceTTL)
		j.DebounceTTL = s.integer("debounce_ttl")
	case "job_id":
		if s.peek() != '"' { // which some clients call id
			return false
		}
		j.Set.add(FieldJobID)
		j.CustomID = s.string("job_id")
	case "keep_completed_age":
		j.KeepCompletedAge = s.integer("keep_completed_age")
	case "keep_completed_count":
		j.KeepCompletedCount = s.integer("keep_completed_count")
	case "group_id":
		j.GroupID = s.string("group_id")
	default:
		return false
	}
	return true
}
