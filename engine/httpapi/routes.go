package httpapi

import (
	"bytes"
	"strings"

	wire "github.com/coffer-dev/coffer/engine/protocol/job"
)

// route is one path of the port for jobs, and the command that it is.
type route struct {
	method, path string
	command      string
	data         string // the member of the command's answer that is the answer; all of them when empty
	holds        bool   // it needs the lease of the job
}

// routes are all that there are. Names in braces, the query and the body give a
// command its fields: docs/jobs.md lists them.
var routes = []route{
	{method: "GET", path: "/queues", command: "LISTQUEUES", data: "queues"},
	{method: "POST", path: "/queues/{queue}/jobs", command: "PUSH"},
	{method: "POST", path: "/queues/{queue}/jobs/batch", command: "PUSHB", data: "ids"},
	{method: "GET", path: "/queues/{queue}/jobs", command: "PULLB", data: "jobs"},
	{method: "GET", path: "/queues/{queue}/counts", command: "GETJOBCOUNTS"},
	{method: "POST", path: "/queues/{queue}/pause", command: "PAUSE"},
	{method: "POST", path: "/queues/{queue}/resume", command: "RESUME"},
	{method: "POST", path: "/queues/{queue}/drain", command: "DRAIN", data: "count"},
	{method: "DELETE", path: "/queues/{queue}/obliterate", command: "OBLITERATE", data: "count"},
	{method: "POST", path: "/queues/{queue}/clean", command: "CLEAN", data: "count"},
	{method: "POST", path: "/queues/{queue}/rate-limit", command: "RATELIMIT"},
	{method: "DELETE", path: "/queues/{queue}/rate-limit", command: "RATELIMITCLEAR"},
	{method: "POST", path: "/queues/{queue}/concurrency", command: "SETCONCURRENCY"},
	{method: "DELETE", path: "/queues/{queue}/concurrency", command: "CLEARCONCURRENCY"},
	{method: "GET", path: "/queues/{queue}/dlq", command: "DLQ", data: "jobs"},
	{method: "POST", path: "/queues/{queue}/dlq/retry", command: "RETRYDLQ", data: "count"},
	{method: "DELETE", path: "/queues/{queue}/dlq", command: "PURGEDLQ", data: "count"},
	{method: "POST", path: "/flows", command: "FLOW"},
	{method: "GET", path: "/jobs", command: "GETJOBS", data: "jobs"},
	{method: "POST", path: "/jobs/ack", command: "ACKB"},
	{method: "GET", path: "/jobs/{id}", command: "GETJOB", data: "job"},
	{method: "GET", path: "/jobs/{id}/state", command: "GETSTATE", data: "state"},
	{method: "GET", path: "/jobs/{id}/result", command: "GETRESULT", data: "result"},
	{method: "GET", path: "/jobs/{id}/progress", command: "GETPROGRESS", data: "progress"},
	{method: "GET", path: "/jobs/{id}/logs", command: "GETLOGS", data: "logs"},
	{method: "GET", path: "/jobs/{id}/children", command: "GETCHILDREN"},
	{method: "GET", path: "/jobs/{id}/wait", command: "WAITJOB"},
	{method: "GET", path: "/custom-ids/{job_id}", command: "GETJOBBYCUSTOMID", data: "job"},
	{method: "POST", path: "/jobs/{id}/ack", command: "ACK", holds: true},
	{method: "POST", path: "/jobs/{id}/fail", command: "FAIL", holds: true},
	{method: "POST", path: "/jobs/{id}/heartbeat", command: "HEARTBEAT", holds: true},
	{method: "POST", path: "/jobs/{id}/progress", command: "PROGRESS", holds: true},
	{method: "POST", path: "/jobs/{id}/partial", command: "PARTIAL", holds: true},
	{method: "POST", path: "/jobs/{id}/log", command: "LOG", holds: true},
	{method: "POST", path: "/jobs/{id}/cancel", command: "CANCEL"},
	{method: "PUT", path: "/jobs/{id}/data", command: "UPDATEJOB"},
	{method: "POST", path: "/jobs/{id}/priority", command: "CHANGEPRIORITY"},
	{method: "POST", path: "/jobs/{id}/move-to-delayed", command: "MOVETODELAYED"},
	{method: "POST", path: "/jobs/{id}/promote", command: "PROMOTE"},
	{method: "POST", path: "/jobs/{id}/discard", command: "DISCARD"},
	{method: "GET", path: "/crons", command: "CRONLIST", data: "crons"},
	{method: "POST", path: "/crons/{name}", command: "CRON"},
	{method: "DELETE", path: "/crons/{name}", command: "CRONDELETE"},
	{method: "POST", path: "/erase", command: "ERASE", data: "count"},
	{method: "GET", path: "/stats", command: "STATS"},
	{method: "GET", path: "/metrics", command: "METRICS", data: "metrics"},
	{method: "GET", path: "/events", command: "SUBSCRIBE"},
	{method: "GET", path: "/events/{queue}", command: "SUBSCRIBE"},
}

// Routes are those of the port for jobs, as "METHOD /path COMMAND".
func Routes() []string {
	list := make([]string, len(routes))
	for i, r := range routes {
		list[i] = r.method + " " + r.path + " " + r.command
	}
	return list
}

// fields are how a path or a query gives a request its fields: their texts are
// JSON, or the text of a string.
var fields = map[string]bool{ // whether it is a string
	"queue": true, "job_id": true, "name": true, "state": true,
	"id": false, "count": false, "timeout": false, "limit": false, "offset": false, "lease": false,
}

// message makes the JSON of a request: the body's members, then those of path
// and query, which count.
func (r *route) message(body []byte, values map[string]string) ([]byte, *wire.Error) {
	inner, ok := members(body)
	if !ok {
		return nil, &wire.Error{Text: "the body must be a JSON object, or empty"}
	}
	m := append([]byte{'{'}, inner...)
	if len(inner) > 0 {
		m = append(m, ',')
	}
	m = wire.AppendString(append(m, `"cmd":`...), r.command)
	for name, value := range values {
		m = wire.AppendString(append(m, ','), name)
		m = append(m, ':')
		switch {
		case fields[name]:
			m = wire.AppendString(m, value)
		case !isNumber(value):
			return nil, &wire.Error{Field: name, Text: "must be a number"}
		default:
			m = append(m, value...)
		}
	}
	return append(m, '}'), nil
}

// members are what is between an object's braces.
func members(body []byte) (inner []byte, ok bool) {
	text := bytes.TrimSpace(body)
	if len(text) == 0 {
		return nil, true
	}
	if len(text) < 2 || text[0] != '{' || text[len(text)-1] != '}' {
		return nil, false
	}
	return bytes.TrimSpace(text[1 : len(text)-1]), true
}

// isNumber is for numbers without sign, fraction or exponent: a path and a query
// have no others.
func isNumber(text string) bool {
	return text != "" && len(text) <= 20 && strings.Trim(text, "0123456789") == "" && (text == "0" || text[0] != '0')
}
