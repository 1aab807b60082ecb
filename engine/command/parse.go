package command

import (
	"math"
	"math/big"
	"strconv"
	"strings"

	"github.com/coffer-dev/coffer/engine/store"
)

// is compares an argument with an option's name in capitals, in any case.
func is(arg []byte, upper string) bool {
	if len(arg) != len(upper) {
		return false
	}
	for i, c := range arg {
		if 'a' <= c && c <= 'z' {
			c -= 'a' - 'A'
		}
		if c != upper[i] {
			return false
		}
	}
	return true
}

// appendLower appends b with its ASCII letters in lower case; other scripts
// have letters whose lower case is ASCII, which name no command.
func appendLower(dst, b []byte) []byte {
	for _, c := range b {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		dst = append(dst, c)
	}
	return dst
}

func lower(b []byte) string { return string(appendLower(nil, b)) }

// parseInt reads an integer that an argument is.
func parseInt(b []byte) (int64, bool) { return store.ParseInteger(b) }

// integer is parseInt with the error that most commands answer.
func integer(b []byte) (int64, error) {
	n, ok := parseInt(b)
	if !ok {
		return 0, errNotInteger
	}
	return n, nil
}

// positive reads an integer of at least 0, or fails with the text given.
func positive(b []byte, otherwise textError) (int64, error) {
	n, ok := parseInt(b)
	if !ok || n < 0 {
		return 0, otherwise
	}
	return n, nil
}

// parseUnsigned reads as C's strtoull, base 10, where redis-server does: blanks
// and a sign may lead, a minus wraps around, nothing may follow.
func parseUnsigned(s string) (n uint64, ok bool) {
	s = strings.TrimLeft(s, " \t\n\v\f\r")
	negative := strings.HasPrefix(s, "-")
	if negative || strings.HasPrefix(s, "+") {
		s = s[1:]
	}
	if s == "" {
		return 0, false
	}
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return 0, false
		}
		d := uint64(c - '0')
		if n > (math.MaxUint64-d)/10 {
			return 0, false
		}
		n = n*10 + d
	}
	if negative {
		n = -n
	}
	return n, true
}

// floatPrecision is the mantissa of x86-64's long double, in which
// redis-server computes INCRBYFLOAT; the others are its exponents' bounds.
const (
	floatPrecision   = 64
	floatExponent    = 16384
	floatMinExponent = -16444 // of the smallest denormal
)

// parseFloat reads a number as C's strtold does, in decimal or hexadecimal or
// infinite, into the precision of a long double; ok is false for anything else
// and for what a long double cannot hold.
func parseFloat(b []byte) (f *big.Float, ok bool) {
	const maxText = 5 << 10 // bytes
	if len(b) >= maxText {
		return nil, false
	}
	s, negative := string(b), false
	if s != "" && (s[0] == '-' || s[0] == '+') {
		s, negative = s[1:], s[0] == '-'
	}
	s = strings.ToLower(s)
	if s == "inf" || s == "infinity" {
		return new(big.Float).SetInf(negative), true
	}
	base, exponentMark, digits, maxExponent := 10, "e", "0123456789", uint64(5000)
	if hex, found := strings.CutPrefix(s, "0x"); found {
		s, base, exponentMark, digits, maxExponent = hex, 16, "p", digits+"abcdef", 20_000
	}
	if !literal(s, exponentMark, digits, maxExponent) {
		return nil, false
	}
	f, _, err := big.ParseFloat(s, base, floatPrecision, big.ToNearestEven)
	if err != nil || f.MantExp(nil) > floatExponent || f.Sign() != 0 && f.MantExp(nil) < floatMinExponent {
		return nil, false
	}
	if negative {
		f.Neg(f)
	}
	return f, true
}

// literal reports whether s is a floating-point literal of those digits, with
// an exponent within bounds, which bounds the work of reading it.
func literal(s, exponentMark, digits string, maxExponent uint64) bool {
	mantissa, exponent, found := strings.Cut(s, exponentMark)
	if found {
		if exponent != "" && (exponent[0] == '-' || exponent[0] == '+') {
			exponent = exponent[1:]
		}
		n, ok := parseUnsigned(exponent)
		if !ok || n > maxExponent || strings.Trim(exponent, "0123456789") != "" {
			return false
		}
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	return len(whole)+len(fraction) > 0 && strings.Trim(whole+fraction, digits) == ""
}

// formatFloat writes a number as redis-server's ld2string in human form: 17
// digits behind the point, without the zeros at the end.
func formatFloat(f *big.Float) []byte {
	s := f.Text('f', 17)
	s = strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
	if s == "" || s == "-" || s == "-0" {
		return []byte("0")
	}
	return []byte(s)
}

// strtod reads a number as C's strtod, to the end of the text; what is out of
// range is infinite or 0. An empty text is 0, as redis-server has it where it
// does not look whether anything was read.
func strtod(s string) (f float64, ok bool) {
	if s == "" {
		return 0, true
	}
	s = strings.ToLower(strings.TrimLeft(s, " \t\n\v\f\r"))
	unsigned := s
	if s != "" && (s[0] == '-' || s[0] == '+') {
		unsigned = s[1:]
	}
	hex, isHex := strings.CutPrefix(unsigned, "0x")
	switch {
	case unsigned == "inf" || unsigned == "infinity":
	case isHex && !literal(hex, "p", "0123456789abcdef", math.MaxUint64):
		return 0, false
	case isHex && !strings.Contains(hex, "p"):
		s += "p0"
	case !isHex && !literal(unsigned, "e", "0123456789", math.MaxUint64):
		return 0, false
	}
	f, _ = strconv.ParseFloat(s, 64)
	return f, true
}

// parseDouble is strtod for where redis-server looks closer: nothing leads, and
// what is out of range is refused. Infinity can be said.
func parseDouble(b []byte) (f float64, ok bool) {
	s := string(b)
	if s == "" || strings.ContainsRune(" \t\n\v\f\r", rune(s[0])) {
		return 0, false
	}
	f, ok = strtod(s)
	switch mantissa, _, _ := strings.Cut(strings.ToLower(s), "e"); {
	case !ok:
		return 0, false
	case math.IsInf(f, 0):
		return f, strings.ContainsAny(s, "nN")
	case f == 0 && !strings.ContainsAny(mantissa, "x"):
		return f, !strings.ContainsAny(mantissa, "123456789")
	}
	return f, true
}
