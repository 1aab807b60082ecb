package command

import "github.com/coffer-dev/coffer/engine/reply"

// deprecations are of the commands that Redis has others for: since which of its
// versions, and what it says to use instead.
var deprecations = map[string]struct{ since, instead string }{
	"brpoplpush":           {"6.2.0", "`BLMOVE` with the `RIGHT` and `LEFT` arguments"},
	"georadius":            {"6.2.0", "`GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` argument"},
	"georadius_ro":         {"6.2.0", "`GEOSEARCH` with the `BYRADIUS` argument"},
	"georadiusbymember":    {"6.2.0", "`GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` and `FROMMEMBER` arguments"},
	"georadiusbymember_ro": {"6.2.0", "`GEOSEARCH` with the `BYRADIUS` and `FROMMEMBER` arguments"},
	"getset":               {"6.2.0", "`SET` with the `!GET` argument"},
	"hmset":                {"4.0.0", "`HSET` with multiple field-value pairs"},
	"rpoplpush":            {"6.2.0", "`LMOVE` with the `RIGHT` and `LEFT` arguments"},
	"substr":               {"2.0.0", "`GETRANGE`"},
	"zrangebylex":          {"6.2.0", "`ZRANGE` with the `BYLEX` argument"},
	"zrangebyscore":        {"6.2.0", "`ZRANGE` with the `BYSCORE` argument"},
	"zrevrange":            {"6.2.0", "`ZRANGE` with the `REV` argument"},
	"zrevrangebylex":       {"6.2.0", "`ZRANGE` with the `REV` and `BYLEX` arguments"},
	"zrevrangebyscore":     {"6.2.0", "`ZRANGE` with the `REV` and `BYSCORE` arguments"},
}

// cautions are what COMMAND DOCS tells to those who might use the command; nothing
// for most.
func (c *Command) cautions() []reply.Reply {
	if c.Name == "debug" {
		return []reply.Reply{reply.BulkString("doc_flags"), reply.Set(reply.Simple("syscmd"))}
	}
	d, deprecated := deprecations[c.Name]
	if !deprecated {
		return nil
	}
	return []reply.Reply{
		reply.BulkString("doc_flags"), reply.Set(reply.Simple("deprecated")),
		reply.BulkString("deprecated_since"), reply.BulkString(d.since),
		reply.BulkString("replaced_by"), reply.BulkString(d.instead),
	}
}
