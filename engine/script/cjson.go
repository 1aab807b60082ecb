package script

import (
	"bytes"
	"math"
	"strings"
)

// jsonOptions are what a script sets of cjson, for the run.
type jsonOptions struct {
	sparseConvert           bool
	sparseRatio, sparseSafe int
	encodeDepth             int
	decodeDepth             int
	precision               int
	keepBuffer              bool
	encodeInvalid           string // "off", "on" or "null"
	decodeInvalid           bool
}

func defaultJSON() jsonOptions {
	return jsonOptions{sparseRatio: 2, sparseSafe: 10, encodeDepth: 1000, decodeDepth: 1000, precision: 14, keepBuffer: true, encodeInvalid: "off", decodeInvalid: true}
}

func init() {
	constants("cjson", "_NAME", "cjson")
	constants("cjson", "_VERSION", "2.1.0")
	constants("cjson", "null", null{})
	library("cjson", builtins{
		"encode": jsonEncode,
		"decode": jsonDecode,
		"new": func(r *run, _ []value) []value {
			t := r.newTable()
			r.shared.globals.get("cjson").(*table).each(func(k, v value) bool {
				t.set(r, k, v)
				return true
			})
			return r.one(t)
		},
		"encode_sparse_array": func(r *run, args []value) []value {
			o := &r.json
			r.jsonBool(args, 0, &o.sparseConvert)
			r.jsonInt(args, 1, 0, math.MaxInt32, &o.sparseRatio)
			r.jsonInt(args, 2, 0, math.MaxInt32, &o.sparseSafe)
			return []value{o.sparseConvert, float64(o.sparseRatio), float64(o.sparseSafe)}
		},
		"encode_max_depth":        func(r *run, args []value) []value { return r.jsonInt(args, 0, 1, math.MaxInt32, &r.json.encodeDepth) },
		"decode_max_depth":        func(r *run, args []value) []value { return r.jsonInt(args, 0, 1, math.MaxInt32, &r.json.decodeDepth) },
		"encode_number_precision": func(r *run, args []value) []value { return r.jsonInt(args, 0, 1, 14, &r.json.precision) },
		"encode_keep_buffer":      func(r *run, args []value) []value { return r.jsonBool(args, 0, &r.json.keepBuffer) },
		"encode_invalid_numbers":  jsonEncodeInvalid,
		"decode_invalid_numbers":  func(r *run, args []value) []value { return r.jsonBool(args, 0, &r.json.decodeInvalid) },
	})
}

// jsonInt sets an option, if there is an argument, and answers what it is.
func (r *run) jsonInt(args []value, i, low, high int, option *int) []value {
	if arg(args, i) != nil {
		n := r.intArg(args, i)
		if n < low || n > high {
			r.badArgument(i, "expected integer between %d and %d", low, high)
		}
		*option = n
	}
	return r.one(float64(*option))
}

func (r *run) jsonBool(args []value, i int, option *bool) []value {
	switch v := arg(args, i).(type) {
	case nil:
	case bool:
		*option = v
	case string:
		switch v {
		case "on", "off":
			*option = v == "on"
		default:
			r.badArgument(i, "invalid option '%s'", v)
		}
	default:
		r.wrongType(args, i, "string")
	}
	return r.one(*option)
}

func jsonEncodeInvalid(r *run, args []value) []value {
	option := &r.json.encodeInvalid
	switch v := arg(args, 0).(type) {
	case nil:
	case bool:
		*option = map[bool]string{true: "on", false: "off"}[v]
	case string:
		if v != "on" && v != "off" && v != "null" {
			r.badArgument(0, "invalid option '%s'", v)
		}
		*option = v
	default:
		r.wrongType(args, 0, "string")
	}
	if *option == "null" {
		return r.one("null")
	}
	return r.one(*option == "on")
}

// onlyArg is the argument of a function that takes one.
func (r *run) onlyArg(args []value) value {
	if len(args) != 1 {
		r.badArgument(0, "expected 1 argument")
	}
	return args[0]
}

func jsonEncode(r *run, args []value) []value {
	e := &jsonEncoder{run: r}
	e.value(r.onlyArg(args), 0)
	return r.one(e.buf.String())
}

type jsonEncoder struct {
	run *run
	buf bytes.Buffer
}

func (e *jsonEncoder) text(s string) {
	e.run.spend(1)
	e.run.alloc(len(s))
	e.buf.WriteString(s)
}

func (e *jsonEncoder) value(v value, depth int) {
	switch v := v.(type) {
	case nil, null:
		e.text("null")
	case bool:
		e.text(e.run.text(v))
	case float64:
		e.number(v)
	case string:
		e.string(v)
	case *table:
		e.table(v, depth+1)
	default:
		e.run.fail("Cannot serialise %s: type not supported", typeName(v))
	}
}

func (e *jsonEncoder) number(f float64) {
	o := &e.run.json
	if f != f || math.IsInf(f, 0) {
		switch o.encodeInvalid {
		case "off":
			e.run.fail("Cannot serialise number: must not be NaN or Inf")
		case "null":
			e.text("null")
			return
		}
		if f != f {
			e.text("nan")
			return
		}
	}
	e.text(formatG(f, o.precision))
}

