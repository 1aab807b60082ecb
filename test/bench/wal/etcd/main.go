// Command etcd measures etcd's server/storage/wal for the benchmark above it:
// etcd DIR SIZE BATCHES writes so many batches of one entry and a hard state
// and prints microseconds a batch as JSON.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strconv"
	"time"

	"go.etcd.io/etcd/server/v3/storage/wal"
	"go.etcd.io/raft/v3/raftpb"
	"go.uber.org/zap"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 3 {
		return fmt.Errorf("usage: etcd DIR SIZE BATCHES")
	}
	size, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	batches, err := strconv.Atoi(args[2])
	if err != nil {
		return err
	}
	log, err := wal.Create(zap.NewNop(), args[0], nil)
	if err != nil {
		return err
	}
	data := make([]byte, size)
	took := make([]time.Duration, batches)
	for i := range took {
		begin := time.Now()
		err := log.Save(
			raftpb.HardState{Term: 1, Vote: 1, Commit: uint64(i)},
			[]raftpb.Entry{{Term: 1, Index: uint64(i + 1), Data: data}})
		if err != nil {
			return err
		}
		took[i] = time.Since(begin)
	}
	if err := log.Close(); err != nil {
		return err
	}
	var sum time.Duration
	for _, d := range took {
		sum += d
	}
	slices.Sort(took)
	us := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1000 }
	return json.NewEncoder(os.Stdout).Encode(map[string]float64{
		"Mean": us(sum) / float64(batches), "P99": us(took[batches*99/100]),
	})
}
