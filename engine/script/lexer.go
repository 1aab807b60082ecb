package script

import (
	"fmt"
	"strings"
)

// A token's kind is its text, but for those that have a value.
const (
	tokenEnd    = "<eof>"
	tokenName   = "<name>"
	tokenString = "<string>"
	tokenNumber = "<number>"
)

var reserved = map[string]bool{}

func init() {
	for _, word := range strings.Fields("and break do else elseif end false for function if in local nil not or repeat return then true until while") {
		reserved[word] = true
	}
}

type token struct {
	kind   string
	text   string // of a name; of a string its content
	raw    string // as written
	number float64
	line   int
}

// lexer reads tokens. Errors are panics with a *syntaxError.
type lexer struct {
	name string // of the chunk, in errors
	src  string
	pos  int
	line int
}

type syntaxError struct{ text string }

// fail reports an error near a text; near "" names no place.
func (l *lexer) fail(line int, message, near string) {
	text := fmt.Sprintf("%s:%d: %s", l.name, line, message)
	if near != "" {
		text += " near '" + cstring(near) + "'"
	}
	panic(&syntaxError{text})
}

func cstring(s string) string {
	if i := strings.IndexByte(s, 0); i >= 0 {
		return s[:i]
	}
	return s
}

func (l *lexer) peek(ahead int) byte {
	if l.pos+ahead < len(l.src) {
		return l.src[l.pos+ahead]
	}
	return 0
}

func (l *lexer) newline() {
	first := l.src[l.pos]
	l.pos++
	if second := l.peek(0); (second == '\n' || second == '\r') && second != first && l.pos < len(l.src) {
		l.pos++
	}
	l.line++
}

func (l *lexer) next() token {
	l.skip()
	t := token{line: l.line}
	if l.pos >= len(l.src) {
		t.kind = tokenEnd
		return t
	}
	from := l.pos
	switch c := l.src[l.pos]; {
	case isLetter(c):
		for l.pos < len(l.src) && (isLetter(l.src[l.pos]) || isDigit(l.src[l.pos])) {
			l.pos++
		}
		t.kind, t.text = tokenName, l.src[from:l.pos]
		if reserved[t.text] {
			t.kind = t.text
		}
	case isDigit(c) || c == '.' && isDigit(l.peek(1)):
		t.kind, t.number = tokenNumber, l.number()
	case c == '"' || c == '\'':
		t.kind, t.text = tokenString, l.quoted(c)
		t.line = l.line
	case c == '[' && l.longBracket() >= 0:
		t.kind, t.text = tokenString, l.long(l.longBracket(), "string")
		t.line = l.line
	default:
		t.kind = l.operator()
	}
	t.raw = l.src[from:l.pos]
	return t
}

// skip passes over blanks and comments.
func (l *lexer) skip() {
	for l.pos < len(l.src) {
		switch c := l.src[l.pos]; {
		case c == '\n' || c == '\r':
			l.newline()
		case strings.IndexByte(blanks, c) >= 0:
			l.pos++
		case c == '-' && l.peek(1) == '-':
			l.pos += 2
			if level := l.longBracket(); level >= 0 {
				l.long(level, "comment")
				continue
			}
			for l.pos < len(l.src) && l.src[l.pos] != '\n' && l.src[l.pos] != '\r' {
				l.pos++
			}
		default:
			return
		}
	}
}

// operator reads one of up to three characters.
func (l *lexer) operator() string {
	for _, op := range []string{"...", "..", "==", "~=", "<=", ">="} {
		if strings.HasPrefix(l.src[l.pos:], op) {
			l.pos += len(op)
			return op
		}
	}
	l.pos++
	return l.src[l.pos-1 : l.pos]
}

func (l *lexer) number() float64 {
	from := l.pos
	for isDigit(l.peek(0)) || l.peek(0) == '.' {
		l.pos++
	}
	if c := l.peek(0) | 0x20; c == 'e' {
		l.pos++
		if c := l.peek(0); c == '+' || c == '-' {
			l.pos++
		}
	}
	for isLetter(l.peek(0)) || isDigit(l.peek(0)) {
		l.pos++
	}
	f, ok := parseNumber(l.src[from:l.pos])
	if !ok {
		l.fail(l.line, "malformed number", l.src[from:l.pos])
	}
	return f
}

// quoted reads a string in quotes.
func (l *lexer) quoted(quote byte) string {
	l.pos++
	var b strings.Builder
	for {
		if l.pos >= len(l.src) {
			l.fail(l.line, "unfinished string", tokenEnd)
		}
		switch c := l.src[l.pos]; c {
		case quote:
			l.pos++
			return b.String()
		case '\n', '\r':
			l.fail(l.line, "unfinished string", string(quote)+b.String())
		case '\\':
			l.pos++
			l.escape(&b, quote)
		default:
			b.WriteByte(c)
			l.pos++
		}
	}
}

// escape reads what follows a backslash.
func (l *lexer) escape(b *strings.Builder, quote byte) {
	if l.pos >= len(l.src) {
		return // the string is unfinished
	}
	c := l.src[l.pos]
	if i := strings.IndexByte("abfnrtv", c); i >= 0 {
		b.WriteByte("\a\b\f\n\r\t\v"[i])
		l.pos++
		return
	}
	if c == '\n' || c == '\r' {
		b.WriteByte('\n')
		l.newline()
		return
	}
	if !isDigit(c) {
		b.WriteByte(c)
		l.pos++
		return
	}
	n := 0
	for i := 0; i < 3 && isDigit(l.peek(0)); i++ {
		n = 10*n + int(l.peek(0)-'0')
		l.pos++
	}
	if n > 255 {
		l.fail(l.line, "escape sequence too large", string(quote)+b.String())
	}
	b.WriteByte(byte(n))
}

// longBracket is the level of the long bracket that opens here, -1 for none.
func (l *lexer) longBracket() int {
	if l.peek(0) != '[' {
		return -1
	}
	level := 0
	for l.peek(1+level) == '=' {
		level++
	}
	if l.peek(1+level) == '[' {
		return level
	}
	if level > 0 {
		l.fail(l.line, "invalid long string delimiter", l.src[l.pos:l.pos+1+level])
	}
	return -1
}

// long reads a text between long brackets.
func (l *lexer) long(level int, what string) string {
	l.pos += level + 2
	if c := l.peek(0); (c == '\n' || c == '\r') && l.pos < len(l.src) {
		l.newline()
	}
	end := "]" + strings.Repeat("=", level) + "]"
	var b strings.Builder
	for {
		switch {
		case l.pos >= len(l.src):
			l.fail(l.line, "unfinished long "+what, tokenEnd)
		case strings.HasPrefix(l.src[l.pos:], end):
			l.pos += len(end)
			return b.String()
		case l.src[l.pos] == '\n' || l.src[l.pos] == '\r':
			l.newline()
			b.WriteByte('\n')
		default:
			b.WriteByte(l.src[l.pos])
			l.pos++
		}
	}
}

func isLetter(c byte) bool { return c == '_' || 'a' <= c|0x20 && c|0x20 <= 'z' }
func isDigit(c byte) bool  { return '0' <= c && c <= '9' }
