// Package asynq runs asynq, as docs/clients/asynq.md has it, against a database
// that rotates.
package asynq

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9/logging"

	"github.com/coffer-dev/coffer/engine/acl"
	"github.com/coffer-dev/coffer/hack/demo/client/connection"
	"github.com/coffer-dev/coffer/test/conformance/asynq/following"
	"github.com/coffer-dev/coffer/test/fixture/rotating"
)

func TestMain(m *testing.M) { rotating.Main(m, application) }

// TestAsynqFollowsRotations: tasks at once, later, retried, unique and
// cancelled, and not one that is lost or fails, with no more permissions than the
// page says.
func TestAsynqFollowsRotations(t *testing.T) {
	rotating.Start(t, func(u *acl.User) {
		u.Commands, u.Keys, u.Channels = acl.Asynq.Commands, acl.Asynq.Keys, acl.Asynq.Channels
	}).FollowSelf()
}

// ledger counts what was asked for, done, and wrong.
type ledger struct {
	asked, done, failed atomic.Int64

	mu   sync.Mutex
	open map[string]int // runs that a task still needs
}

func (l *ledger) wrong(format string, args ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
	l.failed.Add(1)
}

func (l *ledger) expect(id string, runs int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open[id] = runs
	l.asked.Add(1)
}

// ran tells whether that was the task's last run.
func (l *ledger) ran(id string) (last bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.done.Add(1)
	if l.open[id]--; l.open[id] > 0 {
		return false
	}
	if l.open[id] < 0 {
		l.failed.Add(1)
		fmt.Fprintln(os.Stderr, id, "ran too often")
	}
	delete(l.open, id)
	return true
}

func (l *ledger) left() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.open)
}

// errLater has a task retried.
var errLater = errors.New("not yet")

// ProcessTask implements asynq.Handler.
func (l *ledger) ProcessTask(ctx context.Context, task *asynq.Task) error {
	id := string(task.Payload())
	if task.Type() == "endless" {
		<-ctx.Done() // until it is cancelled
		l.ran(id)
		return fmt.Errorf("cancelled: %w", asynq.SkipRetry)
	}
	if !l.ran(id) {
		return errLater
	}
	return nil
}

// Debug and Info implement asynq.Logger; what is worse is a failure.
func (l *ledger) Debug(...any) {}

// Info implements asynq.Logger.
func (l *ledger) Info(...any) {}

// Warn implements asynq.Logger: of the tasks that are cancelled it tells that
// they are not tried again.
func (l *ledger) Warn(args ...any) {
	text, turn := fmt.Sprint(args...), 0
	if n, _ := fmt.Sscanf(text, "Retry exhausted for task id=%d", &turn); n == 1 && endless(turn) {
		return
	}
	l.wrong("warning: %s", text)
}

// Error implements asynq.Logger.
func (l *ledger) Error(args ...any) { l.wrong("error: %s", fmt.Sprint(args...)) }

// Fatal implements asynq.Logger.
func (l *ledger) Fatal(args ...any) { l.wrong("fatal: %s", fmt.Sprint(args...)) }

// endless tells which tasks do not end by themselves.
func endless(turn int) bool { return turn%200 == 5 }

// application works until its input ends.
func application(dir string) error {
	logging.Disable()
	source, err := connection.Open(dir, nil)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	go func() { _ = source.Watch(ctx) }()
	l := &ledger{open: map[string]int{}}
	database := following.Redis{Source: source, Connections: 10}
	server := asynq.NewServer(database, asynq.Config{
		Concurrency: 8, Queues: map[string]int{"critical": 2, "default": 1}, Logger: l, LogLevel: asynq.WarnLevel,
		TaskCheckInterval: 200 * time.Millisecond, DelayedTaskCheckInterval: 500 * time.Millisecond,
		RetryDelayFunc: func(int, error, *asynq.Task) time.Duration { return time.Second },
		IsFailure:      func(err error) bool { return !errors.Is(err, errLater) },
	})
	if err := server.Start(l); err != nil {
		return err
	}
	client, inspector := asynq.NewClient(database), asynq.NewInspector(database)
	ended := make(chan struct{})
	go func() { _, _ = io.Copy(io.Discard, os.Stdin); close(ended) }()
	for turn := 0; !isClosed(ended); turn++ {
		l.enqueue(client, inspector, turn)
		time.Sleep(10 * time.Millisecond)
	}
	for end := time.Now().Add(time.Minute); l.left() > 0; time.Sleep(100 * time.Millisecond) {
		if time.Now().After(end) {
			l.wrong("%d tasks were not done", l.left())
			break
		}
	}
	server.Shutdown()
	_ = client.Close()
	_ = inspector.Close()
	return json.NewEncoder(os.Stdout).Encode(map[string]int64{"commands": l.asked.Load() + l.done.Load(), "failed": l.failed.Load()})
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// enqueue asks for a task of each kind, in turn.
func (l *ledger) enqueue(client *asynq.Client, inspector *asynq.Inspector, turn int) {
	id := strconv.Itoa(turn)
	kind, runs, options := "plain", 1, []asynq.Option{asynq.MaxRetry(5), asynq.TaskID(id)}
	switch turn % 10 {
	case 1:
		options = append(options, asynq.ProcessIn(time.Second))
	case 2:
		runs = 2
	case 3:
		options = append(options, asynq.Queue("critical"), asynq.Retention(time.Minute))
	case 4:
		options = append(options, asynq.Unique(time.Minute))
	}
	if endless(turn) {
		kind, options = "endless", append(options, asynq.MaxRetry(0)) // it is cancelled, which counts as a failure
	}
	l.expect(id, runs)
	_, err := client.Enqueue(asynq.NewTask(kind, []byte(id)), options...)
	if err != nil {
		l.wrong("enqueuing %s: %v", id, err)
		return
	}
	if turn%10 == 4 {
		if _, err := client.Enqueue(asynq.NewTask(kind, []byte(id)), asynq.Unique(time.Minute)); !errors.Is(err, asynq.ErrDuplicateTask) && err != nil {
			l.wrong("the same again: %v", err)
		} else if err == nil {
			l.expect(id, 1) // the first one was done by then
		}
	}
	if kind == "endless" {
		go l.cancel(inspector, id)
	}
}

// cancel ends a task that does not end by itself. Messages that are sent while
// nobody listens are lost, with asynq as with any: it is said until it is heard.
func (l *ledger) cancel(inspector *asynq.Inspector, id string) {
	for {
		time.Sleep(300 * time.Millisecond)
		l.mu.Lock()
		_, open := l.open[id]
		l.mu.Unlock()
		if !open {
			return
		}
		if err := inspector.CancelProcessing(id); err != nil {
			l.wrong("cancelling %s: %v", id, err)
		}
	}
}
