package command

import (
	"encoding/hex"
	"fmt"

	"github.com/coffer-dev/coffer/engine/acl"
	"github.com/coffer-dev/coffer/engine/reply"
)

// Access is what a session offers to the commands about users.
type Access interface {
	// Users are those in force.
	Users() *acl.Users
	// Lives tells whether a user's life is not over.
	Lives(id *acl.Identity) bool
	// Random makes so many random bytes.
	Random(n int) []byte
	// Refusals are what was refused lately, the latest first.
	Refusals() []Refusal
	ForgetRefusals()
}

// Refusal is a row of ACL LOG: something that somebody may not do, and how often
// it was tried. It has the name of a command, key or channel, never a value.
type Refusal struct {
	Count   int64
	Reason  string // auth | command | key | channel
	Context string // toplevel | multi | lua
	Object  string
	User    string
	Age     float64 // s since the last time
	Client  string  // the connection's line, as of CLIENT INFO
}

const (
	errTokens     = textError("ERR users are AccessTokens: apply one with kubectl, or delete it, and its user is there, or gone, within seconds")
	errUsersFile  = textError("ERR users are AccessTokens, which the operator writes into a file that is read again whenever it changes: nothing is to be loaded or saved")
	errGenpass    = textError("ERR ACL GENPASS argument must be the number of bits for the output password, a positive number up to 4096")
	defaultRecent = 10 // rows of ACL LOG
)

func init() {
	before := NoScript | Loading | Stale
	flags, categories := Admin|before, "admin slow dangerous"
	instead := func(err error) runner { return func(Session, [][]byte) reply.Reply { return fail(err) } }
	register(container("acl", -2, 0, "slow",
		connection("acl|whoami", 2, before, "slow", aclWhoAmI),
		connection("acl|cat", -2, before, "slow", aclCat),
		connection("acl|genpass", -2, before, "slow", aclGenPass),
		connection("acl|users", 2, flags, categories, aclUsers),
		connection("acl|list", 2, flags, categories, aclList),
		connection("acl|getuser", 3, flags, categories, aclGetUser),
		connection("acl|dryrun", -4, flags, categories, aclDryRun),
		connection("acl|log", -2, flags, categories, aclLog),
		connection("acl|setuser", -3, flags, categories, instead(errTokens)),
		connection("acl|deluser", -3, flags, categories, instead(errTokens)),
		connection("acl|load", 2, flags, categories, instead(errUsersFile)),
		connection("acl|save", 2, flags, categories, instead(errUsersFile)),
		connection("acl|help", 2, Loading|Stale, "slow", help(
			"ACL <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
			"CAT [<category>]",
			"    List all commands that belong to <category>, or all command categories",
			"    when no category is specified.",
			"DRYRUN <username> <command> [<arg> ...]",
			"    Returns whether the user can execute the given command without executing the command.",
			"GETUSER <username>",
			"    Get the user's details.",
			"GENPASS [<bits>]",
			"    Generate a secure 256-bit user password. The optional `bits` argument can",
			"    be used to specify a different size.",
			"LIST",
			"    Show users details in config file format.",
			"LOG [<count> | RESET]",
			"    Show the ACL log entries.",
			"USERS",
			"    List all the registered usernames.",
			"WHOAMI",
			"    Return the current connection username.",
		)),
	).since7())
}

func aclWhoAmI(s Session, _ [][]byte) reply.Reply { return reply.BulkString(s.User()) }

// aclCat lists the categories, or the commands in one.
func aclCat(_ Session, argv [][]byte) reply.Reply {
	if len(argv) > 3 {
		return fail(errSubcommand(argv))
	}
	names := []reply.Reply{}
	if len(argv) == 2 {
		for _, name := range acl.CategoryNames() {
			names = append(names, reply.BulkString(name))
		}
		return reply.Array(names...)
	}
	set := acl.CategoriesOf(lower(argv[2]))
	if set == 0 {
		return fail(errorf("ERR Unknown category '%.128s'", cstring(argv[2])))
	}
	for _, c := range All() {
		for _, each := range append([]*Command{c}, c.Subcommands...) {
			if each.set&set != 0 {
				names = append(names, reply.BulkString(each.Name))
			}
		}
	}
	return reply.Array(names...)
}

