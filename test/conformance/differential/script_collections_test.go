package differential

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// listCases, hashCases and zsetCases go on as edgeCases does.
var listCases = []string{
	"RPUSH ql a b c a b", "LPUSH ql z", "LLEN ql", "LRANGE ql 0 -1", "LRANGE ql -3 -2", "LRANGE ql 9223372036854775807 1", "LRANGE ql -9223372036854775808 9223372036854775807",
	"LRANGE ql x 1", "LRANGE ql 1 x", "LRANGE missing x 1", "LRANGE set x 1", "LRANGE set 0 1", "LPUSHX missing a", "RPUSHX missing a", "EXISTS missing", "RPUSHX ql d e",
	"LINDEX ql 0", "LINDEX ql -1", "LINDEX ql 99", "LINDEX ql x", "LINDEX missing x", "LINDEX set x", "LSET ql 0 y", "LSET ql -1 Y", "LSET ql 99 y", "LSET ql x y", "LSET missing x y", "LSET set x y",
	"LINSERT ql BEFORE c new", "LINSERT ql after c new2", "LINSERT ql AFTER nothing x", "LINSERT missing AFTER a x", "LINSERT ql beside a x", "LINSERT set BEFORE a x", "LINSERT set beside a x", "LRANGE ql 0 -1",
	"LPOS ql a", "LPOS ql a RANK 2", "LPOS ql a RANK -1", "LPOS ql a RANK 0", "LPOS ql a RANK -9223372036854775808", "LPOS ql a COUNT 0", "LPOS ql b COUNT 1 RANK -1", "LPOS ql a COUNT -1", "LPOS ql a MAXLEN -1",
	"LPOS ql a COUNT 0 MAXLEN 2", "LPOS ql a RANK", "LPOS missing a", "LPOS missing a COUNT 2", "LPOS set a COUNT x", "LPOS set a", "LPOS ql nothing", "LPOS ql nothing COUNT 0", "LPOS ql a RANK 9223372036854775807",
	"LREM ql 0 nothing", "LREM ql -1 b", "LREM ql 1 a", "LREM ql x a", "LREM missing x a", "LREM missing 1 a", "LREM set 1 a", "LREM ql -9223372036854775808 new", "LRANGE ql 0 -1",
	"LPOP ql 0", "LPOP ql -1", "LPOP ql x", "LPOP ql 1 2", "LPOP missing", "LPOP missing 1", "LPOP missing 0", "LPOP set", "LPOP set 0", "RPOP ql 2", "LPOP ql", "RPOP ql 9223372036854775807", "EXISTS ql",
	"RPUSH ql 1 2 3", "LTRIM ql 1 1", "LRANGE ql 0 -1", "LTRIM ql 5 9", "EXISTS ql", "LTRIM ql x 1", "LTRIM missing 0 1", "LTRIM set 0 1",
	"RPUSH ql 1 2 3", "LMOVE ql ql2 LEFT RIGHT", "LMOVE ql ql2 left nonsense", "LMOVE ql ql2 nonsense LEFT", "LMOVE missing ql2 LEFT LEFT", "LMOVE missing set LEFT LEFT", "LMOVE ql set LEFT LEFT", "LMOVE set ql LEFT LEFT",
	"LMOVE ql ql RIGHT LEFT", "LMOVE ql2 ql2 LEFT LEFT", "EXPIRE ql2 1000", "LMOVE ql2 ql2 LEFT RIGHT", "TTL ql2", "RPOPLPUSH ql ql2", "RPOPLPUSH ql ql2", "EXISTS ql", "LRANGE ql2 0 -1", "RPOPLPUSH missing ql2",
	"LMPOP 0 a LEFT", "LMPOP x a LEFT", "LMPOP 1 ql2", "LMPOP 2 ql2 LEFT", "LMPOP 1 ql2 nonsense", "LMPOP 1 ql2 LEFT COUNT 0", "LMPOP 1 ql2 LEFT COUNT x", "LMPOP 1 ql2 LEFT COUNT", "LMPOP 1 ql2 LEFT COUNT 1 COUNT 1",
	"LMPOP 1 ql2 LEFT nonsense", "LMPOP 2 missing set LEFT", "LMPOP 2 missing gone LEFT", "LMPOP 2 missing ql2 RIGHT COUNT 2", "LMPOP 1 ql2 LEFT COUNT 100", "EXISTS ql2", "LMPOP 9223372036854775807 a LEFT",
	"COMMAND GETKEYS LMPOP 2 a b LEFT", "COMMAND GETKEYS LMPOP 5 a b LEFT", "COMMAND GETKEYS LMOVE a b LEFT LEFT",
}

