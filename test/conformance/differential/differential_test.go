package differential

import (
	"bytes"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/coffer-dev/coffer/test/fixture/commands"
)

// generatedKeys is how many keys of each name the generator uses.
const generatedKeys = 6

// both runs a test in each protocol against a fresh pair of servers.
func both(t *testing.T, test func(t *testing.T, p *pair)) {
	for _, proto := range []int{2, 3} {
		t.Run(fmt.Sprintf("RESP%d", proto), func(t *testing.T) {
			test(t, &pair{t: t, theirs: startRedis(t, proto), ours: newCoffer(t, proto)})
		})
	}
}

// server is what is compared with redis-server.
type server interface {
	do(argv [][]byte) []byte
	sweep()       // removes what has expired
	checkReplay() // fails when the log leads elsewhere
}

// pair is the real server and ours.
type pair struct {
	t      *testing.T
	theirs *redis
	ours   server
	recent []string // the last commands, to explain a difference
}

// do sends a command to both and fails when the replies differ.
func (p *pair) do(argv [][]byte) {
	p.t.Helper()
	p.recent = append(p.recent, fmt.Sprintf("%q", argv))
	if len(p.recent) > 30 {
		p.recent = p.recent[1:]
	}
	if strings.EqualFold(string(argv[0]), "DBSIZE") {
		p.sweep()
	}
	want, got := p.theirs.do(argv), p.ours.do(argv)
	for tries := 0; tries < 10 && strings.EqualFold(string(argv[0]), "DBSIZE") && !bytes.Equal(want, got); tries++ {
		time.Sleep(50 * time.Millisecond) // the engine sweeps in its own time
		got = p.ours.do(argv)
	}
	if !same(argv, string(want), string(got)) {
		p.t.Fatalf("%q\nredis-server: %q\ncoffer:       %q\nbefore it:\n%s",
			argv, want, got, strings.Join(p.recent, "\n"))
	}
}

// sweep removes what has expired, which DBSIZE would count otherwise: theirs by
// touching every key that the generator knows, ours by a sweep.
func (p *pair) sweep() {
	names := append([]string{"TOUCH"}, commands.Values...)
	names = append(names, (&commands.Generator{Keys: generatedKeys}).Names()...)
	p.theirs.do(args(names...))
	p.ours.sweep()
}

func (p *pair) script(lines ...string) {
	p.t.Helper()
	for _, line := range lines {
		p.do(split(line))
	}
}

// split cuts a script's line at blanks; a word in Go's double quotes may hold
// anything.
func split(line string) [][]byte {
	var argv [][]byte
	for rest := strings.TrimSpace(line); rest != ""; rest = strings.TrimLeft(rest, " ") {
		if quoted, err := strconv.QuotedPrefix(rest); err == nil {
			word, _ := strconv.Unquote(quoted)
			argv, rest = append(argv, []byte(word)), rest[len(quoted):]
			continue
		}
		word, tail, _ := strings.Cut(rest, " ")
		argv, rest = append(argv, []byte(word)), tail
	}
	return argv
}

// same compares two raw replies: byte for byte, but for the order of what has
// none, for what is random, and for the clocks' difference where a reply tells
// the time.
func same(argv [][]byte, want, got string) bool {
	if want == got {
		return true
	}
	switch verb := strings.ToLower(string(argv[0])); verb {
	case "xpending", "xinfo":
		return masked(verb, want) == masked(verb, got)
	case "smembers", "keys", "hkeys", "hvals", "sunion", "sinter", "sdiff", "spop":
		return want[0] == got[0] && sameElements(want, got, 1)
	case "hgetall", "config":
		return want[0] == got[0] && sameElements(want, got, 2)
	case "hscan", "zscan":
		return sameScan(argv, want, got, 2)
	case "object": // of what was changed in place; TestObjectEncoding has the rest
		replace := strings.NewReplacer("$3\r\nraw", "string", "$6\r\nembstr", "string", "$3\r\nint", "string", "$9\r\nhashtable", "set", "$6\r\nintset", "set")
		return replace.Replace(want) == replace.Replace(got)
	case "sscan":
		return sameScan(argv, want, got, 1)
	case "hrandfield", "zrandmember", "srandmember", "randomkey":
		return shape(want) == shape(got)
	case "ttl", "expiretime":
		return near(want, got, 2)
	case "pttl", "pexpiretime":
		return near(want, got, 2000)
	}
	return false
}

// sameElements compares collections without order, of runs of so many elements.
func sameElements(want, got string, run int) bool {
	runs := func(raw string) (all []string) {
		for chunk := range slices.Chunk(elements([]byte(raw)), run) {
			all = append(all, strings.Join(chunk, ""))
		}
		slices.Sort(all)
		return all
	}
	a := runs(want)
	return len(a) > 0 && slices.Equal(a, runs(got))
}

