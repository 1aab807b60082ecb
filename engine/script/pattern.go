package script

import "strings"

const (
	maxCapturesOfPattern = 32
	// maxMatchDepth bounds nested matches, which Lua leaves to its C stack.
	maxMatchDepth = 4000

	openCapture     = -1
	positionCapture = -2
)

// matcher matches a Lua pattern. It follows lstrlib.c of Lua 5.1, and counts
// its steps: a pattern can take time that grows with a power of the text.
type matcher struct {
	run      *run
	src, pat string
	level    int
	captures [maxCapturesOfPattern]struct{ from, length int }
	depth    int
}

func isClass(c, class byte) bool {
	is := false
	switch class | 0x20 {
	case 'a':
		is = isLetter(c) && c != '_'
	case 'c':
		is = c < ' ' || c == 0x7f
	case 'd':
		is = isDigit(c)
	case 'l':
		is = 'a' <= c && c <= 'z'
	case 'p':
		is = isPunctuation(c)
	case 's':
		is = strings.IndexByte(blanks, c) >= 0
	case 'u':
		is = 'A' <= c && c <= 'Z'
	case 'w':
		is = isLetter(c) && c != '_' || isDigit(c)
	case 'x':
		is = isDigit(c) || 'a' <= c|0x20 && c|0x20 <= 'f'
	case 'z':
		is = c == 0
	default:
		return class == c
	}
	if 'A' <= class && class <= 'Z' {
		return !is
	}
	return is
}

func isPunctuation(c byte) bool {
	return '!' <= c && c <= '~' && !isDigit(c) && (!isLetter(c) || c == '_')
}

// classEnd is where the single-character class at p ends.
func (m *matcher) classEnd(p int) int {
	if p >= len(m.pat) {
		m.run.fail("malformed pattern (ends with '%%')")
	}
	c := m.pat[p]
	p++
	switch c {
	case '%':
		if p >= len(m.pat) {
			m.run.fail("malformed pattern (ends with '%%')")
		}
		return p + 1
	case '[':
		if p < len(m.pat) && m.pat[p] == '^' {
			p++
		}
		for first := true; first || p >= len(m.pat) || m.pat[p] != ']'; first = false {
			if p >= len(m.pat) {
				m.run.fail("malformed pattern (missing ']')")
			}
			c := m.pat[p]
			p++
			if c == '%' && p < len(m.pat) {
				p++
			}
		}
		return p + 1
	}
	return p
}

// inSet tells whether c is in the set whose brackets are at p and end.
func (m *matcher) inSet(c byte, p, end int) bool {
	found := true
	p++
	if m.pat[p] == '^' {
		found = false
		p++
	}
	for ; p < end; p++ {
		switch {
		case m.pat[p] == '%':
			p++
			if p < len(m.pat) && isClass(c, m.pat[p]) {
				return found
			}
		case p+2 < end && m.pat[p+1] == '-':
			if m.pat[p] <= c && c <= m.pat[p+2] {
				return found
			}
			p += 2
		case m.pat[p] == c:
			return found
		}
	}
	return !found
}

// one tells whether the character at s is of the class at p, which ends at end.
func (m *matcher) one(s, p, end int) bool {
	m.run.spend(1)
	if s >= len(m.src) {
		return false
	}
	c := m.src[s]
	switch m.pat[p] {
	case '.':
		return true
	case '%':
		return isClass(c, m.pat[p+1])
	case '[':
		m.run.spend((end - p) / bytesPerStep)
		return m.inSet(c, p, end-1)
	}
	return m.pat[p] == c
}

// match is where the match of the pattern from p on against the text from s on
// ends, -1 for none.
func (m *matcher) match(s, p int) int {
	if m.depth++; m.depth > maxMatchDepth {
		m.run.fail("pattern too complex")
	}
	defer func() { m.depth-- }()
	for p < len(m.pat) {
		m.run.spend(1)
		switch m.pat[p] {
		case '(':
			if p+1 < len(m.pat) && m.pat[p+1] == ')' {
				return m.open(s, p+2, positionCapture)
			}
			return m.open(s, p+1, openCapture)
		case ')':
			return m.shut(s, p+1)
		case '%':
			if p+1 < len(m.pat) {
				switch next := m.pat[p+1]; {
				case next == 'b':
					if s = m.balance(s, p+2); s < 0 {
						return -1
					}
					p += 4
					continue
				case next == 'f':
					p += 2
					if p >= len(m.pat) || m.pat[p] != '[' {
						m.run.fail("missing '[' after '%%f' in pattern")
					}
					end := m.classEnd(p)
					if m.inSet(m.at(s-1), p, end-1) || !m.inSet(m.at(s), p, end-1) {
						return -1
					}
					p = end
					continue
				case isDigit(next):
					if s = m.back(s, next); s < 0 {
						return -1
					}
					p += 2
					continue
				}
			}
		case '$':
			if p+1 == len(m.pat) {
				if s == len(m.src) {
					return s
				}
				return -1
			}
		}
		end := m.classEnd(p)
		switch m.repetition(end) {
		case '?':
			if m.one(s, p, end) {
				if e := m.match(s+1, end+1); e >= 0 {
					return e
				}
			}
			p = end + 1
		case '*':
			return m.expand(s, p, end, 0)
		case '+':
			return m.expand(s, p, end, 1)
		case '-':
			return m.fewest(s, p, end)
		default:
			if !m.one(s, p, end) {
				return -1
			}
			s++
			p = end
		}
	}
	return s
}