// aclGenPass answers random hexadecimal digits. Nothing keeps them.
func aclGenPass(s Session, argv [][]byte) reply.Reply {
	const usual, most, ofDigit = 256, 4096, 4 // bits
	if len(argv) > 3 {
		return fail(errSubcommand(argv))
	}
	bits := int64(usual)
	if len(argv) == 3 {
		var err error
		if bits, err = integer(argv[2]); err != nil {
			return fail(err)
		}
	}
	if bits < 1 || bits > most {
		return fail(errGenpass)
	}
	digits := int(bits+ofDigit-1) / ofDigit
	return reply.BulkString(hex.EncodeToString(s.Access().Random((digits + 1) / 2))[:digits])
}

func aclUsers(s Session, _ [][]byte) reply.Reply {
	names := []reply.Reply{}
	for _, name := range s.Access().Users().Names() {
		names = append(names, reply.BulkString(name))
	}
	return reply.Array(names...)
}

func aclList(s Session, _ [][]byte) reply.Reply {
	users, lines := s.Access().Users(), []reply.Reply{}
	for _, name := range users.Names() {
		id := users.Identity(name)
		lines = append(lines, reply.BulkString(id.Line(s.Access().Lives(id))))
	}
	return reply.Array(lines...)
}

// aclGetUser answers as redis-server, but that no hash of a password is told.
func aclGetUser(s Session, argv [][]byte) reply.Reply {
	id := s.Access().Users().Identity(string(argv[2]))
	if id == nil {
		return reply.Null
	}
	flag, d := "on", id.Describe()
	if !s.Access().Lives(id) {
		flag = "off"
	}
	return reply.Map(
		reply.BulkString("flags"), reply.Set(reply.BulkString(flag)),
		reply.BulkString("passwords"), reply.Array(),
		reply.BulkString("commands"), reply.BulkString(d.Commands),
		reply.BulkString("keys"), reply.BulkString(d.Keys),
		reply.BulkString("channels"), reply.BulkString(d.Channels),
		reply.BulkString("selectors"), reply.Array(),
	)
}

// aclDryRun says whether a user may run a command, which it does not run.
func aclDryRun(s Session, argv [][]byte) reply.Reply {
	id := s.Access().Users().Identity(string(argv[2]))
	if id == nil {
		return fail(errorf("ERR User '%.128s' not found", cstring(argv[2])))
	}
	call := argv[3:]
	if !known(call) {
		return fail(errorf("ERR Command '%.128s' not found", cstring(call[0])))
	}
	c, err := Resolve(call)
	if err != nil {
		return fail(err)
	}
	if c.Flags&NoAuth != 0 {
		return reply.OK
	}
	channels, patterns := c.Channels(call)
	action := c.Action(c.AppendKeys(nil, call), channels, patterns)
	if denied := id.Allows(&action); denied != nil {
		return reply.BulkString("This user has no permissions to " + what(denied))
	}
	return reply.OK
}

// what is not permitted, in redis-server's words.
func what(denied *acl.Denied) string {
	switch {
	case denied.Command != "":
		return fmt.Sprintf("run the '%s' command", denied.Command)
	case denied.Channel != nil:
		return fmt.Sprintf("access the '%s' channel", denied.Channel)
	case denied.Key != nil:
		return fmt.Sprintf("access the '%s' key", denied.Key)
	}
	return "access every key"
}

func aclLog(s Session, argv [][]byte) reply.Reply {
	if len(argv) > 3 {
		return fail(errSubcommand(argv))
	}
	count := int64(defaultRecent)
	if len(argv) == 3 {
		if is(argv[2], "RESET") {
			s.Access().ForgetRefusals()
			return reply.OK
		}
		var err error
		if count, err = integer(argv[2]); err != nil {
			return fail(err)
		}
	}
	all := s.Access().Refusals()
	rows := []reply.Reply{}
	for _, r := range all[:min(max(count, 0), int64(len(all)))] {
		rows = append(rows, r.row())
	}
	return reply.Array(rows...)
}

func (r *Refusal) row() reply.Reply {
	return reply.Map(
		reply.BulkString("count"), reply.Integer(r.Count),
		reply.BulkString("reason"), reply.BulkString(r.Reason),
		reply.BulkString("context"), reply.BulkString(r.Context),
		reply.BulkString("object"), reply.BulkString(r.Object),
		reply.BulkString("username"), reply.BulkString(r.User),
		reply.BulkString("age-seconds"), reply.Double(r.Age),
		reply.BulkString("client-info"), reply.BulkString(r.Client),
	)
}
