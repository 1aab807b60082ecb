package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/coffer-dev/coffer/engine/config"
	"github.com/coffer-dev/coffer/test/bench/harness"
)

const (
	writers     = 8
	writerDepth = 16
	sampleEvery = 50 * time.Millisecond
	// rewrites is how many times as much as the data is written.
	rewrites = 6
)

// moment is a sample while keys are rewritten.
type moment struct {
	at       time.Time
	written  int64 // acknowledged so far
	files    files
	resident int64
}

// measureSpace rewrites the same keys again and again and looks on.
func measureSpace(o options, r *harness.Report) error {
	for _, shape := range []harness.Keys{{Count: 1_000_000, KeyBytes: 10, ValueBytes: 32}, {Count: 250_000, KeyBytes: 10, ValueBytes: 1024}} {
		if o.quick {
			shape.Count /= 10
		}
		rows := [][]string{{"", "files/data steady, at most", "during a snapshot, at most", "resident before MiB", "at most outside MiB", "during MiB", "writes/s outside", "during", "ratio", "snapshots"}}
		for _, name := range contenders {
			row, err := spaceOf(o, name, shape)
			if err != nil {
				return err
			}
			rows = append(rows, row)
		}
		r.Add(harness.Table(fmt.Sprintf("Rewriting %s", shape),
			fmt.Sprintf("%.0f MB of keys and values, all of them written at random %d times over by %d connections at depth %d with `EverySecond` or `everysec`; a snapshot is what redis-server calls an AOF rewrite. Sampled every %s; memory is the serving process's without the child that redis-server forks.",
				float64(shape.Bytes())/1e6, rewrites, writers, writerDepth, sampleEvery), rows))
	}
	return nil
}

func spaceOf(o options, name string, shape harness.Keys) (row []string, err error) {
	s, err := harness.NewServer(o.dir, name, config.EverySecond)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.Remove()) }()
	if _, err := s.Start(); err != nil {
		return nil, err
	}
	if err := s.Load(shape); err != nil {
		return nil, err
	}
	if err := settle(s); err != nil {
		return nil, err
	}
	before, err := harness.Memory(s.PID(), "VmRSS")
	if err != nil {
		return nil, err
	}
	moments, err := rewriteAll(s, shape)
	if err != nil {
		return nil, err
	}
	return spaceRow(name, shape, before, moments), nil
}

// rewriteAll writes at random and samples meanwhile.
func rewriteAll(s *harness.Server, shape harness.Keys) (moments []moment, err error) {
	total := int64(shape.Count) * rewrites
	done, written := make(chan error, writers), &atomic.Int64{}
	for i := range writers {
		go func() { done <- write(s, shape, total/writers, uint64(i), written) }()
	}
	for running := writers; running > 0; {
		select {
		case e := <-done:
			err = errors.Join(err, e)
			running--
		case <-time.After(sampleEvery):
			f, e := look(s.Data)
			resident, e2 := harness.Memory(s.PID(), "VmRSS")
			err = errors.Join(err, e, e2)
			moments = append(moments, moment{time.Now(), written.Load(), f, resident})
		}
	}
	return moments, err
}

func write(s *harness.Server, shape harness.Keys, n int64, seed uint64, written *atomic.Int64) error {
	c, err := s.Dial()
	if err != nil {
		return err
	}
	defer c.Close()
	random := rand.New(rand.NewPCG(seed, 3))
	var key, set []byte = nil, []byte("SET")
	for ; n > 0; n -= writerDepth {
		for range writerDepth {
			key = shape.AppendKey(key[:0], random.IntN(shape.Count))
			c.Send(set, key, shape.Value(random))
		}
		if err := c.Confirm(); err != nil {
			return err
		}
		written.Add(writerDepth)
	}
	return nil
}

func spaceRow(name string, shape harness.Keys, before int64, moments []moment) []string {
	var files, resident [2]int64 // outside, during
	var rates [2][]float64
	snapshots := 0
	for i, m := range moments {
		k := 0
		if m.files.snapshot {
			k = 1
		}
		files[k], resident[k] = max(files[k], m.files.bytes), max(resident[k], m.resident)
		if i == 0 {
			continue
		}
		previous := moments[i-1]
		if m.files.snapshot && !previous.files.snapshot {
			snapshots++
		}
		if m.files.snapshot == previous.files.snapshot {
			rates[k] = append(rates[k], float64(m.written-previous.written)/m.at.Sub(previous.at).Seconds())
		}
	}
	times := func(n int64) string { return fmt.Sprintf("%.2f", float64(n)/float64(shape.Bytes())) }
	mib := func(n int64) string { return fmt.Sprintf("%.0f", float64(n)/(1<<20)) }
	row := []string{name, times(files[0]), "none seen", mib(before), mib(resident[0]), "none seen", fmt.Sprintf("%.0f", mean(rates[0])), "none seen", "", fmt.Sprint(snapshots)}
	if snapshots > 0 && len(rates[1]) > 0 {
		row[2], row[5], row[7] = times(files[1]), mib(resident[1]), fmt.Sprintf("%.0f", mean(rates[1]))
		row[8] = fmt.Sprintf("%.2f", mean(rates[1])/mean(rates[0]))
	}
	return row
}

func mean(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	return sum / float64(len(values))
}
