package script

import (
	"math"
	"strconv"
	"strings"
)

// directive is one of string.format, "%-08.3f".
type directive struct {
	flags            string
	width, precision int // precision -1 if none was given
	verb             byte
}

func (d *directive) has(flag byte) bool { return strings.IndexByte(d.flags, flag) >= 0 }

func stringFormat(r *run, args []value) []value {
	format := r.stringArg(args, 0)
	var b strings.Builder
	next := 1
	for i := 0; i < len(format); i++ {
		piece := format[i : i+1]
		switch {
		case format[i] != '%':
		case i+1 < len(format) && format[i+1] == '%':
			i++
		default:
			if next >= len(args) {
				r.badArgument(next, "no value")
			}
			d, end := r.directive(format, i+1)
			piece = r.formatted(&d, args, next)
			i = end
			next++
		}
		r.spend(1)
		r.alloc(len(piece))
		b.WriteString(piece)
	}
	return r.one(b.String())
}

// directive reads one behind its percent sign; end is where its verb stands.
func (r *run) directive(format string, i int) (d directive, end int) {
	from := i
	for i < len(format) && strings.IndexByte("-+ #0", format[i]) >= 0 {
		i++
	}
	if d.flags = format[from:i]; len(d.flags) >= len("-+ #0")+1 {
		r.fail("invalid format (repeated flags)")
	}
	digits := func() (n int) {
		for k := 0; k < 2 && i < len(format) && isDigit(format[i]); k++ {
			n = 10*n + int(format[i]-'0')
			i++
		}
		return n
	}
	d.width, d.precision = digits(), -1
	if i < len(format) && format[i] == '.' {
		i++
		d.precision = digits()
	}
	if i < len(format) && isDigit(format[i]) {
		r.fail("invalid format (width or precision too long)")
	}
	if i < len(format) {
		d.verb = format[i]
	}
	return d, i
}

// formatted is an argument as a directive wants it.
func (r *run) formatted(d *directive, args []value, i int) string {
	switch d.verb {
	case 'c':
		return d.pad(string([]byte{byte(r.intArg(args, i))}))
	case 'd', 'i':
		n := truncate(r.numberArg(args, i))
		return d.integer(strconv.FormatUint(magnitude(n), 10), n < 0, "")
	case 'u', 'o', 'x', 'X':
		return d.unsigned(uint64(truncate(r.numberArg(args, i))))
	case 'e', 'E', 'f', 'g', 'G':
		return d.float(r.numberArg(args, i))
	case 'q':
		return quote(r.stringArg(args, i))
	case 's':
		s := r.stringArg(args, i)
		if d.precision >= 0 {
			s = s[:min(d.precision, len(s))]
		}
		return d.pad(s)
	}
	r.fail("invalid option '%%%s' to 'format'", cstring(string(d.verb)))
	return ""
}

func magnitude(n int64) uint64 {
	if n < 0 {
		return -uint64(n)
	}
	return uint64(n)
}

func (d *directive) unsigned(n uint64) string {
	base, prefix := 10, ""
	switch d.verb {
	case 'o':
		base = 8
		if d.has('#') {
			prefix = "0"
		}
	case 'x', 'X':
		base = 16
		if d.has('#') && n != 0 {
			prefix = "0x"
		}
	}
	d.flags = strings.NewReplacer("+", "", " ", "").Replace(d.flags)
	s := d.integer(strconv.FormatUint(n, base), false, prefix)
	if d.verb == 'X' {
		s = strings.ToUpper(s)
	}
	return s
}

// integer sets digits as C's printf does.
func (d *directive) integer(digits string, negative bool, prefix string) string {
	if d.precision >= 0 {
		if d.precision == 0 && digits == "0" {
			digits = ""
		}
		digits = strings.Repeat("0", max(d.precision-len(digits), 0)) + digits
		d.flags = strings.ReplaceAll(d.flags, "0", "")
	}
	return d.signed(digits, negative, prefix)
}

// signed adds a sign, and fills up to the width.
func (d *directive) signed(digits string, negative bool, prefix string) string {
	switch {
	case negative:
		prefix = "-" + prefix
	case d.has('+'):
		prefix = "+" + prefix
	case d.has(' '):
		prefix = " " + prefix
	}
	if d.has('0') && !d.has('-') {
		digits = strings.Repeat("0", max(d.width-len(prefix)-len(digits), 0)) + digits
	}
	return d.pad(prefix + digits)
}

func (d *directive) pad(s string) string {
	fill := strings.Repeat(" ", max(d.width-len(s), 0))
	if d.has('-') {
		return s + fill
	}
	return fill + s
}

func (d *directive) float(f float64) string {
	precision := d.precision
	if precision < 0 {
		precision = 6
	}
	lower := d.verb | 0x20
	var digits string
	switch {
	case math.IsNaN(f):
		digits, d.flags = "nan", strings.ReplaceAll(d.flags, "0", "")
	case math.IsInf(f, 0):
		digits, d.flags = "inf", strings.ReplaceAll(d.flags, "0", "")
	case lower == 'g':
		digits = formatG(math.Abs(f), precision)
	default:
		digits = strconv.FormatFloat(math.Abs(f), lower, precision, 64)
	}
	if d.verb != lower {
		digits = strings.ToUpper(digits)
	}
	return d.signed(digits, math.Signbit(f) || math.IsNaN(f), "")
}

// quote is a text as Lua reads it.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i := range len(s) {
		switch c := s[i]; c {
		case '"', '\\', '\n':
			b.WriteByte('\\')
			b.WriteByte(c)
		case '\r':
			b.WriteString(`\r`)
		case 0:
			b.WriteString(`\000`)
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}
