package differential

import (
	"slices"
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
