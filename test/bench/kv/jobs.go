package main

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

	"github.com/coffer-dev/coffer/engine/config"
	"github.com/coffer-dev/coffer/test/bench/harness"
)

const (
	jobs     = 20_000
	jobBytes = 200
	pushers  = 50
	workers  = 10
	// packages has BullMQ and the Node that runs it.
	packages = "test/conformance/ioredis"
)

// measureJobs has libraries that keep their jobs in Redis push them, one at a
// time by many, and process what was pushed.
func measureJobs(o options, r *harness.Report) (err error) {
	if err := installPackages(); err != nil {
		return err
	}
	count := jobs
	if o.quick {
		count /= 10
	}
	servers, err := harness.StartServers(o.dir, config.EverySecond, contenders...)
	defer func() { err = errors.Join(err, harness.RemoveServers(servers)) }()
	if err != nil {
		return err
	}
	rows := [][]string{{"", "jobs/s coffer", "redis-server", "ratio", "server CPU µs/job coffer", "redis-server", "ratio"}}
	for _, library := range []struct {
		name string
		run  func(*harness.Server, string, int) (time.Duration, error)
	}{{"BullMQ", bullmq}, {"asynq", asynqJobs}} {
		pushed, processed := map[string][]jobRound{}, map[string][]jobRound{}
		for range o.rounds {
			for _, s := range servers {
				for _, load := range []struct {
					name string
					to   map[string][]jobRound
				}{{"push", pushed}, {"process", processed}} {
					one, err := jobsOnce(s, load.name, count, library.run)
					if err != nil {
						return fmt.Errorf("%s on %s: %w", library.name, s.Name, err)
					}
					load.to[s.Name] = append(load.to[s.Name], one)
				}
			}
		}
		rows = append(rows, jobsRow(library.name+", pushed", pushed), jobsRow(library.name+", processed", processed))
		fmt.Fprintln(os.Stderr, rows[len(rows)-2:])
	}
	r.Add(harness.Table("Jobs of libraries that run on Redis",
		fmt.Sprintf("%d jobs of %d bytes, pushed %d at a time, processed by %d workers; `EverySecond` beside `everysec`; %d rounds, median (smallest–largest).", count, jobBytes, pushers, workers, o.rounds), rows))
	return nil
}

func installPackages() error {
	if _, err := os.Stat(filepath.Join(packages, "node_modules")); err == nil {
		return nil
	}
	install := exec.Command("npm", "ci", "--prefer-offline", "--ignore-scripts")
	install.Dir, install.Stderr = packages, os.Stderr
	return install.Run()
}

type jobRound struct{ rate, cpu float64 }

func jobsOnce(s *harness.Server, what string, count int, run func(*harness.Server, string, int) (time.Duration, error)) (r jobRound, err error) {
	cpu, err := harness.CPUTime(s.PID())
	if err != nil {
		return r, err
	}
	took, err := run(s, what, count)
	if err != nil {
		return r, err
	}
	cpuAfter, err := harness.CPUTime(s.PID())
	return jobRound{float64(count) / took.Seconds(), float64((cpuAfter - cpu).Microseconds()) / float64(count)}, err
}

func jobsRow(name string, rounds map[string][]jobRound) []string {
	row := []string{name}
	for _, figure := range []struct {
		of     func(jobRound) float64
		format string
	}{
		{func(r jobRound) float64 { return r.rate }, "%.0f"},
		{func(r jobRound) float64 { return r.cpu }, "%.0f"},
	} {
		ours, theirs := harness.SpreadBy(rounds[harness.Coffer], figure.of), harness.SpreadBy(rounds[harness.Redis], figure.of)
		row = append(row, ours.Text(figure.format), theirs.Text(figure.format), fmt.Sprintf("%.2f", ours.Median/theirs.Median))
	}
	return row
}

func bullmq(s *harness.Server, what string, count int) (time.Duration, error) {
	node, err := filepath.Glob(filepath.Join(packages, "node_modules/node-linux-*/bin/node"))
	if err != nil || len(node) != 1 {
		return 0, fmt.Errorf("no Node in %s: %w", packages, err)
	}
	concurrency := map[string]int{"push": pushers, "process": workers}[what]
	cmd := exec.Command(node[0], "test/bench/queue/bullmq.mjs", packages, s.Port, what, strconv.Itoa(count), strconv.Itoa(jobBytes), strconv.Itoa(concurrency), s.Home)
	var problems bytes.Buffer
	cmd.Stderr = &problems
	out, err := cmd.Output()
	if err != nil {
		return 0, fmt.Errorf("%w\n%s", err, &problems)
	}
	seconds, err := strconv.ParseFloat(strings.TrimSpace(string(out)), 64)
	return time.Duration(seconds * float64(time.Second)), err
}

func asynqJobs(s *harness.Server, what string, count int) (time.Duration, error) {
	trust, err := s.TLS()
	if err != nil {
		return 0, err
	}
	redis := asynq.RedisClientOpt{Addr: "127.0.0.1:" + s.Port, Password: s.Password, PoolSize: pushers, TLSConfig: trust}
	if what == "push" {
		return asynqPush(redis, count)
	}
	server := asynq.NewServer(redis, asynq.Config{Concurrency: workers, LogLevel: asynq.FatalLevel})
	var done atomic.Int64
	ended := make(chan struct{})
	begin := time.Now()
	err = server.Start(asynq.HandlerFunc(func(context.Context, *asynq.Task) error {
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

func asynqPush(redis asynq.RedisClientOpt, count int) (time.Duration, error) {
	client := asynq.NewClient(redis)
	data := bytes.Repeat([]byte("x"), jobBytes)
	var together sync.WaitGroup
	failed := make([]error, pushers)
	begin := time.Now()
	for p := range pushers {
		together.Go(func() {
			for range count / pushers {
				if _, err := client.Enqueue(asynq.NewTask("bench", data)); err != nil {
					failed[p] = err
					return
				}
			}
		})
	}
	together.Wait()
	return time.Since(begin), errors.Join(append(failed, client.Close())...)
}
