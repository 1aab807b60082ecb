package differential

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// groupCases are what is particular to consumer groups.
var groupCases = []string{
	// XGROUP.
	"SET a 1", "XGROUP", "XGROUP nonsense", "XGROUP HELP", "XGROUP HELP x", "XGROUP CREATE", "XGROUP CREATE x g", "XGROUP CREATE x g 0", "XGROUP CREATE a g 0", "XGROUP CREATE x g y MKSTREAM", "EXISTS x", "XGROUP CREATE x g 0 nonsense", "XGROUP CREATE x g 0 MKSTREAM x", "XGROUP CREATE x g $ mkstream", "TYPE x", "XLEN x", "XGROUP CREATE x g 0", "XGROUP CREATE x g 0 MKSTREAM",
	"XGROUP CREATE x g2 5 ENTRIESREAD 3", "XGROUP CREATE x g3 5-1 ENTRIESREAD -2", "XGROUP CREATE x g3 5-1 ENTRIESREAD x", "XGROUP CREATE x g3 5-1 ENTRIESREAD", "XGROUP CREATE x g3 - ", "XGROUP CREATE x g3 +", "XGROUP CREATE x g3 (5", "XGROUP CREATE x g3 5 MKSTREAM MKSTREAM MKSTREAM", "XGROUP CREATE x g4 5 MKSTREAM MKSTREAM MKSTREAM MKSTREAM", "XGROUP CREATE x g5 5 ENTRIESREAD 1 ENTRIESREAD 2", "XGROUP CREATE y g 5 MKSTREAM MKSTREAM MKSTREAM MKSTREAM", "EXISTS y", `XGROUP CREATE x "\x00g" "$\x00" ENTRIESREAD -1`,
	"XGROUP SETID x g", "XGROUP SETID x g $", "XGROUP SETID x g 3", "XGROUP SETID x g -", "XGROUP SETID x g +", "XGROUP SETID x g (5", "XGROUP SETID x g y", "XGROUP SETID x none 3", "XGROUP SETID missing g 3", "XGROUP SETID a g 3", "XGROUP SETID x g 3 ENTRIESREAD 7", "XGROUP SETID x g 3 ENTRIESREAD", "XGROUP SETID x g 3 MKSTREAM", "XGROUP SETID x g 3 ENTRIESREAD -5", "XGROUP SETID x g 3 ENTRIESREAD 1 ENTRIESREAD 2",
	"XGROUP CREATECONSUMER x g c", "XGROUP CREATECONSUMER x g c", "XGROUP CREATECONSUMER x none c", "XGROUP CREATECONSUMER missing g c", "XGROUP CREATECONSUMER a g c", "XGROUP CREATECONSUMER x g", "XGROUP CREATECONSUMER x g c d", "XGROUP DELCONSUMER x g c", "XGROUP DELCONSUMER x g c", "XGROUP DELCONSUMER x none c", "XGROUP DELCONSUMER missing g c", "XGROUP DELCONSUMER a g c",
	"XGROUP DESTROY x g2", "XGROUP DESTROY x g2", "XGROUP DESTROY missing g", "XGROUP DESTROY a g", "XGROUP DESTROY x", "XGROUP DESTROY x g y", "XINFO GROUPS x", `XGROUP DESTROY x "\x00g"`, "DEL x",
	// XREADGROUP.
	"XADD x 1-1 f v", "XADD x 1-2 f w g w", "XADD x 2-1 f v", "XGROUP CREATE x g 0", "XREADGROUP GROUP g c STREAMS x", "XREADGROUP GROUP g c STREAMS x >", "XREADGROUP GROUP g c STREAMS x >", "XREADGROUP GROUP g c STREAMS x 0", "XREADGROUP GROUP g c COUNT 1 STREAMS x 1-1", "XREADGROUP GROUP g d STREAMS x 0", "XINFO CONSUMERS x g", "XREADGROUP GROUP g d STREAMS x $", "XREADGROUP GROUP g d STREAMS x y", "XREADGROUP GROUP none d STREAMS x >", "XREADGROUP GROUP g d STREAMS missing >", "XREADGROUP GROUP g d STREAMS a >", "XREADGROUP GROUP g d STREAMS x missing > >",
	"XREADGROUP COUNT 1 NOACK STREAMS x >", "XREADGROUP COUNT 1 NOACK BLOCK STREAMS x >", "XREADGROUP GROUP g c COUNT x STREAMS x >", "XREADGROUP GROUP g c COUNT -1 STREAMS x 0", "XREADGROUP GROUP g c nonsense STREAMS x >", "XREADGROUP GROUP g c STREAMS x x >", "XREADGROUP GROUP g c COUNT 1 NOACK NOACK", "XREADGROUP GROUP g GROUP g c STREAMS x 0", "XREADGROUP GROUP g c BLOCK x STREAMS x >", "XREADGROUP GROUP g c STREAMS x 18446744073709551615-18446744073709551615", "XREADGROUP GROUP g c STREAMS x 18446744073709551615-18446744073709551614",
	"XDEL x 1-2", "XREADGROUP GROUP g c STREAMS x 0", "XPENDING x g", "XPENDING x g - + 10", "XREADGROUP GROUP g d NOACK STREAMS x >", "XADD x 3-1 f v", "XREADGROUP GROUP g d NOACK STREAMS x >", "XPENDING x g", "XADD x 4-1 f v", "XGROUP CREATE x h 0", "XREADGROUP GROUP h c COUNT 2 STREAMS x x > >", "XREADGROUP GROUP h c COUNT 1 STREAMS x x > 0", "XGROUP SETID x g 0", "XREADGROUP GROUP g d STREAMS x >", "XPENDING x g", "XPENDING x g - + 10", "XPENDING x g - + 10 c", "XINFO STREAM x FULL",
	"XGROUP DELCONSUMER x g d", "XPENDING x g", "XINFO CONSUMERS x g", "XREADGROUP GROUP g STREAMS STREAMS x 0", "COMMAND GETKEYS XREADGROUP GROUP g c COUNT 1 STREAMS a b 0 0", "COMMAND GETKEYS XREADGROUP GROUP g c NOACK BLOCK 5 STREAMS a 0",
	// XACK.
	"XACK x g", "XACK x g 1-1", "XACK x g 1-1 1-2 9-9", "XACK x g y", "XACK x none y", "XACK missing g y", "XACK a g 1-1", "XACK x g 2-1 2-1 y", "XPENDING x g", "XACK x g - +", "DEL x",
	// XPENDING.
	"XADD x 1-1 f v", "XADD x 1-2 f v", "XADD x 1-3 f v", "XADD x 1-4 f v", "XGROUP CREATE x g 0", "XPENDING x g", "XPENDING x g - + 5", "XREADGROUP GROUP g b COUNT 2 STREAMS x >", "XREADGROUP GROUP g a COUNT 1 STREAMS x >", `XREADGROUP GROUP g "b\x00" COUNT 1 STREAMS x >`, "XPENDING x g", "XPENDING x g - + 2", "XPENDING x g 1-2 1-3 10", "XPENDING x g (1-2 (1-4 10", "XPENDING x g + - 10", "XPENDING x g - + 0", "XPENDING x g - + -1", "XPENDING x g - + x", "XPENDING x g x + 1", "XPENDING x g - x 1", "XPENDING x g - + 1 b", "XPENDING x g - + 10 none", "XPENDING x g - + 10 b c",
	"XPENDING x g IDLE 0 - + 10", "XPENDING x g IDLE 1000000 - + 10", "XPENDING x g IDLE -5 - + 10 b", "XPENDING x g IDLE x - + 10", "XPENDING x g IDLE 0 - +", "XPENDING x g IDLE 0 -", "XPENDING x g -", "XPENDING x g - +", "XPENDING x g IDLE 0 - + 10 b d", "XPENDING x none", "XPENDING missing g", "XPENDING a g", "XPENDING a g - x 1", "XPENDING x g (18446744073709551615-18446744073709551615 + 1", "XPENDING x g - (0 1",
	// XCLAIM.
	"XCLAIM x g c 0 1-1", "XPENDING x g - + 10", "XCLAIM x g c 1000000 1-2", "XCLAIM x g c 0 1-2 1-3 JUSTID", "XCLAIM x g c x 1-1", "XCLAIM x g c -1 1-1 RETRYCOUNT 7", "XCLAIM x g c 0 1-1 RETRYCOUNT x", "XCLAIM x g c 0 1-1 RETRYCOUNT -5", "XCLAIM x g c 0 1-1 IDLE x", "XCLAIM x g c 0 1-1 IDLE 500000", "XCLAIM x g c 0 1-1 TIME x", "XCLAIM x g c 0 1-1 TIME 5", "XCLAIM x g c 0 1-1 TIME -1", "XCLAIM x g c 0 1-1 TIME 99999999999999", "XCLAIM x g c 0 1-1 IDLE -9223372036854775808", "XCLAIM x g c 0 1-1 LASTID 9-9", "XINFO GROUPS x", "XCLAIM x g c 0 1-1 LASTID x", "XCLAIM x g c 0 1-1 LASTID", "XCLAIM x g c 0 1-1 nonsense", "XCLAIM x g c 0 1-1 FORCE 1-2", "XCLAIM x g new 0 9-9", "XCLAIM x g new 0 y 1-1", "XCLAIM x g new 0 FORCE", "XINFO CONSUMERS x g",
	"XCLAIM x none c 0 1-1", "XCLAIM missing g c 0 1-1", "XCLAIM a g c 0 1-1", "XCLAIM a g c x y", "XCLAIM x none c x y", "XADD x 10-1 f v", "XCLAIM x g c 0 10-1", "XCLAIM x g c 0 10-1 FORCE", "XCLAIM x g c 0 10-1 11-1 FORCE JUSTID", "XPENDING x g - + 10", "XADD x 10-2 f v", "XCLAIM x g c 1000000 10-2 FORCE", "XADD x 10-3 f v", "XCLAIM x g c 1000000 10-3 FORCE JUSTID RETRYCOUNT 3", "XPENDING x g - + 10", "XDEL x 1-1 10-1", "XCLAIM x g d 0 1-1 10-1 1-2", "XPENDING x g - + 10", "XCLAIM x g c 0",
	// XAUTOCLAIM.
	"XAUTOCLAIM x g e 0 0", "XAUTOCLAIM x g e 1000000 0", "XAUTOCLAIM x g e 0 0 COUNT 1", "XAUTOCLAIM x g e 0 1-2 COUNT 1 JUSTID", "XAUTOCLAIM x g e 0 (1-2 COUNT 1", "XAUTOCLAIM x g e 0 - COUNT 0", "XAUTOCLAIM x g e 0 - COUNT x", "XAUTOCLAIM x g e 0 - COUNT", "XAUTOCLAIM x g e 0 - COUNT 999999999999999999", "XAUTOCLAIM x g e x -", "XAUTOCLAIM x g e 0 x", "XAUTOCLAIM x g e 0 + ", "XAUTOCLAIM x g e -1 0 nonsense", "XAUTOCLAIM x none e 0 0", "XAUTOCLAIM missing g e 0 0", "XAUTOCLAIM a g e 0 0", "XAUTOCLAIM a g e x 0", "XPENDING x g - + 10", "XDEL x 1-2 1-3 10-2", "XAUTOCLAIM x g f 0 0 COUNT 2", "XAUTOCLAIM x g f 0 0", "XPENDING x g - + 10", "XINFO CONSUMERS x g",
	// XINFO.
	"XINFO", "XINFO nonsense", "XINFO nonsense x", "XINFO HELP", "XINFO STREAM", "XINFO STREAM missing", "XINFO STREAM a", "XINFO STREAM x", "XINFO STREAM x FULL", "XINFO STREAM x FULL COUNT", "XINFO STREAM x FULL COUNT 1", "XINFO STREAM x FULL COUNT 0", "XINFO STREAM x FULL COUNT -1", "XINFO STREAM x FULL COUNT x", "XINFO STREAM x nonsense", "XINFO STREAM x FULL nonsense 1", "XINFO STREAM x FULL COUNT 1 2", "XINFO GROUPS missing", "XINFO GROUPS a", "XINFO GROUPS x", "XINFO GROUPS x y", "XINFO CONSUMERS x", "XINFO CONSUMERS x none", "XINFO CONSUMERS missing g", "XINFO CONSUMERS a g", "XADD e 1 f v", "XINFO GROUPS e", "XINFO STREAM e", "XDEL e 1-0", "XINFO STREAM e", "XINFO STREAM e FULL",
	// Streams with groups as keys.
	"COPY x y", "XINFO STREAM y FULL", "XREADGROUP GROUP g e STREAMS y 0", "XINFO STREAM y FULL", "XINFO STREAM x FULL", "XGROUP DESTROY y g", "XINFO GROUPS y", "XINFO GROUPS x", "RENAME x z", "XINFO STREAM z FULL", "OBJECT ENCODING z", "TYPE z", "DEL z", "XINFO GROUPS z", "XGROUP CREATE z g $ MKSTREAM", "XINFO GROUPS z", "EXPIRE z 1000", "XADD z 5 f v", "XREADGROUP GROUP g c STREAMS z >", "TTL z", "XTRIM z MAXLEN 0", "XPENDING z g", "XINFO STREAM z FULL",
	// How far a group has come.
	"DEL z", "XADD z 1 f v", "XADD z 2 f v", "XADD z 3 f v", "XGROUP CREATE z g 0", "XINFO GROUPS z", "XREADGROUP GROUP g c COUNT 1 STREAMS z >", "XINFO GROUPS z", "XDEL z 2", "XINFO GROUPS z", "XREADGROUP GROUP g c COUNT 1 STREAMS z >", "XINFO GROUPS z", "XGROUP CREATE z h 2", "XINFO GROUPS z", "XADD z 4 f v", "XINFO GROUPS z", "XTRIM z MAXLEN 1", "XINFO GROUPS z", "XSETID z 9 ENTRIESADDED 20 MAXDELETEDID 7", "XINFO GROUPS z", "XGROUP SETID z g 0", "XINFO GROUPS z", "XGROUP SETID z g 10", "XINFO GROUPS z", "XADD z 10 f v", "XADD z 11 f v", "XINFO GROUPS z", "XREADGROUP GROUP g c STREAMS z >", "XINFO GROUPS z", "XREADGROUP GROUP h c STREAMS z >", "XINFO GROUPS z", "XGROUP SETID z g $ ENTRIESREAD 9223372036854775807", "XINFO GROUPS z", "XADD z 12 f v", "XREADGROUP GROUP g c STREAMS z >", "XINFO GROUPS z",
	// Scripts.
	`EVAL "return redis.call('xreadgroup','GROUP','g','c','BLOCK','0','STREAMS','z','>')" 0`, `EVAL "return redis.call('xreadgroup','GROUP','block','count','NOACK','BLOCK','0','STREAMS','z','>')" 0`, `EVAL "return redis.call('xreadgroup','GROUP','g','c','STREAMS','z','>')" 0`, `EVAL "redis.call('xadd','z','13-1','f','v') return redis.call('xreadgroup','GROUP','g','c','COUNT','1','STREAMS','z','>')" 1 z`, `EVAL "return redis.call('xack','z','g','13-1')" 1 z`, `EVAL "return redis.call('xgroup','create','z','s','$')" 1 z`, `EVAL "redis.setresp(3) local g = redis.call('xinfo','groups','z')[3]['map'] return {g.name, g.pending, g['entries-read'] == nil}" 1 z`, "XINFO GROUPS z",
}

