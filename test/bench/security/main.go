// Command security measures what strangers and safeguards cost the users of an
// engine, and what a stranger can tell with a clock.
//
//	go run ./test/bench/security [-dir DIR] [-rounds N] [-seconds S] [-only strangers,logins,audit] [-out FILE]
//
// What is compared takes turns in one run, in short rounds; the figures are
// medians of rounds with the smallest and largest beside them. A ratio is the
// median of those of neighbouring rounds, so that a load which comes and goes
// is in both sides. Rounds in which the hypervisor took more than 5 % of the
// processors' time are repeated.
//
//   - strangers: what 10,000 connections that do not log in, each from a loopback
//     address of its own and from another process, do to those that have;
//   - logins: whether answers to a wrong user and to a wrong password differ in
//     time, 100,000 of them, ten from each address, which is what the throttle
//     answers at once;
//   - audit: throughput with audit.level None, Denied and All.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
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

// length of a round.
func (o options) length() time.Duration { return time.Duration(o.seconds * float64(time.Second)) }

func main() {
	var o options
	flag.StringVar(&o.dir, "dir", os.TempDir(), "directory on the file system to measure")
	flag.IntVar(&o.rounds, "rounds", 12, "rounds of each side")
	flag.Float64Var(&o.seconds, "seconds", 1, "length of a round")
	flag.BoolVar(&o.quick, "quick", false, "a tenth of the strangers and of the logins, to see whether it works")
	only := flag.String("only", "strangers,logins,audit", "what to measure")
	out := flag.String("out", "", "Markdown file to write as well")
	crowd := flag.String("crowd", "", "be the strangers of the server at that `address`; how many and when they come back is read from the standard input")
	flag.Parse()
	err := error(nil)
	if *crowd != "" {
		err = beStrangers(*crowd, os.Stdin, os.Stdout)
	} else {
		err = run(o, strings.Split(*only, ","), *out)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(o options, only []string, out string) (err error) {
	if o.dir, err = os.MkdirTemp(o.dir, "coffer-bench-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(o.dir)) }()
	if err := harness.BuildEngine(filepath.Join(o.dir, "coffer-engine")); err != nil {
		return err
	}
	r := harness.NewReport("What strangers and safeguards cost", "security")
	r.Add(harness.Machine(o.dir, ""))
	goals := [][]string{{"goal", "as measured", ""}}
	for _, what := range only {
		begin := time.Now()
		measure := map[string]func(options, *harness.Report) ([][]string, error){"strangers": measureStrangers, "logins": measureLogins, "audit": measureAudit}[what]
		if measure == nil {
			return fmt.Errorf("-only %s: strangers, logins or audit", what)
		}
		reached, err := measure(o, r)
		if err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		goals = append(goals, reached...)
		fmt.Fprintf(os.Stderr, "%s took %s\n", what, time.Since(begin).Round(time.Second))
	}
	r.Add(harness.Table("Goals", "", goals))
	r.Add(harness.LoadNow("At the end"))
	if out == "" {
		return nil
	}
	return r.Write(out)
}

// goal is a row of the last table.
func goal(what, measured string, met bool) []string {
	if met {
		return []string{what, measured, "met"}
	}
	return []string{what, measured, "missed"}
}
