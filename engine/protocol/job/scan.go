package job

import (
	"bytes"
	"encoding/binary"
	"math"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// scanner reads JSON (RFC 8259) from memory, without recursion. Its first error
// stays: what is read behind it is zero.
type scanner struct {
	src []byte
	pos int
	err *Error
}

func (s *scanner) fail(field, format string, args ...any) {
	if s.err == nil {
		s.err = wrong(field, format, args...)
		s.pos = len(s.src)
	}
}

func (s *scanner) unexpected(want string) {
	if s.pos >= len(s.src) {
		s.fail("", "invalid JSON: it ends where %s is expected", want)
		return
	}
	s.fail("", "invalid JSON: %q at byte %d where %s is expected", s.src[s.pos], s.pos, want)
}

// peek returns the next byte that is no white space; 0 at the end.
func (s *scanner) peek() byte {
	for s.pos < len(s.src) {
		switch c := s.src[s.pos]; c {
		case ' ', '\t', '\n', '\r':
			s.pos++
		default:
			return c
		}
	}
	return 0
}

// take reads c if it comes next.
func (s *scanner) take(c byte) bool {
	if s.peek() != c || s.pos >= len(s.src) {
		return false
	}
	s.pos++
	return true
}

func (s *scanner) colon() bool {
	if s.take(':') {
		return true
	}
	s.unexpected("a colon")
	return false
}

// null reads null if it comes next.
func (s *scanner) null() bool {
	return s.peek() == 'n' && s.literal("null")
}

func (s *scanner) literal(text string) bool {
	if !bytes.HasPrefix(s.src[s.pos:], []byte(text)) {
		s.unexpected("a value")
		return false
	}
	s.pos += len(text)
	return true
}

// object calls f with every key, behind whose colon the scanner then is.
func (s *scanner) object(field string, f func(key []byte)) {
	if !s.take('{') {
		s.mustBe(field, "an object")
		return
	}
	if s.take('}') {
		return
	}
	for s.err == nil {
		key := s.key()
		if s.err != nil || !s.colon() {
			return
		}
		f(key)
		if s.err != nil || s.take('}') {
			return
		}
		if !s.take(',') {
			s.unexpected("a comma or }")
		}
	}
}

// key reads an object's key.
func (s *scanner) key() []byte {
	if s.peek() != '"' {
		s.unexpected("a key in quotes")
		return nil
	}
	return s.text()
}

// array calls f with every element, at which the scanner then is.
func (s *scanner) array(field string, f func()) {
	if !s.take('[') {
		s.mustBe(field, "an array")
		return
	}
	if s.take(']') {
		return
	}
	for n := 1; s.err == nil; n++ {
		if n > MaxList {
			s.fail(field, "more than %d elements", MaxList)
			return
		}
		f()
		if s.err != nil || s.take(']') {
			return
		}
		if !s.take(',') {
			s.unexpected("a comma or ]")
		}
	}
}

// mustBe fails with what the field has to be.
func (s *scanner) mustBe(field, what string) {
	kind := ""
	switch c := s.peek(); {
	case c == '"':
		kind = "a string"
	case c == '{':
		kind = "an object"
	case c == '[':
		kind = "an array"
	case c == 't' && s.literal("true"), c == 'f' && s.literal("false"):
		kind = "a boolean"
	case c == '-', c >= '0' && c <= '9':
		kind = "a number"
	case s.null():
		kind = "null"
	default:
		s.unexpected("a value")
		return
	}
	s.fail(field, "must be %s, is %s", what, kind)
}

func (s *scanner) boolean(field string) bool {
	switch s.peek() {
	case 't':
		return s.literal("true")
	case 'f':
		s.literal("false")
		return false
	}
	s.mustBe(field, "true or false")
	return false
}

func (s *scanner) string(field string) string {
	if s.peek() != '"' {
		s.mustBe(field, "a string")
		return ""
	}
	return string(s.text())
}

func (s *scanner) strings(field string) (list []string) {
	s.array(field, func() { list = append(list, s.string(field)) })
	return list
}

// integer reads a whole number.
func (s *scanner) integer(field string) int64 {
	digits, whole := s.number(field)
	if s.err != nil {
		return 0
	}
	n, err := strconv.ParseInt(string(digits), 10, 64)
	if err == nil {
		return n
	}
	// A whole number that a client wrote with a fraction or an exponent.
	f, err := strconv.ParseFloat(string(digits), 64)
	if whole || err != nil || f != math.Trunc(f) || math.Abs(f) > 1<<53 {
		s.fail(field, "must be a whole number, is %.32s", digits)
		return 0
	}
	return int64(f)
}

// unsigned reads a job's id.
func (s *scanner) unsigned(field string) uint64 {
	digits, _ := s.number(field)
	if s.err != nil {
		return 0
	}
	n, err := strconv.ParseUint(string(digits), 10, 64)
	if err != nil {
		s.fail(field, "must be a whole number from 0 to 18446744073709551615, is %.32s", digits)
	}
	return n
}

func (s *scanner) unsignedList(field string) (list []uint64) {
	s.array(field, func() { list = append(list, s.unsigned(field)) })
	return list
}

// number reads a number as it is written. whole says that it has neither
// fraction nor exponent.
func (s *scanner) number(field string) (text []byte, whole bool) {
	if c := s.peek(); c != '-' && (c < '0' || c > '9') {
		s.mustBe(field, "a number")
		return nil, false
	}
	from := s.pos
	s.minus()
	if s.digits(); s.err != nil {
		return nil, false
	}
	whole = true
	if s.pos < len(s.src) && s.src[s.pos] == '.' {
		whole = false
		s.pos++
		s.digits()
	}
	if s.pos < len(s.src) && s.src[s.pos]|0x20 == 'e' {
		whole = false
		s.pos++
		if s.pos < len(s.src) && (s.src[s.pos] == '+' || s.src[s.pos] == '-') {
			s.pos++
		}
		s.digits()
	}
	if s.err != nil {
		return nil, false
	}
	return s.src[from:s.pos], whole
}

// minus reads a sign, and looks for the leading zeros that JSON has not.
func (s *scanner) minus() {
	if s.src[s.pos] == '-' {
		s.pos++
	}
	if s.pos+1 < len(s.src) && s.src[s.pos] == '0' && isDigit(s.src[s.pos+1]) {
		s.pos++
		s.unexpected("a number without leading zeros")
	}
}

func (s *scanner) digits() {
	from := s.pos
	for s.pos < len(s.src) && isDigit(s.src[s.pos]) {
		s.pos++
	}
	if s.pos == from && s.err == nil {
		s.unexpected("a digit")
	}
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// text reads a string that comes next. Without escapes it is the source's
// memory.
func (s *scanner) text() []byte {
	s.pos++
	from := s.pos
	escaped := s.skipString()
	if s.err != nil {
		return nil
	}
	body := s.src[from : s.pos-1]
	if !escaped {
		return body
	}
	return unescape(make([]byte, 0, len(body)), body)
}

// skipString goes behind a string's closing quote, and says whether it has
// escapes.
func (s *scanner) skipString() (escaped bool) {
	src := s.src
	for pos := s.pos; ; {
		for pos+8 <= len(src) && plain(binary.LittleEndian.Uint64(src[pos:])) {
			pos += 8
		}
		for pos < len(src) && src[pos] != '"' && src[pos] != '\\' && src[pos] >= ' ' {
			if pos++; pos+8 <= len(src) && pos&7 == 0 {
				break
			}
		}
		switch {
		case pos >= len(src):
			s.pos = pos
			s.unexpected("the end of a string")
			return false
		case src[pos] == '"':
			s.pos = pos + 1
			return escaped
		case src[pos] == '\\':
			n := escapeLength(src[pos:])
			if s.pos = pos; n == 0 {
				s.pos++
				s.unexpected("an escape such as \\n or \\u00e9")
				return false
			}
			pos += n
			escaped = true
		case src[pos] < ' ':
			s.pos = pos
			s.unexpected("a character of a string; write control characters as \\u00XX")
			return false
		}
	}
}

// plain tells whether none of eight bytes is a quote, a backslash or a control
// character.
func plain(x uint64) bool {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	quote, backslash := x^ones*'"', x^ones*'\\'
	return ((x-ones*' ')&^x|(quote-ones)&^quote|(backslash-ones)&^backslash)&tops == 0
}

// escapeLength is how many bytes the escape has that src begins with; 0 if it
// is none.
func escapeLength(src []byte) int {
	if len(src) < 2 {
		return 0
	}
	switch src[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		if _, ok := hex4(src); ok {
			return 6
		}
	}
	return 0
}

// hex4 reads an escape of four hexadecimal digits.
func hex4(src []byte) (r rune, ok bool) {
	if len(src) < 6 || src[0] != '\\' || src[1] != 'u' {
		return 0, false
	}
	for _, c := range src[2:6] {
		switch {
		case isDigit(c):
			r = r<<4 | rune(c-'0')
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			r = r<<4 | rune(c|0x20-'a'+10)
		default:
			return 0, false
		}
	}
	return r, true
}

// unescape appends what a valid string's body stands for. Half a surrogate pair
// becomes U+FFFD.
func unescape(dst, body []byte) []byte {
	for {
		at := bytes.IndexByte(body, '\\')
		if at < 0 {
			return append(dst, body...)
		}
		dst = append(dst, body[:at]...)
		body = body[at:]
		n := 2
		switch c := body[1]; c {
		case 'b':
			dst = append(dst, '\b')
		case 'f':
			dst = append(dst, '\f')
		case 'n':
			dst = append(dst, '\n')
		case 'r':
			dst = append(dst, '\r')
		case 't':
			dst = append(dst, '\t')
		case 'u':
			r, _ := hex4(body)
			n = 6
			if low, ok := hex4(body[6:]); ok && utf16.IsSurrogate(r) {
				if pair := utf16.DecodeRune(r, low); pair != utf8.RuneError {
					r, n = pair, 12
				}
			}
			dst = utf8.AppendRune(dst, r) // U+FFFD for a surrogate
		default:
			dst = append(dst, c)
		}
		body = body[n:]
	}
}

// raw reads any value, which is depth levels deep, and returns it as it is
// written, on one line.
func (s *scanner) raw(depth int) []byte {
	s.peek()
	from := s.pos
	s.skip(depth)
	if s.err != nil {
		return nil
	}
	value := s.src[from:s.pos]
	if bytes.IndexByte(value, '\n') < 0 && bytes.IndexByte(value, '\r') < 0 {
		return value
	}
	return bytes.Map(func(r rune) rune {
		if r == '\n' || r == '\r' { // white space: strings have them escaped
			return ' '
		}
		return r
	}, value)
}

// skip goes behind any value.
func (s *scanner) skip(depth int) {
	var objects uint64 // a bit for each level that is open, the innermost lowest
	open := 0
	for s.err == nil {
		switch c := s.peek(); c {
		case '{', '[':
			s.pos++
			open++
			if depth+open > MaxDepth {
				s.fail("", "nested more than %d deep", MaxDepth)
				return
			}
			objects <<= 1
			if c == '{' {
				objects |= 1
			}
			if empty := s.take(c + 2); !empty { // ']' and '}' are two behind
				s.memberKey(objects)
				continue
			}
			open, objects = open-1, objects>>1
		case '"':
			s.pos++
			s.skipString()
		case 't':
			s.literal("true")
		case 'f':
			s.literal("false")
		case 'n':
			s.literal("null")
		default:
			s.number("")
		}
		for open > 0 && s.err == nil { // a value has ended
			if s.take(',') {
				s.memberKey(objects)
				break
			}
			closing := byte(']')
			if objects&1 == 1 {
				closing = '}'
			}
			if !s.take(closing) {
				s.unexpected("a comma or " + string(closing))
				return
			}
			open, objects = open-1, objects>>1
		}
		if open == 0 {
			return
		}
	}
}

// memberKey reads a key and its colon if the innermost level is an object.
func (s *scanner) memberKey(objects uint64) {
	if objects&1 == 0 {
		return
	}
	if s.peek() != '"' {
		s.unexpected("a key in quotes")
		return
	}
	s.pos++
	if s.skipString(); s.err == nil {
		s.colon()
	}
}
