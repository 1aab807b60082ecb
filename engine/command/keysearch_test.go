package command

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/coffer-dev/coffer/engine/acl"
)

// TestClientsFindTheKeys: who goes by the key specifications finds what the table
// finds.
func TestClientsFindTheKeys(t *testing.T) {
	for _, call := range []string{
		"GET k", "RENAME a b", "MSET a 1 b 2", "BITOP AND d a b", "LCS a b", "BLPOP a b 0", "PFMERGE d a b", "DEL a b c", "WATCH a b", "SET a b GET", "SORT a LIMIT 0 1",
		"XGROUP CREATE x g $", "MEMORY USAGE k", "OBJECT ENCODING k",
		"ZUNIONSTORE d 2 a b WEIGHTS 1 2", "ZDIFF 2 a b WITHSCORES", "EVAL s 2 a b c", "EVAL s 0 c", "LMPOP 2 a b LEFT", "BZMPOP 0 1 a MIN",
		"XREAD COUNT 1 STREAMS a b 0 0", "XREADGROUP GROUP g c NOACK STREAMS a b > >",
		"GEORADIUS a 0 0 1 m STORE d", "GEORADIUS a 0 0 1 m COUNT 1 ANY storedist d", "GEORADIUSBYMEMBER a m 1 m STORE d",
	} {
		args := argv(strings.Fields(call)...)
		c, err := Resolve(args)
		if err != nil {
			t.Fatal(err)
		}
		var got []acl.Key
		for i := range c.searches {
			got = c.searches[i].find(got, args)
		}
		same := func(a, b acl.Key) bool {
			return bytes.Equal(a.Name, b.Name) && (a.Flags == b.Flags || c.searches[0].varies)
		}
		if want := c.AppendKeys(nil, args); !slices.EqualFunc(got, want, same) {
			t.Errorf("%s: %v, want %v", call, got, want)
		}
	}
}

// find does as a client of a cluster.
func (s *keySearch) find(dst []acl.Key, argv [][]byte) []acl.Key {
	first, last := s.at, 0
	if s.keyword != "" {
		at := slices.IndexFunc(argv[s.at:], func(arg []byte) bool { return is(arg, s.keyword) })
		if at < 0 {
			return dst
		}
		first += at + 1
	}
	switch {
	case s.at == 0:
		return dst
	case s.counted:
		n, _ := parseInt(argv[first])
		first++
		last = first + int(n) - 1
	case s.last >= 0:
		last = first + s.last
	case s.limit > 0:
		last = first + (len(argv)-first)/s.limit + s.last
	default:
		last = len(argv) + s.last
	}
	for i := first; i <= last; i += s.step {
		dst = append(dst, s.use.of(argv[i]))
	}
	return dst
}
