// Package progress prints the steps of a long command: a title, what is going on, and how long it took. On a
// terminal the line is updated in place; elsewhere (a log, a pipe) a line is added now and then, so that nobody
// wonders whether it hangs.
package progress

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"
)

const (
	width       = 78               // where the elapsed time begins
	redrawEvery = time.Second      // on a terminal
	repeatEvery = 20 * time.Second // elsewhere
)

// Printer prints steps to one writer. With a Total it numbers them; Indent precedes each line.
type Printer struct {
	Out    io.Writer
	Total  int
	Indent string

	done int
}

// Step is one line that is being worked on.
type Step struct {
	mu     sync.Mutex
	note   string
	result string
}

// Note says what the step is doing at the moment.
func (s *Step) Note(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.note = fmt.Sprintf(format, args...)
}

// Result says, once, what the finished step found or made; it stays on its line.
func (s *Step) Result(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.result = fmt.Sprintf(format, args...)
}

func (s *Step) texts() (note, result string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.note, s.result
}

// Run does the work as the next step and prints how it went. The error is returned as it came.
func (p *Printer) Run(title string, work func(*Step) error) error {
	prefix := p.next()
	step, start := &Step{}, time.Now()
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		p.animate(prefix+title, step, start, stop)
	}()
	err := work(step)
	close(stop)
	<-stopped
	line := prefix + title
	if _, result := step.texts(); result != "" {
		line += " " + result
	}
	if err != nil {
		line += " FAILED"
	}
	p.printf("%s %s\n", dotted(line), Elapsed(time.Since(start)))
	return err
}

// Section prints the next step as a heading; the caller prints what belongs to it.
func (p *Printer) Section(title string) { p.printf("%s%s\n", p.next(), title) }

// next is how the next step's line begins.
func (p *Printer) next() string {
	p.done++
	if p.Total == 0 {
		return p.Indent
	}
	return fmt.Sprintf("%s[%2d/%d] ", p.Indent, p.done, p.Total)
}

func (p *Printer) animate(title string, step *Step, start time.Time, stop <-chan struct{}) {
	every := repeatEvery
	terminal := isTerminal(p.Out)
	if terminal {
		every = redrawEvery
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			if terminal {
				p.printf("\r\033[K")
			}
			return
		case <-tick.C:
		}
		note, _ := step.texts()
		line := strings.TrimRight(fmt.Sprintf("%s  %s  %s", title, note, Elapsed(time.Since(start))), " ")
		if terminal {
			p.printf("\r\033[K%s", line)
		} else {
			p.printf("%s …\n", line)
		}
	}
}

func (p *Printer) printf(format string, args ...any) { _, _ = fmt.Fprintf(p.Out, format, args...) }

func dotted(line string) string {
	if missing := width - len([]rune(line)) - 1; missing > 0 {
		return line + " " + strings.Repeat(".", missing)
	}
	return line
}

// Elapsed writes a duration as a reader of progress wants it: 0.4s, 12s, 3m05s.
func Elapsed(d time.Duration) string {
	switch {
	case d < 10*time.Second:
		return fmt.Sprintf("%.1fs", d.Seconds())
	case d < time.Minute:
		return fmt.Sprintf("%.0fs", d.Seconds())
	}
	return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("TERM") != "dumb"
}
