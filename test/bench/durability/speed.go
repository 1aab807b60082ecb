package main

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/coffer-dev/coffer/engine/config"
	"github.com/coffer-dev/coffer/test/bench/harness"
)

const (
	connections = 50
	valueBytes  = 100
	keySpace    = 1_000_000
	// maxDiscarded bounds how many rounds are repeated for it.
	maxDiscarded = 20
	calibration  = 20_000 // requests
)

// round is what one round of redis-benchmark showed.
type round struct {
	rate     float64 // requests/s
	p50, p99 float64 // ms
	cpu      float64 // of the server, µs a command
	steal    float64 // share
	syncs    float64 // per acknowledged write; NaN if nobody counted
}

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
	servers, err := startAll(o, durability)
	defer func() {
		for _, s := range servers {
			err = errors.Join(err, s.remove())
		}
	}()
	if err != nil {
		return err
	}
	for _, depth := range []int{1, 16} {
		rounds, discarded, err := takeTurns(o, servers, depth)
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

func startAll(o options, durability config.Durability) (servers []*server, err error) {
	for _, name := range contenders {
		s, err := newServer(o, name, durability)
		if err != nil {
			return servers, err
		}
		servers = append(servers, s)
		if _, err := s.start(); err != nil {
			return servers, err
		}
	}
	return servers, nil
}

// takeTurns runs A B C A B C …, and again what was disturbed.
func takeTurns(o options, servers []*server, depth int) (rounds map[string][]round, discarded int, err error) {
	requests := map[string]int{}
	for _, s := range servers {
		first, err := s.benchmark(calibration, depth)
		if err != nil {
			return nil, 0, err
		}
		requests[s.name] = max(calibration, int(first.rate*o.seconds))
	}
	rounds = map[string][]round{}
	for range o.rounds {
		for _, s := range servers {
			for {
				one, err := s.benchmark(requests[s.name], depth)
				if err != nil {
					return nil, 0, err
				}
				if one.steal <= harness.MaxSteal {
					rounds[s.name] = append(rounds[s.name], one)
					break
				}
				if discarded++; discarded > maxDiscarded {
					return nil, 0, fmt.Errorf("%d rounds with more than %.0f %% steal: this machine is too busy", discarded, harness.MaxSteal*100)
				}
			}
		}
	}
	return rounds, discarded, nil
}

// benchmark runs redis-benchmark against the server once.
func (s *server) benchmark(requests, depth int) (r round, err error) {
	syncs, counted := s.syncs()
	steal, all, err := harness.StealTime()
	if err != nil {
		return r, err
	}
	cpu, err := harness.CPUTime(s.pid())
	if err != nil {
		return r, err
	}
	if r, err = s.redisBenchmark(requests, depth); err != nil {
		return r, err
	}
	cpuAfter, err := harness.CPUTime(s.pid())
	if err != nil {
		return r, err
	}
	stealAfter, allAfter, err := harness.StealTime()
	if err != nil {
		return r, err
	}
	r.cpu = float64((cpuAfter - cpu).Microseconds()) / float64(requests)
	r.steal = (stealAfter - steal) / (allAfter - all)
	r.syncs = math.NaN()
	if syncsAfter, ok := s.syncs(); ok && counted {
		r.syncs = (syncsAfter - syncs) / float64(requests)
	}
	return r, nil
}

// redisBenchmark pins the cipher, so that both sides seal the same way.
func (s *server) redisBenchmark(requests, depth int) (r round, err error) {
	cmd := exec.Command("redis-benchmark", "--tls", "--cacert", filepath.Join(s.home, "ca.crt"),
		"--tls-ciphersuites", "TLS_AES_128_GCM_SHA256", "-h", "127.0.0.1", "-p", s.port,
		"-a", s.password, // which is worth nothing, and redis-benchmark reads it from nowhere else
		"-c", strconv.Itoa(connections), "-n", strconv.Itoa(requests), "-P", strconv.Itoa(depth),
		"-d", strconv.Itoa(valueBytes), "-r", strconv.Itoa(keySpace), "-t", "set", "--csv")
	var problems bytes.Buffer
	cmd.Stderr = &problems
	out, err := cmd.Output()
	if err != nil {
		return r, fmt.Errorf("redis-benchmark: %w\n%s", err, &problems)
	}
	records, err := csv.NewReader(bytes.NewReader(out)).ReadAll()
	if err != nil || len(records) != 2 {
		return r, fmt.Errorf("redis-benchmark printed %q: %w", out, err)
	}
	for name, to := range map[string]*float64{"rps": &r.rate, "p50_latency_ms": &r.p50, "p99_latency_ms": &r.p99} {
		for i, column := range records[0] {
			if column == name {
				if *to, err = strconv.ParseFloat(records[1][i], 64); err != nil {
					return r, fmt.Errorf("redis-benchmark: %w", err)
				}
			}
		}
	}
	if r.rate == 0 {
		return r, fmt.Errorf("redis-benchmark printed %q", out)
	}
	return r, nil
}

// syncs is how often the engine has waited for its log; redis-server does not
// tell.
func (s *server) syncs() (n float64, ok bool) {
	if s.name == redis {
		return 0, false
	}
	c, err := s.dial()
	if err != nil {
		return 0, false
	}
	defer c.close()
	n, err = c.infoNumber("persistence", "coffer_log_syncs")
	return n, err == nil
}

// straceSyncs counts redis-server's fsyncs in a round of its own, which tracing
// makes slow: nothing else is taken from it.
func straceSyncs(s *server, depth int) (perWrite float64, err error) {
	var out bytes.Buffer
	trace := exec.Command("strace", "-c", "-f", "-e", "trace=fdatasync,fsync", "-p", strconv.Itoa(s.pid()))
	trace.Stderr = &out
	if err := trace.Start(); err != nil {
		return 0, err
	}
	time.Sleep(time.Second) // until it is attached
	_, err = s.redisBenchmark(calibration, depth)
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
		perWrite += calls / calibration
	}
	return perWrite, nil
}