func (e *jsonEncoder) string(s string) {
	const hex = "0123456789abcdef"
	e.run.spend(len(s) / bytesPerStep)
	e.text(`"`)
	from := 0
	for i := range len(s) {
		c := s[i]
		var escaped string
		switch {
		case c == '"' || c == '\\' || c == '/':
			escaped = `\` + s[i:i+1]
		case '\b' <= c && c <= '\r' && c != '\v':
			escaped = `\` + string("btn_fr"[c-'\b'])
		case c < ' ' || c == 0x7f:
			escaped = `\u00` + string(hex[c>>4]) + string(hex[c&15])
		default:
			continue
		}
		e.text(s[from:i])
		e.text(escaped)
		from = i + 1
	}
	e.text(s[from:])
	e.text(`"`)
}

func (e *jsonEncoder) table(t *table, depth int) {
	if depth > e.run.json.encodeDepth {
		e.run.fail("Cannot serialise, excessive nesting (%d)", depth)
	}
	if n := e.length(t); n > 0 {
		for i := range n {
			e.text("[,"[min(i, 1) : min(i, 1)+1])
			e.value(t.at(i+1), depth)
		}
		e.text("]")
		return
	}
	e.text("{")
	comma := ""
	t.each(func(k, v value) bool {
		e.text(comma)
		comma = ","
		switch k := k.(type) {
		case float64:
			e.text(`"`)
			e.number(k)
			e.text(`":`)
		case string:
			e.string(k)
			e.text(":")
		default:
			e.run.fail("Cannot serialise table: table key must be a number or string")
		}
		e.value(v, depth)
		return true
	})
	e.text("}")
}

// length is how long a table is as an array, 0 or -1 if it is none.
func (e *jsonEncoder) length(t *table) int {
	largest, items, isArray := 0, 0, true
	t.each(func(k, _ value) bool {
		f, _ := k.(float64)
		i, ok := arrayIndex(f)
		largest, items, isArray = max(largest, i), items+1, ok
		return ok
	})
	e.run.spend(items)
	o := &e.run.json
	if !isArray {
		return -1
	}
	if o.sparseRatio > 0 && largest/o.sparseRatio > items && largest > o.sparseSafe {
		if !o.sparseConvert {
			e.run.fail("Cannot serialise table: excessively sparse array")
		}
		return -1
	}
	return largest
}

func jsonDecode(r *run, args []value) []value {
	v := r.onlyArg(args)
	s, ok := asText(v)
	if !ok {
		r.wrongType(args, 0, "string")
	}
	if len(s) >= 2 && (s[0] == 0 || s[1] == 0) {
		r.fail("JSON parser does not support UTF-16 or UTF-32")
	}
	d := &jsonDecoder{run: r, src: s}
	d.next()
	result := d.value()
	if d.next(); d.kind != "T_END" {
		d.expected("the end")
	}
	return r.one(result)
}

// jsonDecoder reads JSON as lua-cjson does, whose names of tokens are in its
// errors.
type jsonDecoder struct {
	run   *run
	src   string
	pos   int
	depth int

	kind  string // of the token at hand
	index int    // where it is
	token value
}

func (d *jsonDecoder) expected(what string) {
	found := d.kind
	if found == "T_ERROR" {
		found, _ = d.token.(string)
	}
	d.run.fail("Expected %s but found %s at character %d", what, found, d.index+1)
}

func (d *jsonDecoder) wrong(text string) { d.kind, d.token, d.index = "T_ERROR", text, d.pos }

var jsonTokens = map[byte]string{
	'{': "T_OBJ_BEGIN", '}': "T_OBJ_END", '[': "T_ARR_BEGIN", ']': "T_ARR_END", ',': "T_COMMA", ':': "T_COLON",
}

func (d *jsonDecoder) next() {
	d.run.spend(1)
	for d.pos < len(d.src) && strings.IndexByte(" \t\n\r", d.src[d.pos]) >= 0 {
		d.pos++
	}
	d.index, d.token = d.pos, nil
	if d.pos >= len(d.src) || d.src[d.pos] == 0 {
		d.kind = "T_END"
		return
	}
	c, rest := d.src[d.pos], d.src[d.pos:]
	switch kind := jsonTokens[c]; {
	case kind != "":
		d.kind = kind
		d.pos++
	case c == '"':
		d.string()
	case c == '-' || isDigit(c):
		if !d.run.json.decodeInvalid && invalidNumber(rest) {
			d.wrong("invalid number")
			return
		}
		d.number()
	case strings.HasPrefix(rest, "true"):
		d.kind, d.token = "T_BOOLEAN", true
		d.pos += 4
	case strings.HasPrefix(rest, "false"):
		d.kind, d.token = "T_BOOLEAN", false
		d.pos += 5
	case strings.HasPrefix(rest, "null"):
		d.kind, d.token = "T_NULL", null{}
		d.pos += 4
	case strings.IndexByte("+iInN", c) >= 0 && d.run.json.decodeInvalid && invalidNumber(rest):
		d.number()
	default:
		d.wrong("invalid token")
	}
}

// invalidNumber tells whether what begins there is a number for C alone.
func invalidNumber(s string) bool {
	if s[0] == '+' {
		return true
	}
	s = strings.ToLower(strings.TrimPrefix(s, "-"))
	if strings.HasPrefix(s, "0") {
		return len(s) > 1 && (s[1] == 'x' || isDigit(s[1]))
	}
	return !strings.HasPrefix(s, "0") && (strings.HasPrefix(s, "inf") || strings.HasPrefix(s, "nan"))
}

// number reads the longest one that begins here.
func (d *jsonDecoder) number() {
	end := d.pos
	for end < len(d.src) && (isLetter(d.src[end]) || strings.IndexByte("+-.", d.src[end]) >= 0 || isDigit(d.src[end])) {
		end++
	}
	const longest = 1100 // characters: no double has more that matter, or only zeros
	for end = min(end, d.pos+longest); end > d.pos; end-- {
		d.run.spend(1)
		if f, ok := parseNumber(d.src[d.pos:end]); ok {
			d.kind, d.token, d.pos = "T_NUMBER", f, end
			return
		}
	}
	d.wrong("invalid number")
}

func (d *jsonDecoder) string() {
	d.pos++
	var b []byte
	for {
		if d.pos >= len(d.src) || d.src[d.pos] == 0 {
			d.wrong("unexpected end of string")
			return
		}
		c := d.src[d.pos]
		switch {
		case c == '"':
			d.run.spend(len(b) / bytesPerStep)
			d.pos++
			d.kind, d.token = "T_STRING", d.run.newString(string(b))
			return
		case c != '\\':
			b = append(b, c)
			d.pos++
		default:
			var problem string
			if b, problem = d.escape(b); problem != "" {
				d.wrong(problem)
				return
			}
		}
	}
}

func (d *jsonDecoder) escape(b []byte) ([]byte, string) {
	if d.pos+1 >= len(d.src) {
		return b, "invalid escape code"
	}
	c := d.src[d.pos+1]
	if c == 'u' {
		return d.unicode(b)
	}
	i := strings.IndexByte(`"\/bfnrt`, c)
	if i < 0 {
		return b, "invalid escape code"
	}
	d.pos += 2
	return append(b, "\"\\/\b\f\n\r\t"[i]), ""
}

// unicode reads \uXXXX, or two of them that are one character.
func (d *jsonDecoder) unicode(b []byte) ([]byte, string) {
	const problem = "invalid unicode escape code"
	code, ok := hex4(d.src[d.pos+2:])
	size := 6
	if ok && code&0xf800 == 0xd800 {
		var low int
		rest := d.src[d.pos+6:]
		if code&0x400 != 0 || !strings.HasPrefix(rest, `\u`) {
			return b, problem
		}
		if low, ok = hex4(rest[2:]); low&0xfc00 != 0xdc00 {
			return b, problem
		}
		code = (code&0x3ff)<<10 | low&0x3ff + 0x10000
		size = 12
	}
	if !ok {
		return b, problem
	}
	d.pos += size
	return append(b, string(rune(code))...), ""
}

func hex4(s string) (n int, ok bool) {
	if len(s) < 4 {
		return 0, false
	}
	for i := range 4 {
		digit := strings.IndexByte("0123456789abcdef", s[i]|0x20)
		if digit < 0 || digit < 10 && !isDigit(s[i]) {
			return 0, false
		}
		n = n<<4 | digit
	}
	return n, true
}

func (d *jsonDecoder) value() value {
	switch d.kind {
	case "T_STRING", "T_NUMBER", "T_BOOLEAN", "T_NULL":
		return d.token
	case "T_OBJ_BEGIN":
		return d.object()
	case "T_ARR_BEGIN":
		return d.array()
	}
	d.expected("value")
	return nil
}

func (d *jsonDecoder) descend() {
	if d.depth++; d.depth > d.run.json.decodeDepth {
		d.run.fail("Found too many nested data structures (%d) at character %d", d.depth, d.index+1)
	}
}

func (d *jsonDecoder) object() value {
	d.descend()
	defer func() { d.depth-- }()
	t := d.run.newTable()
	if d.next(); d.kind == "T_OBJ_END" {
		return t
	}
	for {
		if d.kind != "T_STRING" {
			d.expected("object key string")
		}
		key := d.token
		if d.next(); d.kind != "T_COLON" {
			d.expected("colon")
		}
		d.next()
		t.set(d.run, key, d.value())
		switch d.next(); d.kind {
		case "T_OBJ_END":
			return t
		case "T_COMMA":
		default:
			d.expected("comma or object end")
		}
		d.next()
	}
}

func (d *jsonDecoder) array() value {
	d.descend()
	defer func() { d.depth-- }()
	t := d.run.newTable()
	if d.next(); d.kind == "T_ARR_END" {
		return t
	}
	for i := 1; ; i++ {
		t.set(d.run, float64(i), d.value())
		switch d.next(); d.kind {
		case "T_ARR_END":
			return t
		case "T_COMMA":
		default:
			d.expected("comma or array end")
		}
		d.next()
	}
}
