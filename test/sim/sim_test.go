package sim

import (
	"testing"
	"time"
)

// shortRun is what every `make test` plays: always the same seeds, so that what
// fails is what was changed. `make sim` plays others for as long as it is told.
// (The race detector, which has nothing to find in one goroutine, makes them
// fifteen times as slow.) Seed 3 finds a missing fsync before an acknowledgement,
// and a leader whom nobody hears, without check-quorum; 16 a follower that deposes
// a healthy leader without pre-vote; 6 a leader that reads without the read index.
// In every fifth there are jobs, in 9, 29 and 33 lazy members.
var shortRun = []uint64{2, 3, 6, 7, 8, 9, 11, 12, 16, 19, 20, 24, 29, 33, 36, 40}

func TestSeeds(t *testing.T) {
	begin := time.Now()
	total := map[string]int{}
	for _, seed := range shortRun {
		r := Run(seed, false)
		if r.Err != nil {
			t.Fatalf("seed %d: %v\n%s", seed, r.Err, r.Log)
		}
		for what, n := range r.Stats {
			total[what] += n
		}
	}
	t.Logf("%d seeds in %v: %v", len(shortRun), time.Since(begin), total)
	// A run in which this did not happen proves less than it says.
	for _, what := range []string{
		"crashes", "forgot", "hashes compared", "keys checked", "kills", "members added", "members promoted", "members removed",
		"jobs done", "jobs lost", "jobs pulled", "messages lost", "refused", "snapshots", "snapshots arrived", "terms", "timeouts",
	} {
		if total[what] == 0 {
			t.Errorf("%s: not once", what)
		}
	}
}

func TestASeedReplays(t *testing.T) {
	const seed = 1001
	a, b := Run(seed, false), Run(seed, false)
	if a.Trace != b.Trace || a.Events != b.Events || a.Log != b.Log {
		t.Errorf("trace %x after %d events, then %x after %d", a.Trace, a.Events, b.Trace, b.Events)
	}
	if other := Run(seed+1, false); other.Trace == a.Trace {
		t.Error("two seeds have the same trace")
	}
}
