package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/coffer-dev/coffer/engine/config"
	"github.com/coffer-dev/coffer/test/bench/harness"
)

// measureSpeed compares every command where both sync every second.
func measureSpeed(o options, r *harness.Report) (err error) {
	servers, err := harness.StartServers(o.dir, config.EverySecond, contenders...)
	defer func() { err = errors.Join(err, harness.RemoveServers(servers)) }()
	if err != nil {
		return err
	}
	for _, s := range servers {
		if err := fill(s); err != nil {
			return err
		}
	}
	for _, depth := range []int{1, 16} {
		table := newTable()
		for _, load := range loads(depth) {
			if err := table.measure(o, servers, load); err != nil {
				return err
			}
		}
		r.Add(table.text(fmt.Sprintf("`EverySecond` beside `appendfsync everysec`, %s", atOnce(depth)), o))
	}
	return nil
}

// measureAlways compares writes that are on the disk when they are answered; and
// ours beside those of redis-server that may be lost for a second.
func measureAlways(o options, r *harness.Report) (err error) {
	ours, err := harness.StartServers(o.dir, config.Always, harness.Coffer)
	defer func() { err = errors.Join(err, harness.RemoveServers(ours)) }()
	if err != nil {
		return err
	}
	for _, beside := range []struct {
		durability config.Durability
		title      string
		depths     []int
	}{{config.Always, "`Always` beside `appendfsync always`", []int{1, 16}}, {config.EverySecond, "`Always` beside `appendfsync everysec`", []int{16}}} {
		theirs, err := harness.StartServers(o.dir, beside.durability, harness.Redis)
		if err == nil {
			err = alwaysTables(o, r, beside.title, beside.depths, append(ours, theirs...))
		}
		if err = errors.Join(err, harness.RemoveServers(theirs)); err != nil {
			return err
		}
	}
	return nil
}

func alwaysTables(o options, r *harness.Report, title string, depths []int, servers []*harness.Server) error {
	for _, depth := range depths {
		table := newTable()
		for _, load := range loads(depth) {
			switch load.Name {
			case "SET", "INCR", "LPUSH", "HSET", "MSET 10":
				if err := table.measure(o, servers, load); err != nil {
					return err
				}
			}
		}
		r.Add(table.text(fmt.Sprintf("%s, %s", title, atOnce(depth)), o))
	}
	return nil
}

func atOnce(depth int) string {
	if depth == 1 {
		return "one command at a time"
	}
	return fmt.Sprintf("%d commands at once", depth)
}

// table has a row for each load.
type table struct {
	rows      [][]string
	discarded int
}

func newTable() *table {
	return &table{rows: [][]string{{"", "requests/s coffer", "redis-server", "ratio", "p99 ms coffer", "redis-server", "ratio", "server CPU µs/command coffer", "redis-server", "ratio"}}}
}

func (t *table) measure(o options, servers []*harness.Server, load harness.Load) error {
	rounds, discarded, err := load.TakeTurns(servers, o.rounds, o.seconds)
	if err != nil {
		return err
	}
	t.discarded += discarded
	row := []string{load.Name}
	for _, figure := range []struct {
		of     func(harness.Round) float64
		format string
	}{
		{func(r harness.Round) float64 { return r.Rate }, "%.0f"},
		{func(r harness.Round) float64 { return r.P99 }, "%.2f"},
		{func(r harness.Round) float64 { return r.CPU }, "%.1f"},
	} {
		ours, theirs := harness.SpreadBy(rounds[harness.Coffer], figure.of), harness.SpreadBy(rounds[harness.Redis], figure.of)
		row = append(row, ours.Text(figure.format), theirs.Text(figure.format), fmt.Sprintf("%.2f", ours.Median/theirs.Median))
	}
	t.rows = append(t.rows, row)
	fmt.Fprintf(os.Stderr, "%-20s depth %2d: requests/s %s×, p99 %s×, CPU %s×\n", load.Name, load.Depth, row[3], row[6], row[9])
	return nil
}

func (t *table) text(title string, o options) string {
	return harness.Table(title, fmt.Sprintf("%d connections, values of %d bytes, %d rounds of each, median (smallest–largest); %d rounds discarded for steal.",
		connections, valueBytes, o.rounds, t.discarded), t.rows)
}
