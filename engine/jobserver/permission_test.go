package jobserver_test

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/coffer-dev/coffer/engine/acl"
	"github.com/coffer-dev/coffer/engine/job"
)

// attempts are a request of each command that is permitted or not, for a queue
// and a job in it, by the operation that it needs.
func attempts(queue string, id int64) map[string]object {
	byQueue := func(cmd string, more object) object {
		o := object{"cmd": cmd, "queue": queue}
		maps.Copy(o, more)
		return o
	}
	byJob := func(cmd string, more object) object {
		o := object{"cmd": cmd, "id": id}
		maps.Copy(o, more)
		return o
	}
	all := []object{
		byQueue("PUSH", object{"data": 1}), byQueue("PUSHB", object{"jobs": []object{{"data": 1}}}),
		byQueue("FLOW", object{"data": 1, "children": []object{{"queue": queue, "data": 1}}}),
		byQueue("PULL", object{"timeout": 0}), byQueue("PULLB", object{"count": 1, "timeout": 0}),
		byJob("ACK", nil), {"cmd": "ACKB", "ids": []int64{id}}, byJob("FAIL", nil), byJob("HEARTBEAT", nil), byJob("PROGRESS", object{"progress": 1}),
		byJob("LOG", object{"message": "x"}), byJob("PARTIAL", object{"data": 1}), byJob("CANCEL", nil), byJob("UPDATEJOB", object{"data": 1}),
		byJob("CHANGEPRIORITY", object{"priority": 1}), byJob("MOVETODELAYED", object{"delay": 1}), byJob("PROMOTE", nil), byJob("DISCARD", nil),
		byQueue("GETJOBS", nil), byQueue("GETJOBCOUNTS", nil), byQueue("COUNT", nil), byQueue("DLQ", nil), byQueue("RETRYDLQ", nil), byQueue("PURGEDLQ", nil),
		byQueue("PAUSE", nil), byQueue("RESUME", nil), byQueue("ISPAUSED", nil), byQueue("DRAIN", nil), byQueue("OBLITERATE", nil),
		byQueue("CLEAN", object{"grace": 0, "state": "completed"}), byQueue("RATELIMIT", object{"limit": 100_000}), byQueue("RATELIMITCLEAR", nil),
		byQueue("SETCONCURRENCY", object{"limit": 1000}), byQueue("CLEARCONCURRENCY", nil), byQueue("CRON", object{"name": "c-" + queue, "repeat_every": 3_600_000, "data": 1}),
		byQueue("SUBSCRIBE", nil),
	}
	requests := map[string]object{}
	for _, o := range all {
		requests[o["cmd"].(string)] = o
	}
	return requests
}

// needs is what a command needs that looks for itself.
var needs = map[string]string{"GETJOBS": "Read", "CLEAN": "Manage", "SUBSCRIBE": "Read"}

// TestPermissions: for every operation, a user with that one alone, on queues of
// one pattern: each command is permitted there if it needs that one, and
// nowhere else. (bullmq #2809, #4757: no least-privilege rules)
func TestPermissions(t *testing.T) {
	m := start(t)
	users := []acl.User{admin}
	for _, operation := range acl.OperationNames() {
		users = append(users, user(operation, []string{"own:*"}, []string{operation}))
	}
	m.users(t, users...)
	boss := m.login(t, "admin")
	for _, operation := range acl.OperationNames() {
		c := m.login(t, operation)
		for _, queue := range []string{"own:" + operation, "foreign"} {
			id := boss.push(queue, 1)
			for cmd, request := range attempts(queue, id) {
				needed := job.Operation(cmd)
				if needs[cmd] != "" {
					needed = needs[cmd]
				}
				on := c
				if cmd == "SUBSCRIBE" { // whose events would come between
					on = m.login(t, operation)
				}
				answer := on.call(request)
				allowed := queue != "foreign" && needed == operation
				if denied := isDenied(answer, id); denied == allowed {
					t.Errorf("with %s on own:*, %v: %v", operation, request, answer)
				}
			}
			// One of the attempts may have done so, and none after it brought the queue back.
			if answer := boss.call(object{"cmd": "OBLITERATE", "queue": queue}); answer["ok"] != true && answer["code"] != "NOTFOUND" {
				t.Errorf("obliterate %s: %v", queue, answer)
			}
		}
	}
}

