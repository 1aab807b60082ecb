package acl

// Rules of the roles that most users need, in Redis' terms. What a client
// library asks when it connects (HELLO, CLIENT SETINFO, INFO) is allowed in
// each.
var (
	// ReadOnly may read keys.
	ReadOnly = []string{"@read", "@connection", "@transaction", "-@write", "-@admin", "-@dangerous", "command", "info", "time", "acl|whoami", "acl|cat", "acl|genpass"}
	// ReadWrite may read and write keys, publish, subscribe and run scripts.
	ReadWrite = []string{"@read", "@write", "@connection", "@transaction", "@pubsub", "@scripting", "-@admin", "-@dangerous", "command", "info", "time", "acl|whoami", "acl|cat", "acl|genpass"}
	// Admin may do everything.
	Admin = []string{"@all"}
)
