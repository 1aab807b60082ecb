package differential

import (
	"slices"
	"testing"
)

// TestConfig: parameters have redis-server's names, and errors its texts.
func TestConfig(t *testing.T) {
	wholeEngine(t, func(t *testing.T, p *pair) {
		p.script("CONFIG", "CONFIG GET", "CONFIG NOSUCH", "CONFIG GET nope", "CONFIG GET DataBases", "CONFIG GET max*policy zset-max-*-entries databases zset-max-listpack-entries", "CONFIG GET nope databases [d]atabases",
			"CONFIG SET nope 1", "CONFIG SET databases", "CONFIG SET databases 1 x", "CONFIG SET databases 3", "CONFIG SET maxmemory-policy noeviction timeout 0", "CONFIG RESETSTAT", "CONFIG RESETSTAT x", "CONFIG REWRITE x", "CONFIG HELP")
		all := args("CONFIG", "GET", "*")
		theirs, ours := elements(p.theirs.do(all)), elements(p.ours.do(all))
		for i := 0; i < len(ours); i += 2 {
			if at := slices.Index(theirs, ours[i]); at < 0 || at%2 != 0 {
				t.Errorf("redis-server has no parameter %q", ours[i])
			}
		}
	})
}
