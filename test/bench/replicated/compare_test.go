package replicated

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/coffer-dev/coffer/test/bench/harness"
)

const (
	valueBytes = 100
	keySpace   = 1_000_000
	// maxDiscarded bounds how many rounds of a load are repeated because the
	// hypervisor gave the processors to others.
	maxDiscarded = 20
)

// contender is three servers that hold the same data.
type contender interface {
	name() string
	// connect opens the connections of a load and returns what drives it for a
	// time, and tells how long each batch took; nil for a load that the contender's
	// clients have no form of.
	connect(l load) (drive func(time.Duration) []time.Duration)
	// pids of the servers that run now.
	pids() []int
	stop()
}

// load is writes of 100 bytes to random keys.
type load struct {
	title              string
	connections, depth int
}

var loads = []load{
	{"50 connections", 50, 1},
	{"50 connections, 16 writes at once each", 50, 16},
	{"800 connections", 800, 1},
	{"800 connections, 16 writes at once each", 800, 16},
}

// round is what one contender did in one round.
type round struct {
	rate     float64 // writes/s
	p50, p99 float64 // ms, of a batch
	cpu      float64 // of all three servers, µs a write
}

// compare lets the contenders take turns at a load.
func compare(b *testing.B, contenders []contender, l load) string {
	all := make([][]round, len(contenders))
	for n, discarded := 0, 0; n < *rounds; n++ {
		for i, c := range contenders {
			one, steal, ok := measure(b, c, l)
			for ok && steal > harness.MaxSteal {
				if discarded++; discarded > maxDiscarded {
					b.Fatalf("%d rounds with more than %.0f %% steal: this machine is too busy", discarded, harness.MaxSteal*100)
				}
				one, steal, ok = measure(b, c, l)
			}
			if ok {
				all[i] = append(all[i], one)
			}
		}
	}
	return table(contenders, all, l)
}

// measure is one round.
func measure(b *testing.B, c contender, l load) (r round, steal float64, ok bool) {
	drive := c.connect(l)
	if drive == nil {
		return r, 0, false
	}
	cpu := cpuTime(b, c)
	stealBefore, allBefore := stealTime(b)
	begin := time.Now()
	times := drive(time.Duration(*seconds) * time.Second)
	took := time.Since(begin)
	if len(times) == 0 {
		b.Fatalf("%s has written nothing", c.name())
	}
	stealAfter, allAfter := stealTime(b)
	writes := float64(len(times) * l.depth)
	slices.Sort(times)
	at := func(q float64) float64 { return float64(times[int(q*float64(len(times)-1))].Microseconds()) / 1000 }
	return round{writes / took.Seconds(), at(0.5), at(0.99), float64((cpuTime(b, c) - cpu).Microseconds()) / writes},
		(stealAfter - stealBefore) / (allAfter - allBefore), true
}

func cpuTime(b *testing.B, c contender) (sum time.Duration) {
	for _, pid := range c.pids() {
		d, err := harness.CPUTime(pid)
		if err != nil {
			b.Fatal(err)
		}
		sum += d
	}
	return sum
}

func stealTime(b *testing.B) (steal, all float64) {
	steal, all, err := harness.StealTime()
	if err != nil {
		b.Fatal(err)
	}
	return steal, all
}

func table(contenders []contender, all [][]round, l load) string {
	rows := [][]string{{"", "writes/s", "p50 ms", "p99 ms", "CPU of all members, µs a write", "our writes/s, of theirs", "our p99, of theirs"}}
	for i, c := range contenders {
		if len(all[i]) == 0 {
			continue
		}
		rate := func(r round) float64 { return r.rate }
		p99 := func(r round) float64 { return r.p99 }
		row := []string{
			c.name(), harness.SpreadBy(all[i], rate).Text("%.0f"), harness.SpreadBy(all[i], func(r round) float64 { return r.p50 }).Text("%.2f"),
			harness.SpreadBy(all[i], p99).Text("%.2f"), harness.SpreadBy(all[i], func(r round) float64 { return r.cpu }).Text("%.1f"), "", "",
		}
		if _, ours := c.(*coffer); !ours {
			row[5] = fmt.Sprintf("%.2f×", harness.SpreadBy(all[0], rate).Median/harness.SpreadBy(all[i], rate).Median)
			row[6] = fmt.Sprintf("%.2f×", harness.SpreadBy(all[0], p99).Median/harness.SpreadBy(all[i], p99).Median)
		}
		rows = append(rows, row)
	}
	return harness.Table("Writes: "+l.title, "", rows)
}
