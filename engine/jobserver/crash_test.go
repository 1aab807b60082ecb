package jobserver_test

import (
	"bufio"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

var (
	crashFor   = flag.Duration("crash-for", 4*time.Second, "how long TestCrashLoop kills the engine again and again")
	crashEvery = flag.Duration("crash-every", 800*time.Millisecond, "how long it lets the engine live")
	crashJobs  = flag.Int("crash-jobs", 0, "how many jobs it pushes, however long that takes; 0: as many as the time has room for")
	crashMen   = flag.Int("crash-workers", 8, "how many workers there are")
)

// program is the real engine, which is killed and started again on the same
// directory.
type program struct {
	t      *testing.T
	binary string
	*member
	addr atomic.Value // of the port for jobs; "" while it is down

	mu  sync.Mutex
	cmd *exec.Cmd
}

func (p *program) start() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cmd = exec.Command(p.binary, "serve", "--dev", "--dir", p.dir, "--port", "0", "--queue-port", "0", "--http-port", "0")
	out, err := p.cmd.StdoutPipe()
	if err == nil {
		err = p.cmd.Start()
	}
	if err != nil {
		p.t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if rest, ok := strings.CutPrefix(lines.Text(), "jobs: "); ok {
			addr, _, _ := strings.Cut(rest, " ")
			p.addr.Store(addr)
			return
		}
	}
	p.t.Errorf("the engine does not start again: %v", p.cmd.Wait())
}

func (p *program) kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.addr.Store("")
	_ = p.cmd.Process.Signal(syscall.SIGKILL)
	_ = p.cmd.Wait()
}

// dial connects to the engine once it is there; nil after a while without it.
func (p *program) dial(frames bool) *client {
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		addr := p.addr.Load().(string)
		if addr == "" {
			continue
		}
		if c, err := p.reach(p.t, addr, frames); err == nil {
			if answer, err := c.try(object{"cmd": "AUTH", "token": p.token()}); err == nil && answer["ok"] == true {
				return c
			}
			c.Close()
		}
	}
	return nil
}

// boss is dial for the test itself, which cannot go on without.
func (p *program) boss(frames bool) *client {
	p.t.Helper()
	c := p.dial(frames)
	if c == nil {
		p.t.Fatalf("no login to the engine at %q", p.addr.Load())
	}
	return c
}

func (p *program) token() string {
	text, err := os.ReadFile(filepath.Join(p.dir, "token"))
	if err != nil {
		p.t.Error(err)
	}
	return strings.TrimSpace(string(text))
}

// try is call for a connection that may break.
func (c *client) try(request object) (object, error) {
	if err := c.write(request); err != nil {
		return nil, err
	}
	return c.read()
}

// ledger is what clients know of jobs.
type ledger struct {
	mu     sync.Mutex
	pushed map[int64]bool // whose push was acknowledged
	ran    map[int64]bool // that a worker had
	acked  map[int64]bool // whose acknowledgement was answered
	again  []int64        // that were handed out after that
}

// acknowledged is how many pushes were.
func (l *ledger) acknowledged() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.pushed)
}

// TestCrashLoop: whenever the engine is killed, every job whose push was
// acknowledged is carried out at least once, none that was acknowledged is
// handed out again, and no group, unique key or place of the concurrency limit
// is lost with those who had it.
func TestCrashLoop(t *testing.T) {
	p := &program{t: t, binary: filepath.Join(t.TempDir(), "coffer-engine"), member: &member{dir: t.TempDir()}}
	if out, err := exec.Command("go", "build", "-o", p.binary, "github.com/coffer-dev/coffer/engine").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	p.start()
	t.Cleanup(p.kill)
	boss := p.boss(false)
	boss.ok(object{"cmd": "SETCONCURRENCY", "queue": "q", "limit": *crashMen})
	l := &ledger{pushed: map[int64]bool{}, ran: map[int64]bool{}, acked: map[int64]bool{}}
	produce, work := make(chan struct{}), make(chan struct{})
	var producers, workers sync.WaitGroup
	var numbers atomic.Int64
	for i := range 4 {
		producers.Go(func() { p.produce(l, i, &numbers, produce) })
	}
	for i := range *crashMen {
		workers.Go(func() { p.work(l, i, work) })
	}
	kills := 0
	for end := time.Now().Add(*crashFor); (time.Now().Before(end) || l.acknowledged() < *crashJobs) && !t.Failed(); kills++ {
		time.Sleep(*crashEvery)
		p.kill()
		p.start()
	}
	close(produce)
	producers.Wait()
	left := func() (n int) {
		l.mu.Lock()
		defer l.mu.Unlock()
		for id := range l.pushed {
			if !l.ran[id] {
				n++
			}
		}
		return n
	}
	for end := time.Now().Add(2 * time.Minute); left() > 0 && time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
	}
	close(work)
	workers.Wait()
	l.mu.Lock()
	t.Logf("%d kills, %d pushes acknowledged, %d jobs carried out, %d acknowledgements answered", kills, len(l.pushed), len(l.ran), len(l.acked))
	if len(l.again) > 0 || len(l.pushed) == 0 {
		t.Errorf("%d pushed; handed out again: %v", len(l.pushed), l.again)
	}
	l.mu.Unlock()
	if n := left(); n > 0 {
		t.Errorf("%d jobs were never carried out", n)
	}
	p.nothingLeaked(t)
}

