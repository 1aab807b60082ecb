// Command wal compares engine/wal with etcd's server/storage/wal: what one
// batch costs from append to durable, of ours also encrypted. They take turns
// in one run.
//
//	go run ./test/bench/wal [-dir DIR] [-rounds N]
//
// etcd's package is built for an older release of raft's module than the
// engine uses, so it lives in a module and a process of its own (./etcd).
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.etcd.io/raft/v3/raftpb"

	"github.com/coffer-dev/coffer/engine/vault"
	"github.com/coffer-dev/coffer/engine/wal"
)

// batches is how many are measured in a round.
const batches = 2000

// result is one side's round, in microseconds a batch; ./etcd prints it.
type result struct {
	Mean, P99 float64
}

func main() {
	dir := flag.String("dir", os.TempDir(), "directory on the file system to measure")
	rounds := flag.Int("rounds", 5, "rounds of each side")
	flag.Parse()
	if err := run(*dir, *rounds); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(dir string, rounds int) (err error) {
	dir, err = os.MkdirTemp(dir, "coffer-bench-wal-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	etcd := filepath.Join(dir, "etcd")
	build := exec.Command("go", "build", "-C", "test/bench/wal/etcd", "-o", etcd, ".")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return fmt.Errorf("build etcd's side: %w", err)
	}
	fmt.Printf("%d batches a round, %d rounds, medians of rounds, µs from append to durable\n", batches, rounds)
	keys, err := ring()
	if err != nil {
		return err
	}
	fmt.Printf("%10s %12s %12s %12s %8s %8s %12s %12s\n", "batch B", "ours mean", "sealed mean", "etcd mean", "ratio", "sealed", "ours p99", "etcd p99")
	for _, size := range []int{128, 4 << 10, 64 << 10} {
		var ours, sealed, theirs []result
		for round := range rounds {
			o, s, err := both(dir, size, keys, round%2 == 1)
			if err != nil {
				return err
			}
			t, err := measureEtcd(etcd, filepath.Join(dir, "theirs"), size)
			if err != nil {
				return err
			}
			ours, sealed, theirs = append(ours, o), append(sealed, s), append(theirs, t)
		}
		o, s, t := median(ours), median(sealed), median(theirs)
		fmt.Printf("%10d %12.0f %12.0f %12.0f %8.2f %8.2f %12.0f %12.0f\n", size, o.Mean, s.Mean, t.Mean, o.Mean/t.Mean, s.Mean/o.Mean, o.P99, t.P99)
	}
	return nil
}

func median(rounds []result) (m result) {
	pick := func(of func(result) float64) float64 {
		values := make([]float64, len(rounds))
		for i, r := range rounds {
			values[i] = of(r)
		}
		slices.Sort(values)
		return values[len(values)/2]
	}
	return result{
		Mean: pick(func(r result) float64 { return r.Mean }),
		P99:  pick(func(r result) float64 { return r.P99 }),
	}
}

// both measures a plain log and a sealed one; who goes second pays for what the
// first has left the disk to write.
func both(dir string, size int, keys *vault.Ring, sealedFirst bool) (plain, sealed result, err error) {
	order := []*vault.Ring{nil, keys}
	if sealedFirst {
		slices.Reverse(order)
	}
	for _, k := range order {
		into := &plain
		if k != nil {
			into = &sealed
		}
		if *into, err = measure(filepath.Join(dir, "ours"), size, k); err != nil {
			break
		}
	}
	return plain, sealed, err
}

// ring has one key that protects nothing.
func ring() (*vault.Ring, error) {
	return vault.Parse(map[string][]byte{vault.PrimaryFile: []byte("bench"), "bench": fmt.Appendf(nil, "%064x", 1)})
}

// measure writes batches of one entry and a hard state with the engine's log.
func measure(dir string, size int, keys *vault.Ring) (result, error) {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return result{}, err
	}
	defer os.RemoveAll(dir)
	log, _, err := wal.Open(wal.Options{FS: vfs.Default, Dir: dir, SegmentSize: 16 << 20, Keys: keys}, wal.Mark{}, func(*raftpb.Entry) error { return nil })
	if err != nil {
		return result{}, err
	}
	data := make([]byte, size)
	took := make([]time.Duration, batches)
	for i := range took {
		term, index, commit := uint64(1), uint64(i+1), uint64(i)
		begin := time.Now()
		err := log.Append([]*raftpb.Entry{{Term: &term, Index: &index, Data: data}}, &raftpb.HardState{Term: &term, Vote: &term, Commit: &commit})
		if err == nil {
			err = log.Sync()
		}
		if err != nil {
			return result{}, err
		}
		took[i] = time.Since(begin)
	}
	return summarize(took), log.Close()
}

func summarize(took []time.Duration) result {
	var sum time.Duration
	for _, d := range took {
		sum += d
	}
	slices.Sort(took)
	us := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1000 }
	return result{us(sum) / float64(len(took)), us(took[len(took)*99/100])}
}

func measureEtcd(program, dir string, size int) (r result, err error) {
	out, err := exec.Command(program, dir, strconv.Itoa(size), strconv.Itoa(batches)).Output()
	if err != nil {
		return r, fmt.Errorf("etcd's side: %w", err)
	}
	return r, errors.Join(json.Unmarshal(out, &r), os.RemoveAll(dir))
}
