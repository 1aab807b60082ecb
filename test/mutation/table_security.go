package main

const (
	aclUsers      = "engine/acl/acl.go"
	aclPermission = "engine/acl/permission.go"
	serverLoop    = "engine/server/loop.go"
	serverSession = "engine/server/session.go"
	commandTable  = "engine/command/table.go"
	authorities   = "engine/credential/authorities.go"
	serverQuota   = "engine/server/quota.go"
	serverAudit   = "engine/server/audit.go"
	auditFormat   = "engine/audit/format.go"
	auditWrite    = "engine/audit/write.go"
	permissionPkg = "test/conformance/permission"
)

// permissions: who may connect, and what they may do.
var permissions = []safeguard{
	{name: "the permission check", file: serverAudit, in: nodePkg, test: "TestPermissionsAndLimits",
		old: "denied := c.identity.Allows(&action)\n", new: "denied := c.identity.Allows(&action)\n\tdenied = nil\n"},
	{name: "authentication before commands", file: serverLoop, in: nodePkg, test: "TestPermissionsAndLimits",
		old: "if c.identity == nil {\n\t\t\treturn nil, machine.Item{}, reply.Error(\"NOAUTH Authentication required.\")\n\t\t}\n\t\tif err := c.permit(cmd, keys); err != nil {",
		new: "if c.identity == nil {\n\t\t} else if err := c.permit(cmd, keys); err != nil {"},
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
	{name: "that one credential's comparison tells nothing of the others", file: aclUsers, test: "TestEveryVerifierIsCompared",
		old: "for i := range rounds {\n\t\tcandidate, real := &absent, 0", new: "for i := range len(known) {\n\t\tcandidate, real := &absent, 0"},
	{name: "the comparison in constant time", file: aclUsers, test: "TestEveryVerifierIsCompared",
		old: "equal := subtle.ConstantTimeCompare(sum[:], candidate.sum[:]) & real", new: "equal := real\n\t\tif sum != candidate.sum {\n\t\t\tequal = 0\n\t\t}"},
	{name: "the quota of connections", file: serverQuota, test: "TestConnectionQuota",
		old: "if limit > 0 && next.sessions >= limit {", new: "if false {"},
	{name: "that a session that leaves makes room", file: serverQuota, test: "TestConnectionQuota",
		old: "u.users[from].sessions--", new: ""},
	{name: "the quota of requests", file: serverQuota, test: "TestRequestQuota",
		old: "c.hold(max(wait, minHold))", new: ""},
	{name: "how long a request waits for its quota", file: serverQuota, test: "TestRequestsThatWouldWaitTooLongAreRefused",
		old: "if wait > quotaHold {", new: "if false {"},
	{name: "IPv6 sources by their network", file: "engine/server/admission.go", test: "TestSourceOf",
		old: "if ip.Is6() {", new: "if false {"},
	{name: "the record of what is refused", file: serverAudit, test: "TestAuditLevels",
		old: "class = audit.Refusal\n\tcase", new: "class = audit.Read\n\tcase"},
	{name: "the record of what changes", file: serverAudit, test: "TestAuditLevels",
		old: "class = audit.Change\n\t}\n\tif c.srv.opts.Audit.Wants(class) {\n\t\tc.record", new: "class = audit.Read\n\t}\n\tif c.srv.opts.Audit.Wants(class) {\n\t\tc.record"},
	{name: "that a password given as a name is not recorded", file: "engine/audit/write.go", in: "engine/server", test: "TestAuditLevels",
		old: "l.opts.IsSecret(e.Identity) {", new: "l.opts.IsSecret(e.Identity) && false {"},
	{name: "that who fills the audit log waits", file: serverAudit, test: "TestWhoFillsTheAuditLogWaits",
		old: "c.audited = c.audited && c.srv.opts.Audit.Full()", new: "c.audited = false"},
	{name: "the bound of what waits to be recorded", file: "engine/audit/log.go", test: "TestFull",
		old: "l.queued.Load() > maxQueued", new: "l.queued.Load() > 1<<40"},
	{name: "that lost records are counted and told", file: auditWrite, test: "TestFullVolume",
		old: "l.untold += int64(count)", new: ""},
	{name: "the checksum of audit blocks", file: auditFormat, test: "TestTornAndRotten",
		old: "if f.blockCheck(b, int64(at)) != binary.LittleEndian.Uint32(b[4:]) {", new: "if false {"},
	{name: "that rot of the audit log is told from a torn end", file: auditFormat, test: "TestTornAndRotten",
		old: "if uint64(at) >= synced {", new: "if true {"},
	{name: "that no index is given twice after a crash", file: "engine/audit/log.go", test: "TestTornAndRotten",
		old: "l.next += crashLeap\n\t}\n}", new: "}\n}"},
	{name: "the fsync of the audit log", file: "engine/audit/retain.go", test: "TestACrashTakesNoMoreThanTheEnd",
		old: "if err := l.out.SyncData(); err != nil {", new: "if err := error(nil); err != nil {"},
	{name: "the bound of all audit files", file: "engine/audit/retain.go", test: "TestRetention",
		old: "|| total > l.maxBytes", new: ""},
	{name: "the retention of audit records", file: "engine/audit/retain.go", test: "TestRetention",
		old: "l.files[0].last < oldest ||", new: ""},
	{name: "the seal of audit records", file: auditFormat, test: "TestRecordsOutliveTheProcess",
		old: "if f.slots != nil && h.records > 0 {\n\t\tdst = f.slots.Seal", new: "if false {\n\t\tdst = f.slots.Seal"},
	{name: "that audit files follow the keys", file: "engine/audit/keys.go", test: "TestKeyRotation",
		old: "case !f.slots.Wrapped(l.keys):", new: "case false:"},
	{name: "the bound of a page of audit records", file: "engine/httpapi/httpapi.go", in: nodePkg, test: "TestAuditIsReadByIndex",
		old: "limit < 1 || limit > maxPage", new: "limit < 1"},
}
