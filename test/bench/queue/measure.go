package main

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/coffer-dev/coffer/test/bench/harness"
)

// maxDiscarded bounds how many rounds are repeated for steal.
const maxDiscarded = 20

// round is what one round of a load showed.
type round struct {
	rate  float64 // jobs a second
	cpu   float64 // of the server, µs a job
	steal float64 // share
}

// takeTurns runs A B C A B C …, each on a server that was just started, and again
// what was disturbed. Who has no such load is left out.
func takeTurns(o options, load string) (rounds map[string][]round, discarded int, err error) {
	rounds = map[string][]round{}
	for range o.rounds {
		for _, name := range o.only {
			for {
				r, has, err := once(o, name, load)
				if err != nil {
					return nil, 0, fmt.Errorf("%s: %w", name, err)
				}
				if !has {
					break
				}
				if r.steal <= harness.MaxSteal {
					fmt.Fprintf(os.Stderr, "%-8s %-20s %9.0f jobs/s %7.1f µs\n", load, name, r.rate, r.cpu)
					rounds[name] = append(rounds[name], r)
					break
				}
				if discarded++; discarded > maxDiscarded {
					return nil, 0, fmt.Errorf("%d rounds with more than %.0f %% steal: this machine is too busy", discarded, harness.MaxSteal*100)
				}
			}
		}
	}
	return rounds, discarded, nil
}

// once runs one round.
func once(o options, name, load string) (r round, has bool, err error) {
	c, err := begin(o, name)
	if err != nil {
		return r, false, err
	}
	defer func() { err = errors.Join(err, c.end()) }()
	count, bytes := o.jobs, small
	if slices.Contains(syncsAll, name) {
		count /= 5
	}
	what := load
	if load == "large" {
		what, bytes, count = "push", large, count/2
	}
	if c.load[what] == nil {
		return r, false, nil
	}
	if what == "process" {
		if _, err := c.load["fill"](count, bytes); err != nil {
			return r, true, fmt.Errorf("fill: %w", err)
		}
	}
	r, err = c.measure(what, count, bytes)
	return r, true, err
}

// measure carries out a load and looks at what the server used for it.
func (c *contender) measure(what string, count, bytes int) (r round, err error) {
	steal, all, err := harness.StealTime()
	if err != nil {
		return r, err
	}
	cpu, err := harness.CPUTime(c.server.Process.Pid)
	if err != nil {
		return r, err
	}
	took, err := c.load[what](count, bytes)
	if err != nil {
		return r, err
	}
	cpuAfter, err := harness.CPUTime(c.server.Process.Pid)
	if err != nil {
		return r, err
	}
	stealAfter, allAfter, err := harness.StealTime()
	if err != nil {
		return r, err
	}
	return round{
		rate:  float64(count) / took.Seconds(),
		cpu:   float64((cpuAfter - cpu).Microseconds()) / float64(count),
		steal: (stealAfter - steal) / (allAfter - all),
	}, nil
}

// measureDeep fills a queue with the backlog and measures on it.
func measureDeep(o options, r *harness.Report) (err error) {
	c, err := begin(o, everySecond)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.end()) }()
	empty, err := harness.Memory(c.server.Process.Pid, "VmRSS")
	if err != nil {
		return err
	}
	if _, err := c.load["fill"](o.backlog, small); err != nil {
		return err
	}
	full, err := harness.Memory(c.server.Process.Pid, "VmRSS")
	if err != nil {
		return err
	}
	rows := [][]string{{"", "jobs/s", "server CPU µs/job"}}
	for _, what := range []string{"push", "process"} {
		m, err := c.measure(what, o.jobs, small)
		if err != nil {
			return err
		}
		rows = append(rows, []string{what, fmt.Sprintf("%.0f", m.rate), fmt.Sprintf("%.1f", m.cpu)})
	}
	r.Add(harness.Table(fmt.Sprintf("%d jobs waiting", o.backlog), fmt.Sprintf(
		"`%s`, one round. Resident memory grew by %.0f bytes for each waiting job of %d bytes.", everySecond, float64(full-empty)/float64(o.backlog), small), rows))
	return nil
}
