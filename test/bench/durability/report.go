package main

import (
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"github.com/coffer-dev/coffer/engine/config"
)

// report is what was measured, printed as it comes and written as Markdown.
type report struct{ text strings.Builder }

func newReport() *report {
	r := &report{}
	r.text.WriteString("# Durable writes, space and restart beside redis-server\n\n" +
		"Written by `make bench-durability`; what is measured and how is said in `test/bench/durability`.\n" +
		"Ratios matter, absolute figures are this machine's.\n\n")
	return r
}

func (r *report) add(section string) {
	fmt.Println(section)
	r.text.WriteString(section + "\n")
}

func (r *report) write(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(strings.TrimSpace(r.text.String())+"\n"), 0o644)
}

// machine says where it was measured.
func machine(dir string) string {
	var name unix.Utsname
	_ = unix.Uname(&name)
	var fs unix.Statfs_t
	_ = unix.Statfs(dir, &fs)
	types := map[int64]string{unix.EXT4_SUPER_MAGIC: "ext4", unix.XFS_SUPER_MAGIC: "xfs", unix.BTRFS_SUPER_MAGIC: "btrfs", unix.TMPFS_MAGIC: "tmpfs", unix.OVERLAYFS_SUPER_MAGIC: "overlay"}
	kind := types[fs.Type]
	if kind == "" {
		kind = fmt.Sprintf("file system %#x", fs.Type)
	}
	return fmt.Sprintf("%s UTC. %d processors (%s), %s memory, Linux %s, %s, %s, redis-server %s.\n\n%s",
		time.Now().UTC().Format("2006-01-02 15:04"), runtime.NumCPU(), firstOf("/proc/cpuinfo", "model name"), firstOf("/proc/meminfo", "MemTotal"),
		unix.ByteSliceToString(name.Release[:]), kind, runtime.Version(), redisVersion(), loadNow("At the start"))
}

func loadNow(when string) string {
	data, _ := os.ReadFile("/proc/loadavg")
	fields := strings.Fields(string(data))
	return fmt.Sprintf("%s the load average was %s (1, 5 and 15 minutes).\n", when, strings.Join(fields[:min(3, len(fields))], ", "))
}

func firstOf(path, name string) string {
	data, _ := os.ReadFile(path)
	for line := range strings.Lines(string(data)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == name {
			return strings.Join(strings.Fields(value), " ")
		}
	}
	return "unknown"
}

// table renders Markdown that is readable as it is.
func table(title, note string, rows [][]string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "## %s\n\n", title)
	if note != "" {
		fmt.Fprintf(&b, "%s\n\n", note)
	}
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	line := func(row []string) {
		for i, cell := range row {
			fmt.Fprintf(&b, "| %s%s ", cell, strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)))
		}
		b.WriteString("|\n")
	}
	line(rows[0])
	for _, width := range widths {
		b.WriteString("|" + strings.Repeat("-", width+2))
	}
	b.WriteString("|\n")
	for _, row := range rows[1:] {
		line(row)
	}
	return b.String()
}

// spread is what rounds showed.
type spread struct{ median, low, high float64 }

func spreadOf(values []float64) spread {
	values = slices.Clone(values)
	slices.Sort(values)
	return spread{values[len(values)/2], values[0], values[len(values)-1]}
}

func (s spread) text(format string) string {
	return fmt.Sprintf(format+" ("+format+"–"+format+")", s.median, s.low, s.high)
}

var fsyncName = map[config.Durability]string{config.Always: "appendfsync always", config.EverySecond: "appendfsync everysec"}

func speedTable(durability config.Durability, depth int, rounds map[string][]round, discarded int, redisSyncs float64) string {
	rows := [][]string{{"", "requests/s", "ratio", "p50 ms", "p99 ms", "server CPU µs/command", "ratio", "fsyncs/write", "steal %"}}
	pick := func(name string, of func(round) float64) spread {
		var values []float64
		for _, r := range rounds[name] {
			values = append(values, of(r))
		}
		return spreadOf(values)
	}
	rate := func(r round) float64 { return r.rate }
	cpu := func(r round) float64 { return r.cpu }
	for _, name := range contenders {
		syncs := pick(name, func(r round) float64 { return r.syncs }).median
		if name == redis {
			syncs = redisSyncs
		}
		counted := fmt.Sprintf("%.4f", syncs)
		if math.IsNaN(syncs) {
			counted = "not counted"
		}
		rows = append(rows, []string{
			name, pick(name, rate).text("%.0f"), fmt.Sprintf("%.2f", pick(name, rate).median/pick(redis, rate).median),
			pick(name, func(r round) float64 { return r.p50 }).text("%.2f"), pick(name, func(r round) float64 { return r.p99 }).text("%.2f"),
			pick(name, cpu).text("%.1f"), fmt.Sprintf("%.2f", pick(name, cpu).median/pick(redis, cpu).median),
			counted, pick(name, func(r round) float64 { return r.steal * 100 }).text("%.1f"),
		})
	}
	return table(fmt.Sprintf("`%s` beside `%s`, pipeline depth %d", durability, fsyncName[durability], depth),
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
