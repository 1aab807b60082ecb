package differential

import (
	"slices"
	"strings"
	"testing"

	"github.com/coffer-dev/coffer/engine/command"
)

// described are the names of all commands and subcommands that redis-server has,
// too: the others came with 7.2, or are ours.
func described() (names []string) {
	for _, c := range command.All() {
		for _, each := range append([]*command.Command{c}, c.Subcommands...) {
			switch each.Name {
			case "client|setinfo", "client|no-touch", "coffer.erase":
			default:
				names = append(names, each.Name)
			}
		}
	}
	return names
}

// TestCommandInfo compares how the table describes the commands: name, arity,
// flags, first and last key, step, categories, tips, key specifications.
func TestCommandInfo(t *testing.T) {
	const compared = 9 // elements; subcommands, which follow, are described themselves
	both(t, func(t *testing.T, p *pair) {
		for _, name := range described() {
			want, got := p.theirs.do(args("COMMAND", "INFO", name)), p.ours.do(args("COMMAND", "INFO", name))
			a, b := elements([]byte(elements(want)[0])), elements([]byte(elements(got)[0]))
			if len(a) != len(b) || !slices.Equal(a[:compared], b[:compared]) {
				t.Errorf("COMMAND INFO %s\nredis-server: %q\ncoffer:       %q", name, a[:compared], b)
			}
		}
	})
}

// TestCommandDocs compares what COMMAND DOCS tells, but for what is said in words of
// our own, and what redis-server alone tells.
func TestCommandDocs(t *testing.T) {
	left := []string{"summary", "complexity", "subcommands", "history", "arguments"}
	told := func(answer []byte) (pairs []string) {
		named := elements(answer)
		if len(named) != 2 {
			return named
		}
		of := elements([]byte(named[1]))
		for i := 0; i+1 < len(of); i += 2 {
			if !slices.ContainsFunc(left, func(name string) bool { return strings.HasSuffix(of[i], "\r\n"+name+"\r\n") }) {
				pairs = append(pairs, of[i], of[i+1])
			}
		}
		return append(pairs, named[0])
	}
	both(t, func(t *testing.T, p *pair) {
		for _, name := range described() {
			want, got := told(p.theirs.do(args("COMMAND", "DOCS", name))), told(p.ours.do(args("COMMAND", "DOCS", name)))
			if len(want) < 5 || !slices.Equal(want, got) {
				t.Errorf("COMMAND DOCS %s\nredis-server: %q\ncoffer:       %q", name, want, got)
			}
		}
	})
}