var hashCases = []string{
	"HSET hh a 1 b 2 a 3", "HSET hh a", "HSET hh a 1 b", "HMSET hh c", "HMSET hh c 1 d", "HMSET hh c 5", "HSETNX hh a 9", "HSETNX hh n 9", "HGET hh a", "HGET hh missing", "HGET missing a", "HGET set a",
	"HMGET hh a missing b", "HMGET missing a b", "HMGET set a", "HGETALL hh", "HGETALL missing", "HGETALL set", "HKEYS missing", "HVALS missing", "HKEYS set", "HLEN hh", "HLEN missing", "HLEN set",
	"HSTRLEN hh a", "HSTRLEN hh missing", "HEXISTS hh a", "HEXISTS missing a", "HEXISTS set a", "HINCRBY hh a 5", "HINCRBY hh new 9223372036854775807", "HINCRBY hh new 1", "HINCRBY hh a x", "HINCRBY set a x", "HINCRBY set a 1",
	"HSET hh text abc spaced \" 1\"", "HINCRBY hh text 1", "HINCRBY hh spaced 1", "HINCRBYFLOAT hh text 1", "HINCRBYFLOAT hh spaced 1", "HINCRBYFLOAT hh a 1.5", "HINCRBYFLOAT hh a 1e400", "HINCRBYFLOAT hh a inf", "HINCRBYFLOAT hh a nan",
	"HINCRBYFLOAT hh a x", "HINCRBYFLOAT set a x", "HINCRBYFLOAT set a 1", "HINCRBYFLOAT hh f 3.0e3", "HSET hh big 1e4932", "HINCRBYFLOAT hh big 1e4932", "HINCRBYFLOAT missing f 0.1", "HINCRBYFLOAT missing f 0.2", "DEL missing",
	"HDEL hh missing", "HDEL hh a a b", "HDEL missing a", "HDEL set a", "HSET one f v", "HDEL one f", "EXISTS one", "HRANDFIELD missing", "HRANDFIELD missing 5", "HRANDFIELD hh 0", "HRANDFIELD hh x", "HRANDFIELD hh 1 nonsense",
	"HRANDFIELD hh 1 WITHVALUES x", "HRANDFIELD hh -9223372036854775808", "HRANDFIELD hh 9223372036854775807 WITHVALUES", "HRANDFIELD set", "HRANDFIELD set 1", "HRANDFIELD hh 2", "HRANDFIELD hh -7 WITHVALUES", "HSET one f v", "HRANDFIELD one", "HRANDFIELD one -3", "HRANDFIELD one -2 withvalues",
	"HSCAN hh x", "HSCAN set x", "HSCAN missing 0 nonsense", "HSCAN hh 0 nonsense", "HSCAN hh 0 COUNT 0", "HSCAN hh 0 TYPE hash", "HSCAN set 0", "HSCAN hh 0 MATCH n*", "HSCAN hh 0 MATCH", "HSCAN one 0", "HSCAN one 77 MATCH x",
}

