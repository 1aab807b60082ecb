package main

import (
	"errors"
	"fmt"
	"os"
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
)

// measureJobs has libraries that keep their jobs in Redis push them, one at a
// time by many, and process what was pushed.
func measureJobs(o options, r *harness.Report) (err error) {
	if err := harness.InstallBullMQ(); err != nil {
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
	return harness.BullMQ(s.Port, s.Home, what, map[string]int{"push": pushers, "process": workers}[what], count, jobBytes)
}

func asynqJobs(s *harness.Server, what string, count int) (time.Duration, error) {
	trust, err := s.TLS()
	if err != nil {
		return 0, err
	}
	redis := asynq.RedisClientOpt{Addr: "127.0.0.1:" + s.Port, Password: s.Password, TLSConfig: trust}
	if what == "push" {
		return harness.AsynqPush(redis, pushers, count, jobBytes)
	}
	return harness.AsynqProcess(redis, workers, count)
}
