package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/coffer-dev/coffer/engine/config"
	"github.com/coffer-dev/coffer/test/bench/harness"
)

const (
	// dialers is how many connections are opened at a time, none of them measured.
	dialers = 16
	// manyRounds and manySeconds bound what many connections take to measure.
	manyRounds  = 3
	manySeconds = 5
)

// measureConnections has many clients that send a command at a time. They are
// this program's: redis-benchmark counts the opening of connections.
func measureConnections(o options, r *harness.Report) (err error) {
	servers, err := harness.StartServers(o.dir, config.EverySecond, contenders...)
	defer func() { err = errors.Join(err, harness.RemoveServers(servers)) }()
	if err != nil {
		return err
	}
	rows := [][]string{{"connections, command", "requests/s coffer", "redis-server", "ratio", "p99 ms coffer", "redis-server", "ratio", "server CPU µs/command coffer", "redis-server", "ratio", "memory MiB coffer", "redis-server"}}
	for _, count := range []int{500, 5000} {
		for _, command := range []string{"SET", "GET"} {
			rounds := map[string][]many{}
			for range manyRounds {
				for _, s := range servers {
					one, err := measureMany(s, count, command)
					if err != nil {
						return fmt.Errorf("%d connections to %s: %w", count, s.Name, err)
					}
					rounds[s.Name] = append(rounds[s.Name], one)
				}
			}
			rows = append(rows, manyRow(fmt.Sprintf("%d, %s", count, command), rounds))
			fmt.Fprintln(os.Stderr, rows[len(rows)-1])
		}
	}
	r.Add(harness.Table("Many connections, one command at a time each",
		fmt.Sprintf("`EverySecond` beside `everysec`, values of %d bytes, %d rounds of %d s, median (smallest–largest). Memory is resident, with the connections open.", valueBytes, manyRounds, manySeconds), rows))
	return nil
}

// many is a round with many connections.
type many struct{ rate, p99, cpu, memory float64 }

func manyRow(name string, rounds map[string][]many) []string {
	row := []string{name}
	for _, figure := range []struct {
		of     func(many) float64
		format string
	}{
		{func(m many) float64 { return m.rate }, "%.0f"},
		{func(m many) float64 { return m.p99 }, "%.1f"},
		{func(m many) float64 { return m.cpu }, "%.1f"},
	} {
		ours, theirs := harness.SpreadBy(rounds[harness.Coffer], figure.of), harness.SpreadBy(rounds[harness.Redis], figure.of)
		row = append(row, ours.Text(figure.format), theirs.Text(figure.format), fmt.Sprintf("%.2f", ours.Median/theirs.Median))
	}
	for _, name := range contenders {
		row = append(row, fmt.Sprintf("%.0f", harness.SpreadBy(rounds[name], func(m many) float64 { return m.memory }).Median))
	}
	return row
}

func measureMany(s *harness.Server, count int, command string) (m many, err error) {
	clients, err := dialMany(s, count)
	defer func() {
		for _, c := range clients {
			c.Close()
		}
	}()
	if err != nil {
		return m, err
	}
	cpu, err := harness.CPUTime(s.PID())
	if err != nil {
		return m, err
	}
	begin := time.Now()
	end := begin.Add(manySeconds * time.Second)
	var together sync.WaitGroup
	times, failed := make([][]time.Duration, count), make([]error, count)
	for i, c := range clients {
		together.Go(func() { times[i], failed[i] = repeat(c, command, uint64(i), end) })
	}
	together.Wait()
	took := time.Since(begin)
	if err := errors.Join(failed...); err != nil {
		return m, err
	}
	cpuAfter, err := harness.CPUTime(s.PID())
	if err != nil {
		return m, err
	}
	memory, err := harness.Memory(s.PID(), "VmRSS")
	all := slices.Concat(times...)
	slices.Sort(all)
	return many{
		rate: float64(len(all)) / took.Seconds(), p99: float64(all[len(all)*99/100].Microseconds()) / 1000,
		cpu: float64((cpuAfter - cpu).Microseconds()) / float64(len(all)), memory: float64(memory) / (1 << 20),
	}, err
}

func dialMany(s *harness.Server, count int) (clients []*harness.Client, err error) {
	var together sync.WaitGroup
	var lock sync.Mutex
	for d := range dialers {
		together.Go(func() {
			for range count/dialers + min(1, max(0, count%dialers-d)) {
				c, failed := s.Dial()
				lock.Lock()
				if err = errors.Join(err, failed); failed == nil {
					clients = append(clients, c)
				}
				lock.Unlock()
				if failed != nil {
					return
				}
			}
		})
	}
	together.Wait()
	return clients, err
}

// repeat sends a command and waits for its answer until the time is over.
func repeat(c *harness.Client, command string, seed uint64, end time.Time) (times []time.Duration, err error) {
	random := rand.New(rand.NewPCG(seed, 1))
	for begin := time.Now(); begin.Before(end); {
		argv := [][]byte{[]byte(command), fmt.Appendf(nil, "key:%012d", random.IntN(harness.KeySpace))}
		if command == "SET" {
			argv = append(argv, []byte(value))
		}
		c.Send(argv...)
		if err := c.Confirm(); err != nil {
			return times, err
		}
		now := time.Now()
		times = append(times, now.Sub(begin))
		begin = now
	}
	return times, nil
}