var zsetCases = []string{
	"ZADD z1 1 a 2 b 3 c", "ZADD z1 1", "ZADD z1 1 a 2", "ZADD z1 x a", "ZADD z1 nan a", `ZADD z1 " 1" a`, `ZADD z1 "" a`, "ZADD z1 1e400 a", "ZADD z1 1e-400 a", "ZADD z1 0x10 hex", "ZADD z1 inf i -inf j", "ZADD z1 5e-324 tiny", "ZADD z1 1_0 u",
	"ZADD z1 NX XX 1 a", "ZADD z1 NX GT 1 a", "ZADD z1 GT LT 1 a", "ZADD z1 INCR 1 a 2 b", "ZADD z1 NX", "ZADD z1 NX 1", "ZADD z1 NX 9 a", "ZADD z1 XX CH 9 a", "ZADD z1 XX 9 new", "ZADD z1 GT CH 5 a", "ZADD z1 LT CH 5 a",
	"ZADD z1 NX INCR 1 a", "ZADD z1 XX INCR 1 missing", "ZADD z1 GT INCR -1 a", "ZADD z1 INCR 1.5 a", "ZADD z1 INCR -inf i", "ZADD missing XX 1 a", "ZADD missing XX INCR 1 a", "EXISTS missing", "ZADD set 1 a", "ZADD set x a", "ZADD z1 CH 1 a 1 a 2 a",
	"ZINCRBY z1 1 a", "ZINCRBY z1 x a", "ZINCRBY z1 NX a", "ZINCRBY z1 -inf i", "ZINCRBY set 1 a", "ZINCRBY z1 0.1 b", "ZINCRBY z1 0.2 b", "ZSCORE z1 b", "ZSCORE z1 missing", "ZSCORE missing a", "ZSCORE set a", "ZMSCORE z1 a missing", "ZMSCORE missing a", "ZMSCORE set a",
	"ZSCORE z1 hex", "ZSCORE z1 i", "ZSCORE z1 j", "ZSCORE z1 tiny", "ZADD z1 1e17 e17 123456789012345678 big 0.1 tenth 1e300 e300 -0 minus", "ZMSCORE z1 e17 big tenth e300 minus", "ZSCAN z1 0", "ZCARD z1", "ZCARD missing", "ZCARD set",
	"ZRANK z1 j", "ZREVRANK z1 j", "ZRANK z1 missing", "ZRANK missing a", "ZRANK set a", "ZREM z1 tiny hex missing", "ZREM missing a", "ZREM set a", "ZADD zo 1 x", "ZREM zo x x", "EXISTS zo",
	"ZRANGE z1 0 -1 WITHSCORES", "ZRANGE z1 x 1", "ZRANGE missing x 1", "ZRANGE set 0 1", "ZRANGE z1 0 1 REV", "ZRANGE z1 0 1 REV REV", "ZRANGE z1 0 1 LIMIT 0 1", "ZRANGE z1 0 1 LIMIT 0 -1", "ZRANGE z1 0 1 LIMIT 5 -1", "ZRANGE z1 0 1 LIMIT 0", "ZRANGE z1 0 1 LIMIT x 1",
	"ZRANGE z1 - + BYLEX WITHSCORES", "ZRANGE z1 0 1 BYSCORE BYLEX", "ZRANGE z1 a b BYLEX", "ZRANGE z1 (1 (x BYSCORE", "ZRANGE z1 5 1 BYSCORE REV", "ZRANGE z1 1 5 BYSCORE REV", "ZRANGE z1 -inf +inf BYSCORE LIMIT 1 2", "ZRANGE z1 -inf +inf BYSCORE LIMIT -1 2",
	`ZRANGE z1 "" "" BYSCORE`, `ZRANGE z1 "(" "( 5" BYSCORE`, `ZRANGE z1 "1 " 5 BYSCORE`, `ZRANGE z1 "1\x00x" 1e999 BYSCORE`, "ZRANGE z1 nan 5 BYSCORE", "ZRANGE z1 0x1 0xap1 BYSCORE", "ZRANGE z1 1e 5 BYSCORE",
	"ZREVRANGE z1 0 1", "ZREVRANGE z1 0 1 REV", "ZREVRANGE z1 -2 -1 WITHSCORES", "ZRANGEBYSCORE z1 2 (3", "ZRANGEBYSCORE z1 1 2 REV", "ZRANGEBYSCORE z1 1 2 BYSCORE", "ZRANGEBYSCORE z1 x 2", "ZREVRANGEBYSCORE z1 +inf -inf LIMIT 1 2 WITHSCORES", "ZREVRANGEBYSCORE z1 1 5",
	"ZADD zl 0 a 0 b 0 c 0 d 0 aa", "ZRANGEBYLEX zl - +", "ZRANGEBYLEX zl [a (c", "ZRANGEBYLEX zl (a [aa", "ZRANGEBYLEX zl + -", "ZRANGEBYLEX zl a c", `ZRANGEBYLEX zl "+x" +`, `ZRANGEBYLEX zl "" +`, "ZRANGEBYLEX zl [ [z", "ZREVRANGEBYLEX zl + [b LIMIT 0 2", "ZREVRANGEBYLEX zl [c -", "ZRANGE zl [a + BYLEX LIMIT 1 2", "ZRANGE zl + - BYLEX REV",
	"ZLEXCOUNT zl - +", "ZLEXCOUNT zl [b (d", "ZLEXCOUNT zl x +", "ZLEXCOUNT missing - +", "ZLEXCOUNT set - +", "ZCOUNT z1 -inf +inf", "ZCOUNT z1 (1 3", "ZCOUNT z1 x 3", "ZCOUNT missing 0 1", "ZCOUNT z1 3 1",
	"ZRANGESTORE zd z1 0 2", "ZRANGE zd 0 -1 WITHSCORES", "ZRANGESTORE zd z1 0 1 WITHSCORES", "ZRANGESTORE zd missing 0 1", "EXISTS zd", "ZRANGESTORE zd set 0 1", "ZRANGESTORE set z1 0 0", "TYPE set", "DEL set", "SADD set m", "ZRANGESTORE zd z1 +inf 2 BYSCORE REV LIMIT 0 2", "ZRANGE zd 0 -1", "ZRANGESTORE z1 z1 0 -1",
	"ZREMRANGEBYLEX zl [a (b", "ZREMRANGEBYSCORE zd 0 x", "ZREMRANGEBYSCORE zd -inf (2", "ZREMRANGEBYRANK zd 0 x", "ZREMRANGEBYRANK zd -1 -1", "ZREMRANGEBYRANK missing 0 1", "ZREMRANGEBYRANK set 0 1", "ZREMRANGEBYRANK zd 0 -1", "EXISTS zd",
	"ZPOPMIN z1 0", "ZPOPMIN z1 x", "ZPOPMIN z1 -1", "ZPOPMIN z1 1 2", "ZPOPMIN missing", "ZPOPMIN missing 3", "ZPOPMAX set", "ZPOPMIN z1", "ZPOPMAX z1", "ZPOPMAX z1 2", "ZMPOP 1 z1 MIN", "ZMPOP 2 missing z1 max COUNT 2", "ZMPOP 1 z1 LEFT", "ZMPOP 0 z1 MIN", "ZMPOP 1 z1", "ZMPOP 2 missing set MIN", "ZMPOP 1 z1 MIN COUNT 0", "ZMPOP 1 missing MIN", "ZMPOP 1 z1 MIN COUNT 1 x",
	"DEL z1", "ZADD z1 1 a 2 b 3 c", "ZADD z2 10 b 20 c 30 d", "SADD s1 a b x", "ZUNION 2 z1 z2", "ZUNION 2 z1 z2 WITHSCORES", "ZUNION 3 z1 z2 s1 WITHSCORES WEIGHTS 2 1 0.5", "ZUNION 2 z1 z2 AGGREGATE MAX WITHSCORES", "ZUNION 2 z1 z2 AGGREGATE", "ZUNION 2 z1 z2 AGGREGATE x", "ZUNION 2 z1 z2 WEIGHTS 1", "ZUNION 2 z1 z2 WEIGHTS 1 x", "ZUNION 2 z1 z2 WEIGHTS inf 0 WITHSCORES",
	"ZUNION 0 z1", "ZUNION -1 z1", "ZUNION x z1", "ZUNION 3 z1 z2", "ZUNION 1 a nonsense", "ZUNION 1 missing nonsense", "ZUNION 2 missing gone", "ZINTER 2 z1 z2 WITHSCORES", "ZINTER 2 z1 s1 WITHSCORES", "ZINTER 2 z1 missing", "ZINTER 2 z1 z1 WITHSCORES", "ZDIFF 2 z1 z2 WITHSCORES", "ZDIFF 2 z1 z1", "ZDIFF 1 z1 WEIGHTS 1", "ZDIFF 2 z1 ql",
	"ZINTERCARD 2 z1 z2", "ZINTERCARD 2 z1 z2 LIMIT 1", "ZINTERCARD 2 z1 z2 LIMIT -1", "ZINTERCARD 2 z1 z2 LIMIT x", "ZINTERCARD 2 z1 z2 LIMIT", "ZINTERCARD 0 z1", "ZINTERCARD 2 z1 z2 WITHSCORES", "ZUNIONSTORE zd 2 z1 z2 WEIGHTS 1 -1", "ZRANGE zd 0 -1 WITHSCORES", "ZUNIONSTORE zd 2 z1 z2 WITHSCORES", "ZINTERSTORE zd 2 z1 z2", "ZDIFFSTORE zd 2 z1 z2", "ZDIFFSTORE zd 1 missing", "EXISTS zd",
	"ZUNIONSTORE zd 0 z1", "ZINTERSTORE zd 1 a", "ZUNIONSTORE z1 2 z1 z1", "ZRANGE z1 0 -1 WITHSCORES", "COMMAND GETKEYS ZUNIONSTORE d 2 a b", "COMMAND GETKEYS ZUNION 2 a b", "COMMAND GETKEYS ZRANGESTORE d s 0 1", "COMMAND GETKEYS ZMPOP 1 a MIN",
	"ZRANDMEMBER z1", "ZRANDMEMBER z1 2", "ZRANDMEMBER z1 -5 WITHSCORES", "ZRANDMEMBER missing", "ZRANDMEMBER missing 1", "ZRANDMEMBER z1 0", "ZRANDMEMBER z1 x", "ZRANDMEMBER set 1", "ZRANDMEMBER z1 1 x", "ZADD zone 1.5 a", "ZRANDMEMBER zone", "ZRANDMEMBER zone -2 WITHSCORES", "ZSCAN zone 0", "ZSCAN zone 0 MATCH b", "ZSCAN missing 0", "ZSCAN set 0",
}

