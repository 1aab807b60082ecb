package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/coffer-dev/coffer/engine/client/jobs"
	"github.com/coffer-dev/coffer/engine/config"
	"github.com/coffer-dev/coffer/engine/node/dev"
	"github.com/coffer-dev/coffer/test/bench/harness"
)

const queueName = "bench"

func startCoffer(o options, dir, port string, durability config.Durability) (*contender, error) {
	c, err := prepareCoffer(dir, port, durability)
	if err != nil {
		return nil, err
	}
	s, err := serve(port, filepath.Join(o.dir, "coffer-engine"), "serve", "--config", c)
	if err != nil {
		return nil, err
	}
	// One connection for all: the client's callers share it.
	client, err := jobs.Connect(context.Background(), jobs.Options{SecretDir: dir, Address: net.JoinHostPort("127.0.0.1", port)})
	if err != nil {
		return nil, fmt.Errorf("%w\n%s", err, &s.log)
	}
	l := loads{client}
	s.load = map[string]func(int, int) (time.Duration, error){"push": l.push, "batch": l.batch, "fill": l.batch, "process": l.process}
	return s, nil
}

// prepareCoffer makes the configuration that a laptop's member runs from.
func prepareCoffer(dir, port string, durability config.Durability) (path string, err error) {
	number, err := strconv.Atoi(port)
	if err != nil {
		return "", err
	}
	c, err := dev.Prepare(dir, dev.Ports{Jobs: number})
	if err != nil {
		return "", err
	}
	c.Durability = durability
	text, err := json.Marshal(c)
	if err != nil {
		return "", err
	}
	path = filepath.Join(dir, "engine.json")
	return path, os.WriteFile(path, text, 0o600)
}

type loads struct{ *jobs.Client }

func payload(bytes int) json.RawMessage {
	return json.RawMessage(`"` + strings.Repeat("x", max(bytes-2, 0)) + `"`)
}

func (c loads) push(count, bytes int) (time.Duration, error) {
	data := payload(bytes)
	return harness.InParallel(pushers, count, func() error {
		_, err := c.Push(context.Background(), queueName, data, jobs.PushOptions{})
		return err
	})
}

func (c loads) batch(count, bytes int) (time.Duration, error) {
	data := payload(bytes)
	all := make([]jobs.NewJob, batch)
	for i := range all {
		all[i].Data = data
	}
	return harness.InParallel(batchers, (count+batch-1)/batch, func() error {
		_, err := c.PushBatch(context.Background(), queueName, all)
		return err
	})
}

func (c loads) process(count, _ int) (time.Duration, error) {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	var done atomic.Int64
	var failed atomic.Value
	worker := jobs.Worker{
		Queue: queueName, Concurrency: workers, Prefetch: prefetch, OnError: func(err error) { failed.Store(err); stop() },
		Handle: func(context.Context, *jobs.Job) (any, error) {
			if done.Add(1) == int64(count) {
				stop()
			}
			return nil, nil
		},
	}
	begin := time.Now()
	// Run returns once the last acknowledgement is answered.
	err := worker.Run(ctx, c.Client)
	if e, ok := failed.Load().(error); ok {
		return 0, e
	}
	return time.Since(begin), err
}

const prefetch = 500