// masked takes out of a reply what the two servers' clocks and memory decide: of
// XPENDING how long entries wait, of XINFO times, and the nodes of a tree.
func masked(verb, raw string) string {
	switch verb {
	case "xpending":
		raw = idleOfPending.ReplaceAllString(raw, "${1}:T\r\n")
	case "xinfo":
		raw = shownOfTree.ReplaceAllString(raw, "${1}:N\r\n")
		raw = timesOfInfo.ReplaceAllString(raw, ":T\r\n")
	}
	return raw
}

var (
	idleOfPending = regexp.MustCompile(`(\*4\r\n\$\d+\r\n\d+-\d+\r\n\$\d+\r\n[^\r]*\r\n):\d+\r\n`)
	shownOfTree   = regexp.MustCompile(`((?:radix-tree-nodes|radix-tree-keys|idle)\r\n):\d+\r\n`)
	timesOfInfo   = regexp.MustCompile(`:\d{13}\r\n`)
)

func TestGroups(t *testing.T) {
	both(t, func(t *testing.T, p *pair) {
		p.script(groupCases...)
		p.compareState()
		p.ours.checkReplay()
	})
}

// groupTemplates are what the generator makes of few keys, groups, consumers and
// IDs: K, G, C, I; N is a small number, B the end of an interval.
var groupTemplates = []string{
	"XADD K * f v", "XADD K I f v", "XADD K I f v g w", "XADD K next f v", "XADD K next f v", "XADD K next f v", "XDEL K I I", "XTRIM K MAXLEN N", "XTRIM K MINID I", "XSETID K I", "XSETID K I ENTRIESADDED N MAXDELETEDID I",
	"XGROUP CREATE K G I", "XGROUP CREATE K G $ MKSTREAM", "XGROUP CREATE K G I MKSTREAM ENTRIESREAD N", "XGROUP SETID K G I", "XGROUP SETID K G $ ENTRIESREAD N", "XGROUP SETID K G 0", "XGROUP DESTROY K G", "XGROUP CREATECONSUMER K G C", "XGROUP DELCONSUMER K G C",
	"XREADGROUP GROUP G C STREAMS K >", "XREADGROUP GROUP G C COUNT N STREAMS K >", "XREADGROUP GROUP G C COUNT N STREAMS K >", "XREADGROUP GROUP G C COUNT N STREAMS K K > >", "XREADGROUP GROUP G C COUNT N STREAMS K K I >", "XREADGROUP GROUP G C STREAMS K 0", "XREADGROUP GROUP G C NOACK COUNT N STREAMS K >", "XREADGROUP GROUP G C BLOCK 1 COUNT N STREAMS K K > >",
	"XACK K G I I I", "XPENDING K G", "XPENDING K G - + 100", "XPENDING K G B B N", "XPENDING K G IDLE 0 B + N C", "XPENDING K G IDLE 1000000 - + N C",
	"XCLAIM K G C 0 I I I", "XCLAIM K G C 1000000 I I", "XCLAIM K G C 0 I FORCE", "XCLAIM K G C 0 I I FORCE JUSTID", "XCLAIM K G C 0 I RETRYCOUNT N", "XCLAIM K G C 0 I LASTID I TIME 5", "XCLAIM K G C 0 I JUSTID IDLE 5000",
	"XAUTOCLAIM K G C 0 B", "XAUTOCLAIM K G C 0 0 COUNT N", "XAUTOCLAIM K G C 1000000 0", "XAUTOCLAIM K G C 0 B COUNT N JUSTID",
	"XINFO STREAM K", "XINFO STREAM K FULL", "XINFO STREAM K FULL COUNT N", "XINFO GROUPS K", "XINFO CONSUMERS K G", "COPY K K REPLACE", "RENAME K K", "XLEN K", "XRANGE K - +",
}

