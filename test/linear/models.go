// Package linear says what commands mean one after the other, and whether what
// clients saw of a database can be explained by some such order: whether it is
// linearizable.
package linear

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	"github.com/coffer-dev/coffer/engine/reply"
)

// Kind is a kind of key: which commands clients send to it, and what they mean one
// after the other. The state of a key is text, empty for an absent one; it must
// be the whole truth about the key, so that equal texts are equal states.
type Kind struct {
	Name string
	All  []string                                    // the command that reads it all, without its key
	Make func(rng *rand.Rand, value string) []string // a command, without its key
	step func(state string, argv []string) (next, answer string)
}

// Kinds are all of them.
var Kinds = []Kind{
	{"string", []string{"GET"}, makeString, stepString},
	{"counter", []string{"GET"}, makeCounter, stepCounter},
	{"set", []string{"SMEMBERS"}, makeSet, stepSet},
	{"stream", []string{"XRANGE", "-", "+"}, makeStream, stepStream},
	{"list", []string{"LRANGE", "0", "-1"}, makeList, stepList},
	{"hash", []string{"HGETALL"}, makeHash, stepHash},
}

// pair is a kind of two keys that change together, by transactions.
var pair = Kind{"pair", []string{"BOTH"}, makePair, stepPair}

// All are Kinds, and the one whose commands are transactions.
var All = append(slices.Clone(Kinds), pair)

// Pick returns one of the alternatives.
func Pick[T any](rng *rand.Rand, of ...T) T { return of[rng.IntN(len(of))] }

func integer(n int) string { return ":" + strconv.Itoa(n) }

func makeString(rng *rand.Rand, value string) []string {
	return Pick(rng, []string{"GET"}, []string{"GET"}, []string{"SET", value}, []string{"APPEND", value}, []string{"SETNX", value}, []string{"GETDEL"}, []string{"STRLEN"})
}

// A string's state is "=" and the value.
func stepString(state string, argv []string) (string, string) {
	value, exists := strings.CutPrefix(state, "=")
	switch argv[0] {
	case "SET":
		return "=" + argv[1], "OK"
	case "APPEND":
		return "=" + value + argv[1], integer(len(value) + len(argv[1]))
	case "SETNX":
		if exists {
			return state, ":0"
		}
		return "=" + argv[1], ":1"
	case "STRLEN":
		return state, integer(len(value))
	}
	if !exists {
		return state, "nil"
	}
	if argv[0] == "GETDEL" {
		return "", value
	}
	return state, value
}

func makeCounter(rng *rand.Rand, _ string) []string {
	return Pick(rng, []string{"GET"}, []string{"INCR"}, []string{"INCR"}, []string{"INCRBY", strconv.Itoa(rng.IntN(100))}, []string{"DECRBY", "7"})
}

func stepCounter(state string, argv []string) (string, string) {
	if argv[0] == "GET" {
		if state == "" {
			return state, "nil"
		}
		return state, state
	}
	n, _ := strconv.Atoi(state)
	switch argv[0] {
	case "INCR":
		n++
	case "INCRBY":
		by, _ := strconv.Atoi(argv[1])
		n += by
	case "DECRBY":
		n -= 7
	}
	return strconv.Itoa(n), integer(n)
}

func makeSet(rng *rand.Rand, _ string) []string {
	m := func() string { return string(rune('a' + rng.IntN(6))) }
	return Pick(rng, []string{"SADD", m()}, []string{"SADD", m(), m()}, []string{"SREM", m()}, []string{"SMEMBERS"}, []string{"SCARD"}, []string{"SISMEMBER", m()})
}

// A set's state is its members, sorted; each is one letter.
func stepSet(state string, argv []string) (string, string) {
	members := []byte(state)
	n := 0
	switch argv[0] {
	case "SADD":
		for _, m := range argv[1:] {
			if !slices.Contains(members, m[0]) {
				members = append(members, m[0])
				n++
			}
		}
		slices.Sort(members)
		return string(members), integer(n)
	case "SREM":
		if i := slices.Index(members, argv[1][0]); i >= 0 {
			return string(slices.Delete(members, i, i+1)), ":1"
		}
		return state, ":0"
	case "SCARD":
		return state, integer(len(members))
	case "SISMEMBER":
		if slices.Contains(members, argv[1][0]) {
			return state, ":1"
		}
		return state, ":0"
	}
	return state, list(strings.Split(state, ""))
}

func list(items []string) string { return "[" + strings.Join(items, " ") + "]" }

func makeStream(rng *rand.Rand, value string) []string {
	return Pick(rng, []string{"XADD", "*", "v", value}, []string{"XADD", "*", "v", value}, []string{"XLEN"}, []string{"XRANGE", "-", "+"}, []string{"DEL"})
}

// A stream's state is its values with a blank before each. Numbers are the
// leader's business; render says whether they ascend.
func stepStream(state string, argv []string) (string, string) {
	switch argv[0] {
	case "XADD":
		return state + " " + argv[3], "added"
	case "XLEN":
		return state, integer(strings.Count(state, " "))
	case "DEL":
		if state == "" {
			return "", ":0"
		}
		return "", ":1"
	}
	return state, list(strings.Fields(state))
}

func makeList(rng *rand.Rand, value string) []string {
	return Pick(rng, []string{"RPUSH", value}, []string{"LPUSH", value}, []string{"LPOP"}, []string{"RPOP"}, []string{"LLEN"}, []string{"LRANGE", "0", "-1"})
}

