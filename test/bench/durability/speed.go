package main

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/coffer-dev/coffer/engine/config"
	"github.com/coffer-dev/coffer/test/bench/harness"
)

const (
	connections = 50
	valueBytes  = 100
)

// measureSpeed lets the contenders take turns at every durability and depth.
func measureSpeed(o options, r *harness.Report) error {
	for _, durability := range []config.Durability{config.Always, config.EverySecond} {
		if err := measureDurability(o, r, durability); err != nil {
			return fmt.Errorf("%s: %w", durability, err)
		}
	}
	return nil
}

func measureDurability(o options, r *harness.Report, durability config.Durability) (err error) {
	servers, err := harness.StartServers(o.dir, durability, contenders...)
	defer func() { err = errors.Join(err, harness.RemoveServers(servers)) }()
	if err != nil {
		return err
	}
	for _, depth := range []int{1, 16} {
		rounds, discarded, err := writes(depth).TakeTurns(servers, o.rounds, o.seconds)
		if err != nil {
			return err
		}
		syncs := math.NaN()
		if _, err := exec.LookPath("strace"); err == nil {
			if syncs, err = straceSyncs(servers[len(servers)-1], depth); err != nil {
				return err
			}
		}
		r.Add(speedTable(durability, depth, rounds, discarded, syncs))
	}
	return nil
}

// writes is the load of durable writes.
func writes(depth int) harness.Load {
	return harness.Load{Name: "SET", Depth: depth, Parts: []harness.Part{{Connections: connections,
		Command: []string{"SET", "key:__rand_int__", strings.Repeat("x", valueBytes)}}}}
}

// straceSyncs counts redis-server's fsyncs in a round of its own, which tracing
// makes slow: nothing else is taken from it.
func straceSyncs(s *harness.Server, depth int) (perWrite float64, err error) {
	var out bytes.Buffer
	trace := exec.Command("strace", "-c", "-f", "-e", "trace=fdatasync,fsync", "-p", strconv.Itoa(s.PID()))
	trace.Stderr = &out
	if err := trace.Start(); err != nil {
		return 0, err
	}
	time.Sleep(time.Second) // until it is attached
	_, err = writes(depth).Benchmark(s, harness.Calibration)
	_ = trace.Process.Signal(os.Interrupt)
	_ = trace.Wait() // says that it was interrupted
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(out.String()) {
		fields := strings.Fields(line)
		if len(fields) < 5 || fields[len(fields)-1] != "fdatasync" && fields[len(fields)-1] != "fsync" {
			continue
		}
		calls, err := strconv.ParseFloat(fields[3], 64)
		if err != nil {
			return 0, fmt.Errorf("strace printed %q: %w", line, err)
		}
		perWrite += calls / harness.Calibration
	}
	return perWrite, nil
}
