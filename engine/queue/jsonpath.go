package queue

import (
	"encoding/json"
	"strconv"
	"strings"
)

// maxSteps bounds the names of a path.
const maxSteps = 32

// parsePath reads $.a.b, a.b or a.b[0]: names in the order that they are gone
// through. A backslash keeps the dot or bracket behind it in the name.
func parsePath(path string) (steps []string, err *Error) {
	rest := strings.TrimPrefix(strings.TrimPrefix(path, "$"), ".")
	var step []byte
	flush := func() {
		if len(step) > 0 {
			steps = append(steps, string(step))
			step = step[:0]
		}
	}
	for i := 0; i < len(rest); i++ {
		switch c := rest[i]; {
		case c == '\\' && i+1 < len(rest):
			i++
			step = append(step, rest[i])
		case c == '.' || c == '[' || c == ']':
			flush()
		default:
			step = append(step, c)
		}
	}
	flush()
	if len(steps) == 0 || len(steps) > maxSteps || len(path) > MaxPath {
		return nil, invalid("path", "must be like $.user.id, of 1 to %d names and at most %d bytes", maxSteps, MaxPath)
	}
	return steps, nil
}

// span is where a value is in a text.
type span struct{ from, to int }

// find collects the values at a path in a JSON text: more than one when an
// object has a name twice. What is no JSON has none.
func find(text string, path []string) (found []span) {
	w := &walker{text: text}
	w.space()
	if w.value(path, &found); w.broken {
		return nil
	}
	return found
}

// walker goes through a JSON text.
type walker struct {
	text   string
	at     int
	broken bool
}

func (w *walker) peek() byte {
	if w.at < len(w.text) {
		return w.text[w.at]
	}
	w.broken = true
	return 0
}

func (w *walker) space() {
	for w.at < len(w.text) && strings.IndexByte(" \t\r\n", w.text[w.at]) >= 0 {
		w.at++
	}
}

// value goes past a value, and notes what is at the path in it; nil for
// nothing.
func (w *walker) value(path []string, found *[]span) {
	from := w.at
	switch w.peek() {
	case '{', '[':
		if len(path) == 0 {
			w.skip()
		} else {
			w.within(path, found)
		}
	case '"':
		w.quoted()
	default:
		for w.at < len(w.text) && strings.IndexByte(",]} \t\r\n", w.text[w.at]) < 0 {
			w.at++
		}
	}
	if path != nil && len(path) == 0 && !w.broken {
		*found = append(*found, span{from, w.at})
	}
}

// skip goes past an object or an array, however deep.
func (w *walker) skip() {
	for depth := 0; !w.broken; {
		switch w.peek() {
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				w.at++
				return
			}
		case '"':
			w.quoted()
			continue
		}
		w.at++
	}
}

// quoted goes past a string and returns it with its quotes.
func (w *walker) quoted() string {
	from := w.at
	for w.at++; !w.broken && w.peek() != '"'; w.at++ {
		if w.peek() == '\\' {
			w.at++
		}
	}
	w.at++
	if w.at > len(w.text) {
		w.broken = true
		return ""
	}
	return w.text[from:w.at]
}

// within goes through the members or elements of a value.
func (w *walker) within(path []string, found *[]span) {
	object := w.peek() == '{'
	for i := 0; !w.broken; i++ {
		w.at++ // the bracket, or the comma
		w.space()
		if c := w.peek(); c == '}' || c == ']' {
			break
		}
		name := strconv.Itoa(i)
		if object {
			name = unquote(w.quoted())
			w.space()
			w.at++ // the colon
			w.space()
		}
		if name == path[0] {
			w.value(path[1:], found)
		} else {
			w.value(nil, nil)
		}
		w.space()
		if w.peek() != ',' {
			break
		}
	}
	w.at++
}

// unquote is the text that a JSON string stands for.
func unquote(quoted string) (s string) {
	if strings.IndexByte(quoted, '\\') < 0 && len(quoted) >= 2 {
		return quoted[1 : len(quoted)-1]
	}
	_ = json.Unmarshal([]byte(quoted), &s) // "" for what is none
	return s
}

// equal says whether two JSON scalars are the same: numbers as they are
// written.
func equal(a, b string) bool {
	if strings.HasPrefix(a, `"`) && strings.HasPrefix(b, `"`) {
		return unquote(a) == unquote(b)
	}
	return a == b
}
