package differential

import (
	"strconv"
	"strings"
	"testing"
)

// edgeCases stand in an order: later ones build on what earlier ones stored.
var edgeCases = []string{
	// Unknown commands quote what was sent, within bounds and on one line.
	"nonsense", "nonsense a b", `"non\r\nsense" "a\r\nb"`, `"a\x00b" "c\x00d"`, `""`, `"\x00SWEEP" 10`,
	"nonsense " + strings.Repeat("x", 200) + " y", strings.Repeat("y", 200) + " a", "nonsense " + strings.Repeat("abcdefghi ", 30),
	// Arity, of subcommands too.
	"GET", "get a b", "SET k", "DBSIZE x", "COMMAND COUNT x", "COMMAND nonsense", "CLIENT", "CLIENT nonsense", `CLIENT "a\r\nb"`,
	"CLIENT ID x", "CLIENT SETNAME", "CLIENT NO-EVICT", "CLIENT NO-EVICT x", "CLIENT NO-EVICT on", "PING a b", "ECHO", "TIME x",
	"FLUSHALL x", "FLUSHALL SYNC x", "FLUSHDB ASYNC", "FLUSHALL SYNC",
	// The connection.
	"CLIENT GETNAME", "CLIENT SETNAME tester", "CLIENT GETNAME", `CLIENT SETNAME "a b"`, `CLIENT SETNAME ""`, "CLIENT GETNAME",
	"SELECT 0", "SELECT 1", "SELECT -1", "SELECT x", "SELECT 99999999999", "SELECT 9999999999999999999999",
	"HELLO x", "HELLO 4", "HELLO 1", "HELLO 3 x", "HELLO 3 AUTH a", "HELLO 3 SETNAME", `HELLO 3 SETNAME "a b"`, "HELLO 3 AUTH u p",
	"AUTH a b c", "AUTH u p",
	"COMMAND GETKEYS", "COMMAND GETKEYS GET", "COMMAND GETKEYS PING x", "COMMAND GETKEYS nonsense x", "COMMAND GETKEYS GET k x",
	"COMMAND GETKEYS MSET a 1 b 2", "COMMAND GETKEYS DEL a b c", "COMMAND GETKEYS RENAME a b", "COMMAND GETKEYS XADD s * f v",
	"COMMAND INFO nonsense", "COMMAND DOCS nonsense",
	// Limits of numbers.
	"SET n 9223372036854775807", "INCR n", "DECRBY n -1", "INCRBY n 9223372036854775808", "DECRBY n -9223372036854775808",
	"SET n -9223372036854775808", "DECR n", "INCRBY n -1", "DECRBY n 9223372036854775807", `SET n " 1"`, "INCR n", "SET n 1.0", "INCR n",
	"SET f 3.0e3", "INCRBYFLOAT f 200", "INCRBYFLOAT f 1e400", "INCRBYFLOAT f -1e400", "SET f 0.1", "INCRBYFLOAT f 0.2", "INCRBYFLOAT f -0.3",
	"INCRBYFLOAT f 1e4932", "INCRBYFLOAT f 1e4932", "INCRBYFLOAT f nan", "INCRBYFLOAT f inf", "SET f 1e17", "INCRBYFLOAT f 0.00000000000000001",
	"SET f -5", "INCRBYFLOAT f 5", "SET f 1.5", "INCRBYFLOAT f -1.500000000000000000001", "SET f 5", "INCRBYFLOAT f .5", "INCRBYFLOAT f 5.",
	"INCRBYFLOAT f 0x10", "INCRBYFLOAT f 1_0", "INCRBYFLOAT f +1", `INCRBYFLOAT f " 1"`,
	// Strings.
	"SETRANGE r 536870912 x", "SETRANGE r 536870911 xx", "SETRANGE r 9223372036854775807 x", "SETRANGE r -1 x", `SETRANGE r 5 ""`, "EXISTS r", "SETRANGE r 3 abc", "GET r",
	"GETRANGE r 0 -1", "GETRANGE r -3 -1", "GETRANGE r -1 -3", "GETRANGE r 5 2", "GETRANGE r -100 100", "GETRANGE r 9223372036854775807 1",
	"GETRANGE r -9223372036854775808 9223372036854775807", "GETRANGE missing 0 -1", "SETRANGE r 1 XY", "GET r", "APPEND r z", "STRLEN r",
	"SET o 1 EX 100 PX 100", "SET o 1 NX XX", "SET o 1 KEEPTTL EX 10", "SET o 1 EX", "SET o 1 GET GET NX NX", "SET o 2 XX GET", "SET o 3 NX GET",
	"SET o 4 EX 1000", "SET o 5 KEEPTTL", "TTL o", "SET o 6", "TTL o", "SET o 7 EX 9223372036854775807", "SET o 7 PX 9223372036854775807",
	"SETEX o 0 v", "SETEX o -1 v", "SETEX o x v", "PSETEX o 0 v", "SETEX o 9223372036854775807 v", "PSETEX o 9223372036854775807 v",
	"GETEX o", "GETEX missing EX x", "GETEX missing EX 0", "GETEX o EX x", "GETEX o PERSIST PERSIST", "GETEX o EX 10 PX 10", "GETEX o EXAT 1", "EXISTS o",
	"MSET a 1 b", "MSET a 1 a 2", "GET a", "MSETNX c 1 a 3", "EXISTS c", "MSETNX c 1 d 2", "MGET a b c d missing", "SADD set m", "MGET a set",
	// The wrong type, before and after other errors.
	"GET set", "INCR set", "APPEND set x", "INCRBY set x", "INCRBYFLOAT set x", "SETRANGE set x v", "SETRANGE set 0 v", `SETRANGE set 0 ""`, "GETRANGE set 0 x", "STRLEN set",
	"SET set v GET", "SET set v NX GET", "GETSET set v", "GETDEL set", "GETEX set EX x", "SADD a m", "SREM a m", "SMEMBERS a", "SISMEMBER a m", "SMISMEMBER a m", "SCARD a",
	"XADD a * f v", "XADD a NOMKSTREAM 1 f v", "XADD a 0-0 f v", "XLEN a", "XRANGE a - +", "XRANGE a x +", "XREVRANGE a + - COUNT 0", "XDEL a 1", "XDEL a x", "XTRIM a MAXLEN 1", "SETNX set v",
	// Keys.
	"EXPIRE a 100 NX GT", "EXPIRE a 100 GT LT", "EXPIRE a 100 XX NX", "EXPIRE a x nonsense", "EXPIRE missing x", "EXPIRE missing 9223372036854775807",
	`EXPIRE a 100 "x\r\ny"`, "PEXPIRE a 9223372036854775807", "PEXPIRE a -9223372036854775808", "EXISTS a", "SET a 1", "EXPIRE a 100 XX", "EXPIRE a 100 GT",
	"EXPIRE a 100 LT", "EXPIRE a 50 GT", "EXPIRE a 200 GT", "EXPIRE a 300 XX GT", "EXPIREAT a 4000000000 NX", "EXPIREAT a 4000000000", "EXPIRETIME a",
	"PEXPIREAT a 4000000000500", "EXPIRETIME a", "PEXPIRETIME a", "PERSIST a", "PERSIST a", "TTL a", "TTL missing", "PTTL missing", "PERSIST missing", "EXPIRE a 0", "EXISTS a",
	"RENAME missing x", "RENAME b b", "SET b 1 EX 1000", "RENAME b b2", "TTL b2", "RENAMENX b2 b2", "RENAMENX b2 c", "RENAMENX b2 b3", "RENAMENX missing b", "DEL b3 b3 missing", "TYPE set", "TYPE missing",
	"SCAN x", "SCAN -1x", `SCAN " 0"`, "SCAN 0 COUNT 0", "SCAN 0 COUNT x", "SCAN 0 COUNT", "SCAN 0 nonsense 1", "SCAN 0 MATCH", "SCAN 99999999999999999999999", "SCAN 0 COUNT -5",
	// Sets.
	"SADD s 1 2 3 3 x", "SADD s 1", "SMEMBERS s", "SREM s 1 nothing", "SREM s 2 3 x", "EXISTS s", "SMEMBERS missing", "SMISMEMBER missing a b", "SREM missing a",
	// Streams.
	"XADD x 0-0 f v", "XADD x 0 f v", "EXISTS x", "XADD x 0-* f v", "XADD x 5-* f", "XADD x 5 f v g", "XADD x 5 f v", "XADD x 5 f v", "XADD x 4-9 f v", "XADD x x f v",
	"XADD x - f v", "XADD x + f v", "XADD x 5-x f v", "XADD x NOMKSTREAM 6 f v", "XADD y NOMKSTREAM 6 f v", "XADD x MAXLEN 6 f", "XADD x MAXLEN 1 MINID 2 7 f v",
	"XADD x LIMIT 5 7 f v", "XADD x MAXLEN 2 LIMIT 5 7 f v", "XADD x MAXLEN ~ 2 LIMIT -5 7 f v", "XADD x MAXLEN x 7 f v", "XADD x MAXLEN -3 7 f v", "XADD x MAXLEN = 2 7 f v",
	"XADD x MINID 7-0 8-1 f v", "XADD x MINID ~ x 9 f v", "XADD x MAXLEN 2 * f", "XADD x", "XADD x * f v g", "XRANGE x - +", "XRANGE x (7 +", "XRANGE x (7-0 (8-1", "XRANGE x (- +",
	"XRANGE x - (0-0", "XRANGE x (18446744073709551615-18446744073709551615 +", "XRANGE x + -", "XRANGE x 7 7", "XRANGE x - + COUNT", "XRANGE x - + COUNT x", "XRANGE x - + COUNT 0",
	"XRANGE x - + COUNT -5", "XRANGE x - + COUNT 1 COUNT 5", "XRANGE x - + nonsense 1", "XRANGE missing - +", "XRANGE missing - + COUNT 0", "XRANGE x 7-* +", `XRANGE x "(" +`, "XREVRANGE x + -", "XREVRANGE x - +",
	"XREVRANGE x 8 7 COUNT 1", "XREVRANGE x (8-1 -", "XDEL x 7 7 9", "XDEL x 8-1 x", "XDEL missing x", "XDEL x 8-1", "XLEN x", "EXISTS x", "TYPE x", "XRANGE x - +", "XADD x 8 f v", "XADD x 9-1 f v",
	"XTRIM x", "XTRIM x MAXLEN", "XTRIM x nonsense 1", "XTRIM x LIMIT 5", "XTRIM x LIMIT 0 5", "XTRIM x MAXLEN 0", "XTRIM missing MAXLEN 0", "XTRIM x MINID ~ 5 LIMIT 0", "XTRIM x MAXLEN 5 LIMIT 0",
	"XADD x 10 " + `"" ""`, "XRANGE x - +",
}