// isDenied: for want of permission, or because the job is not shown.
func isDenied(answer object, id int64) bool {
	text := fmt.Sprint(answer["error"])
	if errs, ok := answer["errors"].([]any); ok && len(errs) > 0 {
		text = fmt.Sprint(errs[0].(object)["error"])
	}
	return strings.HasPrefix(text, "permission denied: ") || text == fmt.Sprintf("id: there is no job %d", id)
}

// TestNoOracle: of a queue that a user may not read it learns nothing: answers
// about its jobs are those about jobs that were never there.
func TestNoOracle(t *testing.T) {
	m := start(t)
	m.users(t, admin, user("stranger", []string{"own"}, acl.JobAdmin))
	boss, c := m.login(t, "admin"), m.login(t, "stranger")
	id := boss.push("secret", object{"password": "hunter2"}, object{"job_id": "known"})
	boss.ok(object{"cmd": "CRON", "name": "nightly", "queue": "secret", "repeat_every": 3_600_000})
	const never = int64(1 << 40)
	requests := attempts("own", id)
	for _, cmd := range []string{"GETJOB", "GETSTATE", "GETRESULT", "GETPROGRESS", "GETLOGS", "GETCHILDREN", "WAITJOB"} {
		requests[cmd] = object{"cmd": cmd, "id": id, "parent_id": id, "timeout": 100}
	}
	requests["GETJOBSBATCH"] = object{"cmd": "GETJOBSBATCH", "ids": []int64{id}}
	requests["RETRYDLQ"] = object{"cmd": "RETRYDLQ", "queue": "own", "id": id}
	requests["PUSH"] = object{"cmd": "PUSH", "queue": "own", "data": 1, "depends_on": []int64{id}}
	for cmd, request := range requests {
		if request["id"] == nil && request["ids"] == nil && request["depends_on"] == nil {
			continue
		}
		other := maps.Clone(request)
		for field, v := range other {
			switch v.(type) {
			case int64:
				other[field] = never
			case []int64:
				other[field] = []int64{never}
			}
		}
		one, two := fmt.Sprint(c.call(request)), fmt.Sprint(c.call(other))
		if one = strings.ReplaceAll(one, fmt.Sprint(id), "N"); one != strings.ReplaceAll(two, fmt.Sprint(never), "N") {
			t.Errorf("%s: %s\nof none: %s", cmd, one, two)
		}
	}
	if answer := c.ok(object{"cmd": "GETJOBBYCUSTOMID", "job_id": "known"}); answer["job"] != nil {
		t.Errorf("%v", answer)
	}
	for _, cmd := range []string{"LISTQUEUES", "STATS", "METRICS", "CRONLIST", "GETJOBS"} {
		if text := fmt.Sprint(c.ok(object{"cmd": cmd})); strings.Contains(text, "secret") || strings.Contains(text, "queued:1") {
			t.Errorf("%s tells %s", cmd, text)
		}
	}
	for _, request := range []object{{"cmd": "CRONDELETE", "name": "nightly"}, {"cmd": "CRON", "name": "nightly", "queue": "own", "repeat_every": 1000}} {
		if text := c.refused(request, "NOTFOUND"); strings.Contains(text, "secret") {
			t.Error(text)
		}
	}
	c.ok(object{"cmd": "CLEAN", "queue": "*", "grace": 0, "state": "waiting"})
	if answer := boss.ok(object{"cmd": "GETSTATE", "id": id}); answer["state"] != "waiting" {
		t.Errorf("a pattern reached further than its user: %v", answer)
	}
	if crons, _ := boss.ok(object{"cmd": "CRONLIST"})["crons"].([]any); len(crons) != 1 {
		t.Errorf("%v", crons)
	}
}

