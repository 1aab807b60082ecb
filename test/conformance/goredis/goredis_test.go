// Package goredis runs go-redis, as docs/clients/go-redis.md has it, against a
// database that rotates.
package goredis

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"

	"github.com/coffer-dev/coffer/hack/demo/client/connection"
	"github.com/coffer-dev/coffer/hack/demo/client/load"
	"github.com/coffer-dev/coffer/test/fixture/rotating"
)

func TestMain(m *testing.M) { rotating.Main(m, application) }

func TestGoRedisFollowsRotations(t *testing.T) {
	rotating.Start(t).FollowSelf()
}

// application works until its input ends.
func application(dir string) error {
	logging.Disable()
	source, err := connection.Open(dir, nil)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.Background())
	go func() { _ = source.Watch(ctx) }()
	work := &load.Load{DB: redis.NewClient(source.Options(8, "")), Workers: 8, Run: "load"}
	ended := make(chan struct{})
	go func() { work.Until(ctx); close(ended) }()
	anew := make(chan int64, 1)
	go func() { anew <- connectAnew(ctx, source) }()
	_, _ = io.Copy(io.Discard, os.Stdin)
	stop()
	<-ended
	commands, failed := work.Counts()
	for _, err := range work.Errors() {
		fmt.Fprintln(os.Stderr, err)
	}
	return json.NewEncoder(os.Stdout).Encode(map[string]int64{"commands": commands, "failed": failed + <-anew})
}

// connectAnew makes new connections all the time, as they are the ones that
// verify certificates, and counts those that failed.
func connectAnew(ctx context.Context, source *connection.Source) (failed int64) {
	for ctx.Err() == nil {
		client := redis.NewClient(source.Options(1, ""))
		if err := client.Ping(context.WithoutCancel(ctx)).Err(); err != nil {
			fmt.Fprintln(os.Stderr, "a new connection:", err)
			failed++
		}
		_ = client.Close()
		time.Sleep(20 * time.Millisecond)
	}
	return failed
}
