package main

import (
	"fmt"
	"slices"

	"github.com/coffer-dev/coffer/test/bench/harness"
)

const introduction = "`coffer` speaks TLS 1.3 and encrypts its log; the others speak and write plainly. What answers before its write is on the disk, but syncs every second: `coffer EverySecond`, BullMQ and asynq\n" +
	"(redis-server with `appendfsync everysec`), beanstalkd (`-f 1000`). What syncs before it answers: `coffer Always`, JetStream (`sync_interval: always`), `beanstalkd -f 0`. Ratios are of `coffer` to each of its kind.\n"

var titles = map[string]string{
	"push":    fmt.Sprintf("Single pushes of %d bytes, %d on their way", small, pushers),
	"batch":   fmt.Sprintf("Pushes of %d jobs of %d bytes, %d on their way", batch, small, batchers),
	"process": fmt.Sprintf("Pulled and acknowledged by %d workers", workers),
	"large":   fmt.Sprintf("Single pushes of %d bytes, %d on their way", large, pushers),
}

// table compares each with ours that promises the same.
func table(load string, o options, rounds map[string][]round, discarded int) string {
	rows := [][]string{{"", "jobs/s", "ours is", "server CPU µs/job", "ours is"}}
	pick := func(name string, of func(round) float64) harness.Spread { return harness.SpreadBy(rounds[name], of) }
	rate := func(r round) float64 { return r.rate }
	cpu := func(r round) float64 { return r.cpu }
	for _, name := range names {
		if len(rounds[name]) == 0 {
			continue
		}
		own := everySecond
		if slices.Contains(syncsAll, name) {
			own = always
		}
		faster, cheaper := "", ""
		if name != own && len(rounds[own]) > 0 {
			faster = fmt.Sprintf("%.2f×", pick(own, rate).Median/pick(name, rate).Median)
			cheaper = fmt.Sprintf("%.2f×", pick(own, cpu).Median/pick(name, cpu).Median)
		}
		rows = append(rows, []string{name, pick(name, rate).Text("%.0f"), faster, pick(name, cpu).Text("%.1f"), cheaper})
	}
	return harness.Table(titles[load], fmt.Sprintf("%d rounds of each, median (smallest–largest); %d rounds discarded for steal. Who is not listed has no such command.", o.rounds, discarded), rows)
}