func (m *matcher) repetition(end int) byte {
	if end < len(m.pat) {
		return m.pat[end]
	}
	return 0
}

// at is a character of the text, 0 before and behind it.
func (m *matcher) at(s int) byte {
	if s < 0 || s >= len(m.src) {
		return 0
	}
	return m.src[s]
}

// expand matches as many as there are, at least min, and gives back one by one.
func (m *matcher) expand(s, p, end, min int) int {
	n := 0
	for m.one(s+n, p, end) {
		n++
	}
	for ; n >= min; n-- {
		if e := m.match(s+n, end+1); e >= 0 {
			return e
		}
	}
	return -1
}

func (m *matcher) fewest(s, p, end int) int {
	for {
		if e := m.match(s, end+1); e >= 0 {
			return e
		}
		if !m.one(s, p, end) {
			return -1
		}
		s++
	}
}

func (m *matcher) open(s, p, kind int) int {
	if m.level >= maxCapturesOfPattern {
		m.run.fail("too many captures")
	}
	m.captures[m.level].from, m.captures[m.level].length = s, kind
	m.level++
	e := m.match(s, p)
	if e < 0 {
		m.level--
	}
	return e
}

func (m *matcher) shut(s, p int) int {
	l := m.level - 1
	for l >= 0 && m.captures[l].length != openCapture {
		l--
	}
	if l < 0 {
		m.run.fail("invalid pattern capture")
	}
	m.captures[l].length = s - m.captures[l].from
	e := m.match(s, p)
	if e < 0 {
		m.captures[l].length = openCapture
	}
	return e
}

// balance matches %bxy.
func (m *matcher) balance(s, p int) int {
	if p+1 >= len(m.pat) {
		m.run.fail("unbalanced pattern")
	}
	if s >= len(m.src) || m.src[s] != m.pat[p] {
		return -1
	}
	opening, closing := m.pat[p], m.pat[p+1]
	for depth, i := 1, s+1; i < len(m.src); i++ {
		m.run.spend(1)
		if c := m.src[i]; c == closing {
			if depth--; depth == 0 {
				return i + 1
			}
		} else if c == opening {
			depth++
		}
	}
	return -1
}

// back matches what a capture did.
func (m *matcher) back(s int, digit byte) int {
	l := int(digit) - '1'
	if l < 0 || l >= m.level || m.captures[l].length == openCapture {
		m.run.fail("invalid capture index")
	}
	c := m.captures[l]
	if c.length < 0 {
		return -1
	}
	text := m.src[c.from : c.from+c.length]
	m.run.spend(len(text) / bytesPerStep)
	if strings.HasPrefix(m.src[s:], text) {
		return s + len(text)
	}
	return -1
}

// capture is what one captured; without any, the whole match is the first.
func (m *matcher) capture(i, from, to int) value {
	if i >= m.level {
		if i != 0 {
			m.run.fail("invalid capture index")
		}
		return m.run.newString(strings.Clone(m.src[from:to]))
	}
	c := m.captures[i]
	if c.length == openCapture {
		m.run.fail("unfinished capture")
	}
	if c.length == positionCapture {
		return float64(c.from + 1)
	}
	return m.run.newString(strings.Clone(m.src[c.from : c.from+c.length]))
}

// all are the captures of a match, or the match itself if whole is set.
func (m *matcher) all(from, to int, whole bool) (values []value) {
	n := m.level
	if n == 0 && whole {
		n = 1
	}
	for i := range n {
		values = append(values, m.capture(i, from, to))
	}
	return values
}

func (m *matcher) reset() { m.level, m.depth = 0, 0 }

// search finds the first match from a place on; to is -1 if there is none.
func (m *matcher) search(from int) (at, to int) {
	pattern, anchored := strings.CutPrefix(m.pat, "^")
	whole := m.pat
	m.pat = pattern
	defer func() { m.pat = whole }()
	for at = from; at <= len(m.src); at++ {
		m.reset()
		if to = m.match(at, 0); to >= 0 {
			return at, to
		}
		if anchored {
			break
		}
	}
	return at, -1
}
