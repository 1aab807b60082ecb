package glob

import (
	"bytes"
	"strings"
	"testing"
)

func TestMatch(t *testing.T) {
	for _, tt := range []struct {
		pattern, s string
		want       bool
	}{
		{"*", "", true}, {"**", "", false}, {"*?", "", false}, {"", "", true}, {"", "a", false}, {"a", "", false}, {"h?llo", "hello", true}, {"h?llo", "hllo", false},
		{"h*llo", "heeeello", true}, {"h*llo", "hllo", true}, {"*a*b*c", "xxaxxbxxc", true}, {"*a*b*c", "xxaxxbxx", false},
		{"h[ae]llo", "hallo", true}, {"h[^e]llo", "hello", false}, {"h[^e]llo", "hbllo", true}, {"h[a-c]llo", "hbllo", true},
		{"h[c-a]llo", "hbllo", true}, {`h\*llo`, "h*llo", true}, {`h\*llo`, "hello", false}, {`[\]]`, "]", true}, {"[a", "a", true},
		{`a\`, `a\`, true}, {"a**b", "ab", true}, {"a*", "b", false}, {"[]", "]", false}, {"[^]", "x", true}, {"sess:*", "sess:1", true},
		{"user:*:tokens", "user:7:tokens", true}, {"h[ae]llo*", "hallo!", true}, {"**a**", "bab", true},
	} {
		if got := Match([]byte(tt.pattern), []byte(tt.s)); got != tt.want {
			t.Errorf("Match(%q, %q) = %v", tt.pattern, tt.s, got)
		}
	}
}

// TestMatchIsBounded would take longer than the universe with a matcher that
// tries every star everywhere.
func TestMatchIsBounded(t *testing.T) {
	long := bytes.Repeat([]byte("a"), 16<<10)
	class := "*[" + strings.Repeat("b", 64<<10) + "]c"
	for _, pattern := range []string{strings.Repeat("*a", 500) + "*c", "*" + string(long[:8<<10]) + "c", class} {
		ok, work := MatchWork([]byte(pattern), long)
		if ok {
			t.Errorf("%.10q… matched", pattern)
		}
		if most := maxWork + len(pattern); work > most { // the last element may be as long as that
			t.Errorf("%.10q…: %d bytes looked at, at most %d may be", pattern, work, most)
		}
	}
	if !Match([]byte("*"+string(long)+"*"), long) {
		t.Error("a long pattern does not match a long key")
	}
}

// slowMatch is redis-server's recursion, to compare with.
func slowMatch(p, s []byte) bool {
	if len(p) == 0 || len(s) == 0 {
		return len(p) == 0 && len(s) == 0
	}
	if p[0] != '*' {
		next, ok := matchOne(p, 0, s[0])
		return ok && (slowMatch(p[next:], s[1:]) || len(s) == 1 && len(bytes.Trim(p[next:], "*")) == 0)
	}
	for len(p) > 0 && p[0] == '*' {
		p = p[1:]
	}
	for i := range s {
		if slowMatch(p, s[i:]) {
			return true
		}
	}
	return len(p) == 0
}

func FuzzMatch(f *testing.F) {
	f.Add("h[a-c]*?\\*", "hb llo")
	f.Fuzz(func(t *testing.T, pattern, s string) {
		got := Match([]byte(pattern), []byte(s))
		if len(pattern) <= 12 && len(s) <= 12 && pattern != "*" && got != slowMatch([]byte(pattern), []byte(s)) {
			t.Errorf("Match(%q, %q) = %v", pattern, s, got)
		}
	})
}
