// Package permission compares what commands need with redis-server's verdict.
package permission

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/coffer-dev/coffer/engine/acl"
	"github.com/coffer-dev/coffer/engine/command"
	"github.com/coffer-dev/coffer/test/fixture/redisserver"
)

// startRedis starts a redis-server and returns a client of it.
func startRedis(t *testing.T) *redis.Client {
	t.Helper()
	dir := t.TempDir()
	socket := filepath.Join(dir, "s")
	c := redis.NewClient(&redis.Options{Network: "unix", Addr: socket})
	t.Cleanup(func() { _ = c.Close() })
	redisserver.Start(t, dir, func() error { return c.Ping(context.Background()).Err() }, "--unixsocket", socket)
	return c
}

// rows are the commands that can be called, subcommands in the place of their
// containers.
func rows() (all []*command.Command) {
	for _, c := range command.All() {
		if c.Subcommands == nil {
			all = append(all, c)
		}
		all = append(all, c.Subcommands...)
	}
	return all
}

// variants are further forms of commands whose keys depend on their arguments.
var variants = map[string][]string{
	"set":               {"set k1 v get", "set k1 v ex 10 GET", "set k1 get ex 10", "set get v"},
	"bitfield":          {"bitfield k1", "bitfield k1 get u8 0", "bitfield k1 set u8 0 1", "bitfield k1 get u8 0 incrby u8 0 1"},
	"sintercard":        {"sintercard 1 k1", "sintercard 2 k1 k2", "sintercard 2 k1 k2 limit 1"},
	"lmpop":             {"lmpop 1 k1 left", "lmpop 2 k1 k2 right count 2"},
	"blpop":             {"blpop k1 0.001", "blpop k1 k2 0.001"},
	"brpop":             {"brpop k1 0.001", "brpop k1 k2 0.001"},
	"blmove":            {"blmove k1 k2 left right 0.001"},
	"brpoplpush":        {"brpoplpush k1 k2 0.001"},
	"blmpop":            {"blmpop 0.001 1 k1 left", "blmpop 0.001 2 k1 k2 right count 2"},
	"bzpopmin":          {"bzpopmin k1 0.001", "bzpopmin k1 k2 0.001"},
	"bzpopmax":          {"bzpopmax k1 0.001", "bzpopmax k1 k2 0.001"},
	"bzmpop":            {"bzmpop 0.001 1 k1 min", "bzmpop 0.001 2 k1 k2 max count 2"},
	"xread":             {"xread block 1 streams k1 $", "xread streams k1 0", "xread count 1 streams k1 k2 0 0"},
	"xreadgroup":        {"xreadgroup group g c block 1 streams k1 >", "xreadgroup group g c noack count 1 streams k1 k2 0 >"},
	"zunion":            {"zunion 1 k1", "zunion 2 k1 k2 weights 1 2"},
	"zinter":            {"zinter 1 k1", "zinter 2 k1 k2 withscores"},
	"zdiff":             {"zdiff 1 k1", "zdiff 2 k1 k2"},
	"zintercard":        {"zintercard 1 k1", "zintercard 2 k1 k2 limit 3"},
	"zunionstore":       {"zunionstore k1 1 k2", "zunionstore k1 2 k2 k3 aggregate max"},
	"zinterstore":       {"zinterstore k1 1 k2", "zinterstore k1 2 k2 k3"},
	"zdiffstore":        {"zdiffstore k1 1 k2", "zdiffstore k1 2 k2 k3"},
	"eval":              {"eval x 1 k1", "eval x 2 k1 k2 k3"},
	"evalsha":           {"evalsha x 1 k1", "evalsha x 2 k1 k2 k3"},
	"eval_ro":           {"eval_ro x 1 k1", "eval_ro x 2 k1 k2 k3"},
	"evalsha_ro":        {"evalsha_ro x 1 k1", "evalsha_ro x 2 k1 k2 k3"},
	"georadius":         {"georadius k1 1 1 1 m", "georadius k1 1 1 1 m store k2", "georadius k1 1 1 1 m storedist k2"},
	"georadiusbymember": {"georadiusbymember k1 m 1 m", "georadiusbymember k1 m 1 m store k2", "georadiusbymember k1 m 1 m asc storedist k2"},
	"sort":              {"sort k1", "sort k1 store k2", "sort k1 alpha store k2 limit 0 1", "sort k1 store k2 store k3"},
	"sort_ro":           {"sort_ro k1", "sort_ro k1 alpha limit 0 1"},
	"zmpop":             {"zmpop 1 k1 min", "zmpop 2 k1 k2 max count 2"},
}

