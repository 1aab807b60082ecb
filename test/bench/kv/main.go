// Command kv measures a KVDatabase beside Debian's redis-server: requests a
// second, latency and the server's processor time of common commands, with few
// and with many connections; memory; and the jobs of libraries that run on
// Redis.
//
//	go run ./test/bench/kv [-dir DIR] [-rounds N] [-seconds S] [-only speed,always,connections,memory,jobs] [-out FILE]
//
// Both sides serve TLS 1.3 with the same ECDSA P-256 certificate and the same
// cipher, on the same disk, and take turns in one run; the engine's files are
// encrypted, as the operator runs it. Figures are medians of rounds, with the
// smallest and largest beside them. A round in which the hypervisor took more
// than 5 % of the processors' time is repeated.
//
// redis-benchmark makes the load, so that neither side's own client is measured.
// It takes more processor time for a command at a time than either server: there
// the figure of merit is the server's processor time, not requests a second.
package main

import (
	"flag"
	"fmt"
	"os"
	"strings"

	"github.com/coffer-dev/coffer/test/bench/harness"
)

// options are what the program was called with.
type options struct {
	dir     string
	rounds  int
	seconds float64 // of a round
	quick   bool
}

// contenders take turns in this order.
var contenders = []string{harness.Coffer, harness.Redis}

func main() {
	var o options
	flag.StringVar(&o.dir, "dir", os.TempDir(), "directory on the file system to measure")
	flag.IntVar(&o.rounds, "rounds", 5, "rounds of each side")
	flag.Float64Var(&o.seconds, "seconds", 2, "length of a round, about")
	flag.BoolVar(&o.quick, "quick", false, "a tenth of the data, to see whether it works")
	only := flag.String("only", "speed,always,connections,memory,jobs", "what to measure")
	out := flag.String("out", "", "Markdown file to write as well")
	flag.Parse()
	if err := run(o, strings.Split(*only, ","), *out); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(o options, only []string, out string) error {
	needs := map[string]string{"redis-server": "redis-server", "redis-benchmark": "redis-tools", "npm": "npm"}
	return harness.WithEngine(o.dir, needs, func(dir string) error {
		o.dir = dir
		r := harness.NewReport("A KVDatabase beside redis-server", "kv")
		r.Add(harness.Machine(o.dir, ", redis-server "+harness.RedisVersion()))
		section := func(name string, measure func(options, *harness.Report) error) harness.Section {
			return harness.Section{Name: name, Measure: func(r *harness.Report) error { return measure(o, r) }}
		}
		return r.Measure([]harness.Section{section("speed", measureSpeed), section("always", measureAlways), section("connections", measureConnections),
			section("memory", measureMemory), section("jobs", measureJobs)}, only, out)
	})
}
