package main

import (
	"fmt"
	"math"
	"os/exec"
	"strings"

	"github.com/coffer-dev/coffer/engine/config"
	"github.com/coffer-dev/coffer/test/bench/harness"
)

var fsyncName = map[config.Durability]string{config.Always: "appendfsync always", config.EverySecond: "appendfsync everysec"}

func speedTable(durability config.Durability, depth int, rounds map[string][]round, discarded int, redisSyncs float64) string {
	rows := [][]string{{"", "requests/s", "ratio", "p50 ms", "p99 ms", "server CPU µs/command", "ratio", "fsyncs/write", "steal %"}}
	pick := func(name string, of func(round) float64) harness.Spread { return harness.SpreadBy(rounds[name], of) }
	rate := func(r round) float64 { return r.rate }
	cpu := func(r round) float64 { return r.cpu }
	for _, name := range contenders {
		syncs := pick(name, func(r round) float64 { return r.syncs }).Median
		if name == redis {
			syncs = redisSyncs
		}
		counted := fmt.Sprintf("%.4f", syncs)
		if math.IsNaN(syncs) {
			counted = "not counted"
		}
		rows = append(rows, []string{
			name, pick(name, rate).Text("%.0f"), fmt.Sprintf("%.2f", pick(name, rate).Median/pick(redis, rate).Median),
			pick(name, func(r round) float64 { return r.p50 }).Text("%.2f"), pick(name, func(r round) float64 { return r.p99 }).Text("%.2f"),
			pick(name, cpu).Text("%.1f"), fmt.Sprintf("%.2f", pick(name, cpu).Median/pick(redis, cpu).Median),
			counted, pick(name, func(r round) float64 { return r.steal * 100 }).Text("%.1f"),
		})
	}
	return harness.Table(fmt.Sprintf("`%s` beside `%s`, pipeline depth %d", durability, fsyncName[durability], depth),
		fmt.Sprintf("SET of %d-byte values, %d connections, %d rounds of each, median (smallest–largest); %d rounds discarded for steal. Ratios are to redis-server.",
			valueBytes, connections, len(rounds[redis]), discarded), rows)
}

func redisVersion() string {
	out, err := exec.Command("redis-server", "--version").Output()
	if err != nil {
		return "unknown"
	}
	for field := range strings.FieldsSeq(string(out)) {
		if v, ok := strings.CutPrefix(field, "v="); ok {
			return v
		}
	}
	return "unknown"
}
