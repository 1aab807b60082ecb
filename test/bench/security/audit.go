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

// typicalRefusals is of how many requests of a healthy application one is
// refused, at most.
const typicalRefusals = 1000

// measureAudit has one engine serve the same at each level.
func measureAudit(o options, r *harness.Report) (goals [][]string, err error) {
	e, err := startEngine(o)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, e.stop()) }()
	for _, refusedOf := range []int{0, 1000, 20} {
		rounds, err := e.takeTurns(o, refusedOf)
		if err != nil {
			return nil, err
		}
		r.Add(auditTable(o, refusedOf, rounds))
		if refusedOf == typicalRefusals {
			rate := toNone(rounds, acl.AuditDenied, rateOf)
			goals = append(goals, goal(fmt.Sprintf("audit.level Denied, %s: at least 0.95× of the requests of None", refusedText(refusedOf)), rate.Text("%.3f×"), rate.Median >= 0.95))
		}
	}
	return goals, nil
}

func rateOf(r round) float64 { return r.rate }
func cpuOf(r round) float64  { return r.cpu }

// toNone is a level's ratio to the None of the same turn.
func toNone(rounds map[acl.Level][]round, level acl.Level, of func(round) float64) harness.Spread {
	var values []float64
	for i, r := range rounds[level] {
		values = append(values, of(r)/of(rounds[acl.AuditNone][i]))
	}
	return harness.SpreadOf(values)
}

func refusedText(of int) string {
	if of == 0 {
		return "no request refused"
	}
	return fmt.Sprintf("one request of %d refused", of)
}

func (e *engine) takeTurns(o options, refusedOf int) (rounds map[acl.Level][]round, err error) {
	l, err := e.newLoad()
	if err != nil {
		return nil, err
	}
	defer l.close()
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
		pick := func(of func(round) float64) harness.Spread { return harness.SpreadBy(rounds[level], of) }
		rows = append(rows, []string{
			string(level), pick(rateOf).Text("%.0f"), toNone(rounds, level, rateOf).Text("%.3f"), pick(func(r round) float64 { return r.p50 }).Text("%.2f"),
			pick(func(r round) float64 { return r.p99 }).Text("%.2f"), pick(cpuOf).Text("%.1f"), toNone(rounds, level, cpuOf).Text("%.3f"),
			pick(func(r round) float64 { return r.steal * 100 }).Text("%.1f"),
		})
	}
	return harness.Table("Audit, "+refusedText(refusedOf),
		fmt.Sprintf("%d connections, one request after the other, GET and every %dth a SET of %d bytes, `EverySecond`; %d rounds of %.0f s at each level, of one process, in turn, median (smallest–largest). Ratios are to `None` of the same turn.",
			connections, writeShare, valueBytes, len(rounds[acl.AuditNone]), o.seconds), rows)
}