// calls are arguments of the least number that the command takes, each its own
// key where a key stands.
func calls(c *command.Command) (all [][]string) {
	least := c.Arity
	if least < 0 {
		least = -least
	}
	argv := strings.Split(c.Name, "|")
	for i := len(argv); i < least; i++ {
		argv = append(argv, fmt.Sprintf("k%d", i))
	}
	all = append(all, argv)
	if c.Arity < 0 && c.LastKey < 0 { // more keys than the least
		for range 2 * c.KeyStep {
			argv = append(argv[:len(argv):len(argv)], fmt.Sprintf("k%d", len(argv)))
		}
		all = append(all, argv)
	}
	for _, text := range variants[c.Name] {
		all = append(all, strings.Fields(text))
	}
	if c.Flags&command.MovableKeys != 0 || c.Name == "pfmerge" { // the made-up ones have no keys, or redis-server sees none without a source
		all = all[1:]
	}
	return all
}

func bytesOf(argv []string) [][]byte {
	out := make([][]byte, len(argv))
	for i, a := range argv {
		out[i] = []byte(a)
	}
	return out
}

// TestKeysAsRedisServer: for every command, which keys it has and what must be
// permitted of each. Each argument in turn is the one that only may be read,
// only be written, or neither.
func TestKeysAsRedisServer(t *testing.T) {
	rdb, ctx := startRedis(t), context.Background()
	compared := 0
	for _, c := range rows() {
		if rdb.Do(ctx, "COMMAND", "INFO", c.Name).Val().([]any)[0] == nil {
			if len(c.AppendKeys(nil, bytesOf(calls(c)[0]))) > 0 {
				t.Logf("%s is not redis-server's: not compared", c.Name)
			}
			continue
		}
		for _, argv := range calls(c) {
			for _, odd := range argv {
				for _, rules := range [][]string{{"~[^!]*"}, {"%R~" + odd}, {"%W~" + odd}, {"%R~" + odd, "%W~*" + odd[1:]}, {}} {
					compared++
					compare(t, rdb, c, argv, append(others(argv, odd), rules...))
				}
				if channels, _ := c.Channels(bytesOf(argv)); channels == nil {
					continue
				}
				for _, rules := range [][]string{{"&[!!]*"}, {"&" + odd}, {"&*"}, {}} {
					compared++
					compare(t, rdb, c, argv, append(others(argv, odd), rules...))
				}
			}
		}
	}
	t.Logf("%d verdicts compared", compared)
	if compared < 1000 {
		t.Error("too few")
	}
}

// others permits all arguments but one, as keys and as channels, as redis-server
// writes patterns.
func others(argv []string, but string) (rules []string) {
	for _, a := range argv {
		if a != but {
			rules = append(rules, "~"+a, "&"+a)
		}
	}
	return rules
}

func compare(t *testing.T, rdb *redis.Client, c *command.Command, argv, rules []string) {
	t.Helper()
	ctx := context.Background()
	setUser := []any{"ACL", "SETUSER", "probe", "reset", "+@all"}
	u := acl.User{Name: "probe", Verifiers: []acl.Verifier{{Generation: 1, SHA256: strings.Repeat("a", 64)}}, Commands: []string{"@all"}}
	for _, r := range rules {
		setUser = append(setUser, r)
		if channel, ok := strings.CutPrefix(r, "&"); ok {
			u.Channels = append(u.Channels, channel)
			continue
		}
		mark, pattern, _ := strings.Cut(r, "~")
		switch mark {
		case "%R":
			u.ReadKeys = append(u.ReadKeys, pattern)
		case "%W":
			u.WriteKeys = append(u.WriteKeys, pattern)
		default:
			u.Keys = append(u.Keys, pattern)
		}
	}
	if err := rdb.Do(ctx, setUser...).Err(); err != nil {
		t.Fatal(err)
	}
	dryRun := []any{"ACL", "DRYRUN", "probe"}
	for _, a := range argv {
		dryRun = append(dryRun, a)
	}
	verdict, err := rdb.Do(ctx, dryRun...).Text()
	if err != nil {
		t.Fatalf("%v: %v", argv, err)
	}
	users, err := acl.New(acl.File{Version: acl.FileVersion, Revision: "r", Users: []acl.User{u}})
	if err != nil {
		t.Fatal(err)
	}
	channels, patterns := c.Channels(bytesOf(argv))
	action := c.Action(c.AppendKeys(nil, bytesOf(argv)), channels, patterns)
	action.EveryKey = 0 // redis-server lets everybody list and remove all keys
	if c.Name == "monitor" {
		action.Channels = nil // nor does it ask who monitors for channels
	}
	denied := users.Identity("probe").Allows(&action)
	if (verdict == "OK") != (denied == nil) {
		t.Errorf("%v with %v: redis-server says %q, we %v", argv, rules, verdict, denied)
	}
}
