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
	"flag"
	"fmt"
	"os"
	"strings"

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

func run(o options, only []string, out string) error {
	needs := map[string]string{"redis-server": "redis-server", "redis-benchmark": "redis-tools"}
	return harness.WithEngine(o.dir, needs, func(dir string) error {
		o.dir = dir
		r := harness.NewReport("Durable writes, space and restart beside redis-server", "durability")
		r.Add(harness.Machine(o.dir, ", redis-server "+harness.RedisVersion()))
		section := func(name string, measure func(options, *harness.Report) error) harness.Section {
			return harness.Section{Name: name, Measure: func(r *harness.Report) error { return measure(o, r) }}
		}
		return r.Measure([]harness.Section{section("speed", measureSpeed), section("space", measureSpace), section("restart", measureRestart)}, only, out)
	})
}
