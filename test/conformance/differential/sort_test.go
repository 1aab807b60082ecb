package differential

import (
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
)

// TestSort: by elements, patterns and fields of hashes, and what is refused.
func TestSort(t *testing.T) {
	both(t, func(t *testing.T, p *pair) {
		p.script("RPUSH l 3 1 2 10 -5 1.5", "SADD s 5 4 1 9", "ZADD z 3 a 1 b 2 c 2 bb", "RPUSH w b a c aa B", "RPUSH bad x 1", "RPUSH e 1 inf -inf 0x10 1e3 \"\" \" 7\"", "RPUSH nan nan", "RPUSH huge 1e999", "SET str v", "HSET h f v",
			"MSET weight_1 30 weight_2 20 weight_3 10 weight_10 x5 obj_1 one obj_2 two obj_3 \"\"", "HSET hash_1 f 9 g G1", "HSET hash_2 f 1", "HSET hash_3 g G3", "SADD obj_10 m", "MSET \"->x1\" odd \"1->\" even",
			"SORT l", "SORT l DESC", "SORT l ALPHA", "SORT l ALPHA DESC", "SORT s", "SORT s DESC", "SORT z ALPHA", "SORT z", "SORT w ALPHA", "SORT w", "SORT bad", "SORT bad ALPHA", "SORT e", "SORT e ALPHA", "SORT nan", "SORT none", "SORT str", "SORT h", "SORT str nonsense", "SORT",
			"SORT l LIMIT 1 2", "SORT l LIMIT -1 2", "SORT l LIMIT 0 -1", "SORT l LIMIT 2 0", "SORT l LIMIT 100 1", "SORT l LIMIT x 1", "SORT l LIMIT 1 x", "SORT l LIMIT 1", "SORT l LIMIT 1 9223372036854775807", "SORT none LIMIT 0 1",
			"SORT l BY weight_*", "SORT l BY weight_* DESC", "SORT l BY weight_* ALPHA", "SORT s BY weight_*", "SORT l BY hash_*->f", "SORT l BY hash_*->f ALPHA DESC LIMIT 0 2", "SORT l BY nothing_*", "SORT l BY weight_* BY nosort", "SORT l BY nosort BY weight_*",
			"SORT l BY nosort", "SORT l BY nosort DESC", "SORT l BY nosort LIMIT 1 2", "SORT l BY nosort DESC LIMIT 1 2", "SORT z BY nosort", "SORT z BY nosort DESC", "SORT z BY nosort DESC LIMIT 1 2", "SORT z BY nosort LIMIT 1 2", "SORT z BY nosort LIMIT 10 2", "SORT s BY nosort STORE d", "LRANGE d 0 -1",
			"SORT l GET #", "SORT l GET obj_*", "SORT l GET # GET obj_* GET hash_*->g", "SORT l GET obj_* LIMIT 1 2", "SORT l GET obj_", "SORT l GET hash_*->", "SORT l GET *->", "SORT l GET ->x*", "SORT l GET hash_*", "SORT l GET weight_*->f", "SORT l GET \"\"", "SORT l GET", "SORT l BY",
			"SORT l STORE d", "LRANGE d 0 -1", "SORT l GET obj_* GET # STORE d", "LRANGE d 0 -1", "SORT none STORE d", "EXISTS d", "SORT l STORE l DESC", "LRANGE l 0 -1", "SORT l STORE a STORE b", "EXISTS a b", "SORT bad STORE c", "EXISTS c", "SORT l STORE", "SORT str STORE c", "SORT l LIMIT 5 0 STORE b", "EXISTS b",
			"EXPIRE l 100", "SORT z ALPHA STORE l", "TTL l", "LRANGE l 0 -1", "SORT_RO z ALPHA", "SORT_RO z ALPHA STORE d", "SORT_RO z BY nosort GET # DESC", "SORT_RO str", "SORT_RO none",
			"COMMAND GETKEYS SORT a", "COMMAND GETKEYS SORT a STORE b", "COMMAND GETKEYS SORT a BY x* GET y* STORE b STORE c", "COMMAND GETKEYS SORT a BY store STORE c", "COMMAND GETKEYS SORT_RO a BY x*", "COMMAND GETKEYS LCS a b",
			"SORT huge") // the last: redis-server refuses to sort numbers for a while then, since it looks at an errno that is not its own
		p.compareState()
		p.ours.checkReplay()
	})
}

// TestSortGenerated sorts lists of random numbers by themselves and by keys.
func TestSortGenerated(t *testing.T) {
	both(t, func(t *testing.T, p *pair) {
		r := rand.New(rand.NewPCG(5, 5))
		for i := range 100 {
			p.script("SET w"+strconv.Itoa(i)+" "+strconv.FormatFloat(r.NormFloat64(), 'g', r.IntN(17), 64), "HSET h"+strconv.Itoa(i)+" f "+strconv.Itoa(r.IntN(1000)*100+i))
		}
		pick := func(words ...string) string { return words[r.IntN(len(words))] }
		for range 400 {
			key := pick("list", "set", "zset")
			add := map[string]string{"list": "RPUSH list", "set": "SADD set", "zset": "ZADD zset " + strconv.Itoa(r.IntN(10))}[key]
			p.script(add+" "+strconv.Itoa(r.IntN(100)), "SORT "+key+pick("", " BY w*", " BY h*->f")+pick("", " DESC", " ASC")+pick("", " LIMIT 3 7", " LIMIT 0 5")+pick("", " GET #", " GET w* GET # GET h*->f", " GET none*")+pick("", " STORE d"), "LRANGE d 0 -1")
		}
		p.ours.checkReplay()
	})
}

// TestLCS compares random strings of few letters.
func TestLCS(t *testing.T) {
	both(t, func(t *testing.T, p *pair) {
		r := rand.New(rand.NewPCG(6, 6))
		text := func() string {
			var b strings.Builder
			for range r.IntN(60) {
				b.WriteByte("abcd"[r.IntN(2+r.IntN(3))])
			}
			return strconv.Quote(b.String())
		}
		for range 400 {
			p.script("MSET a "+text()+" b "+text(), "LCS a b", "LCS a b LEN", "LCS a b IDX", "LCS a b IDX WITHMATCHLEN", "LCS a b IDX MINMATCHLEN "+strconv.Itoa(r.IntN(6)-1)+" WITHMATCHLEN")
		}
		p.script("SADD set m", "LCS a set", "LCS set a", "LCS a none", "LCS none none2", "LCS a none IDX", "LCS a b LEN IDX", "LCS a b nonsense", "LCS set a nonsense", "LCS a b MINMATCHLEN", "LCS a b MINMATCHLEN x", "LCS a b WITHMATCHLEN", "LCS a", "LCS a b MINMATCHLEN 3", "LCS a a", "LCS a a IDX")
	})
}
