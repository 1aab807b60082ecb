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
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

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

// part is something that can be measured.
type part struct {
	name    string
	measure func(options, *harness.Report) error
}

var parts = []part{
	{"speed", measureSpeed}, {"always", measureAlways}, {"connections", measureConnections}, {"memory", measureMemory}, {"jobs", measureJobs},
}

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

func run(o options, only []string, out string) (err error) {
	for _, program := range []string{"redis-server", "redis-benchmark", "npm"} {
		if _, err := exec.LookPath(program); err != nil {
			return fmt.Errorf("%w: apt-get install redis-server redis-tools npm", err)
		}
	}
	for _, name := range only {
		if !slices.ContainsFunc(parts, func(p part) bool { return p.name == name }) {
			return fmt.Errorf("-only %s: speed, always, connections, memory or jobs", name)
		}
	}
	if o.dir, err = os.MkdirTemp(o.dir, "coffer-bench-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(o.dir)) }()
	if err := harness.BuildEngine(filepath.Join(o.dir, "coffer-engine")); err != nil {
		return err
	}
	r := harness.NewReport("A KVDatabase beside redis-server", "kv")
	r.Add(harness.Machine(o.dir, ", redis-server "+harness.RedisVersion()))
	for _, part := range parts {
		if !slices.Contains(only, part.name) {
			continue
		}
		begin := time.Now()
		if err := part.measure(o, r); err != nil {
			return fmt.Errorf("%s: %w", part.name, err)
		}
		fmt.Fprintf(os.Stderr, "%s took %s\n", part.name, time.Since(begin).Round(time.Second))
	}
	r.Add(harness.LoadNow("At the end"))
	if out == "" {
		return nil
	}
	return r.Write(out)
}
