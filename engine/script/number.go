package script

import (
	"math"
	"strconv"
	"strings"
)

// toInteger is a number as an integer, if it is one that an int64 holds.
func toInteger(f float64) (int64, bool) {
	if f >= -1<<63 && f < 1<<63 {
		i := int64(f)
		return i, float64(i) == f
	}
	return 0, false
}

// truncate drops a number's fraction. What an int64 does not hold is the
// smallest one, as on the processors that Redis is at home on.
func truncate(f float64) int64 {
	if f > -1<<63 && f < 1<<63 {
		return int64(f)
	}
	return math.MinInt64
}

// formatNumber writes a number as Lua does: C's "%.14g".
func formatNumber(f float64) string { return formatG(f, 14) }

// formatG is C's "%.<precision>g".
func formatG(f float64, precision int) string {
	var buf [32]byte
	return string(appendG(buf[:0], f, precision))
}

func appendG(dst []byte, f float64, precision int) []byte {
	const digits = 14 // of the integers that are written soonest
	i, isInteger := toInteger(f)
	switch {
	case isInteger && precision >= digits && i > -1e14 && i < 1e14 && (i != 0 || !math.Signbit(f)):
		return strconv.AppendInt(dst, i, 10)
	case math.IsNaN(f):
		return append(dst, "-nan"...) // what x86-64 makes of 0/0
	case math.IsInf(f, 1):
		return append(dst, "inf"...)
	case math.IsInf(f, -1):
		return append(dst, "-inf"...)
	}
	return strconv.AppendFloat(dst, f, 'g', max(precision, 1), 64)
}

const blanks = " \t\n\v\f\r"

// parseNumber reads a number as Lua does: C's strtod, or hexadecimal, with
// blanks around it.
func parseNumber(s string) (float64, bool) {
	if i := strings.IndexByte(s, 0); i >= 0 {
		s = s[:i]
	}
	s = strings.Trim(s, blanks)
	unsigned, negative := s, false
	if s != "" && (s[0] == '-' || s[0] == '+') {
		unsigned, negative = s[1:], s[0] == '-'
	}
	f, ok := parseUnsigned(strings.ToLower(unsigned))
	if negative {
		f = -f
	}
	return f, ok
}

func parseUnsigned(s string) (float64, bool) {
	switch s {
	case "inf", "infinity":
		return math.Inf(1), true
	case "nan":
		return math.NaN(), true
	}
	digits, mark := "0123456789", "e"
	hex, isHex := strings.CutPrefix(s, "0x")
	if isHex {
		digits, mark = "0123456789abcdef", "p"
	} else {
		hex = s
	}
	mantissa, exponent, hasExponent := strings.Cut(hex, mark)
	whole, fraction, _ := strings.Cut(mantissa, ".")
	if len(whole)+len(fraction) == 0 || strings.Trim(whole+fraction, digits) != "" {
		return 0, false
	}
	if hasExponent {
		exponent = strings.TrimPrefix(strings.TrimPrefix(exponent, "-"), "+")
		if exponent == "" || strings.Trim(exponent, "0123456789") != "" {
			return 0, false
		}
	} else if isHex {
		s += "p0"
	}
	f, err := strconv.ParseFloat(s, 64)
	return f, err == nil || math.IsInf(f, 0) || f == 0
}

// toNumber is a value as a number, if it is one or a text of one.
func toNumber(v value) (float64, bool) {
	switch v := v.(type) {
	case float64:
		return v, true
	case string:
		return parseNumber(v)
	}
	return 0, false
}
