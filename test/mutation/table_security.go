package main

const (
	aclUsers      = "engine/acl/acl.go"
	aclPermission = "engine/acl/permission.go"
	serverLoop    = "engine/server/loop.go"
	serverSession = "engine/server/session.go"
	commandTable  = "engine/command/table.go"
	authorities   = "engine/credential/authorities.go"
	permissionPkg = "test/conformance/permission"
)

// permissions: who may connect, and what they may do.
var permissions = []safeguard{
	{name: "the permission check", file: serverLoop, in: nodePkg, test: "TestPermissionsAndLimits",
		old: "if denied := c.identity.Allows(&action); denied != nil {", new: "if denied := c.identity.Allows(&action); false {"},
	{name: "authentication before commands", file: serverLoop, in: nodePkg, test: "TestPermissionsAndLimits",
		old: "if c.identity == nil {\n\t\t\treturn nil, machine.Item{}, reply.Error(\"NOAUTH Authentication required.\")\n\t\t}\n\t\taction := cmd.Action(keys)\n\t\tif denied := c.identity.Allows(&action); denied != nil {",
		new: "action := cmd.Action(keys)\n\t\tif c.identity == nil {\n\t\t} else if denied := c.identity.Allows(&action); denied != nil {"},
	{name: "that sessions of a revoked credential end", file: serverSession, in: nodePkg, test: "TestRevokedSessionsAreClosed",
		old: "if !current.Users.Accepts(c.credential, c.loop.now) {", new: "if false {"},
	{name: "the order of the rules", file: aclPermission, test: "TestTheLastRuleThatMatchesCounts",
		old: "for i := len(id.rules) - 1; i >= 0; i-- {", new: "for i := range id.rules {"},
	{name: "that what no rule allows is refused", file: aclPermission, test: "TestTheLastRuleThatMatchesCounts",
		old: "return id.rules[i].allow\n\t\t}\n\t}\n\treturn false", new: "return id.rules[i].allow\n\t\t}\n\t}\n\treturn true"},
	{name: "reading and writing apart", file: aclPermission, test: "TestReadingAndWritingApart",
		old: "p.access&key.Access == key.Access && glob.Match", new: "glob.Match"},
	{name: "that one pattern must permit both", file: aclPermission, test: "TestReadingAndWritingApart",
		old: "p.access&key.Access == key.Access && glob.Match", new: "(key.Access == 0 || p.access&key.Access != 0) && glob.Match"},
	{name: "what is done with every key", file: aclPermission, test: "TestEveryKey",
		old: "if a.EveryKey&^id.everyKey != 0 {", new: "if a.EveryKey != 0 && id.everyKey == 0 {"},
	{name: "patterns of channels", file: aclPermission, test: "TestChannels",
		old: "return glob.Match(p, channel) }) {", new: "return glob.Match(p, channel) || true }) {"},
	{name: "that an expired user's login is refused", file: aclUsers, test: "TestExpiry",
		old: "case id.ExpiredAt(now):", new: "case false:"},
	{name: "that an expired user's credential is not accepted", file: aclUsers, test: "TestExpiry",
		old: "slices.Contains(id.verifiers, c.verifier) && !id.ExpiredAt(now)", new: "slices.Contains(id.verifiers, c.verifier)"},
	{name: "that SET with GET reads", file: "engine/command/set.go", in: permissionPkg, test: "TestKeysAsRedisServer",
		old: "key.Access = update", new: "key.Access |= write"},
	{name: "what is done with each key in turn", file: commandTable, in: permissionPkg, test: "TestKeysAsRedisServer",
		old: "c.access[min(n, len(c.access)-1)]", new: "c.access[0]"},
	{name: "that only authorities are trusted", file: authorities, test: "TestAuthoritiesAreAdded",
		old: "if !certificate.IsCA {", new: "if false {"},
	{name: "that a bad bundle leaves the good one", file: authorities, test: "TestAuthoritiesAreAdded",
		old: "if err != nil {\n\t\treturn err\n\t}\n\ts.bundle = bundle", new: "if s.bundle = bundle; err != nil {\n\t\treturn err\n\t}"},
	{name: "that a session ends with its user", file: serverSession, test: "TestUsersExpire",
		old: "return !c.identity.ExpiredAt(c.loop.now)", new: "return true"},
	{name: "that an idle session ends with its user", file: "engine/server/expiry.go", test: "TestUsersExpire",
		old: "case <-timer.C:\n\t\t\ts.wakeRefused(s.opts.Credentials())", new: "case <-timer.C:"},
}