var setCases = []string{
	"DEL set s1 s2 sd", "SADD s1 a b c 1", "SADD s2 b c d", "SADD si 1 2 3", "SINTER s1 s2", "SUNION s1 s2", "SDIFF s1 s2", "SDIFF s1 s1", "SINTER s1 missing", "SUNION missing gone", "SDIFF missing s1", "SINTER s1 a missing", "SUNION a", "SDIFF s1 a", "SINTER",
	"SINTERSTORE sd s1 s2", "SMEMBERS sd", "SUNIONSTORE sd s1 s2", "SCARD sd", "SDIFFSTORE sd s1 s2", "SMEMBERS sd", "SDIFFSTORE sd missing", "EXISTS sd", "SINTERSTORE sd s1 a", "SUNIONSTORE a s1", "TYPE a", "SUNIONSTORE s1 s1 s2", "SCARD s1", "SET a 1",
	"SINTERCARD 2 s1 s2", "SINTERCARD 2 s1 s2 LIMIT 1", "SINTERCARD 2 s1 s2 LIMIT 0", "SINTERCARD 2 s1 s2 LIMIT -1", "SINTERCARD 2 s1 s2 LIMIT", "SINTERCARD 2 s1 s2 nonsense 1", "SINTERCARD 0 s1", "SINTERCARD x s1", "SINTERCARD 3 s1 s2", "SINTERCARD 2 s1 a", "SINTERCARD 2 s1 s2 LIMIT 1 LIMIT 2",
	"SMOVE s1 s2 a", "SMOVE s1 s2 missing", "SMOVE missing a x", "SMOVE s1 a x", "SMOVE a s1 x", "SMOVE s1 s1 b", "SMOVE s1 s1 missing", "SADD one x", "SMOVE one two x", "EXISTS one", "SMEMBERS two", "SMEMBERS s2",
	"SPOP missing", "SPOP missing 3", "SPOP missing 0", "SPOP two 0", "SPOP two -1", "SPOP two x", "SPOP two 1 2", "SPOP a", "SPOP a 1", "SPOP two 1", "EXISTS two", "SPOP s2 9223372036854775807", "EXISTS s2", "SADD one x", "SPOP one", "EXISTS one", `SADD one ""`, "SRANDMEMBER one", "SMEMBERS one", "SSCAN one 0", "SORT one ALPHA", "SPOP one", `SADD one ""`, "SPOP one 1",
	"SRANDMEMBER missing", "SRANDMEMBER missing 2", "SRANDMEMBER si 0", "SRANDMEMBER si 2", "SRANDMEMBER si 5", "SRANDMEMBER si -5", "SRANDMEMBER si x", "SRANDMEMBER si x y", "SRANDMEMBER a", "SRANDMEMBER a 1", "SRANDMEMBER si -9223372036854775808", "SADD one x", "SRANDMEMBER one", "SRANDMEMBER one -2", "SRANDMEMBER one 1",
	"SSCAN si 0", "SSCAN si x", "SSCAN missing 0", "SSCAN a 0", "SSCAN si 0 MATCH 1", "SSCAN si 0 TYPE set",
	"COPY s1 sc", "COPY s1 sc", "COPY s1 sc REPLACE", "COPY missing sc REPLACE", "EXISTS sc", "COPY s1 s1", "COPY s1 sc DB 1", "COPY s1 sc DB x", "COPY s1 sc DB 3000000000", "COPY s1 sc DB", "COPY s1 sc nonsense", "COPY s1 sc DB 0 REPLACE", "EXPIRE s1 1000", "COPY s1 sc REPLACE", "TTL sc", "SADD sc more", "SISMEMBER s1 more",
	"XADD xc 5 f v", "COPY xc xc2", "XADD xc2 6 f v", "XLEN xc", "OBJECT", "OBJECT nonsense", "OBJECT ENCODING", "OBJECT ENCODING missing", "OBJECT FREQ missing", "OBJECT FREQ s1", "OBJECT REFCOUNT missing", "OBJECT REFCOUNT s1", "RANDOMKEY", "COMMAND GETKEYS OBJECT ENCODING k", "COMMAND GETKEYS COPY a b", "COMMAND GETKEYS SINTERCARD 1 a",
}

