package command

import "bytes"

// Since is the semantics that who applies a call must know. A script needs that
// of every command whose name stands in quotes in its text, or is an argument;
// what it calls beyond that it is told to be unknown (scriptHost.unknown), on
// every member alike.
func (c *Command) Since(argv [][]byte) uint16 {
	since := c.since
	if c.narrow != nil {
		if _, err := c.narrow(argv); err != nil {
			since = max(since, c.wider)
		}
	}
	switch c.Name {
	case "eval":
		since = max(since, sinceOfText(argv[1]), sinceOf(argv[2:]))
	case "evalsha": // the text came with an entry that needed what it names
		since = max(since, sinceOf(argv[2:]))
	case "script|load":
		since = max(since, sinceOfText(argv[2]))
	}
	return since
}

// sinceOf is the semantics of the commands that are named.
func sinceOf(names [][]byte) (since uint16) {
	for _, name := range names {
		if c := Lookup(name); c != nil {
			since = max(since, c.since, c.wider)
		}
	}
	return since
}

// sinceOfText is the semantics of the commands that a script names in quotes.
func sinceOfText(text []byte) (since uint16) {
	const quotes = `'"`
	for {
		begin := bytes.IndexAny(text, quotes)
		if begin < 0 {
			return since
		}
		text = text[begin+1:]
		end := bytes.IndexAny(text[:min(len(text), maxName+1)], quotes)
		if end < 0 {
			continue
		}
		since = max(since, sinceOf([][]byte{text[:end]}))
	}
}

// unknown tells whether the entry that is applied does not say that it needs the
// command: a member that does not know it may apply it, too.
func (h *scriptHost) unknown(argv [][]byte) bool {
	c := Lookup(argv[0])
	if c == nil {
		return true
	}
	since := c.since
	if len(argv) > 1 && c.Subcommands != nil {
		if sub := c.subcommand(argv[1]); sub != nil {
			since = max(since, sub.since)
		}
	}
	return since > h.tx.Semantics
}
