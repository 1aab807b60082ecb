package docs

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coffer-dev/coffer/engine/acl"
	"github.com/coffer-dev/coffer/engine/command"
)

var updateCommands = flag.Bool("update-commands", false, "write docs/commands.md")

const commandsPage = "docs/commands.md"

const minusZero = "a score of -0 that is stored in a sorted set of more than 128 members, or of one longer than 64 bytes, is 0"

// differences are those of commands that are served, by the name or by that of
// the container. What else differs is not meant to: tell us.
var differences = map[string]string{
	"acl|getuser":       "shows neither a password nor its hash; `off` is a user whose life is over",
	"acl|list":          "as `ACL GETUSER`",
	"acl|log":           "the port's own, since the member started; of names that a client sent 128 bytes; no secret that a client sent in the place of a user's name",
	"auth":              "not within a transaction",
	"bitfield":          "with `OVERFLOW SAT`, a `SET` of -9223372036854775808, or of a number next to it, in a signed field narrower than that is the field's lowest number, not its highest",
	"client|kill":       "of the port that is asked, as `CLIENT LIST`",
	"client|list":       "of the port that is asked; fields that mean something here",
	"client|pause":      "60,000 ms at most, and until the leader changes; logging in and `CLIENT UNPAUSE` do not wait; keys go on expiring",
	"client|reply":      "not within a transaction",
	"client|no-evict":   "accepted; clients are not evicted",
	"client|no-touch":   "of 7.2; accepted, and what is read counts as used all the same",
	"client|setinfo":    "of 7.2",
	"client|tracking":   "not at the port for reads that may be stale; `REDIRECT` to connections of the same user; with `BCAST` of keys that the user may read; a script counts as reading its keys: [operations](operations.md#caches-in-clients)",
	"command|docs":      "summaries and complexity in words of our own; without `arguments` and `history`",
	"config|get":        "parameters that mean something here, with what is so; `requirepass` and its like are never told",
	"config|resetstat":  "what `INFO` counts; what is scraped at port 9090 goes on",
	"debug":             "only where the engine was started for tests, with `serve --dev --enable-debug-command`, never by the operator; `SLEEP`, `SET-ACTIVE-EXPIRE`, `OBJECT`, `PROTOCOL`, `RELOAD` and `LOADAOF`, which read the state back from snapshot and log and compare it: `DEBUG HELP`; not within a transaction",
	"dbsize":            "for users that may read every key",
	"eval":              "[Lua scripts](scripts.md)",
	"evalsha":           "[Lua scripts](scripts.md)",
	"eval_ro":           "[Lua scripts](scripts.md)",
	"evalsha_ro":        "[Lua scripts](scripts.md)",
	"flushall":          "for users that may write every key",
	"flushdb":           "for users that may write every key",
	"georadius":         "the last digit of a distance that `STOREDIST` stores may be another, and a score of -0, which is no place's, is stored as 0; asks for every key that it may write",
	"georadiusbymember": "as `GEORADIUS`",
	"geosearchstore":    "as `GEORADIUS`",
	"zdiffstore":        minusZero,
	"zinterstore":       minusZero,
	"zrangestore":       minusZero,
	"zunionstore":       minusZero,
	"hello":             "not within a transaction",
	"info":              "sections and fields that mean something here; of commands whose work does not grow with the data every 16th call is timed, and what a script runs counts as its `EVAL`",
	"keys":              "for users that may read every key",
	"lastsave":          "of the last snapshot; what was acknowledged is in the log all the same",
	"latency":           "no events are monitored: there are never samples",
	"latency|histogram": "of the calls that are timed, as in `INFO latencystats`",
	"latency|doctor":    "says where to look instead",
	"memory|doctor":     "about the limit of the data",
	"memory|purge":      "accepted: what is not used goes back to the node by itself",
	"memory|stats":      "what is known: not of what an allocator keeps",
	"memory|usage":      "as the limit of the data counts it; all nested values, whatever `SAMPLES` says; not within a script",
	"slowlog":           "calls of 10 ms or more, of commands whose work grows with the data, or with more than 64 arguments; the command's name, its keys and the lengths of all other arguments; those of scripts within their `EVAL`",
	"lcs":               "the product of the strings' lengths is 16,777,216 at most",
	"monitor":           "for users that may read every key and subscribe to every channel; not within a transaction; a script is shown by its `EVAL` alone; of one port",
	"object|freq":       "under the policies `AllKeysLFU` and `VolatileLFU` of `spec.memory.evictionPolicy`; a script that writes gets the error of a server without one",
	"object|idletime":   "under the policies `AllKeysLRU` and `VolatileLRU` of `spec.memory.evictionPolicy`, since the member leads; not for a script that writes",
	"pfcount":           "keeps what it counted, so it is a write: not at the port for reads that may be stale; a damaged string is refused where redis-server may go on with it",
	"pfadd":             "a damaged string is refused where redis-server may go on with it",
	"pfmerge":           "asks for the permission for its key also where it names no source",
	"publish":           "within a script it answers 0",
	"randomkey":         "for users that may read every key",
	"role":              "the offset is an index of the log",
	"scan":              "for users that may read every key; cursors are slots",
	"script|kill":       "finds none: a script is bounded, and who could ask waits for its end",
	"select":            "there are 16 databases, as redis-server has by default",
	"swapdb":            "for users that may write every key",
	"sort":              "who may not read every key gets `NOPERM` for `BY` and `GET`; 10,000,000 values are looked up at most; strings are compared by their bytes, whatever the locale; a sorted set keeps its encoding, and in the compact one a score of -0 becomes 0",
	"sort_ro":           "as `SORT`",
	"wait":              "a write is on the disks of a majority before it is answered, so that it waits for more than that alone; it counts members with all that the leader has applied when it is asked: [replicas](replicas.md)",
}

