package command

import (
	"fmt"
	"strings"
	"testing"

	"github.com/coffer-dev/coffer/engine/machine"
	"github.com/coffer-dev/coffer/engine/store"
)

// TestScriptsAreChargedForWhatCommandsLookAt, whatever is answered; and not where a
// member of the version before may carry out the script, too.
func TestScriptsAreChargedForWhatCommandsLookAt(t *testing.T) {
	databases := store.New()
	tx := &machine.Tx{Store: databases.At(0), Databases: databases, Semantics: machine.Semantics, Grown: new(int64)}
	const elements = 10_000
	list, set, zset, hash, place := []string{"RPUSH", "list"}, []string{"SADD", "set"}, []string{"ZADD", "zset"}, []string{"HSET", "hash"}, []string{"GEOADD", "places"}
	for i := range elements {
		n := fmt.Sprint(i)
		list, set, zset, hash = append(list, n), append(set, n), append(zset, n, n), append(hash, n, n)
		place = append(place, "13.3", fmt.Sprintf("38.%04d", i), n)
		apply(t, tx, "SET", "key:"+n, "v")
	}
	for _, call := range [][]string{list, set, zset, hash, place, {"SADD", "few", "1", "2", "x"}, {"ZADD", "pair", "1", "1", "1", "x"}, {"SETBIT", "bits", "8388607", "1"},
		{"SET", "text", strings.Repeat("t", 1000)}, {"PFADD", "hll", "a"}, {"PFADD", "other", "b"}} {
		apply(t, tx, call...)
	}
	for i := range 500 {
		apply(t, tx, "XADD", "stream", fmt.Sprint(i+1, "-1"), "f", "v")
	}
	apply(t, tx, "XGROUP", "CREATE", "stream", "group", "0")
	apply(t, tx, "XREADGROUP", "GROUP", "group", "consumer", "STREAMS", "stream", ">")
	h := &scriptHost{eval: &eval{caller: who(t, everything), room: unlimited, memory: 1 << 30}, tx: tx}
	for _, tt := range []struct {
		call        string
		least, most int64
	}{
		{"GET text", 0, 0}, {"STRLEN bits", 0, 0}, {"HGET hash 5", 0, 0}, {"ZSCORE zset 5", 0, 0}, {"ZRANGE zset 0 9", 0, 0}, {"ZCOUNT zset 5 9000", 0, 0}, {"RPUSH list x", 0, 0}, {"LRANGE list 0 5", 0, 0}, {"GETRANGE bits 0 5", 0, 0},
		{"BITCOUNT bits", 32_768, 32_768}, {"BITCOUNT bits 0 127", 4, 4}, {"BITPOS bits 1", 32_767, 32_768}, {"BITPOS bits 0", 0, 1}, {"BITOP NOT d bits", 32_768, 32_768}, {"BITOP OR d bits bits text", 32_768, 33_000},
		{"LPOS list nothing", elements, elements + 2}, {"LPOS list 5", 6, 6}, {"LPOS list nothing MAXLEN 7", 7, 7}, {"LREM list 0 nothing", elements, elements + 2}, {"LINSERT list BEFORE nothing x", elements, elements + 2},
		{"LINDEX list 5000", 300, 320}, {"LINDEX list 3", 0, 0}, {"LSET list 5000 x", 300, 320}, {"LRANGE list 5000 5001", 300, 320},
		{"SINTER set few", 12, 40}, {"SINTERCARD 2 set few", 12, 40}, {"SDIFF set few", 4 * elements, 8*elements + 40}, {"SUNION few few", 24, 24}, {"SINTERSTORE d set set", 4 * elements, 8 * elements}, {"SINTERCARD 1 set LIMIT 5", 20, 20},
		{"ZINTERSTORE d 2 zset pair", 8, 40}, {"ZUNIONSTORE d 2 zset set", 8 * elements, 16 * elements}, {"ZDIFF 2 zset pair", 4 * elements, 16 * elements}, {"ZINTERCARD 1 zset LIMIT 5", 40, 48}, {"ZRANGESTORE d zset 0 99", 400, 400},
		{"ZREMRANGEBYRANK d 0 9", 40, 40}, {"KEYS nothing*", elements + 1024, 2 * elements}, {"SCAN 0 COUNT 1000 MATCH nothing*", 1000, 1400}, {"SCAN 0 COUNT 1000", 1000, 1200}, {"HSCAN hash 0 COUNT 1000 MATCH nothing*", 1000, 1200},
		{"SORT list ALPHA LIMIT 0 1", 2 * elements, 20 * elements}, {"SORT_RO zset BY key:* ALPHA GET key:* LIMIT 0 1", 2 * elements, 20 * elements}, {"LCS text text LEN", 125_000, 126_000},
		{"GEOSEARCH places FROMLONLAT 13.3 38.5 BYRADIUS 200 km COUNT 1", 64 * elements, 80 * elements}, {"PFCOUNT hll other", 1000, 1000}, {"PFMERGE hll other", 1000, 1000},
		{"XPENDING stream group IDLE 1000000 - + 10", 500, 500}, {"COPY zset d2", 1000, 200_000}, {"SWAPDB 8 9", swapWork, swapWork},
	} {
		tx.Semantics = machine.Semantics
		answer, steps := h.Call(argv(strings.Fields(tt.call)...))
		if answer.IsError() || steps < tt.least || steps > tt.most {
			t.Errorf("%s takes %d steps, want from %d to %d (%.80s)", tt.call, steps, tt.least, tt.most, answer.Str)
		}
		tx.Semantics = chargedSince - 1
		if _, steps := h.Call(argv(strings.Fields(tt.call)...)); steps != 0 {
			t.Errorf("%s takes %d steps where a member of the version before takes none", tt.call, steps)
		}
	}
}
