// Package jobsgo runs the Go client, as docs/clients/jobs-go.md has it, against a
// queue that rotates.
package jobsgo

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coffer-dev/coffer/engine/client/jobs"
	"github.com/coffer-dev/coffer/test/conformance/jobsgo/mail"
	"github.com/coffer-dev/coffer/test/fixture/rotating"
)

func TestMain(m *testing.M) { rotating.Main(m, application) }

// TestGoJobsFollowRotations holds docs/clients/jobs-go.md.
func TestGoJobsFollowRotations(t *testing.T) {
	rotating.StartJobs(t).FollowSelf()
}

// counts are what went well and what did not.
type counts struct{ commands, failed atomic.Int64 }

func (c *counts) wrong(format string, args ...any) {
	c.failed.Add(1)
	fmt.Fprintf(os.Stderr, format+"\n", args...)
}

// application enqueues and sends until its input ends, with a job that takes
// longer than its lease and than a rotation.
func application(dir string) error {
	ctx := context.Background()
	count := &counts{}
	client, err := mail.Connect(ctx, dir, func(err error) { count.wrong("client: %v", err) })
	if err != nil {
		return err
	}
	producing, stop := context.WithCancel(ctx)
	working, drain := context.WithCancel(ctx)
	var open sync.Map // by mail
	var producers, workers sync.WaitGroup
	workers.Go(func() {
		err := mail.Send(working, client, func(_ context.Context, m mail.Mail) error {
			count.commands.Add(1)
			if _, ok := open.LoadAndDelete(m.Subject); !ok {
				count.wrong("%s was sent twice", m.Subject)
			}
			return nil
		}, func(err error) { count.wrong("worker: %v", err) })
		if err != nil {
			count.wrong("worker: %v", err)
		}
	})
	workers.Go(func() { sleepThrough(working, client, count) })
	for p := range 4 {
		producers.Go(func() {
			for n := 0; producing.Err() == nil; n++ {
				id := fmt.Sprintf("%d-%d", p, n)
				open.Store(id, true)
				count.commands.Add(1)
				if err := mail.Enqueue(ctx, client, id, mail.Mail{To: "a@example.com", Subject: id}); err != nil {
					count.wrong("enqueue %s: %v", id, err)
				}
				time.Sleep(5 * time.Millisecond)
			}
		})
	}
	producers.Go(func() { connectAnew(producing, dir, count) })
	_, _ = io.Copy(io.Discard, os.Stdin)
	stop()
	producers.Wait()
	for end := time.Now().Add(30 * time.Second); left(&open) > 0 && time.Now().Before(end); {
		time.Sleep(50 * time.Millisecond)
	}
	if n := left(&open); n > 0 {
		count.wrong("%d mails were lost", n)
	}
	drain()
	workers.Wait()
	client.Close()
	return json.NewEncoder(os.Stdout).Encode(map[string]int64{"commands": count.commands.Load(), "failed": count.failed.Load()})
}

func left(open *sync.Map) (n int) {
	open.Range(func(any, any) bool { n++; return true })
	return n
}

// sleepThrough has one job after another that keeps its lease by heartbeats only.
func sleepThrough(ctx context.Context, client *jobs.Client, count *counts) {
	push := func() error {
		_, err := client.Push(context.WithoutCancel(ctx), "slow", nil, jobs.PushOptions{})
		return err
	}
	worker := jobs.Worker{Queue: "slow", Lease: time.Second, OnError: func(err error) { count.wrong("slow worker: %v", err) },
		Handle: func(ctx context.Context, job *jobs.Job) (any, error) {
			select {
			case <-time.After(5 * time.Second):
				return nil, push()
			case <-ctx.Done():
				return nil, context.Cause(ctx)
			}
		}}
	err := push()
	if err == nil {
		err = worker.Run(ctx, client)
	}
	if err != nil {
		count.wrong("slow worker: %v", err)
	}
}

// connectAnew makes new connections all the time, as they are the ones that
// verify certificates.
func connectAnew(ctx context.Context, dir string, count *counts) {
	for ctx.Err() == nil {
		count.commands.Add(1)
		client, err := jobs.Connect(context.WithoutCancel(ctx), jobs.Options{SecretDir: dir})
		if err != nil {
			count.wrong("a new connection: %v", err)
			continue
		}
		client.Close()
		time.Sleep(20 * time.Millisecond)
	}
}
