package differential

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
)

// TestHyperLogLogs adds, counts and merges, from one element to where the dense
// form takes over and far beyond, and compares the strings byte for byte.
func TestHyperLogLogs(t *testing.T) {
	both(t, func(t *testing.T, p *pair) {
		r := rand.New(rand.NewPCG(7, 7))
		key := func() string { return "h" + strconv.Itoa(r.IntN(6)) }
		for i := range 3000 {
			switch r.IntN(8) {
			case 0:
				p.do(args("PFCOUNT", key()))
			case 1:
				p.do(args("PFCOUNT", key(), key(), key()))
			case 2:
				p.do(args("PFMERGE", key(), key(), key()))
			case 3:
				p.do(args("DEL", key()))
			default:
				elements := []string{"PFADD", key()}
				for range r.IntN(1 << r.IntN(9)) {
					elements = append(elements, strings.Repeat("e", r.IntN(20))+strconv.Itoa(r.IntN(1<<r.IntN(24))))
				}
				p.do(args(elements...))
			}
			p.do(args("GET", key()))
			if i%500 == 0 {
				p.compareState()
			}
		}
		for i := range 40 { // up to a million elements
			elements := []string{"PFADD", "large"}
			for j := range 25_000 {
				elements = append(elements, fmt.Sprint(i, j))
			}
			p.do(args(elements...))
			p.script("GET large", "PFCOUNT large", "PFCOUNT large h0", "GET large")
		}
		p.compareState()
		p.ours.checkReplay()
	})
}

// sparse is a HyperLogLog of those runs, as a word of a script.
func sparse(runs string) string {
	return strconv.Quote("HYLL\x01\x00\x00\x00" + strings.Repeat("\x00", 7) + "\x80" + runs)
}

// TestHyperLogLogsThatAreNone: what is no HyperLogLog is refused as
// redis-server does, and so is one that is damaged.
func TestHyperLogLogsThatAreNone(t *testing.T) {
	dense := func(encoding byte, registers int) string {
		return strconv.Quote("HYLL" + string(rune(encoding)) + "\x00\x00\x00" + strings.Repeat("\x00", 7) + "\x80" + strings.Repeat("\x04\x10A", registers/4))
	}
	both(t, func(t *testing.T, p *pair) {
		p.script("PFADD", "PFCOUNT", "PFMERGE", "PFADD h", "GET h", "PFADD h", "PFCOUNT h", "GET h", "PFADD h a", "EXPIRE h 100", "PFADD h b", "PFCOUNT h", "TTL h", "PFMERGE h h", "TTL h", "OBJECT ENCODING h",
			"SADD set m", "PFADD set a", "PFCOUNT set", "PFCOUNT h set", "PFMERGE set h", "PFMERGE new set", "EXISTS new", "PFCOUNT none", "PFCOUNT none none", "PFMERGE new none", "GET new", "PFCOUNT h none h",
			`EVAL_RO "return redis.call('pfcount', KEYS[1])" 1 h`, `EVAL "return redis.call('pfcount', KEYS[1])" 1 h`, "COMMAND GETKEYS PFADD a b c", "COMMAND GETKEYS PFCOUNT a b c", "COMMAND GETKEYS PFMERGE a b c")
		for _, value := range []string{`""`, "1", "HYLL", `"HYLL\x01"`, sparse(""), sparse("\x7f\xff"), sparse("\x7f\xfe"), sparse("\x7f\xff\x00"), sparse("\x7f\xfe\x80"), sparse("\x7f\xfe\x84"), sparse("\x7f\xfd\x81"), sparse("\xff\x7f\xfb"),
			sparse(strings.Repeat("\x88", 16384)), sparse(strings.Repeat("\x8b", 4096)), strings.Replace(sparse("\x7f\xff"), `\x80`, `\x00`, 1), strings.Replace(sparse("\x7f\xff"), "HYLL", "HYLX", 1),
			dense(0, 16384), dense(0, 16380), dense(2, 16384)} {
			p.script("SET x "+value, "PFCOUNT x", "GET x", "PFCOUNT x h", "PFMERGE y x", "GET y", "PFADD x", "PFADD x a b c d e f g h i j k l m n o p q r s t u v w x y z", "GET x", "PFCOUNT x", "PFMERGE x h", "GET x", "DEL y")
		}
		p.ours.checkReplay()
	})
}
