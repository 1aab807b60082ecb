package command

import (
	"github.com/coffer-dev/coffer/engine/machine"
	"github.com/coffer-dev/coffer/engine/reply"
	"github.com/coffer-dev/coffer/engine/store"
)

func init() {
	register(row("lcs", -3, ReadOnly, place{1, 2, 1}.to(ro|accesses), "read string slow", plain(lcs)).since7())
}

// maxLCS bounds the product of the lengths of two strings that are compared: so
// many numbers of 4 bytes are kept meanwhile.
const maxLCS = 16 << 20

type lcsOptions struct {
	index, length, withLength bool
	least                     int64 // bytes of a match that is told
}

func (o *lcsOptions) parse(args [][]byte) (err error) {
	for ; len(args) > 0; args = args[1:] {
		switch {
		case is(args[0], "IDX"):
			o.index = true
		case is(args[0], "LEN"):
			o.length = true
		case is(args[0], "WITHMATCHLEN"):
			o.withLength = true
		case is(args[0], "MINMATCHLEN") && len(args) > 1:
			if o.least, err = integer(args[1]); err != nil {
				return err
			}
			args = args[1:]
		default:
			return errSyntax
		}
	}
	if o.index && o.length {
		return textError("ERR If you want both the length and indexes, please just use IDX.")
	}
	return nil
}

func lcs(tx *machine.Tx, argv [][]byte) reply.Reply {
	var texts [2]store.String
	for i := range texts {
		v, _, err := readString(tx, argv[1+i])
		if err != nil {
			return fail(textError("ERR The specified keys must contain string values"))
		}
		texts[i] = v
	}
	var o lcsOptions
	if err := o.parse(argv[3:]); err != nil {
		return fail(err)
	}
	a, b := texts[0], texts[1]
	if (len(a)+1)*(len(b)+1) > maxLCS {
		return fail(errorf("ERR Insufficient memory, the product of the strings' lengths may be %d: compare shorter ones", maxLCS))
	}
	const compared = 8 // numbers, in a step of a script
	tx.Visited((len(a) + 1) * (len(b) + 1) / compared)
	table := commonLengths(a, b)
	longest := int64(table.at(len(a), len(b)))
	if o.length {
		return reply.Integer(longest)
	}
	text, matches := table.walk(a, b, &o)
	if !o.index {
		return reply.Bulk(text)
	}
	return reply.Map(reply.BulkString("matches"), reply.Array(matches...), reply.BulkString("len"), reply.Integer(longest))
}

// lcsTable is how long the longest common subsequence of two beginnings is.
type lcsTable struct {
	lengths []uint32
	width   int
}

func (t *lcsTable) at(i, j int) uint32 { return t.lengths[i*t.width+j] }

func commonLengths(a, b []byte) *lcsTable {
	t := &lcsTable{make([]uint32, (len(a)+1)*(len(b)+1)), len(b) + 1}
	for i := 1; i <= len(a); i++ {
		before, row := t.lengths[(i-1)*t.width:i*t.width], t.lengths[i*t.width:(i+1)*t.width]
		for j := 1; j <= len(b); j++ {
			if a[i-1] == b[j-1] {
				row[j] = before[j-1] + 1
			} else {
				row[j] = max(before[j], row[j-1])
			}
		}
	}
	return t
}

// match is a run of bytes that both strings have: where it begins and ends.
type match struct{ a, b, endA, endB int }

// walk goes through the table from its end, as redis-server does: a match that
// begins right where another has ended is told without its last byte.
func (t *lcsTable) walk(a, b []byte, o *lcsOptions) (text []byte, matches []reply.Reply) {
	text, matches = make([]byte, t.at(len(a), len(b))), []reply.Reply{}
	var m match
	open := false
	for i, j, left := len(a), len(b), len(text); i > 0 && j > 0; {
		ends := false
		switch {
		case a[i-1] == b[j-1]:
			left--
			i, j = i-1, j-1
			text[left] = a[i]
			switch {
			case !open:
				m, open = match{i, j, i, j}, true
			case m.a == i+1 && m.b == j+1:
				m.a, m.b = i, j
			default:
				ends = true
			}
			ends = ends || m.a == 0 || m.b == 0
		case t.at(i-1, j) > t.at(i, j-1):
			i--
			ends = open
		default:
			j--
			ends = open
		}
		if ends {
			open = false
			if n := int64(m.endA - m.a + 1); n >= o.least {
				matches = append(matches, m.tell(n, o.withLength))
			}
		}
	}
	return text, matches
}

func (m match) tell(n int64, withLength bool) reply.Reply {
	span := func(from, to int) reply.Reply {
		return reply.Array(reply.Integer(int64(from)), reply.Integer(int64(to)))
	}
	r := reply.Array(span(m.a, m.endA), span(m.b, m.endB))
	if withLength {
		r.Items = append(r.Items, reply.Integer(n))
	}
	return r
}
