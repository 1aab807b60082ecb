package progress

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"
)

func TestElapsed(t *testing.T) {
	for want, d := range map[string]time.Duration{"0.4s": 400 * time.Millisecond, "12s": 12 * time.Second, "3m05s": 185 * time.Second, "1m00s": time.Minute} {
		if got := Elapsed(d); got != want {
			t.Errorf("%v: got %s, want %s", d, got, want)
		}
	}
}

func TestStepsAreNumberedAndFailuresMarked(t *testing.T) {
	var out bytes.Buffer
	p := &Printer{Out: &out, Total: 3}
	p.Section("heading")
	if err := p.Run("fine", func(s *Step) error { s.Result("(cached)"); return nil }); err != nil {
		t.Error(err)
	}
	broken := errors.New("broken")
	if err := p.Run("bad", func(*Step) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("got %v, want the work's own error", err)
	}
	lines := strings.Split(out.String(), "\n")
	for i, want := range []string{"[ 1/3] heading", "[ 2/3] fine (cached) ...", "[ 3/3] bad FAILED ..."} {
		if !strings.HasPrefix(lines[i], want) {
			t.Errorf("line %d is %q, want it to begin with %q", i, lines[i], want)
		}
	}
}
