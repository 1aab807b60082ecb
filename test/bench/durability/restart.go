package main

import (
	"bytes"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"

	"github.com/coffer-dev/coffer/engine/config"
	"github.com/coffer-dev/coffer/test/bench/harness"
)

// restarted is one restart.
type restarted struct {
	took   float64 // s until PING is answered
	cpu    float64 // s of processor
	memory float64 // MiB of resident memory, at most so far
}

func restart(s *harness.Server, keys int) (r restarted, err error) {
	if err := s.Stop(); err != nil {
		return r, err
	}
	took, err := s.Start()
	if err != nil {
		return r, err
	}
	cpu, err := harness.CPUTime(s.PID())
	if err != nil {
		return r, err
	}
	peak, err := harness.Memory(s.PID(), "VmHWM")
	if err != nil {
		return r, err
	}
	c, err := s.Dial()
	if err != nil {
		return r, err
	}
	defer c.Close()
	if n, err := c.Do("DBSIZE"); err != nil || n != fmt.Sprintf(":%d", keys) {
		return r, fmt.Errorf("%s came back with %s keys, not %d: %w", s.Name, n, keys, err)
	}
	return restarted{took.Seconds(), cpu.Seconds(), float64(peak) / (1 << 20)}, nil
}

// measureRestart restarts the servers with the same data, in turn.
func measureRestart(o options, r *harness.Report) error {
	for _, shape := range []harness.Keys{{Count: 1_000_000, KeyBytes: 10, ValueBytes: 32}, {Count: 100_000, KeyBytes: 10, ValueBytes: 1024}} {
		if o.quick {
			shape.Count /= 10
		}
		for _, rewritten := range []bool{false, true} {
			section, err := restartShape(o, shape, rewritten)
			if err != nil {
				return err
			}
			r.Add(section)
		}
	}
	return nil
}

func restartShape(o options, shape harness.Keys, rewritten bool) (section string, err error) {
	servers, err := harness.StartServers(o.dir, config.EverySecond, contenders...)
	defer func() { err = errors.Join(err, harness.RemoveServers(servers)) }()
	if err != nil {
		return "", err
	}
	for _, s := range servers {
		if err := s.Load(shape); err != nil {
			return "", err
		}
		if rewritten {
			err = rewrite(s, shape)
		}
		if err = errors.Join(err, settle(s)); err != nil {
			return "", err
		}
	}
	times := map[string][]restarted{}
	for range o.rounds {
		for _, s := range servers {
			one, err := restart(s, shape.Count)
			if err != nil {
				return "", err
			}
			times[s.Name] = append(times[s.Name], one)
		}
	}
	return restartTable(shape, rewritten, times), nil
}

// rewrite brings the data into the form that loads fastest: redis-server
// rewrites its log when it is told to; the engine does when its log has grown,
// so every key is written once more until that has happened.
func rewrite(s *harness.Server, shape harness.Keys) error {
	if s.Name == harness.Redis {
		c, err := s.Dial()
		if err != nil {
			return err
		}
		defer c.Close()
		_, err = c.Do("BGREWRITEAOF")
		if err != nil && strings.Contains(err.Error(), "already in progress") {
			err = nil
		}
		return err
	}
	for range 20 {
		if found, err := hasSnapshot(s, shape); err != nil || found {
			return err
		}
		if err := s.Load(shape); err != nil {
			return err
		}
	}
	return nil
}

// hasSnapshot tells whether there is one of all keys.
func hasSnapshot(s *harness.Server, shape harness.Keys) (bool, error) {
	if err := settle(s); err != nil {
		return false, err
	}
	out, err := exec.Command("find", s.Data, "-name", "*.snap*", "-size", fmt.Sprintf("+%dc", shape.Bytes())).Output()
	return len(bytes.TrimSpace(out)) > 0, err
}

// settle waits until no snapshot is being written.
func settle(s *harness.Server) error {
	for quiet := 0; quiet < 3; time.Sleep(500 * time.Millisecond) {
		f, err := look(s.Data)
		if err != nil {
			return err
		}
		if quiet++; f.snapshot {
			quiet = 0
		}
	}
	return nil
}

func restartTable(shape harness.Keys, rewritten bool, times map[string][]restarted) string {
	rows := [][]string{{"", "seconds to the first answer", "ratio", "CPU seconds", "peak memory MiB"}}
	pick := func(name string, of func(restarted) float64) harness.Spread { return harness.SpreadBy(times[name], of) }
	took := func(r restarted) float64 { return r.took }
	for _, name := range contenders {
		rows = append(rows, []string{
			name, pick(name, took).Text("%.2f"), fmt.Sprintf("%.2f", pick(name, took).Median/pick(harness.Redis, took).Median),
			pick(name, func(r restarted) float64 { return r.cpu }).Text("%.2f"), pick(name, func(r restarted) float64 { return r.memory }).Text("%.0f"),
		})
	}
	how := "as they are after the data was written once"
	if rewritten {
		how = "behind a snapshot: redis-server after BGREWRITEAOF (its RDB preamble), the engine after its own snapshot and what log there is since"
	}
	return harness.Table(fmt.Sprintf("Restart with %s", shape), fmt.Sprintf("The files are %s; %d restarts of each.", how, len(times[harness.Redis])), rows)
}
