package kube

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coffer-dev/coffer/test/chaos/clients"
)

func good() *Report {
	r := newReport(Options{Seed: 7, Duration: time.Minute})
	r.Keys, r.Jobs = clients.Verdict{Linearizable: 10}, clients.JobsVerdict{Jobs: 10}
	f := r.happens("leader killed", "kv")
	f.Until, f.Pause = f.At.Add(3*time.Second), 1300*time.Millisecond
	r.Ended, r.writes, r.pushes = r.Begun.Add(4*time.Second), []int{5, 0, 7, 3}, []int{1, 1, 0, 1}
	return r
}

// TestErr: whatever must not be is told, and a run in which nothing happened or
// nothing was checked is none.
func TestErr(t *testing.T) {
	for want, change := range map[string]func(*Report){
		"":                               func(*Report) {},
		"1 keys are not linearizable":    func(r *Report) { r.Keys.Illegal = []string{"set:1"} },
		"1 keys cannot be read":          func(r *Report) { r.Unread = []string{"set:1"} },
		"1 acknowledged jobs were never": func(r *Report) { r.Jobs.Lost = []string{"0-1"} },
		"1 jobs were handed out after":   func(r *Report) { r.Jobs.Again = []uint64{1} },
		"no key was checked":             func(r *Report) { r.Keys.Linearizable = 0 },
		"no job was pushed":              func(r *Report) { r.Jobs.Jobs = 0 },
		"nothing happened":               func(r *Report) { r.faults = nil },
		"it does not recover":            func(r *Report) { r.broke(errors.New("it does not recover")) },
	} {
		r := good()
		change(r)
		if err := r.Err(); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// TestWrite: the page names what it has beside it.
func TestWrite(t *testing.T) {
	dir := t.TempDir()
	if err := good().Write(dir, "README.md", "x-", "make chaos SEED=7", 2); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"make chaos SEED=7", "| leader killed          | 1 | 1.30 s | 1.30 s | 1.30 s |", "x-pauses.svg", "x-rates.svg"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	for _, name := range []string{"x-pauses.svg", "x-rates.svg"} {
		drawn, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil || !strings.HasSuffix(string(drawn), "</svg>\n") || strings.Contains(string(drawn), "NaN") || strings.Contains(string(drawn), "%!") {
			t.Errorf("%s: %v\n%s", name, err, drawn)
		}
	}
	if strings.Contains(string(text), "%!") {
		t.Errorf("the page:\n%s", text)
	}
}
