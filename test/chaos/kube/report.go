package kube

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coffer-dev/coffer/test/chaos/clients"
)

// Fault is one that happened.
type Fault struct {
	Kind   string
	Victim string // whom it was aimed at: its clients are asked for the pause
	At     time.Time
	Until  time.Time // when all was well again
	// Pause is the longest time without an acknowledged write, or job.
	Pause time.Duration
}

// Report is what happened and what came of it.
type Report struct {
	Options Options
	Begun   time.Time
	Ended   time.Time
	Keys    clients.Verdict
	Jobs    clients.JobsVerdict
	// Answered commands, and of these acknowledged writes.
	Answered, Writes int64
	// Errors are what clients got instead of answers, by the kind.
	Errors map[string]int
	Unread []string // keys that could not be read at the end
	Broken []error

	mu             sync.Mutex
	faults         []*Fault
	writes, pushes []int // acknowledged in each second
}

func newReport(o Options) *Report { return &Report{Options: o, Begun: time.Now()} }

func (r *Report) happens(kind, victim string) *Fault {
	f := &Fault{Kind: kind, Victim: victim, At: time.Now()}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.faults = append(r.faults, f)
	return f
}

func (r *Report) broke(err error) {
	if err != nil {
		r.Broken = append(r.Broken, err)
	}
}

// summary is the beginning of a line.
func (r *Report) summary() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return fmt.Sprintf("%s of %s · %d faults", time.Since(r.Begun).Round(time.Second), r.Options.Duration, len(r.faults))
}

// Err is what must not be, and what must have been for the run to mean anything.
func (r *Report) Err() error {
	problems := slices.Clone(r.Broken)
	wrong := func(yes bool, format string, args ...any) {
		if yes {
			problems = append(problems, fmt.Errorf(format, args...))
		}
	}
	wrong(len(r.Keys.Illegal) > 0, "the answers about %d keys are not linearizable: %s", len(r.Keys.Illegal), few(r.Keys.Illegal))
	wrong(len(r.Unread) > 0, "%d keys cannot be read at the end: %s", len(r.Unread), few(r.Unread))
	wrong(len(r.Jobs.Lost) > 0, "%d acknowledged jobs were never carried out: %s", len(r.Jobs.Lost), few(r.Jobs.Lost))
	wrong(len(r.Jobs.Again) > 0, "%d jobs were handed out after they had been acknowledged: %v", len(r.Jobs.Again), r.Jobs.Again[:min(5, len(r.Jobs.Again))])
	wrong(r.Keys.Linearizable == 0, "no key was checked")
	wrong(r.Jobs.Jobs == 0, "no job was pushed")
	wrong(len(r.faults) == 0, "nothing happened")
	return errors.Join(problems...)
}

func few(names []string) string { return strings.Join(names[:min(5, len(names))], ", ") }

// pauses of a kind of fault, ascending.
func (r *Report) pauses(kind string) (all []time.Duration) {
	for _, f := range r.faults {
		if f.Kind == kind {
			all = append(all, f.Pause)
		}
	}
	slices.Sort(all)
	return all
}

// kinds of faults that happened, by name.
func (r *Report) kinds() []string {
	seen := map[string]bool{}
	for _, f := range r.faults {
		seen[f.Kind] = true
	}
	return slices.Sorted(maps.Keys(seen))
}

// quantile of what is sorted: the least value that so much of it is not above.
func quantile(sorted []time.Duration, q float64) time.Duration {
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.2f s", d.Seconds()) }

// table is one of Markdown, and readable as it is.
func (r *Report) table() string {
	var b strings.Builder
	fmt.Fprintf(&b, "| %-22s | times | median | p99 | max |\n| :-- | --: | --: | --: | --: |\n", "what happened")
	for _, kind := range r.kinds() {
		p := r.pauses(kind)
		fmt.Fprintf(&b, "| %-22s | %d | %s | %s | %s |\n", kind, len(p), seconds(quantile(p, 0.5)), seconds(quantile(p, 0.99)), seconds(p[len(p)-1]))
	}
	return b.String()
}

// longest are the pauses that somebody may ask about.
func (r *Report) longest() string {
	all := slices.Clone(r.faults)
	slices.SortFunc(all, func(a, b *Fault) int { return cmp.Compare(b.Pause, a.Pause) })
	var texts []string
	for _, f := range all[:min(5, len(all))] {
		texts = append(texts, fmt.Sprintf("%s (%s of %s, after %s)", seconds(f.Pause), f.Kind, f.Victim, f.At.Sub(r.Begun).Round(time.Second)))
	}
	return "The longest: " + strings.Join(texts, ", ") + "."
}

// results are the figures that are not pauses.
func (r *Report) results() string {
	var b strings.Builder
	row := func(what, format string, args ...any) {
		fmt.Fprintf(&b, "| %-42s | %s |\n", what, fmt.Sprintf(format, args...))
	}
	b.WriteString("| what | figure |\n| :-- | --: |\n")
	row("commands answered", "%d, of them %d writes", r.Answered, r.Writes)
	row("acknowledged writes lost or shown stale", "%d keys", len(r.Keys.Illegal)+len(r.Unread))
	row("keys whose answers are linearizable", "%d", r.Keys.Linearizable)
	row("keys that could not be decided in time", "%d", r.Keys.Undecided)
	row("jobs acknowledged", "%d", r.Jobs.Jobs)
	row("jobs lost", "%d", len(r.Jobs.Lost))
	row("jobs handed out after their acknowledgement", "%d", len(r.Jobs.Again))
	row("jobs carried out twice, answer lost", "%d", r.Jobs.Twice)
	return b.String()
}

// String is the report for a person at a terminal.
func (r *Report) String() string {
	return fmt.Sprintf("\n%d faults in %s, seed %d\n\n%s\n%s\n\n%s\ninstead of answers: %v\n",
		len(r.faults), r.Ended.Sub(r.Begun).Round(time.Second), r.Options.Seed, r.table(), r.longest(), r.results(), r.Errors)
}