// sameScan compares one step of a scan where it is the whole scan. Others end
// where each server likes, and begin there when the cursor is none that a server
// gave; TestScanOfCollections goes through to the end.
func sameScan(argv [][]byte, want, got string, run int) bool {
	a, b := elements([]byte(want)), elements([]byte(got))
	const done = "$1\r\n0\r\n"
	if len(a) != 2 || len(b) != 2 {
		return false
	}
	begins := strings.Trim(string(argv[2]), " +-0") == ""
	return !begins || a[0] != done || b[0] != done || a[1] == b[1] || sameElements(a[1], b[1], run)
}

// shape is a reply without what scalars say.
func shape(raw string) string {
	if strings.ContainsRune("-_", rune(raw[0])) || strings.HasPrefix(raw, "$-1") {
		return raw
	}
	all := raw[:1]
	for _, e := range elements([]byte(raw)) {
		all += shape(e) + " "
	}
	return all
}

// near compares two positive integer replies.
func near(want, got string, tolerance int64) bool {
	if want[0] != ':' || got[0] != ':' {
		return false
	}
	a, errA := strconv.ParseInt(strings.TrimSpace(want[1:]), 10, 64)
	b, errB := strconv.ParseInt(strings.TrimSpace(got[1:]), 10, 64)
	return errA == nil && errB == nil && a > 0 && b > 0 && max(a-b, b-a) <= tolerance
}

// compareState compares everything that the two hold, and leaves them in database 0.
func (p *pair) compareState() {
	p.t.Helper()
	for _, database := range []string{"2", "1", "0"} {
		p.do(args("SELECT", database))
		p.compareDatabase()
	}
}

func (p *pair) compareDatabase() {
	p.t.Helper()
	p.do(args("DBSIZE"))
	p.do(args("KEYS", "*"))
	for _, raw := range elements(p.theirs.do(args("KEYS", "*"))) {
		_, key, _ := strings.Cut(strings.TrimSuffix(raw, "\r\n"), "\r\n")
		for _, name := range []string{"TYPE", "GET", "SMEMBERS", "XLEN", "PEXPIRETIME", "HGETALL"} {
			p.do(args(name, key))
		}
		p.do(args("ZRANGE", key, "0", "-1", "WITHSCORES"))
		p.do(args("LRANGE", key, "0", "-1"))
		p.do(args("XRANGE", key, "-", "+"))
		p.do(args("XREVRANGE", key, "+", "-", "COUNT", "7"))
	}
	if want, got := p.scanAll(p.theirs.do), p.scanAll(p.ours.do); !slices.Equal(want, got) {
		p.t.Fatalf("SCAN\nredis-server: %q\ncoffer:       %q", want, got)
	}
}

// scanAll scans to the end and returns the distinct keys in order.
func (p *pair) scanAll(do func([][]byte) []byte, options ...string) []string {
	var keys []string
	cursor := "0"
	for range 100_000 {
		parts := elements(do(args(append([]string{"SCAN", cursor}, options...)...)))
		if len(parts) != 2 {
			p.t.Fatalf("SCAN %s %v answered %q", cursor, options, parts)
		}
		keys = append(keys, elements([]byte(parts[1]))...)
		_, cursor, _ = strings.Cut(strings.TrimSuffix(parts[0], "\r\n"), "\r\n")
		if cursor == "0" {
			slices.Sort(keys)
			return slices.Compact(keys)
		}
	}
	p.t.Fatal("SCAN does not end")
	return nil
}

var (
	randomCommands = flag.Int("random-commands", 150_000, "how many commands TestRandomCommands sends, in both protocols together")
	randomSeed     = flag.Uint64("random-seed", 1, "the first seed of TestRandomCommands, which takes the next one after every 25000 commands")
)

func TestRandomCommands(t *testing.T) {
	const commands = 25_000
	if *randomCommands < 2*commands {
		t.Fatalf("-random-commands %d sends none: %d are the least", *randomCommands, 2*commands)
	}
	both(t, func(t *testing.T, p *pair) {
		for i := range *randomCommands / 2 / commands {
			p.random(*randomSeed+uint64(i), commands) //nolint:gosec // not negative
			p.do(args("FLUSHALL"))
		}
		p.ours.checkReplay()
	})
}

// random sends so many commands that the seed determines.
func (p *pair) random(seed uint64, count int) {
	p.t.Helper()
	p.t.Logf("seed %d", seed)
	g := &commands.Generator{Rand: rand.New(rand.NewPCG(seed, seed)), Keys: generatedKeys}
	for i := range count {
		if argv := g.Command(); !p.sortsZSet(argv) && !saturatesUpwards(argv) && !p.storesMinusZero(argv) {
			p.do(argv)
		}
		if i%5000 == 4999 || i == count-1 {
			p.compareState()
		}
	}
}

// sortsZSet tells of a SORT that redis-server changes its sorted set by: ours keeps
// its encoding, as docs/commands.md says.
func (p *pair) sortsZSet(argv [][]byte) bool {
	return sorts(argv) && string(p.theirs.do(append(args("TYPE"), argv[1]))) == "+zset\r\n"
}

