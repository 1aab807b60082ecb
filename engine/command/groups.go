package command

import (
	"github.com/coffer-dev/coffer/engine/keyevent"
	"github.com/coffer-dev/coffer/engine/machine"
	"github.com/coffer-dev/coffer/engine/reply"
	"github.com/coffer-dev/coffer/engine/store"
)

func init() {
	second := place{2, 2, 1}
	register(
		container("xgroup", -2, 0, "slow",
			row("xgroup|create", -5, Write|DenyOOM, second.to(rw|inserts), "write stream slow", parseXgroupCreate),
			row("xgroup|setid", -5, Write, second.to(rw|updates), "write stream slow", parseXgroupSetid),
			row("xgroup|destroy", 4, Write, second.to(rw|deletes), "write stream slow", plain(xgroupDestroy)),
			row("xgroup|createconsumer", 5, Write|DenyOOM, second.to(rw|inserts), "write stream slow", plain(xgroupCreateConsumer)),
			row("xgroup|delconsumer", 5, Write, second.to(rw|deletes), "write stream slow", plain(xgroupDelConsumer)),
			connection("xgroup|help", 2, Loading|Stale, "stream slow", help(
				"XGROUP <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
				"CREATE <key> <groupname> <id|$> [option]",
				"    Create a new consumer group. Options are:",
				"    * MKSTREAM",
				"      Create the empty stream if it does not exist.",
				"    * ENTRIESREAD entries_read",
				"      Set the group's entries_read counter (internal use).",
				"CREATECONSUMER <key> <groupname> <consumer>",
				"    Create a new consumer in the specified group.",
				"DELCONSUMER <key> <groupname> <consumer>",
				"    Remove the specified consumer.",
				"DESTROY <key> <groupname>",
				"    Remove the specified group.",
				"SETID <key> <groupname> <id|$> [ENTRIESREAD entries_read]",
				"    Set the current group ID and entries_read counter.",
			)),
		).since7(),
		row("xack", -4, Write|Fast, oneKey.to(rw|updates), "write stream fast", plain(xack)).since7(),
	)
}

const errKeyOfGroup = textError("ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the MKSTREAM option to create an empty stream automatically.")

// errNoGroup is what most commands answer, and errNoGroupOf what others do.
func errNoGroup(key, group []byte) error {
	return errorf("NOGROUP No such key '%s' or consumer group '%s'", cstring(key), cstring(group))
}

func errNoGroupOf(key, group []byte) error {
	return errorf("NOGROUP No such consumer group '%s' for key name '%s'", cstring(group), cstring(key))
}

// readGroup reads a stream's group; nil where there is no stream, or no group.
func readGroup(tx *machine.Tx, key, name []byte) (*store.Stream, *store.Group, error) {
	s, found, err := readStream(tx, key)
	if err != nil || !found {
		return nil, nil, err
	}
	return s, s.Group(name), nil
}

// editGroup changes a group that is there, which of redis-server's WATCH is no
// change of the stream.
func editGroup(tx *machine.Tx, key, name []byte, edit func(s *store.Stream, g *store.Group)) {
	store.Edit(tx.Store, key, func(s *store.Stream) bool {
		edit(s, s.Group(name))
		return false
	})
}

// xgroup is XGROUP CREATE and SETID.
type xgroup struct {
	argv [][]byte
	read int64
	make bool // MKSTREAM
}

func parseXgroup(argv [][]byte, create bool) (*xgroup, error) {
	op := &xgroup{argv: argv, read: store.UnknownRead}
	for i := 5; i < len(argv); i++ {
		switch {
		case create && is(argv[i], "MKSTREAM"):
			op.make = true
		case is(argv[i], "ENTRIESREAD") && i+1 < len(argv):
			i++
			var err error
			if op.read, err = integer(argv[i]); err != nil {
				return nil, err
			}
			if op.read < 0 && op.read != store.UnknownRead {
				return nil, textError("ERR value for ENTRIESREAD must be positive or -1")
			}
		default:
			return nil, errSubcommand(argv)
		}
	}
	return op, nil
}

type xgroupCreate struct{ *xgroup }

func parseXgroupCreate(argv [][]byte) (machine.Op, error) {
	op, err := parseXgroup(argv, true)
	return xgroupCreate{op}, err
}

// Apply implements machine.Op.
func (op xgroupCreate) Apply(tx *machine.Tx) reply.Reply {
	key, name := op.argv[2], op.argv[3]
	s, found, err := readStream(tx, key)
	switch {
	case err != nil:
		return fail(err)
	case !found && !op.make:
		return fail(errKeyOfGroup)
	case len(op.argv) > 8:
		return fail(errSubcommand(op.argv))
	case !found:
		s = noEntries
	}
	id, err := lastOr(s, op.argv[4], parseStrictID)
	switch {
	case err != nil:
		return fail(err)
	case s.Group(name) != nil:
		return fail(textError("BUSYGROUP Consumer Group name already exists"))
	case !found:
		tx.Store.Put(key, &store.Stream{}, 0)
	}
	store.Edit(tx.Store, key, func(s *store.Stream) bool {
		s.CreateGroup(name, id, op.read)
		return false
	})
	tx.Store.Tell(keyevent.Stream, "xgroup-create", key)
	return reply.OK
}