// A list's state is its values with a blank before each.
func stepList(state string, argv []string) (string, string) {
	values := strings.Fields(state)
	switch argv[0] {
	case "RPUSH":
		return state + " " + argv[1], integer(len(values) + 1)
	case "LPUSH":
		return " " + argv[1] + state, integer(len(values) + 1)
	case "LLEN":
		return state, integer(len(values))
	case "LRANGE":
		return state, list(values)
	}
	if len(values) == 0 {
		return state, "nil"
	}
	at := 0
	if argv[0] == "RPOP" {
		at = len(values) - 1
	}
	answer := values[at]
	values = slices.Delete(values, at, at+1)
	if len(values) == 0 {
		return "", answer
	}
	return " " + strings.Join(values, " "), answer
}

func makeHash(rng *rand.Rand, value string) []string {
	f := string(rune('a' + rng.IntN(4)))
	return Pick(rng, []string{"HSET", f, value}, []string{"HSET", f, value}, []string{"HGET", f}, []string{"HDEL", f}, []string{"HLEN"}, []string{"HGETALL"})
}

// A hash's state is field=value with a blank before each, sorted.
func stepHash(state string, argv []string) (string, string) {
	fields := strings.Fields(state)
	at := -1
	if len(argv) > 1 {
		at = slices.IndexFunc(fields, func(f string) bool { return strings.HasPrefix(f, argv[1]+"=") })
	}
	switch argv[0] {
	case "HLEN":
		return state, integer(len(fields))
	case "HGETALL":
		return state, list(fields)
	case "HGET":
		if at < 0 {
			return state, "nil"
		}
		return state, fields[at][2:]
	}
	answer := ":1"
	switch {
	case argv[0] == "HDEL" && at < 0:
		return state, ":0"
	case argv[0] == "HDEL":
		fields = slices.Delete(fields, at, at+1)
	case at >= 0:
		fields[at], answer = argv[1]+"="+argv[2], ":0"
	default:
		fields = append(fields, argv[1]+"="+argv[2])
		slices.Sort(fields)
	}
	state = ""
	for _, f := range fields {
		state += " " + f
	}
	return state, answer
}

func makePair(rng *rand.Rand, value string) []string {
	return Pick(rng, []string{"BOTH"}, []string{"PUT", value}, []string{"MOVE", strconv.Itoa(1 + rng.IntN(9))}, []string{"MOVE", "7"})
}

// A pair's state is both values with a blank between.
func stepPair(state string, argv []string) (string, string) {
	switch argv[0] {
	case "PUT":
		return argv[1] + " " + argv[1], "[OK OK]"
	case "MOVE":
		var a, b int
		_, _ = fmt.Sscan(state, &a, &b)
		by, _ := strconv.Atoi(argv[1])
		state = fmt.Sprintf("%d %d", a-by, b+by)
		return state, fmt.Sprintf("[:%d :%d]", a-by, b+by)
	}
	if state == "" {
		return state, "[nil nil]"
	}
	return state, list(strings.Fields(state))
}

// Transaction are the commands, with their keys, that a pair's command stands
// for; nil for a command of another kind.
func Transaction(key string, argv []string) [][]string {
	a, b := "{"+key+"}a", "{"+key+"}b"
	switch argv[0] {
	case "BOTH":
		return [][]string{{"GET", a}, {"GET", b}}
	case "PUT":
		return [][]string{{"SET", a, argv[1]}, {"SET", b, argv[1]}}
	case "MOVE":
		return [][]string{{"DECRBY", a, argv[1]}, {"INCRBY", b, argv[1]}}
	}
	return nil
}

// reads are the commands that change nothing.
var reads = []string{"GET", "STRLEN", "SCARD", "SISMEMBER", "SMEMBERS", "XLEN", "XRANGE", "LLEN", "LRANGE", "HGET", "HLEN", "HGETALL", "BOTH"}

// Writes says whether a command may change something.
func Writes(argv []string) bool { return !slices.Contains(reads, argv[0]) }

// Render writes a reply as the models do.
func Render(argv []string, r reply.Reply) string {
	switch r.Kind {
	case reply.KindNull, reply.KindNullArray:
		return "nil"
	case reply.KindInteger:
		return integer(int(r.Int))
	case reply.KindArray, reply.KindSet, reply.KindMap:
		return renderItems(argv[0], slices.Collect(r.All()))
	}
	if argv[0] == "XADD" && r.Kind == reply.KindBulk {
		return "added"
	}
	return string(r.Str)
}

func renderItems(command string, items []reply.Reply) string {
	var texts []string
	last := ""
	for i := 0; i < len(items); i++ {
		switch command {
		case "HGETALL":
			texts = append(texts, string(items[i].Str)+"="+string(items[i+1].Str))
			i++
		case "XRANGE":
			number, values := string(items[i].Items[0].Str), items[i].Items[1].Items
			if !ascends(last, number) {
				return fmt.Sprintf("number %s after %s", number, last)
			}
			last = number
			texts = append(texts, string(values[1].Str))
		case "BOTH", "PUT", "MOVE":
			texts = append(texts, Render([]string{"GET"}, items[i]))
		default:
			texts = append(texts, string(items[i].Str))
		}
	}
	if command == "SMEMBERS" || command == "HGETALL" {
		slices.Sort(texts)
	}
	return list(texts)
}

// ascends compares two stream numbers, milliseconds-sequence.
func ascends(a, b string) bool {
	var ams, aseq, bms, bseq uint64
	_, _ = fmt.Sscanf(a, "%d-%d", &ams, &aseq)
	_, _ = fmt.Sscanf(b, "%d-%d", &bms, &bseq)
	return a == "" || ams < bms || ams == bms && aseq < bseq
}
