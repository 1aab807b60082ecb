package harness

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// Report is what was measured, printed as it comes and written as Markdown.
type Report struct{ text strings.Builder }

// NewReport begins a report of `make bench-NAME`, whose program is test/bench/NAME.
func NewReport(title, name string) *Report {
	r := &Report{}
	fmt.Fprintf(&r.text, "# %s\n\nWritten by `make bench-%s`; what is measured and how is said in `test/bench/%s`.\n"+
		"Ratios matter, absolute figures are this machine's.\n\n", title, name, name)
	return r
}

// Add adds a section.
func (r *Report) Add(section string) {
	fmt.Println(section)
	r.text.WriteString(section + "\n")
}

// Write writes the file.
func (r *Report) Write(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(strings.TrimSpace(r.text.String())+"\n"), 0o644)
}

// Machine says where it was measured: what the file system of dir is, and with
// what beside the engine.
func Machine(dir, beside string) string {
	var name unix.Utsname
	_ = unix.Uname(&name)
	var fs unix.Statfs_t
	_ = unix.Statfs(dir, &fs)
	types := map[int64]string{unix.EXT4_SUPER_MAGIC: "ext4", unix.XFS_SUPER_MAGIC: "xfs", unix.BTRFS_SUPER_MAGIC: "btrfs", unix.TMPFS_MAGIC: "tmpfs", unix.OVERLAYFS_SUPER_MAGIC: "overlay"}
	kind := types[fs.Type]
	if kind == "" {
		kind = fmt.Sprintf("file system %#x", fs.Type)
	}
	return fmt.Sprintf("%s UTC. %d processors (%s), %s memory, Linux %s, %s, %s%s.\n\n%s",
		time.Now().UTC().Format("2006-01-02 15:04"), runtime.NumCPU(), firstOf("/proc/cpuinfo", "model name"), firstOf("/proc/meminfo", "MemTotal"),
		unix.ByteSliceToString(name.Release[:]), kind, runtime.Version(), beside, LoadNow("At the start"))
}

// LoadNow is a sentence about the load average.
func LoadNow(when string) string {
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

// Table renders Markdown that is readable as it is.
func Table(title, note string, rows [][]string) string {
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

// Spread is what rounds showed.
type Spread struct{ Median, Low, High float64 }

// SpreadOf sums rounds up.
func SpreadOf(values []float64) Spread {
	values = slices.Clone(values)
	slices.Sort(values)
	return Spread{values[len(values)/2], values[0], values[len(values)-1]}
}

// SpreadBy sums up one figure of rounds.
func SpreadBy[T any](rounds []T, of func(T) float64) Spread {
	values := make([]float64, len(rounds))
	for i, r := range rounds {
		values[i] = of(r)
	}
	return SpreadOf(values)
}

// Text is the median and, in parentheses, the smallest and the largest.
func (s Spread) Text(format string) string {
	return fmt.Sprintf(format+" ("+format+"–"+format+")", s.Median, s.Low, s.High)
}