func TestEdgeCases(t *testing.T) {
	both(t, func(t *testing.T, p *pair) {
		p.script(edgeCases...)
		p.compareState()
		p.script("FLUSHALL", "DBSIZE")
		p.ours.checkReplay()
	})
}

// TestTrimByNodes trims long streams, where whole nodes are dropped.
func TestTrimByNodes(t *testing.T) {
	both(t, func(t *testing.T, p *pair) {
		for i := 1; i <= 1234; i++ {
			p.do(args("XADD", "x", "1-"+strconv.Itoa(i), "f", "v"))
		}
		p.script("XTRIM x MAXLEN ~ 1000", "XLEN x", "XTRIM x MAXLEN ~ 1000", "XTRIM x MINID ~ 1-450", "XLEN x", "XDEL x 1-500 1-501 1-502",
			"XTRIM x MAXLEN ~ 500", "XLEN x", "XTRIM x MAXLEN ~ 0 LIMIT 150", "XLEN x", "XTRIM x MINID 1-777", "XLEN x", "XTRIM x MAXLEN 205", "XLEN x",
			"XADD x MAXLEN ~ 100 2-1 f v", "XLEN x", "XADD x MAXLEN ~ 0 LIMIT 50 2-2 f v", "XLEN x", "XRANGE x - + COUNT 3", "XREVRANGE x + - COUNT 3", "XTRIM x MAXLEN ~ 0 LIMIT 0", "XLEN x")
		p.compareState()
	})
}