// TestObjectEncoding compares how values are kept that were not changed in place.
func TestObjectEncoding(t *testing.T) {
	both(t, func(t *testing.T, p *pair) {
		values := map[string]string{"i": "SET i 12345", "m": "SET m -5", "e": "SET e hallo", "e44": "SET e44 " + strings.Repeat("x", 44), "r45": "SET r45 " + strings.Repeat("x", 45), "p": "SET p 01",
			"l": "RPUSH l a", "is": "SADD is 1 2 3", "hs": "SADD hs 1 2 x", "h": "HSET h f v", "hl": "HSET hl f " + strings.Repeat("x", 65), "hf": "HSET hf " + strings.Repeat("x", 64) + " v", "z": "ZADD z 1 a", "zl": "ZADD zl 1 " + strings.Repeat("x", 65), "x": "XADD x 1 f v"}
		for key, command := range values {
			p.script(command)
			if want, got := p.theirs.do(args("OBJECT", "ENCODING", key)), p.ours.do(args("OBJECT", "ENCODING", key)); string(want) != string(got) {
				t.Errorf("%s: redis-server %q, coffer %q", command, want, got)
			}
		}
	})
}

func TestCollections(t *testing.T) {
	both(t, func(t *testing.T, p *pair) {
		p.script("SADD set m", "SET a 1")
		for _, cases := range [][]string{listCases, hashCases, zsetCases, setCases, bitCases, streamCases} {
			p.script(cases...)
		}
		p.compareState()
		p.ours.checkReplay()
	})
}

