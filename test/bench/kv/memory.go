package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/coffer-dev/coffer/engine/config"
	"github.com/coffer-dev/coffer/test/bench/harness"
)

const (
	memoryKeys  = 1_000_000
	collections = 400_000
	members     = 10
	// settleTime is what both have to give back what they used for loading.
	settleTime = 10 * time.Second
)

// measureMemory compares the resident memory that keys take.
func measureMemory(o options, r *harness.Report) error {
	keys, small := harness.Keys{Count: memoryKeys, KeyBytes: 10, ValueBytes: 32}, collections
	if o.quick {
		keys.Count, small = keys.Count/10, small/10
	}
	rows := [][]string{{"", "coffer", "redis-server", "ratio"}}
	for _, shape := range []struct {
		name  string
		count int
		load  func(*harness.Server) error
	}{
		{keys.String(), keys.Count, func(s *harness.Server) error { return s.Load(keys) }},
		{fmt.Sprintf("%d hashes of %d fields", small, members), small, collectionsOf(small, "HSET", true)},
		{fmt.Sprintf("%d sets of %d members", small, members), small, collectionsOf(small, "SADD", false)},
		{fmt.Sprintf("%d sorted sets of %d members", small, members), small, zsets(small)},
		{fmt.Sprintf("%d lists of %d elements", small, members), small, collectionsOf(small, "RPUSH", false)},
	} {
		var bytes []float64
		for _, name := range contenders {
			one, err := memoryOf(o, name, shape.count, shape.load)
			if err != nil {
				return err
			}
			bytes = append(bytes, one)
		}
		rows = append(rows, []string{shape.name, fmt.Sprintf("%.0f", bytes[0]), fmt.Sprintf("%.0f", bytes[1]), fmt.Sprintf("%.2f", bytes[0]/bytes[1])})
	}
	r.Add(harness.Table("Resident memory, bytes a key or collection",
		fmt.Sprintf("By how much a server that was just started grew, %s after loading, with `EverySecond` or `everysec`. Members have 12 bytes, values of fields 8.", settleTime), rows))
	return nil
}

func memoryOf(o options, name string, count int, load func(*harness.Server) error) (bytes float64, err error) {
	servers, err := harness.StartServers(o.dir, config.EverySecond, name)
	defer func() { err = errors.Join(err, harness.RemoveServers(servers)) }()
	if err != nil {
		return 0, err
	}
	s := servers[0]
	before, err := harness.Memory(s.PID(), "VmRSS")
	if err != nil {
		return 0, err
	}
	if err := load(s); err != nil {
		return 0, err
	}
	time.Sleep(settleTime)
	after, err := harness.Memory(s.PID(), "VmRSS")
	return float64(after-before) / float64(count), err
}

// collectionsOf writes so many keys, each in one command.
func collectionsOf(count int, command string, fields bool) func(*harness.Server) error {
	return func(s *harness.Server) error {
		return each(s, count, func(key int) (argv [][]byte) {
			argv = [][]byte{[]byte(command), fmt.Appendf(nil, "small:%06d", key)}
			for m := range members {
				argv = append(argv, fmt.Appendf(nil, "member-%05d", key%1000*10+m))
				if fields {
					argv = append(argv, fmt.Appendf(nil, "%08d", key*7919%100_000_000))
				}
			}
			return argv
		})
	}
}

func zsets(count int) func(*harness.Server) error {
	return func(s *harness.Server) error {
		return each(s, count, func(key int) (argv [][]byte) {
			argv = [][]byte{[]byte("ZADD"), fmt.Appendf(nil, "small:%06d", key)}
			for m := range members {
				argv = append(argv, fmt.Append(nil, key*31%10_000+m), fmt.Appendf(nil, "member-%05d", key%1000*10+m))
			}
			return argv
		})
	}
}

// each sends so many commands.
func each(s *harness.Server, count int, command func(int) [][]byte) error {
	c, err := s.Dial()
	if err != nil {
		return err
	}
	defer c.Close()
	for i := range count {
		if err := c.Stream(command(i)...); err != nil {
			return err
		}
	}
	return c.Confirm()
}