// saturatesUpwards tells of a BITFIELD that may set the lowest number that there is,
// of which redis-server makes a field's highest, as docs/commands.md says.
func saturatesUpwards(argv [][]byte) bool {
	text := strings.ToLower(string(bytes.Join(argv, []byte{' '})))
	return strings.HasPrefix(text, "bitfield ") && strings.Contains(text, " sat ") && strings.Contains(text, strconv.Itoa(math.MinInt64))
}

// storesMinusZero tells of a command that may store a score of -0 as 0, as
// docs/commands.md says.
func (p *pair) storesMinusZero(argv [][]byte) bool {
	switch strings.ToLower(string(argv[0])) {
	case "geosearchstore", "georadius", "georadiusbymember", "zunionstore", "zinterstore", "zdiffstore", "zrangestore":
	default:
		return false
	}
	return slices.ContainsFunc(argv[1:], func(key []byte) bool {
		scores := p.theirs.do(args("ZRANGE", string(key), "0", "-1", "WITHSCORES"))
		return bytes.Contains(scores, []byte("\n-0\r\n")) || bytes.Contains(scores, []byte("\n,-0\r\n"))
	})
}

func sorts(argv [][]byte) bool {
	return len(argv) > 1 && strings.HasPrefix(strings.ToLower(string(argv[0])), "sort")
}

func TestScan(t *testing.T) {
	both(t, func(t *testing.T, p *pair) {
		for i := range 3000 {
			kind := [][]string{{"SET", "str:%d", "v"}, {"SADD", "set:%d", "m"}, {"XADD", "log:%d", "1-1", "f", "v"}}[i%3]
			kind = slices.Clone(kind)
			kind[1] = fmt.Sprintf(kind[1], i)
			p.do(args(kind...))
		}
		for _, options := range []string{"", "COUNT 1", "COUNT 100", "COUNT 100000", "MATCH str:* COUNT 50", "MATCH *:1?2",
			"TYPE set", "TYPE STREAM MATCH log:*9 COUNT 1000", "TYPE hash", "TYPE nonsense", "MATCH nothing"} {
			want, got := p.scanAll(p.theirs.do, strings.Fields(options)...), p.scanAll(p.ours.do, strings.Fields(options)...)
			if !slices.Equal(want, got) {
				t.Fatalf("SCAN %s: redis-server has %d keys, coffer %d", options, len(want), len(got))
			}
		}
	})
}

func TestExpiryInRealTime(t *testing.T) {
	both(t, func(t *testing.T, p *pair) {
		for i, set := range []string{"SET a 1 PX 100", "PSETEX b 100 1", "SETEX c 1 x", "SADD d m", "XADD e 1-1 f v", "SET f 1", "SET g 1 EX 1 GET"} {
			p.script(set)
			if i == 3 || i == 4 || i == 5 {
				p.script("PEXPIRE " + strings.Fields(set)[1] + " 100")
			}
		}
		p.script("SET past v PXAT 1", "GET past", "EXISTS past", "SET past v2 KEEPTTL", "TTL past", "GETEX f PX 120")
		time.Sleep(1200 * time.Millisecond)
		for _, key := range []string{"a", "b", "c", "d", "e", "f", "g"} {
			p.script("EXISTS "+key, "TTL "+key, "PTTL "+key, "PEXPIRETIME "+key, "TYPE "+key, "GET "+key, "SMEMBERS "+key,
				"XLEN "+key, "PERSIST "+key, "EXPIRE "+key+" 100", "XADD "+key+" NOMKSTREAM 1-1 f v", "RENAME "+key+" z", "DEL "+key)
		}
		p.script("INCR a", "TTL a", "APPEND b x", "TTL b", "SADD d n", "SMEMBERS d", "TTL d", "XADD e 1-1 f v", "XLEN e", "SETNX g 1", "TTL g")
		p.compareState()
		p.ours.checkReplay()
	})
}

func TestStreamIDsByTime(t *testing.T) {
	both(t, func(t *testing.T, p *pair) {
		for _, command := range []string{"XADD s * f v", "XADD s MAXLEN ~ 10 * f v"} {
			want, got := string(p.theirs.do(split(command))), string(p.ours.do(split(command)))
			_, wantID, _ := strings.Cut(want, "\r\n")
			_, gotID, _ := strings.Cut(got, "\r\n")
			a, _ := strconv.ParseInt(strings.Split(wantID, "-")[0], 10, 64)
			b, _ := strconv.ParseInt(strings.Split(gotID, "-")[0], 10, 64)
			if want[0] != '$' || got[0] != '$' || a == 0 || max(a-b, b-a) > 2000 {
				t.Fatalf("%s\nredis-server: %q\ncoffer:       %q", command, want, got)
			}
		}
		p.script("XADD s 99999999999999-5 f v", "XADD s * f v", "XADD s * f v", "XADD s 99999999999999-* f v",
			"XADD s 18446744073709551615-18446744073709551614 f v", "XADD s * f v", "XADD s * f v",
			"XADD t 5-18446744073709551615 f v", "XADD t 5-* f v", "XADD t 6-* f v")
	})
}
