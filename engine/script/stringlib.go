package script

import (
	"bytes"
	"strings"
)

// bytesPerStep is how many bytes a simple loop over them does in a step.
const bytesPerStep = 16

func init() {
	library("string", builtins{
		"byte": stringByte, "char": stringChar, "find": stringFind, "format": stringFormat, "gfind": stringGmatch, "gmatch": stringGmatch,
		"gsub": stringGsub, "match": stringMatch, "rep": stringRep, "reverse": stringReverse, "sub": stringSub,
		"dump": func(r *run, args []value) []value {
			r.functionArg(args, 0)
			r.fail("unable to dump given function")
			return nil
		},
		"len":   func(r *run, args []value) []value { return r.one(float64(len(r.stringArg(args, 0)))) },
		"lower": mapping('A', 'Z'),
		"upper": mapping('a', 'z'),
	})
}

// mapping changes the case of letters.
func mapping(low, high byte) func(r *run, args []value) []value {
	return func(r *run, args []value) []value {
		s := r.stringArg(args, 0)
		r.fits(len(s))
		r.spend(len(s) / bytesPerStep)
		b := []byte(s)
		for i, c := range b {
			if low <= c && c <= high {
				b[i] ^= 0x20
			}
		}
		return r.one(string(b))
	}
}

// position is an index of a text of some length, where negative ones count from
// the end.
func position(at, length int) int {
	if at < 0 {
		return max(at+length+1, 0)
	}
	return at
}

func stringSub(r *run, args []value) []value {
	s := r.stringArg(args, 0)
	from := max(position(r.intArg(args, 1), len(s)), 1)
	to := min(position(r.optionalInt(args, 2, -1), len(s)), len(s))
	if from > to {
		return r.one("")
	}
	return r.one(r.newString(strings.Clone(s[from-1 : to])))
}

func stringByte(r *run, args []value) []value {
	s := r.stringArg(args, 0)
	start := position(r.optionalInt(args, 1, 1), len(s))
	from := max(start, 1)
	to := min(position(r.optionalInt(args, 2, start), len(s)), len(s))
	if to-from >= maxResults {
		r.fail("string slice too long")
	}
	var results []value
	for i := from; i <= to; i++ {
		results = append(results, float64(s[i-1]))
	}
	return results
}

func stringChar(r *run, args []value) []value {
	r.fits(len(args))
	b := make([]byte, len(args))
	for i := range args {
		n := r.intArg(args, i)
		if n < 0 || n > 255 {
			r.badArgument(i, "invalid value")
		}
		b[i] = byte(n)
	}
	return r.one(string(b))
}

func stringRep(r *run, args []value) []value {
	s, n := r.stringArg(args, 0), r.intArg(args, 1)
	if n <= 0 || s == "" {
		return r.one("")
	}
	if n > DefaultMemory/len(s)+1 {
		n = DefaultMemory/len(s) + 1 // which does not fit either
	}
	r.fits(n * len(s))
	return r.one(strings.Repeat(s, n))
}

func stringReverse(r *run, args []value) []value {
	s := r.stringArg(args, 0)
	r.fits(len(s))
	r.spend(len(s) / bytesPerStep)
	b := []byte(s)
	for i, j := 0, len(b)-1; i < j; i, j = i+1, j-1 {
		b[i], b[j] = b[j], b[i]
	}
	return r.one(string(b))
}

func stringFind(r *run, args []value) []value {
	s, pattern := r.stringArg(args, 0), r.stringArg(args, 1)
	from := startOf(r.optionalInt(args, 2, 1), len(s))
	if truth(arg(args, 3)) || !strings.ContainsAny(pattern, "^$*+?.([%-") {
		r.spend((len(s) - from) / bytesPerStep)
		at := strings.Index(s[from:], pattern)
		if at < 0 {
			return r.one(nil)
		}
		return []value{float64(from + at + 1), float64(from + at + len(pattern))}
	}
	m := &matcher{run: r, src: s, pat: pattern}
	at, to := m.search(from)
	if to < 0 {
		return r.one(nil)
	}
	return append([]value{float64(at + 1), float64(to)}, m.all(at, to, false)...)
}

// startOf is where a search begins, from 0 on.
func startOf(at, length int) int { return min(max(position(at, length)-1, 0), length) }

func stringMatch(r *run, args []value) []value {
	s := r.stringArg(args, 0)
	m := &matcher{run: r, src: s, pat: r.stringArg(args, 1)}
	at, to := m.search(startOf(r.optionalInt(args, 2, 1), len(s)))
	if to < 0 {
		return r.one(nil)
	}
	return m.all(at, to, true)
}

func stringGmatch(r *run, args []value) []value {
	m := &matcher{run: r, src: r.stringArg(args, 0), pat: r.stringArg(args, 1)}
	from := 0
	r.alloc(cellBytes + 32*maxCapturesOfPattern)
	return r.one(&function{builtin: &builtin{name: "gmatch_aux", run: func(r *run, _ []value) []value {
		for ; from <= len(m.src); from++ {
			m.reset()
			if to := m.match(from, 0); to >= 0 {
				at := from
				from = to
				if to == at {
					from++
				}
				return m.all(at, to, true)
			}
		}
		return r.one(nil)
	}}})
}

func stringGsub(r *run, args []value) []value {
	s := r.stringArg(args, 0)
	pattern, anchored := strings.CutPrefix(r.stringArg(args, 1), "^")
	replacement := arg(args, 2)
	switch replacement.(type) {
	case float64, string, *table, *function:
	default:
		r.badArgument(2, "string/function/table expected")
	}
	limit := r.optionalInt(args, 3, len(s)+1)
	m := &matcher{run: r, src: s, pat: pattern}
	var b bytes.Buffer
	from, n := 0, 0
	for n < limit {
		m.reset()
		to := m.match(from, 0)
		if to >= 0 {
			n++
			m.replace(&b, from, to, replacement)
		}
		switch {
		case to > from:
			from = to
		case from < len(s):
			r.alloc(1)
			b.WriteByte(s[from])
			from++
		default:
			from++
		}
		if from > len(s) || anchored {
			break
		}
	}
	rest := s[min(from, len(s)):]
	r.fits(len(rest))
	b.WriteString(rest)
	return []value{b.String(), float64(n)}
}

// replace appends what takes the place of a match.
func (m *matcher) replace(b *bytes.Buffer, from, to int, replacement value) {
	r := m.run
	var v value
	switch replacement := replacement.(type) {
	case *table:
		v = r.index(replacement, m.capture(0, from, to), nil)
	case *function:
		v = first(r.call(replacement, m.all(from, to, true)...))
	default:
		text, _ := asText(replacement)
		m.template(b, from, to, text)
		return
	}
	text, ok := asText(v)
	switch {
	case !truth(v):
		text = m.src[from:to]
	case !ok:
		r.fail("invalid replacement value (a %s)", typeName(v))
	}
	r.alloc(len(text))
	b.WriteString(text)
}

// template appends a replacement with captures in it.
func (m *matcher) template(b *bytes.Buffer, from, to int, text string) {
	for i := 0; i < len(text); i++ {
		piece := text[i : i+1]
		if text[i] == '%' {
			i++
			switch {
			case i >= len(text):
				piece = "\x00"
			case text[i] == '0':
				piece = m.src[from:to]
			case isDigit(text[i]):
				piece, _ = asText(m.capture(int(text[i]-'1'), from, to))
			default:
				piece = text[i : i+1]
			}
		}
		m.run.spend(1)
		m.run.alloc(len(piece))
		b.WriteString(piece)
	}
}
