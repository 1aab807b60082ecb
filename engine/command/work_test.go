package command

import (
	"fmt"
	"strings"
	"testing"

	"github.com/coffer-dev/coffer/engine/machine"
	"github.com/coffer-dev/coffer/engine/reply"
	"github.com/coffer-dev/coffer/engine/store"
)

func apply(t *testing.T, tx *machine.Tx, words ...string) reply.Reply {
	t.Helper()
	op, err := Parse(argv(words...))
	if err != nil {
		t.Fatal(err)
	}
	return op.Apply(tx)
}

// TestNamingAgainCostsNothing: a request names one key as often as it has room
// for, which is a million times; whoever may read one set of a hundred thousand
// could stop a member for hours. This test would take as long.
func TestNamingAgainCostsNothing(t *testing.T) {
	const elements, times = 100_000, 200_000
	tx := &machine.Tx{Store: store.New().At(0)}
	members, scores, pairs := []string{"SADD", "set"}, []string{"ZADD", "zset"}, []string{"ZADD", "pair"}
	for i := range elements {
		members = append(members, fmt.Sprint(i))
		scores = append(scores, "1", fmt.Sprint(i))
	}
	apply(t, tx, members...)
	apply(t, tx, scores...)
	apply(t, tx, append(pairs, "1", "0", "1", "1")...)
	apply(t, tx, "SADD", "two", "0", "1")
	apply(t, tx, "SETBIT", "string", "80000000", "1")
	apply(t, tx, "SETBIT", "short", "7", "1")
	again := func(words string, key string) []string {
		all := strings.Fields(strings.Replace(words, " N ", fmt.Sprintf(" %d ", times), 1))
		for range times - 1 {
			all = append(all, key)
		}
		return all
	}
	for _, tt := range []struct {
		call []string
		want int64
	}{
		{again("SINTERCARD N set", "set"), elements},
		{again("SINTERSTORE d set", "set"), elements},
		{again("SUNIONSTORE d set", "set"), elements},
		{again("SDIFFSTORE d set", "two"), elements - 2},
		{again("SDIFFSTORE d set", "absent"), elements},
		{again("ZDIFFSTORE d N zset", "pair"), elements - 2},
		{again("ZDIFFSTORE d N zset", "absent"), elements},
		{again("BITOP AND d string", "string"), 10_000_001},
		{again("BITOP OR d string", "short"), 10_000_001},
		{again("BITOP XOR d string", "absent"), 10_000_001},
	} {
		if got := apply(t, tx, tt.call...); got.Kind != reply.KindInteger || got.Int != tt.want {
			t.Errorf("%q… answers %v %q %d, want %d", tt.call[:3], got.Kind, got.Str, got.Int, tt.want)
		}
	}
	for _, call := range []string{"ZUNION N zset", "ZINTER N zset", "ZINTERCARD N zset"} {
		if got := apply(t, tx, again(call, "zset")...); string(got.Str) != string(errTooManyScores) {
			t.Errorf("%s answers %v %q", call, got.Kind, got.Str)
		}
	}
}

// TestBitopNamesAgain: a string that is named twice is taken twice.
func TestBitopNamesAgain(t *testing.T) {
	tx := &machine.Tx{Store: store.New().At(0)}
	apply(t, tx, "SET", "a", "\x0f\xf0\x55")
	apply(t, tx, "SET", "b", "\x03\x30")
	for _, tt := range []struct{ call, want string }{
		{"AND d a a b b a", "\x03\x30\x00"}, {"AND d b a", "\x03\x30\x00"}, {"AND d a absent", "\x00\x00\x00"}, {"OR d b a a", "\x0f\xf0\x55"},
		{"XOR d a a", "\x00\x00\x00"}, {"XOR d a b a", "\x03\x30\x00"}, {"XOR d a b a a", "\x0c\xc0\x55"}, {"NOT d b", "\xfc\xcf"},
	} {
		apply(t, tx, strings.Fields("BITOP "+tt.call)...)
		if got := string(apply(t, tx, "GET", "d").Str); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.call, got, tt.want)
		}
	}
}

// TestReadsMakeNoMoreThanAnybodyGets: what a read builds is bounded by what it
// may answer, however much there is and however often it is named.
func TestReadsMakeNoMoreThanAnybodyGets(t *testing.T) {
	const maxReply, elements, times = 100_000, 20_000, 50
	tx := &machine.Tx{Store: store.New().At(0), MaxReply: maxReply}
	scores := []string{"ZADD", "zset"}
	for i := range elements {
		scores = append(scores, "1", fmt.Sprint(i))
	}
	apply(t, tx, scores...)
	for i := range 1000 {
		apply(t, tx, "XADD", "stream", fmt.Sprintf("%d-1", i+1), "field", "value")
	}
	for _, call := range []string{"ZUNION 1 zset", "ZINTER 1 zset", "ZDIFF 1 zset", "GEOSEARCH zset FROMLONLAT -180 -85 BYRADIUS 99 km", "XREAD STREAMS" + strings.Repeat(" stream", times) + strings.Repeat(" 0", times)} {
		size := int64(0)
		made := testing.AllocsPerRun(1, func() { size = apply(t, tx, strings.Fields(call)...).Size() })
		if size <= maxReply || size > 2*maxReply || made > elements/2 {
			t.Errorf("%.14s… answers %d bytes of %d, and allocates %v times", call, size, maxReply, made)
		}
	}
	if got := apply(t, tx, "ZINTERCARD", "1", "zset"); got.Int != elements {
		t.Errorf("%d are counted of %d", got.Int, elements)
	}
	if got := apply(t, tx, "ZUNIONSTORE", "d", "1", "zset"); got.Int != elements {
		t.Errorf("%d are stored of %d", got.Int, elements)
	}
}

// TestWorkOfSetsIsFrozen: what a script may do depends on it, and must not differ
// between members of two versions, whatever form sets are kept in.
func TestWorkOfSetsIsFrozen(t *testing.T) {
	tx := &machine.Tx{Store: store.New().At(0)}
	apply(t, tx, "SADD", "a", "1", "2", "3", "4", "5")
	apply(t, tx, "SADD", "b", "2", "3", "4")
	apply(t, tx, "SADD", "c", "4", "x")
	apply(t, tx, "SADD", "", "3")
	if got := apply(t, tx, "SDIFFSTORE", "d", "b", "none", ""); got.Int != 2 {
		t.Errorf("without the set of the empty key there are %d, want 2", got.Int)
	}
	for call, want := range map[string]int64{
		"SINTER a b b":                  36,
		"SINTER a b a b c":              20,
		"SINTER b b b b":                24,
		"SINTER none a none":            0,
		"SUNION a b a b c c":            60,
		"SUNION a none none":            20,
		"SDIFF a b c b":                 80,
		"SDIFF a a a":                   40,
		"SDIFF a none c none":           56,
		"SDIFF a none none none none c": 56,
		"SINTERSTORE d b c b":           16,
		"SMEMBERS a":                    0,
		"COPY a d REPLACE":              7,
	} {
		before := tx.Work
		apply(t, tx, strings.Fields(call)...)
		if got := tx.Work - before; got != want {
			t.Errorf("%s takes %d, took %d", call, got, want)
		}
	}
}