// TestLargeCollections: what holds for small collections holds for those that
// are kept in another form.
func TestLargeCollections(t *testing.T) {
	both(t, func(t *testing.T, p *pair) {
		long := strings.Repeat("l", 5000)
		for i := range 400 {
			n := strconv.Itoa(i)
			p.do(args("HSET", "h", "field"+n, n))
			p.do(args("ZADD", "z", strconv.Itoa(i*7%400), "member"+n))
			p.do(args("RPUSH", "l", "element"+n, long[:i*13%5000]))
			p.do(args("ZADD", "y", "0", "member"+n))
		}
		p.script("HINCRBY h field7 5", "HDEL h field1 field2 field399", "HGETALL h", "HRANDFIELD h 300 WITHVALUES", "HRANDFIELD h -9", "HLEN h", "HMGET h field0 field1 field398",
			"ZRANGE z 100 110 WITHSCORES", "ZREVRANGE z 0 5", "ZRANGEBYSCORE z (17 29 WITHSCORES", "ZREVRANGEBYSCORE z 300 200 LIMIT 50 10", "ZRANK z member57", "ZREVRANK z member57", "ZCOUNT z 10 (300", "ZINCRBY z -1000 member9",
			"ZADD z -0 minus", "ZSCORE z minus", "ZPOPMIN z 3", "ZPOPMAX z", "ZREMRANGEBYRANK z 50 60", "ZREMRANGEBYSCORE z 100 120", "ZRANDMEMBER z 200 WITHSCORES", "ZUNIONSTORE u 2 z y", "ZRANGE u 0 -1 WITHSCORES", "ZINTERSTORE i 2 z y WEIGHTS 1 2", "ZDIFFSTORE d 2 y z", "ZRANGE d 0 -1",
			"ZRANGEBYLEX y [member1 [member2", "ZLEXCOUNT y (member3 +", "ZREMRANGEBYLEX y [member2 (member3", "ZRANGESTORE s z 5 300", "ZCARD s", "LINDEX l 400", "LINDEX l -5", "LRANGE l 100 120", "LINSERT l BEFORE element300 new", "LPOS l element399", "LPOS l new RANK -1",
			"LREM l 0 element77", "LTRIM l 10 -10", "LLEN l", "LPOP l 300", "RPOP l 30", "LRANGE l 0 -1", "LMOVE l m LEFT RIGHT", "LMOVE l l RIGHT LEFT", "LSET l 50 "+long)
		p.compareState()
		p.ours.checkReplay()
	})
}

