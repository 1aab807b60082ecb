package differential

import (
	"math/rand/v2"
	"strconv"
	"strings"
)

// generatedKeys is how many keys of each of three names the generator uses.
const generatedKeys = 6

// generator makes commands that mostly make sense.
type generator struct{ *rand.Rand }

func (g *generator) pick(from ...string) string { return from[g.IntN(len(from))] }

// template words in capitals are chosen anew each time:
// K key, V value, N integer, F float, M member, G glob, I stream ID, B range
// bound; T, P, A, PA are times, far ahead or past: in s, in ms, and absolute.
var templates = strings.Split(strings.TrimSpace(`
GET K
SET K V
SET K V setoption
SET K V setoption setoption
SET K V setoption setoption setoption
SETNX K V
SETEX K T V
PSETEX K P V
GETSET K V
GETDEL K
GETEX K
GETEX K getexoption
MGET K K K
MSET K V K V
MSETNX K V K V
INCR K
DECR K
INCRBY K N
DECRBY K N
INCRBYFLOAT K F
INCRBYFLOAT K F
APPEND K V
STRLEN K
GETRANGE K N N
SUBSTR K N N
SETRANGE K N V
DEL K K
UNLINK K
EXISTS K K K
TOUCH K K
TYPE K
RENAME K K
RENAMENX K K
EXPIRE K T
EXPIRE K T expireoption
PEXPIRE K P expireoption
EXPIREAT K A expireoption expireoption
PEXPIREAT K PA expireoption
TTL K
PTTL K
EXPIRETIME K
PEXPIRETIME K
PERSIST K
KEYS G
DBSIZE
SADD K M M M
SADD K M
SREM K M M
SMEMBERS K
SISMEMBER K M
SMISMEMBER K M M M
SCARD K
XADD K I V V
XADD K I V V V V
XADD K next V V
XADD K next V V
XADD K trim I V V
XADD K trim trim next V V
XLEN K
XRANGE K B B
XRANGE K B B COUNT N
XREVRANGE K B B
XREVRANGE K B B COUNT N
XDEL K I I
XTRIM K trim
XTRIM K trim trim
ECHO V
PING V
PING
COMMAND GETKEYS MSET K V K V
`), "\n")

var binary = []string{"", "0", "1", "-1", "10", "3.5", "1e3", "hallo", "x\r\ny", "\x00\xff", "9223372036854775807", "-9223372036854775808",
	" 1", "01", "+1", "-0", "abc", strings.Repeat("long", 40), "12345678901234567890"}

func (g *generator) command() [][]byte {
	words := strings.Fields(templates[g.IntN(len(templates))])
	var argv [][]byte
	for i, word := range words {
		if i == 0 {
			argv = append(argv, []byte(g.recase(word)))
			continue
		}
		for _, expanded := range g.expand(word) {
			argv = append(argv, []byte(expanded))
		}
	}
	switch g.IntN(40) {
	case 0: // one argument too few
		argv = argv[:max(1, len(argv)-1)]
	case 1: // one too many
		argv = append(argv, []byte(g.stray()))
	case 2: // one that does not belong there
		argv[g.IntN(len(argv))] = []byte(g.stray())
	}
	return argv
}

func (g *generator) recase(s string) string {
	switch g.IntN(3) {
	case 0:
		return strings.ToLower(s)
	case 1:
		return s[:1] + strings.ToLower(s[1:])
	}
	return s
}

func (g *generator) value() string { return binary[g.IntN(len(binary))] }

// stray is a value for a place where it does not belong. None is a time so
// short that a key could expire between the two servers.
func (g *generator) stray() string {
	for {
		if v := g.value(); v != "1" && v != "10" {
			return v
		}
	}
}

func (g *generator) number() string {
	if g.IntN(4) > 0 {
		return strconv.Itoa(g.IntN(40) - 12)
	}
	return g.pick("0", "-1", "1", "100", "-100", "9223372036854775807", "-9223372036854775808", "9223372036854775808", "1.5", "", "x")
}

