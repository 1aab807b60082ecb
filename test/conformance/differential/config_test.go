package differential

import (
	"slices"
	"testing"
)

// TestConfig: parameters have redis-server's names, and errors its texts.
func TestConfig(t *testing.T) {
	wholeEngine(t, func(t *testing.T, p *pair) {
		p.script("CONFIG", "CONFIG GET", "CONFIG NOSUCH", "CONFIG GET nope", "CONFIG GET DataBases", "CONFIG GET max*policy zset-max-*-entries databases zset-max-listpack-entries", "CONFIG GET nope databases [d]atabases",
			"CONFIG SET nope 1", "CONFIG SET databases", "CONFIG SET databases 1 x", "CONFIG SET databases 3", "CONFIG SET maxmemory-policy noeviction timeout 0", "CONFIG RESETSTAT", "CONFIG RESETSTAT x", "CONFIG REWRITE x", "CONFIG HELP")
		all := args("CONFIG", "GET", "*")
		theirs, ours := elements(p.theirs.do(all)), elements(p.ours.do(all))
		for i := 0; i < len(ours); i += 2 {
			if at := slices.Index(theirs, ours[i]); at < 0 || at%2 != 0 {
				t.Errorf("redis-server has no parameter %q", ours[i])
			}
		}
	})
}

// TestClients: commands about other connections have redis-server's errors, and
// an answer that is left out is none.
func TestClients(t *testing.T) {
	wholeEngine(t, func(t *testing.T, p *pair) {
		p.script("CLIENT LIST TYPE x", "CLIENT LIST TYPE", "CLIENT LIST ID", "CLIENT LIST ID x", "CLIENT LIST ID 123456", "CLIENT LIST FOO", "CLIENT LIST TYPE master", "CLIENT LIST TYPE SLAVE", "CLIENT LIST TYPE normal x",
			"CLIENT KILL", "CLIENT KILL 1.2.3.4:5", "CLIENT KILL ID 123456", "CLIENT KILL ID x", "CLIENT KILL ID 0", "CLIENT KILL TYPE x", "CLIENT KILL TYPE pubsub", "CLIENT KILL USER nobody", "CLIENT KILL SKIPME x", "CLIENT KILL ADDR 1:2 LADDR 3:4", "CLIENT KILL FOO x", "CLIENT KILL ID 5 ADDR", "CLIENT KILL SKIPME no ADDR 1:1", "CLIENT KILL USER default",
			"CLIENT PAUSE", "CLIENT PAUSE x", "CLIENT PAUSE -1", "CLIENT PAUSE 1 FOO", "CLIENT PAUSE 1 write x", "CLIENT PAUSE 1 write", "SET a 1", "CLIENT PAUSE 1", "GET a", "CLIENT PAUSE 0 ALL", "CLIENT UNPAUSE", "CLIENT UNPAUSE x",
			"CLIENT REPLY", "CLIENT REPLY x", "CLIENT REPLY ON", "CLIENT GETREDIR", "CLIENT TRACKINGINFO",
			"WAIT 0 0", "WAIT 1 20", "WAIT x 1", "WAIT -1 1", "WAIT 0 -1", "WAIT 1 x", "WAIT 1",
			"SLOWLOG RESET", "SLOWLOG GET x", "SLOWLOG GET -2", "SLOWLOG GET 1 2", "SLOWLOG LEN", "SLOWLOG LEN x", "SLOWLOG GET 0", "SLOWLOG GET -1", "SLOWLOG NOSUCH", "SLOWLOG HELP",
			"LATENCY LATEST", "LATENCY HISTORY x", "LATENCY RESET", "LATENCY RESET a b", "LATENCY GRAPH x", "LATENCY LATEST x", "LATENCY HISTOGRAM nope", "LATENCY HELP",
			"MEMORY USAGE nope", "MEMORY USAGE a SAMPLES", "MEMORY USAGE a SAMPLES x", "MEMORY USAGE a SAMPLES -1", "MEMORY USAGE a FOO 1", "MEMORY USAGE nope SAMPLES 0", "MEMORY STATS x", "MEMORY PURGE", "MEMORY PURGE x", "LASTSAVE x", "SAVE x", "MULTI", "SAVE", "DISCARD",
			"MULTI", "WAIT 1 0", "EXEC")
	})
}