// TestScanOfCollections goes through collections while others come and go.
func TestScanOfCollections(t *testing.T) {
	both(t, func(t *testing.T, p *pair) {
		for i := range 1000 {
			n := strconv.Itoa(i)
			p.do(args("HSET", "h", n, n))
			p.do(args("ZADD", "z", "1", n))
			p.do(args("SADD", "s", "m"+n))
		}
		for _, verb := range []string{"HSCAN h", "ZSCAN z", "SSCAN s"} {
			for _, options := range []string{"", "COUNT 3", "COUNT 700", "COUNT 100000", "MATCH *7", "MATCH nothing COUNT 50"} {
				words := strings.Fields(verb)
				want, got := p.scanWhole(p.theirs.do, words, options), p.scanWhole(p.ours.do, words, options)
				if !slices.Equal(want, got) {
					t.Fatalf("%s %s: redis-server has %d, coffer %d", verb, options, len(want), len(got))
				}
			}
		}
		stays := map[string]bool{}
		for i := 500; i < 1000; i++ {
			stays[strconv.Itoa(i)] = true
		}
		cursor, step := "0", 0
		for {
			parts := elements(p.ours.do(args("ZSCAN", "z", cursor, "COUNT", "7")))
			for _, e := range elements([]byte(parts[1])) {
				delete(stays, text(e))
			}
			for range 5 { // of those that do not stay, and scores of those that do
				p.do(args("ZREM", "z", strconv.Itoa(step%500)))
				p.do(args("ZADD", "z", "2", fmt.Sprint("new", step)))
				p.do(args("ZADD", "z", fmt.Sprint(step*31%97), strconv.Itoa(500+step*7%500)))
				step++
			}
			if cursor = text(parts[0]); cursor == "0" {
				break
			}
		}
		if len(stays) > 0 {
			t.Errorf("%d members that were there all the time were not found", len(stays))
		}
	})
}

// text is what a raw bulk string says.
func text(raw string) string {
	_, s, _ := strings.Cut(strings.TrimSuffix(raw, "\r\n"), "\r\n")
	return s
}

// scanWhole scans a collection to the end and returns what it found in order.
func (p *pair) scanWhole(do func([][]byte) []byte, words []string, options string) []string {
	var found []string
	cursor := "0"
	for range 100_000 {
		parts := elements(do(args(append([]string{words[0], words[1], cursor}, strings.Fields(options)...)...)))
		found = append(found, elements([]byte(parts[1]))...)
		if cursor = text(parts[0]); cursor == "0" {
			slices.Sort(found)
			return slices.Compact(found)
		}
	}
	p.t.Fatalf("%s does not end", words[0])
	return nil
}