func (g *generator) expand(word string) []string {
	one := func(s string) []string { return []string{s} }
	switch word {
	case "K":
		return one(g.pick("k", "s", "l") + strconv.Itoa(g.IntN(generatedKeys)))
	case "V":
		return one(g.value())
	case "N":
		return one(g.number())
	case "F":
		return one(g.float())
	case "M":
		return one(g.pick(strconv.Itoa(g.IntN(40)), g.value()))
	case "G":
		return one(g.glob())
	case "T":
		return one(g.pick("1000", "5000", strconv.Itoa(2000+g.IntN(1000)), "0", "-1", "9223372036854775807", "9223372036854775", "x"))
	case "P":
		return one(g.pick("1000000", "5000000", "0", "-1000", "9223372036854775807", "-9223372036854775808", "1.0"))
	case "A":
		return one(g.pick("4000000000", "5000000000", "1", "0", "-5", "9223372036854775807", "9223372036854775"))
	case "PA":
		return one(g.pick("4000000000000", "4000000000001", "9223372036854775807", "1", "-5"))
	case "next":
		return one(strconv.Itoa(g.IntN(200)) + "-*")
	case "I":
		return one(g.id())
	case "B":
		return one(g.pick("-", "+", g.id(), "("+g.id()))
	}
	return g.option(word)
}

func (g *generator) option(word string) []string {
	switch word {
	case "setoption":
		return strings.Fields(g.pick("NX", "XX", "GET", "KEEPTTL", "EX 1000", "px 1000000", "EXAT 4000000000", "pxat 4000000000000",
			"EX 0", "EX -1", "EX x", "EX", "PX 9223372036854775807", "EX 9223372036854775", "nonsense", "PERSIST"))
	case "getexoption":
		return strings.Fields(g.pick("PERSIST", "EX 1000", "PX 1000000", "EXAT 4000000000", "PXAT 4000000000000", "PXAT 1", "EX 0",
			"EX x", "EX", "NX", "PERSIST EX 10", "EX 10 PERSIST", "EX 10 EX 20"))
	case "expireoption":
		return strings.Fields(g.pick("NX", "xx", "GT", "LT", "", "nonsense"))
	case "trim":
		return strings.Fields(g.pick("MAXLEN 3", "MAXLEN ~ 3", "MAXLEN = 5", "MAXLEN ~ 200", "MAXLEN -1", "MAXLEN x", "MAXLEN 0", "MINID 5",
			"MINID ~ 5", "MINID = 5-3", "minid 10-1", "LIMIT 5", "LIMIT 0", "LIMIT -1", "MAXLEN ~ 2 LIMIT 10", "MAXLEN ~ 0 LIMIT 0",
			"NOMKSTREAM", "MAXLEN", "MINID x"))
	}
	return []string{word}
}

func (g *generator) float() string {
	if g.IntN(3) > 0 {
		return strconv.FormatFloat(g.NormFloat64()*1000, 'f', g.IntN(12), 64)
	}
	return g.pick("0.1", "-0.1", "1e3", "1E-5", "5e-324", "3.0e10", ".5", "5.", "1e5000", "inf", "-inf", "nan", "", "1 ", "abc", "+2", "1e", "--1", "1_0", "1e-5000", "1e300", "-1e300", "infinity", "1e17", "-0", "0.000003814697265625")
}

func (g *generator) id() string {
	if g.IntN(5) > 0 {
		return strconv.Itoa(g.IntN(70)) + g.pick("", "-"+strconv.Itoa(g.IntN(5)))
	}
	return g.pick("0", "0-0", "0-1", "-", "+", "x", "1-x", "1-", "-1", "1-2-3", "18446744073709551615", "18446744073709551616",
		"18446744073709551615-18446744073709551615", "007", "1-007", "1-+5", "", "5-*", "*-1")
}

func (g *generator) glob() string {
	pattern := ""
	for range 1 + g.IntN(5) {
		pattern += g.pick("*", "?", "k", "s", "l", "1", "[a-k]", "[^k]", "[k", "\\k", "[0-9]", "[]", "[5-0]", "\\", "[\\]]", "[^]", "**")
	}
	return pattern
}