// instead is what there is in the place of commands that are not, by the name or
// by that of the container. Those that are served nevertheless say so themselves.
var instead = map[string]string{
	"acl|deluser":         "refused: users are `AccessToken`s; delete that: [security](security.md)",
	"acl|load":            "refused: users are `AccessToken`s; their file is read when it changes",
	"acl|save":            "refused: users are `AccessToken`s; the operator writes their file",
	"acl|setuser":         "refused: users are `AccessToken`s; apply one: [security](security.md)",
	"asking":              "there are no slots to ask for: each member takes every key",
	"bgrewriteaof":        "the log is cut by itself",
	"bgsave":              "refused: snapshots are taken by themselves",
	"cluster":             "`spec.replicas`; there are no shards: [replicas](replicas.md)",
	"config|rewrite":      "refused: the fields of the `KVDatabase` are what is kept",
	"config|set":          "refused, but for what is so already: the error names the field of the `KVDatabase`",
	"failover":            "`coffer.dev/switchover`: [replicas](replicas.md)",
	"memory|malloc-stats": "what is not used goes back to the node by itself",
	"module":              "nothing is loaded into the engine",
	"psync":               "members replicate by a log of their own, over mutual TLS",
	"replconf":            "members replicate by a log of their own, over mutual TLS",
	"replicaof":           "`spec.replicas`: [replicas](replicas.md)",
	"restore-asking":      "there are no slots to ask for: each member takes every key",
	"save":                "refused: snapshots are taken by themselves",
	"shutdown":            "delete the pod, which comes back, or the database",
	"slaveof":             "`spec.replicas`: [replicas](replicas.md)",
	"sync":                "members replicate by a log of their own, over mutual TLS",
}

// commandsText is the page: what the command table has of what Redis has.
func commandsText() string {
	served := map[string]bool{}
	for _, c := range command.All() {
		served[c.Name] = true
		for _, sub := range c.Subcommands {
			served[sub.Name] = true
		}
	}
	note := func(from map[string]string, name string) string {
		container, _, _ := strings.Cut(name, "|")
		if text := from[name]; text != "" {
			return text
		}
		return from[container]
	}
	var table strings.Builder
	here, known := 0, acl.RedisCommands()
	for _, name := range known {
		state, text := "no", note(instead, name)
		if served[name] && instead[name] == "" {
			here++
			state, text = "yes", note(differences, name)
		}
		fmt.Fprintf(&table, "| `%s` | %s | %s |\n", strings.ToUpper(strings.ReplaceAll(name, "|", " ")), state, text)
	}
	return fmt.Sprintf(commandsHead, here, len(known)) + table.String()
}

const commandsHead = `# Commands

<!-- written by: go test ./test/docs -run Commands -update-commands -->

What redis-server 7.0 has, what of that a ` + "`KVDatabase`" + ` serves, and what differs: %d of %d commands and subcommands. Replies, errors included, are compared with redis-server's byte for byte, in RESP2 and RESP3
(` + "`test/conformance/differential`" + `). What is not there is answered as an unknown command, or with what to do instead.

Everywhere: what a user may not do is answered with redis-server's text, and behind it what to change. Requests, keys, replies and scripts have limits. Nothing is evicted unless ` + "`spec.memory.evictionPolicy`" + ` says so: what needs memory
is refused with ` + "`OOM`" + `. Beyond Redis there is ` + "`COFFER.ERASE`" + `: [operations](operations.md).

| command | here | differences, or what there is instead |
| --- | --- | --- |
`

// TestCommandsAreTold: docs/commands.md is what the command table says.
func TestCommandsAreTold(t *testing.T) {
	want := commandsText()
	if *updateCommands {
		if err := os.WriteFile(filepath.Join(root, commandsPage), []byte(want), 0o644); err != nil { //nolint:gosec // a page for everybody
			t.Fatal(err)
		}
	}
	if read(t, commandsPage) != want {
		t.Errorf("%s is not what the command table says: go test ./test/docs -run Commands -update-commands", commandsPage)
	}
}

// TestNotesAreOfCommands: a note is of a command that is served, or of one that
// is not, and neither of one that there is not.
func TestNotesAreOfCommands(t *testing.T) {
	page := commandsText()
	for state, notes := range map[string]map[string]string{"yes": differences, "no": instead} {
		for name, text := range notes {
			row := fmt.Sprintf("| `%s` | %s | %s |\n", strings.ToUpper(strings.ReplaceAll(name, "|", " ")), state, text)
			if !strings.Contains(page, row) {
				t.Errorf("%s: there is no row %q", name, row)
			}
		}
	}
}
