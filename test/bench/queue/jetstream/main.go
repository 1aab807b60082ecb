// Command jetstream is NATS JetStream for `make bench-queue`: its server, which
// syncs every message, and the loads.
//
//	jetstream serve DIR PORT
//	jetstream load PORT push|batch|fill|process JOBS BYTES WORKERS
//
// A load prints how many seconds it took.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const batch = 1000

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "jetstream:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch {
	case len(args) == 3 && args[0] == "serve":
		return serve(args[1], args[2])
	case len(args) == 6 && args[0] == "load":
		return load(args[1], args[2], args[3:])
	}
	return errors.New("usage: jetstream serve DIR PORT | load PORT push|batch|fill|process JOBS BYTES WORKERS")
}

func serve(dir, port string) error {
	number, err := strconv.Atoi(port)
	if err != nil {
		return err
	}
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: number, JetStream: true, StoreDir: dir, SyncAlways: true, NoSigs: true, NoLog: true})
	if err != nil {
		return err
	}
	go s.Start()
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, os.Interrupt)
	<-stop
	s.Shutdown()
	s.WaitForShutdown()
	return nil
}

func load(port, what string, args []string) error {
	var n [3]int
	for i, arg := range args {
		var err error
		if n[i], err = strconv.Atoi(arg); err != nil {
			return err
		}
	}
	conn, err := nats.Connect("nats://127.0.0.1:" + port)
	if err != nil {
		return err
	}
	defer conn.Close()
	js, err := jetstream.New(conn, jetstream.WithPublishAsyncMaxPending(n[2]*batch))
	if err != nil {
		return err
	}
	ctx := context.Background()
	stream, err := js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{Name: "jobs", Subjects: []string{"jobs"}, Retention: jetstream.WorkQueuePolicy})
	if err != nil {
		return err
	}
	payload := []byte(`"` + strings.Repeat("x", max(n[1]-2, 0)) + `"`)
	begin := time.Now()
	switch what {
	case "push":
		err = push(ctx, js, payload, n[0], n[2])
	case "batch", "fill":
		err = pushBatches(js, payload, n[0], n[2])
	case "process":
		err = process(ctx, stream, n[0], n[2])
	default:
		err = fmt.Errorf("unknown load %q", what)
	}
	fmt.Println(time.Since(begin).Seconds())
	return err
}

// push has so many workers that each wait for the answer to one message.
func push(ctx context.Context, js jetstream.JetStream, payload []byte, jobs, workers int) error {
	var next atomic.Int64
	var group sync.WaitGroup
	failed := make(chan error, workers)
	for range workers {
		group.Go(func() {
			for next.Add(1) <= int64(jobs) {
				if _, err := js.Publish(ctx, "jobs", payload); err != nil {
					failed <- err
					return
				}
			}
		})
	}
	group.Wait()
	close(failed)
	return <-failed
}

// pushBatches has so many workers that each send a thousand at a time and wait
// for their answers.
func pushBatches(js jetstream.JetStream, payload []byte, jobs, workers int) error {
	var next atomic.Int64
	var group sync.WaitGroup
	failed := make(chan error, workers)
	for range workers {
		group.Go(func() {
			for next.Add(batch) <= int64(jobs) {
				if err := pushBatch(js, payload); err != nil {
					failed <- err
					return
				}
			}
		})
	}
	group.Wait()
	close(failed)
	return <-failed
}

func pushBatch(js jetstream.JetStream, payload []byte) error {
	futures := make([]jetstream.PubAckFuture, batch)
	for i := range futures {
		f, err := js.PublishAsync("jobs", payload)
		if err != nil {
			return err
		}
		futures[i] = f
	}
	for _, f := range futures {
		select {
		case <-f.Ok():
		case err := <-f.Err():
			return err
		}
	}
	return nil
}

// process has so many workers take messages and acknowledge each, waiting until
// the server has confirmed it.
func process(ctx context.Context, stream jetstream.Stream, jobs, workers int) error {
	consumer, err := stream.CreateOrUpdateConsumer(ctx, jetstream.ConsumerConfig{Durable: "workers", AckPolicy: jetstream.AckExplicitPolicy, MaxAckPending: 10_000})
	if err != nil {
		return err
	}
	var done atomic.Int64
	var group sync.WaitGroup
	failed := make(chan error, workers)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for range workers {
		messages, err := consumer.Messages(jetstream.PullMaxMessages(100))
		if err != nil {
			return err
		}
		group.Go(func() {
			for done.Load() < int64(jobs) {
				m, err := messages.Next(jetstream.NextContext(ctx))
				if err == nil {
					err = m.DoubleAck(ctx)
				}
				if ctx.Err() != nil {
					return
				}
				if err != nil {
					failed <- err
					cancel()
					return
				}
				if done.Add(1) == int64(jobs) {
					cancel()
				}
			}
		})
	}
	group.Wait()
	close(failed)
	return <-failed
}
