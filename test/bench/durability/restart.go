package main

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"strings"
	"time"

	"github.com/coffer-dev/coffer/engine/config"
	"github.com/coffer-dev/coffer/test/bench/harness"
)

// shape is a set of keys.
type shape struct{ keys, keyBytes, valueBytes int }

func (s shape) bytes() int64 { return int64(s.keys) * int64(s.keyBytes+s.valueBytes) }

func (s shape) String() string {
	return fmt.Sprintf("%d keys of %d B, values of %d B", s.keys, s.keyBytes, s.valueBytes)
}

// appendKey appends the name of the key with that number.
func (s shape) appendKey(dst []byte, n int) []byte { return fmt.Appendf(dst, "%0*d", s.keyBytes, n) }

// noise is where values are cut from: they do not compress.
var noise = func() []byte {
	b := make([]byte, 1<<20)
	source := rand.NewChaCha8([32]byte{1})
	_, _ = source.Read(b) // never fails
	return b
}()

func (s shape) value(random *rand.Rand) []byte {
	from := random.IntN(len(noise) - s.valueBytes)
	return noise[from : from+s.valueBytes]
}

// load writes every key once, the same values on every server.
func (s *server) load(shape shape) error {
	c, err := s.dial()
	if err != nil {
		return err
	}
	defer c.close()
	random := rand.New(rand.NewPCG(1, 2))
	var key []byte
	for i := range shape.keys {
		key = shape.appendKey(key[:0], i)
		c.set(key, shape.value(random))
		if len(c.out) > 64<<10 {
			if err := c.confirm(); err != nil {
				return err
			}
		}
	}
	return c.confirm()
}

// restarted is one restart.
type restarted struct {
	took   float64 // s until PING is answered
	cpu    float64 // s of processor
	memory float64 // MiB of resident memory, at most so far
}

func (s *server) restart(keys int) (r restarted, err error) {
	if err := s.stop(); err != nil {
		return r, err
	}
	took, err := s.start()
	if err != nil {
		return r, err
	}
	cpu, err := harness.CPUTime(s.pid())
	if err != nil {
		return r, err
	}
	peak, err := harness.Memory(s.pid(), "VmHWM")
	if err != nil {
		return r, err
	}
	c, err := s.dial()
	if err != nil {
		return r, err
	}
	defer c.close()
	if n, err := c.do("DBSIZE"); err != nil || n != fmt.Sprintf(":%d", keys) {
		return r, fmt.Errorf("%s came back with %s keys, not %d: %w", s.name, n, keys, err)
	}
	return restarted{took.Seconds(), cpu.Seconds(), float64(peak) / (1 << 20)}, nil
}

// measureRestart restarts the servers with the same data, in turn.
func measureRestart(o options, r *harness.Report) error {
	for _, shape := range []shape{{1_000_000, 10, 32}, {100_000, 10, 1024}} {
		if o.quick {
			shape.keys /= 10
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

func restartShape(o options, shape shape, rewritten bool) (section string, err error) {
	servers, err := startAll(o, config.EverySecond)
	defer func() {
		for _, s := range servers {
			err = errors.Join(err, s.remove())
		}
	}()
	if err != nil {
		return "", err
	}
	for _, s := range servers {
		if err := s.load(shape); err != nil {
			return "", err
		}
		if rewritten {
			err = s.rewrite(shape)
		}
		if err = errors.Join(err, s.settle()); err != nil {
			return "", err
		}
	}
	times := map[string][]restarted{}
	for range o.rounds {
		for _, s := range servers {
			one, err := s.restart(shape.keys)
			if err != nil {
				return "", err
			}
			times[s.name] = append(times[s.name], one)
		}
	}
	return restartTable(shape, rewritten, times), nil
}

// rewrite brings the data into the form that loads fastest: redis-server
// rewrites its log when it is told to; the engine does when its log has grown,
// so every key is written once more until that has happened.
func (s *server) rewrite(shape shape) error {
	if s.name == redis {
		c, err := s.dial()
		if err != nil {
			return err
		}
		defer c.close()
		_, err = c.do("BGREWRITEAOF")
		if err != nil && strings.Contains(err.Error(), "already in progress") {
			err = nil
		}
		return err
	}
	for range 20 {
		if found, err := s.hasSnapshot(shape); err != nil || found {
			return err
		}
		if err := s.load(shape); err != nil {
			return err
		}
	}
	return nil
}

// hasSnapshot tells whether there is one of all keys.
func (s *server) hasSnapshot(shape shape) (bool, error) {
	if err := s.settle(); err != nil {
		return false, err
	}
	out, err := exec.Command("find", s.data, "-name", "*.snap*", "-size", fmt.Sprintf("+%dc", shape.bytes())).Output()
	return len(bytes.TrimSpace(out)) > 0, err
}

// settle waits until no snapshot is being written.
func (s *server) settle() error {
	for quiet := 0; quiet < 3; time.Sleep(500 * time.Millisecond) {
		f, err := look(s.data)
		if err != nil {
			return err
		}
		if quiet++; f.snapshot {
			quiet = 0
		}
	}
	return nil
}

func restartTable(shape shape, rewritten bool, times map[string][]restarted) string {
	rows := [][]string{{"", "seconds to the first answer", "ratio", "CPU seconds", "peak memory MiB"}}
	pick := func(name string, of func(restarted) float64) harness.Spread { return harness.SpreadBy(times[name], of) }
	took := func(r restarted) float64 { return r.took }
	for _, name := range contenders {
		rows = append(rows, []string{
			name, pick(name, took).Text("%.2f"), fmt.Sprintf("%.2f", pick(name, took).Median/pick(redis, took).Median),
			pick(name, func(r restarted) float64 { return r.cpu }).Text("%.2f"), pick(name, func(r restarted) float64 { return r.memory }).Text("%.0f"),
		})
	}
	how := "as they are after the data was written once"
	if rewritten {
		how = "behind a snapshot: redis-server after BGREWRITEAOF (its RDB preamble), the engine after its own snapshot and what log there is since"
	}
	return harness.Table(fmt.Sprintf("Restart with %s", shape), fmt.Sprintf("The files are %s; %d restarts of each.", how, len(times[redis])), rows)
}