// TestRefusalsNameTheirSource, and a batch is carried out as far as it may be.
func TestRefusalsNameTheirSource(t *testing.T) {
	m := start(t)
	m.users(t, admin, user("worker", []string{"jobs:*"}, acl.JobWorker))
	boss, c := m.login(t, "admin"), m.login(t, "worker")
	const want = `permission denied: Push on queue "jobs:1": see AccessToken shop/worker`
	if text := c.refused(object{"cmd": "PUSH", "queue": "jobs:1", "data": 1}, "DENIED"); text != want {
		t.Errorf("%s", text)
	}
	first, foreign := boss.push("jobs:1", 1), boss.push("other", 1)
	c.pull("jobs:1")
	answer := c.ok(object{"cmd": "ACKB", "ids": []int64{foreign, first}})
	errs, _ := answer["errors"].([]any)
	if number(answer["count"]) != 1 || len(errs) != 1 || errs[0].(object)["error"] != fmt.Sprintf("id: there is no job %d", foreign) {
		t.Errorf("%v", answer)
	}
	denied := int64(0)
	for _, u := range m.Status().Credentials.Users {
		if u.Name == "worker" {
			denied = u.Denied
		}
	}
	if denied != 2 {
		t.Errorf("counted %d", denied)
	}
}

// TestAuthentication: first of all, by a token that is somebody's, for as long
// as it is. (beanstalkd #41, #197, #319: no TLS or authentication)
func TestAuthentication(t *testing.T) {
	m := start(t)
	for _, frames := range []bool{false, true} {
		c := m.connect(t, frames)
		for _, request := range []object{{"cmd": "PING"}, {"cmd": "PUSH", "queue": "q", "data": 1}, {"cmd": "NONSENSE"}, {}} {
			if text := c.refused(request, "DENIED"); text != "Authentication required" {
				t.Errorf("%v: %s", request, text)
			}
		}
		if text := c.refused(object{"cmd": "AUTH", "token": "wrong", "reqId": "a"}, "DENIED"); text != "Invalid token" {
			t.Error(text)
		}
		c.refused(object{"cmd": "AUTH"}, "INVALID")
		c.send(object{"cmd": "AUTH", "token": token("admin"), "reqId": "1"}, object{"cmd": "PING", "reqId": "2"})
		if one, two := c.receive(), c.receive(); one["ok"] != true || two["pong"] != true || two["reqId"] != "2" {
			t.Errorf("%v, %v", one, two)
		}
	}
}

// TestRevokedCredentialsCloseTheirConnections: idle ones, those that wait, and
// those whose user's life is over; others take up what they may do now.
func TestRevokedCredentialsCloseTheirConnections(t *testing.T) {
	m := start(t)
	end := time.Now().Add(3 * time.Second).Truncate(time.Second)
	mortal := user("mortal", []string{"*"}, acl.JobAdmin)
	mortal.NotAfter = end.Format(time.RFC3339)
	m.users(t, admin, user("gone", []string{"*"}, acl.JobAdmin), mortal, user("changed", []string{"a"}, acl.JobAdmin))
	idle, waits, last, changed := m.login(t, "gone"), m.login(t, "gone", true), m.login(t, "mortal"), m.login(t, "changed")
	waits.send(object{"cmd": "PULL", "queue": "q"})
	changed.ok(object{"cmd": "COUNT", "queue": "a"})
	boss := m.login(t, "admin")
	m.users(t, admin, mortal, user("changed", []string{"b"}, acl.JobAdmin))
	idle.wantClosed(10 * time.Second)
	waits.wantClosed(10 * time.Second)
	changed.ok(object{"cmd": "COUNT", "queue": "b"})
	changed.refused(object{"cmd": "COUNT", "queue": "a"}, "DENIED")
	last.wantClosed(10 * time.Second)
	if time.Now().Before(end) {
		t.Error("closed before the end")
	}
	if text := m.connect(t, false).refused(object{"cmd": "AUTH", "token": token("gone")}, "DENIED"); text != "Invalid token" {
		t.Error(text)
	}
	if id := boss.push("q", 1); number(boss.pull("q")["id"]) != id {
		t.Error("who waited has taken a job with it")
	}
}

// TestFlowsNeedEveryQueue that they push to.
func TestFlowsNeedEveryQueue(t *testing.T) {
	m := start(t)
	m.users(t, admin, user("producer", []string{"own"}, acl.JobProducer))
	c := m.login(t, "producer")
	c.refused(object{"cmd": "FLOW", "queue": "own", "data": 1, "children": []object{{"queue": "foreign", "data": 1}}}, "DENIED")
	c.refused(object{"cmd": "FLOW", "queue": "own", "data": 1, "children": []object{{"data": 1}}}, "INVALID")
	c.ok(object{"cmd": "FLOW", "queue": "own", "data": 1, "children": []object{{"queue": "own", "data": 1}}})
}
