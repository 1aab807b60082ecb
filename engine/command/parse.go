package command

import (
	"math"
	"math/big"
	"strings"
)

// is compares an argument with an option's name, in any case.
func is(arg []byte, upper string) bool {
	return len(arg) == len(upper) && strings.EqualFold(string(arg), upper)
}

// parseInt reads an integer as redis-server's string2ll: decimal, 64 bits, no
// plus, no blanks, no leading zeros.
func parseInt(b []byte) (int64, bool) {
	if len(b) == 0 || len(b) > 20 {
		return 0, false
	}
	digits, negative := b, false
	if b[0] == '-' {
		digits, negative = b[1:], true
	}
	if len(digits) == 0 || digits[0] == '0' && len(b) > 1 {
		return 0, false
	}
	var n uint64
	for _, c := range digits {
		if c < '0' || c > '9' {
			return 0, false
		}
		d := uint64(c - '0')
		if n > (math.MaxUint64-d)/10 {
			return 0, false
		}
		n = n*10 + d
	}
	switch {
	case negative && n <= 1<<63:
		return -int64(n), true
	case !negative && n <= math.MaxInt64:
		return int64(n), true
	}
	return 0, false
}

// integer is parseInt with the error that most commands answer.
func integer(b []byte) (int64, error) {
	n, ok := parseInt(b)
	if !ok {
		return 0, errNotInteger
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
// redis-server computes INCRBYFLOAT; floatExponent is its greatest exponent.
const (
	floatPrecision = 64
	floatExponent  = 16384
)

// parseFloat reads a decimal number into the precision of a long double;
// infinite ones are allowed, as by strtold. ok is false for anything else.
func parseFloat(b []byte) (f *big.Float, ok bool) {
	s := string(b)
	unsigned := strings.TrimLeft(s, "+-")
	switch strings.ToLower(unsigned) {
	case "inf", "infinity":
		if len(s)-len(unsigned) > 1 {
			return nil, false
		}
		return new(big.Float).SetInf(s[0] == '-'), true
	}
	if !decimal(s) {
		return nil, false
	}
	f, _, err := big.ParseFloat(s, 10, floatPrecision, big.ToNearestEven)
	if err != nil || f.IsInf() || f.MantExp(nil) > floatExponent {
		return nil, false
	}
	return f, true
}

// decimal reports whether s is a decimal floating-point literal that a long
// double could hold; it bounds the work of reading it.
func decimal(s string) bool {
	const maxText, maxExponent = 5 << 10, 5000
	if len(s) >= maxText {
		return false
	}
	if s != "" && (s[0] == '-' || s[0] == '+') {
		s = s[1:]
	}
	mantissa, exponent := s, ""
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		mantissa, exponent = s[:i], s[i+1:]
		digits := strings.TrimPrefix(exponent, "-")
		if len(digits) == len(exponent) {
			digits = strings.TrimPrefix(exponent, "+")
		}
		n, ok := parseUnsigned(digits)
		if !ok || n > maxExponent || !onlyDigits(digits) {
			return false
		}
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	return len(whole)+len(fraction) > 0 && onlyDigits(whole) && onlyDigits(fraction)
}

func onlyDigits(s string) bool {
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
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
