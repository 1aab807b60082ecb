// Command durability measures the engine beside Debian's redis-server at equal
// durability: what a durable write costs, what the files take, what a snapshot
// does to memory and throughput, and how long a restart takes.
//
//	go run ./test/bench/durability [-dir DIR] [-rounds N] [-seconds S] [-only speed,space,restart] [-out FILE]
//
// Both sides serve TLS 1.3 with the same ECDSA P-256 certificate and the same
// cipher, on the same disk, and take turns in one run; the figures are medians
// of rounds with the smallest and largest beside them. redis-benchmark makes
// the load, so that neither side's own client is measured. A round in which the
// hypervisor took more than 5 % of the processors' time is repeated.
//
// The engine runs twice: with its files encrypted, as the operator runs it, and
// without.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/coffer-dev/coffer/test/bench/harness"
)

var contenders = []string{harness.Coffer, harness.CofferPlain, harness.Redis}

// options are what the program was called with.
type options struct {
	dir     string
	rounds  int
	seconds float64 // of a round
	quick   bool
}

func main() {
	var o options
	flag.StringVar(&o.dir, "dir", os.TempDir(), "directory on the file system to measure")
	flag.IntVar(&o.rounds, "rounds", 5, "rounds of each side")
	flag.Float64Var(&o.seconds, "seconds", 3, "length of a round, about")
	flag.BoolVar(&o.quick, "quick", false, "a tenth of the data, to see whether it works")
	only := flag.String("only", "speed,space,restart", "what to measure")
	out := flag.String("out", "", "Markdown file to write as well")
	flag.Parse()
	if err := run(o, strings.Split(*only, ","), *out); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(o options, only []string, out string) (err error) {
	for _, program := range []string{"redis-server", "redis-benchmark"} {
		if _, err := exec.LookPath(program); err != nil {
			return fmt.Errorf("%w: apt-get install redis-server redis-tools", err)
		}
	}
	if o.dir, err = os.MkdirTemp(o.dir, "coffer-bench-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(o.dir)) }()
	if err := harness.BuildEngine(filepath.Join(o.dir, "coffer-engine")); err != nil {
		return err
	}
	r := harness.NewReport("Durable writes, space and restart beside redis-server", "durability")
	r.Add(harness.Machine(o.dir, ", redis-server "+harness.RedisVersion()))
	for _, what := range only {
		begin := time.Now()
		measure := map[string]func(options, *harness.Report) error{"speed": measureSpeed, "space": measureSpace, "restart": measureRestart}[what]
		if measure == nil {
			return fmt.Errorf("-only %s: speed, space or restart", what)
		}
		if err := measure(o, r); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		fmt.Fprintf(os.Stderr, "%s took %s\n", what, time.Since(begin).Round(time.Second))
	}
	r.Add(harness.LoadNow("At the end"))
	if out == "" {
		return nil
	}
	return r.Write(out)
}