var bitCases = []string{
	"SETBIT b 7 1", "SETBIT b 7 1", "SETBIT b 7 0", "GETBIT b 7", "GETBIT b 100", "GETBIT missing 0", "SETBIT b 4294967296 1", "SETBIT b -1 1", "SETBIT b x 1", "SETBIT b 0 2", "SETBIT b 0 x", "GETBIT b x", "GETBIT b 4294967295", "SETBIT set 0 1", "GETBIT set 0", "SETBIT zero 20 0", "STRLEN zero",
	"SET f foobar", "BITCOUNT f", "BITCOUNT f 0 0", "BITCOUNT f 1 1", "BITCOUNT f 5 30 BIT", "BITCOUNT f -2 -1", "BITCOUNT f -1 -2", "BITCOUNT f 3 1", "BITCOUNT f 0", "BITCOUNT f 0 1 BIT x", "BITCOUNT f 0 1 nonsense", "BITCOUNT f x 1", "BITCOUNT missing x y", "BITCOUNT set", "BITCOUNT f -100 100", "BITCOUNT f -9223372036854775808 9223372036854775807 BIT", "BITCOUNT f -5 -6 nonsense", "BITCOUNT f 9 12 BIT", "BITCOUNT f 9 9 bit",
	`SET o "\xff\xf0\x00"`, "BITPOS o 0", "BITPOS o 1", "BITPOS o 1 2", "BITPOS o 0 0 0", "BITPOS o 0 0 1", "BITPOS o 0 5", "BITPOS o 1 12 23 BIT", "BITPOS o 0 3 11 BIT", "BITPOS o 0 3 12 BIT", "BITPOS o 2", "BITPOS o x", "BITPOS missing 0", "BITPOS missing 1", "BITPOS missing 1 x", "BITPOS set 0", "BITPOS o 0 x", "BITPOS o 0 0 x", "BITPOS o 0 0 1 nonsense", "BITPOS o 0 0 1 BIT x", "BITPOS o 1 -1",
	`SET o "\xff\xff"`, "BITPOS o 0", "BITPOS o 0 0 -1", "BITPOS o 0 1", "BITPOS o 0 0 1 BIT", `SET em ""`, "BITPOS em 0", "BITPOS em 1", "BITCOUNT em 0 1",
	"SET a1 abc", "SET a2 ab", "BITOP AND d a1 a2", "GET d", "BITOP OR d a1 a2 missing", "GET d", "BITOP XOR d a1 a2", "GET d", "BITOP NOT d a1", "GET d", "BITOP NOT d a1 a2", "BITOP nonsense d a1", "BITOP AND d missing", "EXISTS d", "BITOP AND d a1 missing", "GET d", "BITOP OR d a1 set", "BITOP OR set a1", "TYPE set", "DEL set", "SADD set m", "EXPIRE a1 1000", "BITOP OR a1 a1 a2", "TTL a1",
	"BITFIELD bf", "EXISTS bf", "BITFIELD bf GET u8 0", "BITFIELD bf SET u8 0 255 GET u8 0 GET i8 0", "BITFIELD bf INCRBY u8 0 1 OVERFLOW SAT INCRBY u8 0 -1 OVERFLOW FAIL INCRBY u8 0 -1 INCRBY u8 0 300", "BITFIELD bf SET i5 3 -17 GET i5 3", "BITFIELD bf OVERFLOW SAT SET u4 0 -1 SET i4 4 100 SET i4 8 -100", "BITFIELD bf OVERFLOW FAIL SET u4 0 16 SET i4 0 8 SET u4 100 3", "STRLEN bf",
	"BITFIELD bf SET u64 0 1", "BITFIELD bf GET u8", "BITFIELD bf nonsense", "BITFIELD bf OVERFLOW x", "BITFIELD bf OVERFLOW", "BITFIELD bf SET u8 #1 7 GET u8 8", "BITFIELD bf SET u8 # 7", "BITFIELD bf SET u8 #9223372036854775807 7", "BITFIELD bf GET u63 1 GET i64 0", "BITFIELD set GET u8 0", "BITFIELD set SET u8 0 1", "BITFIELD bf INCRBY i64 0 9223372036854775807 INCRBY i64 0 9223372036854775807 OVERFLOW SAT INCRBY i64 0 -9223372036854775808 INCRBY i64 0 -9223372036854775808",
	"BITFIELD_RO bf GET u8 0", "BITFIELD_RO bf SET u8 0 1", "BITFIELD_RO missing GET u8 0", "BITFIELD_RO set GET u8 0", "BITFIELD_RO bf", "COMMAND GETKEYS BITOP AND d a b", "COMMAND GETKEYS BITFIELD k GET u8 0",
}

var streamCases = []string{
	"XADD e1 5-1 f v", "XADD e1 6-1 f v g w", "XADD e2 7-1 f v", "XREAD STREAMS e1 0", "XREAD COUNT 1 STREAMS e1 e2 0 0", "XREAD STREAMS e1 $", "XREAD STREAMS e1 5-1", "XREAD STREAMS e1 e2 6-1 7-1", "XREAD STREAMS missing 0", "XREAD STREAMS e1 missing 0 $", "XREAD STREAMS e1 >", "XREAD STREAMS e1 x", "XREAD STREAMS a 0", "XREAD STREAMS a x",
	"XREAD STREAMS e1 e2 0", "XREAD COUNT x STREAMS e1 0", "XREAD COUNT -5 STREAMS e1 0", "XREAD COUNT STREAMS e1 0", "XREAD NOACK STREAMS e1 0", "XREAD GROUP g c STREAMS e1 0", "XREAD nonsense STREAMS e1 0", "XREAD COUNT 1 COUNT 2", "XREAD STREAMS e1 18446744073709551615-18446744073709551615", "XREAD STREAMS e1 +", "XDEL e1 6-1", "XREAD STREAMS e1 5-1", "XREAD STREAMS e1 $",
	"XSETID e1 3", "XSETID e1 9-1", "XADD e1 9-1 f v", "XSETID missing 1", "XSETID a 1", "XSETID e1 x", "XSETID e1 10 ENTRIESADDED 0", "XSETID e1 10 ENTRIESADDED -1", "XSETID e1 10 ENTRIESADDED x", "XSETID e1 10 MAXDELETEDID 11", "XSETID e1 10 MAXDELETEDID x", "XSETID e1 10 ENTRIESADDED 7 MAXDELETEDID 6-1", "XSETID e1 10 nonsense 1", "XSETID e1 10 ENTRIESADDED", "XADD e1 10-* f v", "COMMAND GETKEYS XREAD COUNT 1 STREAMS a b 0 0", "COMMAND GETKEYS XREAD COUNT 1 a b",
}
