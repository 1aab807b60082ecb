package command

import "github.com/coffer-dev/coffer/engine/reply"

const errSave = textError("ERR snapshots are taken by themselves, as the log grows: what was acknowledged is in the log already, and LASTSAVE tells when the last one was taken. " +
	"A backup is one of the volume, by whoever runs the cluster")

func init() {
	refused := func(Session, [][]byte) reply.Reply { return fail(errSave) }
	register(
		connection("lastsave", 1, Loading|Stale|Fast, "admin fast dangerous", func(s Session, _ [][]byte) reply.Reply { return reply.Integer(s.LastSave()) }).since7().tip(tipVaries),
		connection("bgsave", -1, Admin|NoScript|NoAsyncLoading, "admin slow dangerous", refused).since7(),
		connection("save", 1, Admin|NoScript|NoAsyncLoading|NoMulti, "admin slow dangerous", refused).since7(),
	)
}