// groupCommand makes one out of a template.
func groupCommand(r *rand.Rand) [][]byte {
	var words []string
	for _, word := range strings.Fields(groupTemplates[r.IntN(len(groupTemplates))]) {
		id := fmt.Sprintf("%d-%d", 1+r.IntN(30), r.IntN(3))
		switch word {
		case "K":
			word = "stream" + strconv.Itoa(r.IntN(3))
		case "G":
			word = "group" + strconv.Itoa(r.IntN(3))
		case "C":
			word = "consumer" + strconv.Itoa(r.IntN(4))
		case "I":
			word = id
		case "N":
			word = strconv.Itoa(r.IntN(7))
		case "B":
			word = []string{"-", "+", id, "(" + id}[r.IntN(4)]
		case "next":
			word = strconv.Itoa(1+r.IntN(30)) + "-*"
		case "*":
			word = "30-*"
		}
		words = append(words, word)
	}
	return args(words...)
}

func TestRandomGroups(t *testing.T) {
	const commands = 10_000
	both(t, func(t *testing.T, p *pair) {
		for seed := uint64(1); seed <= 2; seed++ {
			t.Logf("seed %d", seed)
			r := rand.New(rand.NewPCG(seed, seed))
			for i := range commands {
				if i%1500 == 1499 { // the IDs have come to their end
					p.script("XINFO STREAM stream0 FULL COUNT 0", "XINFO STREAM stream1 FULL COUNT 0", "XINFO STREAM stream2 FULL COUNT 0", "DEL stream0 stream1 stream2")
				}
				p.do(groupCommand(r))
			}
		}
		p.ours.checkReplay()
	})
}
