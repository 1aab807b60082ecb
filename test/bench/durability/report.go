package main

import (
	"fmt"
	"math"

	"github.com/coffer-dev/coffer/engine/config"
	"github.com/coffer-dev/coffer/test/bench/harness"
)

var fsyncName = map[config.Durability]string{config.Always: "appendfsync always", config.EverySecond: "appendfsync everysec"}

func speedTable(durability config.Durability, depth int, rounds map[string][]harness.Round, discarded int, redisSyncs float64) string {
	rows := [][]string{{"", "requests/s", "ratio", "p50 ms", "p99 ms", "server CPU µs/command", "ratio", "fsyncs/write", "steal %"}}
	pick := func(name string, of func(harness.Round) float64) harness.Spread {
		return harness.SpreadBy(rounds[name], of)
	}
	rate := func(r harness.Round) float64 { return r.Rate }
	cpu := func(r harness.Round) float64 { return r.CPU }
	for _, name := range contenders {
		syncs := pick(name, func(r harness.Round) float64 { return r.Syncs }).Median
		if name == harness.Redis {
			syncs = redisSyncs
		}
		counted := fmt.Sprintf("%.4f", syncs)
		if math.IsNaN(syncs) {
			counted = "not counted"
		}
		rows = append(rows, []string{
			name, pick(name, rate).Text("%.0f"), fmt.Sprintf("%.2f", pick(name, rate).Median/pick(harness.Redis, rate).Median),
			pick(name, func(r harness.Round) float64 { return r.P50 }).Text("%.2f"), pick(name, func(r harness.Round) float64 { return r.P99 }).Text("%.2f"),
			pick(name, cpu).Text("%.1f"), fmt.Sprintf("%.2f", pick(name, cpu).Median/pick(harness.Redis, cpu).Median),
			counted, pick(name, func(r harness.Round) float64 { return r.Steal * 100 }).Text("%.1f"),
		})
	}
	return harness.Table(fmt.Sprintf("`%s` beside `%s`, pipeline depth %d", durability, fsyncName[durability], depth),
		fmt.Sprintf("SET of %d-byte values, %d connections, %d rounds of each, median (smallest–largest); %d rounds discarded for steal. Ratios are to redis-server.",
			valueBytes, connections, len(rounds[harness.Redis]), discarded), rows)
}
