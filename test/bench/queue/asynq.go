package main

import (
	"time"

	"github.com/hibiken/asynq"

	"github.com/coffer-dev/coffer/test/bench/harness"
)

func startAsynq(dir, port string) (*contender, error) {
	c, err := startRedis(dir, port)
	if err != nil {
		return nil, err
	}
	redis := asynq.RedisClientOpt{Addr: "127.0.0.1:" + port}
	push := func(count, bytes int) (time.Duration, error) { return harness.AsynqPush(redis, pushers, count, bytes) }
	process := func(count, _ int) (time.Duration, error) { return harness.AsynqProcess(redis, workers, count) }
	// It has no way to push several tasks at once.
	c.load = map[string]func(int, int) (time.Duration, error){"push": push, "fill": push, "process": process}
	return c, nil
}