// nothingLeaked: as many jobs as the limit has places can be pulled, of groups
// and with unique keys that were in use.
func (p *program) nothingLeaked(t *testing.T) {
	t.Helper()
	boss := p.boss(true)
	// What a push that nobody was told of left, or an acknowledgement.
	wait(t, "the queue is empty", func() bool {
		counts := boss.ok(object{"cmd": "GETJOBCOUNTS", "queue": "q"})
		boss.ok(object{"cmd": "DRAIN", "queue": "q"})
		return number(counts["active"])+number(counts["waiting"])+number(counts["delayed"]) == 0
	})
	for i := range *crashMen {
		if answer := boss.ok(object{"cmd": "PUSH", "queue": "q", "data": i, "group_id": fmt.Sprint(i), "unique_key": fmt.Sprint(i)}); answer["duplicate"] != nil {
			t.Errorf("a unique key leaked: %v", answer)
		}
	}
	jobs, _ := boss.ok(object{"cmd": "PULLB", "queue": "q", "count": 1000, "timeout": 0})["jobs"].([]any)
	if len(jobs) != *crashMen {
		t.Errorf("%d of %d places are there", len(jobs), *crashMen)
	}
}

// produce pushes until it is told to stop, or all numbers are used. A push whose
// answer was lost is sent again.
func (p *program) produce(l *ledger, i int, numbers *atomic.Int64, stop chan struct{}) {
	var c *client
	for n := numbers.Add(1); *crashJobs == 0 || n <= int64(*crashJobs); {
		select {
		case <-stop:
			return
		default:
		}
		request := object{"cmd": "PUSH", "queue": "q", "data": n, "stall_timeout": 1500, "max_attempts": 0, "unique_key": fmt.Sprint(n)}
		if n%10 == 0 {
			request["group_id"] = fmt.Sprint(n % 30)
		}
		if c == nil {
			if c = p.dial(i%2 == 0); c == nil {
				continue
			}
		}
		answer, err := c.try(request)
		if err != nil {
			c.Close()
			c = nil
			continue
		}
		if answer["ok"] != true {
			p.t.Errorf("push: %v", answer)
			return
		}
		l.mu.Lock()
		l.pushed[number(answer["id"])] = true
		l.mu.Unlock()
		n = numbers.Add(1)
	}
}

// work pulls and acknowledges, with leases of either kind.
func (p *program) work(l *ledger, i int, stop chan struct{}) {
	var c *client
	pull := object{"cmd": "PULL", "queue": "q", "timeout": 200}
	if i%2 == 0 {
		pull["lease"] = 1500
	}
	for {
		select {
		case <-stop:
			return
		default:
		}
		if c == nil {
			if c = p.dial(i%4 < 2); c == nil {
				continue
			}
		}
		if err := p.workOnce(l, c, maps.Clone(pull)); err != nil {
			c.Close()
			c = nil
		}
	}
}

func (p *program) workOnce(l *ledger, c *client, pull object) error {
	answer, err := c.try(pull)
	if err != nil {
		return err
	}
	job, _ := answer["job"].(object)
	if job == nil {
		return nil
	}
	id := number(job["id"])
	l.mu.Lock()
	l.ran[id] = true
	if l.acked[id] {
		l.again = append(l.again, id)
	}
	l.mu.Unlock()
	ack := object{"cmd": "ACK", "id": id}
	if job["lease"] != nil {
		ack["lease"] = job["lease"]
	}
	if answer, err = c.try(ack); err != nil {
		return err
	}
	if answer["ok"] == true {
		l.mu.Lock()
		l.acked[id] = true
		l.mu.Unlock()
	}
	return nil
}
