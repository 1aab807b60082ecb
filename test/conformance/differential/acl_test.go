package differential

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

// volatile is what differs from one moment, and one connection, to the next.
var volatile = regexp.MustCompile(`age-seconds\r\n(,|\$\d+\r\n)[^\r]*|\$\d+\r\nid=[^\r]*`)

// wholeEngine runs a test in each protocol against redis-server and the whole engine.
func wholeEngine(t *testing.T, test func(t *testing.T, p *pair)) {
	for name, proto := range map[string]int{"RESP2": 2, "RESP3": 3} {
		t.Run(name, func(t *testing.T) {
			test(t, &pair{t: t, theirs: startRedis(t, proto), ours: startEngine(t, proto)})
		})
	}
}

// TestACL: users are told as redis-server tells them of one whose password is
// not shown.
func TestACL(t *testing.T) {
	wholeEngine(t, func(t *testing.T, p *pair) {
		p.theirs.do(args("ACL", "SETUSER", "default", "resetpass"))
		p.script("ACL", "ACL NOSUCH", "ACL WHOAMI", "ACL WHOAMI x", "ACL USERS", "ACL LIST", "ACL GETUSER default", "ACL GETUSER nobody", "ACL GETUSER",
			"ACL CAT", "ACL CAT nope", "ACL CAT a b", "ACL GENPASS 0", "ACL GENPASS 4097", "ACL GENPASS -1", "ACL GENPASS x", "ACL GENPASS 1 2",
			"ACL DRYRUN default get a", "ACL DRYRUN nobody get a", "ACL DRYRUN default nope a", "ACL DRYRUN default get", "ACL DRYRUN default client nope", "ACL DRYRUN default client",
			"ACL LOG", "ACL LOG -1", "ACL LOG x", "ACL LOG 1 2", "ACL LOG RESET", "AUTH nobody x", "AUTH nobody y", "AUTH other x", "AUTH nobody z")
		for _, argv := range [][][]byte{args("ACL", "LOG"), args("ACL", "LOG", "1")} {
			want, got := volatile.ReplaceAllString(string(p.theirs.do(argv)), "…"), volatile.ReplaceAllString(string(p.ours.do(argv)), "…")
			if want != got {
				t.Errorf("%q\nredis-server: %q\ncoffer:       %q", argv, want, got)
			}
		}
		p.script("ACL LOG RESET", "ACL LOG")
		for _, call := range []string{"ACL GENPASS", "ACL GENPASS 1", "ACL GENPASS 5", "ACL GENPASS 4096"} {
			if want, got := len(p.theirs.do(split(call))), len(p.ours.do(split(call))); want != got {
				t.Errorf("%s: %d bytes, redis-server answers %d", call, got, want)
			}
		}
	})
}

// TestCategories: who is permitted a category is permitted what redis-server has
// in it, of what is here.
func TestCategories(t *testing.T) {
	p := &pair{t: t, theirs: startRedis(t, 2), ours: newCoffer(t, 2)}
	all := args("COMMAND", "LIST", "FILTERBY", "PATTERN", "*")
	here, there := elements(p.ours.do(all)), elements(p.theirs.do(all))
	for _, category := range elements(p.theirs.do(args("ACL", "CAT"))) {
		argv := [][]byte{[]byte("ACL"), []byte("CAT"), []byte(bulk(category))}
		want := slices.DeleteFunc(elements(p.theirs.do(argv)), func(name string) bool { return !slices.Contains(here, name) })
		got := slices.DeleteFunc(elements(p.ours.do(argv)), func(name string) bool { return !slices.Contains(there, name) })
		slices.Sort(want)
		slices.Sort(got)
		if !slices.Equal(want, got) {
			t.Errorf("%q\nredis-server: %q\ncoffer:       %q", category, want, got)
		}
	}
}

// bulk is the text of a bulk string.
func bulk(raw string) string {
	_, text, _ := strings.Cut(strings.TrimSuffix(raw, "\r\n"), "\r\n")
	return text
}
