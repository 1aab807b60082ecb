package jobserver_test

import (
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/coffer-dev/coffer/engine/acl"
	"github.com/coffer-dev/coffer/engine/config"
)

// grown is by how much the live heap is larger than before, at most, within a
// time.
func grown(before uint64, within time.Duration) (most int64) {
	for end := time.Now().Add(within); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		most = max(most, int64(heap()-before))
	}
	return most
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// TestAnswersToMuchThatIsAskedAtOnce: what a few bytes ask for is not in memory
// at once, and what nobody reads is counted.
func TestAnswersToMuchThatIsAskedAtOnce(t *testing.T) {
	m := start(t)
	c := m.login(t, "admin")
	id := c.push("q", strings.Repeat("x", 2<<20))
	jobs := make([]object, 1000)
	for i := range jobs {
		jobs[i] = object{"data": i}
	}
	c.ok(object{"cmd": "PUSHB", "queue": "many", "jobs": jobs})
	for name, request := range map[string]object{
		"large jobs": {"cmd": "GETJOB", "id": id},
		"many jobs":  {"cmd": "GETJOBS", "queue": "many", "limit": 10_000},
		"WAITJOB":    {"cmd": "GETRESULT", "id": id},
	} {
		t.Run(name, func(t *testing.T) {
			if name == "WAITJOB" {
				job := c.pull("q")
				c.ok(object{"cmd": "ACK", "id": job["id"], "result": strings.Repeat("x", 2<<20)})
				request = object{"cmd": "WAITJOB", "id": id}
			}
			greedy := m.login(t, "admin")
			before := heap()
			requests := make([]object, 80)
			for i := range requests {
				requests[i] = request
			}
			greedy.send(requests...)
			if n := grown(before, 500*time.Millisecond); n > 40<<20 {
				t.Errorf("%d MB more", n>>20)
			}
			for range 2 {
				if answer := greedy.receive(); answer["ok"] != true {
					t.Fatal(answer)
				}
			}
			_ = greedy.Close()
		})
	}
}

// TestUnreadAnswersAreShed: what connections leave unread counts against
// limits.maxClientBufferBytes.
func TestUnreadAnswersAreShed(t *testing.T) {
	m := start(t, func(c *config.Config) { c.Limits.MaxClientBufferBytes = 8 << 20 })
	c := m.login(t, "admin")
	id := c.push("q", strings.Repeat("x", 3<<20))
	lazy := make([]*client, 6)
	for i := range lazy {
		lazy[i] = m.login(t, "admin")
		lazy[i].send(object{"cmd": "GETJOB", "id": id}, object{"cmd": "GETJOB", "id": id})
	}
	closed := 0
	time.Sleep(time.Second)
	for _, l := range lazy {
		for range 2 {
			if _, err := l.read(); err != nil {
				closed++
				break
			}
		}
	}
	if closed == 0 {
		t.Error("none of them is closed")
	}
}

// TestFailedLoginsHoldUpNoShutdown: however many a stranger has sent at once.
func TestFailedLoginsHoldUpNoShutdown(t *testing.T) {
	m := start(t, func(c *config.Config) { c.Limits.AuthenticateSeconds = 3 })
	stranger := m.connect(t, false)
	attempts := make([]object, 500)
	for i := range attempts {
		attempts[i] = object{"cmd": "AUTH", "token": "guess"}
	}
	begin := time.Now()
	stranger.send(attempts...)
	for {
		if _, err := stranger.read(); err != nil {
			break
		}
	}
	if took := time.Since(begin); took > 8*time.Second {
		t.Errorf("the connection lasted %v", took)
	}
}

// TestTheQuotaHoldsUpNoShutdown: those whose requests wait for their quota are
// closed between two of them.
func TestTheQuotaHoldsUpNoShutdown(t *testing.T) {
	m := start(t)
	slow := user("slow", []string{"*"}, []string{"*"})
	slow.Quota = &acl.Quota{RequestsPerSecond: 1}
	m.users(t, admin, slow)
	c := m.login(t, "slow")
	requests := make([]object, 60)
	for i := range requests {
		requests[i] = object{"cmd": "PING"}
	}
	c.send(requests...)
	c.receive()
	m.users(t, admin)
	begin := time.Now()
	for {
		if _, err := c.read(); err != nil {
			break
		}
	}
	if took := time.Since(begin); took > 8*time.Second {
		t.Errorf("the connection lasted %v", took)
	}
}
