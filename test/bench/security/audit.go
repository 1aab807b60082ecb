package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/coffer-dev/coffer/engine/acl"
	"github.com/coffer-dev/coffer/test/bench/harness"
)

// levels take turns.
var levels = []acl.Level{acl.AuditNone, acl.AuditDenied, acl.AuditAll}

// measureAudit has one engine serve the same at each level.
func measureAudit(o options, r *harness.Report) (err error) {
	e, err := startEngine(o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.stop()) }()
	for _, refusedOf := range []int{0, 1000, 20} {
		rounds, err := e.takeTurns(o, refusedOf)
		if err != nil {
			return err
		}
		r.Add(auditTable(o, refusedOf, rounds))
	}
	return nil
}

func (e *engine) takeTurns(o options, refusedOf int) (rounds map[acl.Level][]round, err error) {
	l, err := e.newLoad()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, l.close()) }()
	l.refusedOf = refusedOf
	rounds = map[acl.Level][]round{}
	for n, discarded := 0, 0; n < o.rounds; {
		turn := map[acl.Level]round{}
		disturbed := false
		for i := range levels {
			level := levels[(i+n)%len(levels)] // none is always the one behind another
			if turn[level], err = e.audited(o, l, level); err != nil {
				return nil, err
			}
			disturbed = disturbed || turn[level].steal > harness.MaxSteal
		}
		if disturbed {
			if discarded++; discarded > maxDiscarded {
				return nil, fmt.Errorf("%d rounds with more than %.0f %% steal: this machine is too busy", discarded, harness.MaxSteal*100)
			}
			continue
		}
		n++
		for level, one := range turn {
			rounds[level] = append(rounds[level], one)
		}
	}
	return rounds, nil
}

// audited runs a round at that level, and makes sure that it was in force.
func (e *engine) audited(o options, l *load, level acl.Level) (r round, err error) {
	if err := e.setUsers(level); err != nil {
		return r, err
	}
	time.Sleep(200 * time.Millisecond) // the engine is told of the file at once
	if _, err := e.streamed(); err != nil {
		return r, err
	}
	if r, err = l.run(o.length()); err != nil {
		return r, err
	}
	records, err := e.streamed()
	want := map[acl.Level]int{acl.AuditNone: 0, acl.AuditDenied: r.refused, acl.AuditAll: r.requests}[level]
	if err == nil && records != want {
		err = fmt.Errorf("%d records at level %s, want %d of %d requests, %d of them refused", records, level, want, r.requests, r.refused)
	}
	return r, err
}

func auditTable(o options, refusedOf int, rounds map[acl.Level][]round) string {
	rows := [][]string{{"audit.level", "requests/s", "ratio", "p50 ms", "p99 ms", "engine CPU µs/request", "ratio", "steal %"}}
	for _, level := range levels {
		pick := func(of func(round) float64) harness.Spread {
			var values []float64
			for _, r := range rounds[level] {
				values = append(values, of(r))
			}
			return harness.SpreadOf(values)
		}
		ratio := func(of func(round) float64) string {
			var values []float64
			for i, r := range rounds[level] {
				values = append(values, of(r)/of(rounds[acl.AuditNone][i]))
			}
			return harness.SpreadOf(values).Text("%.3f")
		}
		rate, cpu := func(r round) float64 { return r.rate }, func(r round) float64 { return r.cpu }
		rows = append(rows, []string{
			string(level), pick(rate).Text("%.0f"), ratio(rate), pick(func(r round) float64 { return r.p50 }).Text("%.2f"),
			pick(func(r round) float64 { return r.p99 }).Text("%.2f"), pick(cpu).Text("%.1f"), ratio(cpu),
			pick(func(r round) float64 { return r.steal * 100 }).Text("%.1f"),
		})
	}
	refused := "no request refused"
	if refusedOf > 0 {
		refused = fmt.Sprintf("one request of %d refused", refusedOf)
	}
	return harness.Table("Audit, "+refused,
		fmt.Sprintf("%d connections, one request after the other, GET and every %dth a SET of %d bytes, `EverySecond`; %d rounds of %.0f s at each level, of one process, in turn, median (smallest–largest). Ratios are to `None` of the same turn.",
			connections, writeShare, valueBytes, len(rounds[acl.AuditNone]), o.seconds), rows)
}
