package main

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/hibiken/asynq"
)

const asynqType = "bench"

func startAsynq(dir, port string) (*contender, error) {
	c, err := startRedis(dir, port)
	if err != nil {
		return nil, err
	}
	redis := asynq.RedisClientOpt{Addr: "127.0.0.1:" + port, PoolSize: pushers}
	client := asynq.NewClient(redis)
	push := func(count, bytes int) (time.Duration, error) {
		data := payload(bytes)
		return inParallel(pushers, count, func() error {
			_, err := client.Enqueue(asynq.NewTask(asynqType, data))
			return err
		})
	}
	process := func(count, _ int) (time.Duration, error) {
		server := asynq.NewServer(redis, asynq.Config{Concurrency: workers, LogLevel: asynq.FatalLevel})
		var done atomic.Int64
		ended := make(chan struct{})
		begin := time.Now()
		err := server.Start(asynq.HandlerFunc(func(context.Context, *asynq.Task) error {
			if done.Add(1) == int64(count) {
				close(ended)
			}
			return nil
		}))
		if err != nil {
			return 0, err
		}
		<-ended
		took := time.Since(begin)
		server.Shutdown()
		return took, nil
	}
	// It has no way to push several tasks at once.
	c.load = map[string]func(int, int) (time.Duration, error){"push": push, "fill": push, "process": process}
	return c, nil
}
