package command

import (
	"slices"
	"strconv"
	"strings"

	"github.com/coffer-dev/coffer/engine/glob"
	"github.com/coffer-dev/coffer/engine/reply"
	"github.com/coffer-dev/coffer/engine/store"
)

// Settings is what a session offers to CONFIG.
type Settings interface {
	// Parameters are redis-server's, as far as they mean something here.
	Parameters() []Parameter
	// ResetStatistics has INFO count from now on.
	ResetStatistics()
}

// Parameter is one of redis-server's configuration, and what it is here.
type Parameter struct {
	Name, Value string
	Field       string // of the KVDatabase, that it follows; "" for none
}

const errRewrite = textError("ERR the configuration follows the fields of the KVDatabase, which the API server keeps: there is no file to rewrite")

func init() {
	flags, categories := Admin|NoScript|Loading|Stale, "admin slow dangerous"
	register(container("config", -2, 0, "slow",
		connection("config|get", -3, flags, categories, configGet),
		connection("config|set", -4, flags, categories, configSet).tip(tipAllNodes, tipAllSucceeded),
		connection("config|resetstat", 2, flags, categories, func(s Session, _ [][]byte) reply.Reply {
			s.Settings().ResetStatistics()
			return reply.OK
		}),
		connection("config|rewrite", 2, flags, categories, func(Session, [][]byte) reply.Reply { return fail(errRewrite) }),
		connection("config|help", 2, Loading|Stale, "slow", help(
			"CONFIG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
			"GET <pattern>",
			"    Return parameters matching the glob-like <pattern> and their values.",
			"SET <directive> <value>",
			"    Set the configuration <directive> to <value>.",
			"RESETSTAT",
			"    Reset statistics reported by the INFO command.",
			"REWRITE",
			"    Rewrite the configuration file.",
		)),
	).since7())
}

// encodings are the parameters of how values are kept.
func encodings() []Parameter {
	number := func(name string, n int) Parameter { return Parameter{Name: name, Value: strconv.Itoa(n)} }
	all := []Parameter{
		number("hll-sparse-max-bytes", hllSparseBytes), number("set-max-intset-entries", store.MaxNumbers),
		number("stream-node-max-bytes", store.NodeBytes), number("stream-node-max-entries", store.NodeEntries),
	}
	for _, kind := range []string{"hash", "zset"} {
		for _, form := range []string{"listpack", "ziplist"} { // the older name of the same
			all = append(all, number(kind+"-max-"+form+"-entries", store.PackedEntries), number(kind+"-max-"+form+"-value", store.PackedBytes))
		}
	}
	return all
}

func parameters(s Session) []Parameter {
	all := append(s.Settings().Parameters(), encodings()...)
	slices.SortStableFunc(all, func(a, b Parameter) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// configGet answers each parameter once, in the order of their names; one that is
// asked for by name has that as it was written.
func configGet(s Session, argv [][]byte) reply.Reply {
	pairs := []reply.Reply{}
	for _, p := range parameters(s) {
		for _, arg := range argv[2:] {
			pattern, name := appendLower(nil, arg), p.Name
			if string(pattern) == name {
				name = string(arg)
			} else if !glob.Match(pattern, []byte(name)) {
				continue
			}
			pairs = append(pairs, reply.BulkString(name), reply.BulkString(p.Value))
			break
		}
	}
	return reply.Map(pairs...)
}

// configSet changes nothing: what is so already is fine, and of what is not it
// says where it can be changed.
func configSet(s Session, argv [][]byte) reply.Reply {
	if len(argv)%2 != 0 {
		return fail(errSyntax)
	}
	all := parameters(s)
	for i := 2; i < len(argv); i += 2 {
		at := slices.IndexFunc(all, func(p Parameter) bool { return p.Name == lower(argv[i]) })
		switch {
		case at < 0:
			return fail(errorf("ERR Unknown option or number of arguments for CONFIG SET - '%.128s'", cstring(argv[i])))
		case all[at].Value == string(argv[i+1]):
		case all[at].Field != "":
			return fail(errorf("ERR CONFIG SET failed (possibly related to argument '%s') - set %s of the KVDatabase instead", all[at].Name, all[at].Field))
		default:
			return fail(errorf("ERR CONFIG SET failed (possibly related to argument '%s') - can't set immutable config", all[at].Name))
		}
	}
	return reply.OK
}
