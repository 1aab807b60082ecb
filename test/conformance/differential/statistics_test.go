package differential

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestStatistics: INFO counts calls, failures, rejections and errors as redis-server
// does.
func TestStatistics(t *testing.T) {
	wholeEngine(t, func(t *testing.T, p *pair) {
		p.script("CONFIG RESETSTAT", "SET k v", "GET k", "GET k", "GET", "GET k k", "INCR k", "LPUSH k 1", "NOSUCH", "CONFIG GET", "CONFIG NOSUCH", "OBJECT ENCODING k", "OBJECT NOSUCH k", "EXPIRE k x", "SELECT x",
			"MULTI", "SET a 1", "LPUSH a 1", "INCRBY a x", "PING", "EXEC", "MULTI", "GET", "SET a 2", "EXEC", "EXEC", "DISCARD", "MULTI", "SET a 3", "DISCARD", "WATCH a", "SET a 4", "MULTI", "SET a 5", "EXEC",
			"RPUSH list 1 2", "BLPOP list 0", "BLPOP nothing 0.01", "BLPOP k 0", "XREAD BLOCK x STREAMS s 0", "CLIENT SETNAME me", "CLIENT SETNAME", "ECHO x", "SUBSCRIBE")
		for _, section := range []string{"commandstats", "errorstats"} {
			theirs, ours := counted(p.theirs.do(args("INFO", section))), counted(p.ours.do(args("INFO", section)))
			if !slices.Equal(theirs, ours) {
				t.Errorf("%s\nredis-server:\n%s\ncoffer:\n%s", section, strings.Join(theirs, "\n"), strings.Join(ours, "\n"))
			}
		}
	})
}

// counted are the counts of INFO in the order of their names, without times.
func counted(raw []byte) (lines []string) {
	times := regexp.MustCompile(`,usec=\d+,usec_per_call=\d+\.\d\d`)
	for _, line := range strings.Split(string(raw), "\r\n") {
		if strings.Contains(line, "stat_") {
			lines = append(lines, times.ReplaceAllString(line, ""))
		}
	}
	slices.Sort(lines)
	return lines
}
