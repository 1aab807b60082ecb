// Package load keeps workers writing and reading, verifies every value, and
// counts: no command is tried twice, so a failed one is seen.
package load

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

// errWrongValue says that a read did not return what was written.
var errWrongValue = errors.New("read a value that was not written")

// maxErrors are kept for the report; the rest is only counted.
const maxErrors = 10

// Load is a number of workers on one client.
type Load struct {
	DB      *redis.Client
	Workers int
	Run     string        // prefix of this run's keys
	Pause   time.Duration // of each worker between two turns

	commands, failed atomic.Int64
	mu               sync.Mutex
	errs             []error
}

// Counts of commands answered, rightly or not, and of those that failed.
func (l *Load) Counts() (commands, failed int64) { return l.commands.Load(), l.failed.Load() }

// Errors are the first of the failures.
func (l *Load) Errors() []error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]error(nil), l.errs...)
}

// Until runs the workers until stop is done. The command in flight then ends
// by itself: stopping is no failure.
func (l *Load) Until(stop context.Context) {
	var all sync.WaitGroup
	for w := range l.Workers {
		all.Go(func() { l.work(stop, l.Run+":"+strconv.Itoa(w)) })
	}
	all.Wait()
}

func (l *Load) work(stop context.Context, prefix string) {
	ctx := context.WithoutCancel(stop)
	counter := int64(0)
	for turn := 0; stop.Err() == nil; turn++ {
		key := prefix + ":" + strconv.Itoa(turn%64)
		value := strconv.Itoa(turn)
		l.did(2, l.setAndGet(ctx, key, value))
		n, err := l.increment(ctx, prefix+":counter", counter)
		l.did(1, err)
		// After a failure it is unknown whether the write took place.
		counter = n
		if turn%8 == 0 {
			l.did(3, l.pipelined(ctx, key, value))
		}
		time.Sleep(l.Pause)
	}
	l.did(1, l.DB.Del(ctx, prefix+":counter").Err())
}

func (l *Load) setAndGet(ctx context.Context, key, value string) error {
	if err := l.DB.Set(ctx, key, value, time.Hour).Err(); err != nil {
		return fmt.Errorf("SET: %w", err)
	}
	got, err := l.DB.Get(ctx, key).Result()
	if err != nil {
		return fmt.Errorf("GET: %w", err)
	}
	if got != value {
		return fmt.Errorf("GET: %w", errWrongValue)
	}
	return nil
}

func (l *Load) increment(ctx context.Context, key string, before int64) (int64, error) {
	n, err := l.DB.Incr(ctx, key).Result()
	switch {
	case err != nil:
		return before, fmt.Errorf("INCR: %w", err)
	case n != before+1:
		return n, fmt.Errorf("INCR: %w", errWrongValue)
	}
	return n, nil
}

func (l *Load) pipelined(ctx context.Context, key, value string) error {
	pipe := l.DB.Pipeline()
	got := pipe.Get(ctx, key)
	pipe.Set(ctx, key, value+"+", time.Hour)
	again := pipe.Get(ctx, key)
	if _, err := pipe.Exec(ctx); err != nil {
		return fmt.Errorf("pipeline: %w", err)
	}
	if got.Val() != value || again.Val() != value+"+" {
		return fmt.Errorf("pipeline: %w", errWrongValue)
	}
	return nil
}

func (l *Load) did(commands int64, err error) {
	l.commands.Add(commands)
	if err == nil {
		return
	}
	l.failed.Add(1)
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.errs) < maxErrors {
		l.errs = append(l.errs, err)
	}
}