// lastOr is the stream's last ID for "$", and otherwise the one that is read.
func lastOr(s *store.Stream, arg []byte, parse func([]byte) (store.ID, error)) (store.ID, error) {
	if cstring(arg) == "$" {
		return s.LastID(), nil
	}
	return parse(arg)
}

type xgroupSetid struct{ *xgroup }

func parseXgroupSetid(argv [][]byte) (machine.Op, error) {
	op, err := parseXgroup(argv, false)
	return xgroupSetid{op}, err
}

// parseLooseID reads an ID, - or +.
func parseLooseID(arg []byte) (store.ID, error) {
	if string(arg) == "-" || string(arg) == "+" {
		return parseBound(arg, false)
	}
	return parseStrictID(arg)
}

// Apply implements machine.Op.
func (op xgroupSetid) Apply(tx *machine.Tx) reply.Reply {
	s, err := op.groupOf(tx)
	if err != nil {
		return fail(err)
	}
	if len(op.argv) != 5 && len(op.argv) != 7 {
		return fail(errSubcommand(op.argv))
	}
	id, err := lastOr(s, op.argv[4], parseLooseID)
	if err != nil {
		return fail(err)
	}
	editGroup(tx, op.argv[2], op.argv[3], func(_ *store.Stream, g *store.Group) { g.LastID, g.Read = id, op.read })
	tx.Store.Tell(keyevent.Stream, "xgroup-setid", op.argv[2])
	return reply.OK
}

func (op *xgroup) groupOf(tx *machine.Tx) (*store.Stream, error) { return groupOf(tx, op.argv) }

// groupOf reads the stream of a subcommand of XGROUP that wants its group to be
// there.
func groupOf(tx *machine.Tx, argv [][]byte) (*store.Stream, error) {
	s, g, err := readGroup(tx, argv[2], argv[3])
	switch {
	case err != nil:
		return nil, err
	case s == nil:
		return nil, errKeyOfGroup
	case g == nil:
		return nil, errNoGroupOf(argv[2], argv[3])
	}
	return s, nil
}

// xgroupDestroy tells those who wait with the group, too.
func xgroupDestroy(tx *machine.Tx, argv [][]byte) reply.Reply {
	s, g, err := readGroup(tx, argv[2], argv[3])
	switch {
	case err != nil:
		return fail(err)
	case s == nil:
		return fail(errKeyOfGroup)
	case g == nil:
		return reply.Integer(0)
	}
	editGroup(tx, argv[2], argv[3], func(s *store.Stream, g *store.Group) { s.DestroyGroup(g) })
	tx.Store.Rouse(argv[2])
	tx.Store.Tell(keyevent.Stream, "xgroup-destroy", argv[2])
	return reply.Integer(1)
}

func xgroupCreateConsumer(tx *machine.Tx, argv [][]byte) reply.Reply {
	if _, err := groupOf(tx, argv); err != nil {
		return fail(err)
	}
	var created int64
	editGroup(tx, argv[2], argv[3], func(_ *store.Stream, g *store.Group) {
		if g.CreateConsumer(argv[4], tx.Now) != nil {
			created = 1
			tx.Store.Tell(keyevent.Stream, "xgroup-createconsumer", argv[2])
		}
	})
	return reply.Integer(created)
}

// xgroupDelConsumer answers how much was pending for the consumer.
func xgroupDelConsumer(tx *machine.Tx, argv [][]byte) reply.Reply {
	s, err := groupOf(tx, argv)
	if err != nil {
		return fail(err)
	}
	c := s.Group(argv[3]).Consumer(argv[4])
	if c == nil {
		return reply.Integer(0)
	}
	pending := int64(c.PendingCount())
	editGroup(tx, argv[2], argv[3], func(_ *store.Stream, g *store.Group) { g.DeleteConsumer(c) })
	tx.Store.Tell(keyevent.Stream, "xgroup-delconsumer", argv[2])
	return reply.Integer(pending)
}

// xack reads its IDs here, not while parsing: where there is no group
// redis-server does not look at them.
func xack(tx *machine.Tx, argv [][]byte) reply.Reply {
	_, g, err := readGroup(tx, argv[1], argv[2])
	switch {
	case err != nil:
		return fail(err)
	case g == nil:
		return reply.Integer(0)
	}
	ids := make([]store.ID, 0, len(argv)-3)
	for _, arg := range argv[3:] {
		id, err := parseStrictID(arg)
		if err != nil {
			return fail(err)
		}
		ids = append(ids, id)
	}
	var acknowledged int64
	editGroup(tx, argv[1], argv[2], func(_ *store.Stream, g *store.Group) {
		for _, id := range ids {
			if g.Acknowledge(id) {
				acknowledged++
			}
		}
	})
	return reply.Integer(acknowledged)
}
