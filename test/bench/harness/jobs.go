package harness

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hibiken/asynq"
)

const (
	asynqType = "bench"
	// packages has BullMQ and the Node that runs it.
	packages = "test/conformance/ioredis"
)

// InParallel calls what so often, by so many at a time, and says how long it took.
func InParallel(callers, count int, what func() error) (time.Duration, error) {
	var next atomic.Int64
	var group sync.WaitGroup
	failed := make(chan error, callers)
	begin := time.Now()
	for range callers {
		group.Go(func() {
			for next.Add(1) <= int64(count) {
				if err := what(); err != nil {
					failed <- err
					return
				}
			}
		})
	}
	group.Wait()
	close(failed)
	return time.Since(begin), <-failed
}

// AsynqPush pushes jobs of so many bytes, so many at a time.
func AsynqPush(redis asynq.RedisClientOpt, pushers, count, size int) (took time.Duration, err error) {
	redis.PoolSize = pushers
	client := asynq.NewClient(redis)
	defer func() { err = errors.Join(err, client.Close()) }()
	data := bytes.Repeat([]byte("x"), size)
	return InParallel(pushers, count, func() error {
		_, err := client.Enqueue(asynq.NewTask(asynqType, data))
		return err
	})
}

// AsynqProcess has as many jobs processed as there are.
func AsynqProcess(redis asynq.RedisClientOpt, workers, count int) (time.Duration, error) {
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

// InstallBullMQ installs what BullMQ needs, unless it is there.
func InstallBullMQ() error {
	if _, err := os.Stat(filepath.Join(packages, "node_modules")); err == nil {
		return nil
	}
	install := exec.Command("npm", "ci", "--prefer-offline", "--ignore-scripts")
	install.Dir, install.Stderr = packages, os.Stderr
	return install.Run()
}

// BullMQ carries out a load of test/bench/queue/bullmq.mjs, which says what there
// is. home is a directory with ca.crt and password of a server that speaks TLS; ""
// for one that does not.
func BullMQ(port, home, what string, workers, jobs, size int) (time.Duration, error) {
	node, err := filepath.Glob(filepath.Join(packages, "node_modules/node-linux-*/bin/node"))
	if err != nil || len(node) != 1 {
		return 0, fmt.Errorf("no Node in %s: %w", packages, err)
	}
	return Program(node[0], "test/bench/queue/bullmq.mjs", packages, port, what, strconv.Itoa(jobs), strconv.Itoa(size), strconv.Itoa(workers), home)
}

// Program runs a load that prints how many seconds it took.
func Program(command ...string) (time.Duration, error) {
	var problems bytes.Buffer
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Stderr = &problems
	out, err := cmd.Output()
	if err != nil {
		return 0, fmt.Errorf("%s: %w\n%s", command[0], err, &problems)
	}
	seconds, err := strconv.ParseFloat(strings.TrimSpace(string(out)), 64)
	return time.Duration(seconds * float64(time.Second)), err
}
