package member

import (
	"cmp"
	"errors"
	"io/fs"

	"go.etcd.io/raft/v3/raftpb"

	"github.com/coffer-dev/coffer/engine/replica"
	"github.com/coffer-dev/coffer/engine/wal"
)

// Peek tells where a log ends, and who the members are as of there, of a member
// that is not to be opened: it takes no part.
func Peek(opts Options) (last, term uint64, conf *raftpb.ConfState, err error) {
	m := &Member{opts: opts}
	conf = &raftpb.ConfState{Voters: opts.Voters}
	if _, err := opts.FS.Stat(m.path(LogDir)); errors.Is(err, fs.ErrNotExist) {
		return 0, 0, conf, nil
	}
	newest, err := m.snapshots().Newest()
	if err != nil {
		return 0, 0, conf, err
	}
	var mark wal.Mark
	if newest != nil {
		_ = newest.Close()
		last, term, conf = newest.Meta.Index, newest.Meta.Term, newest.Meta.ConfState
		mark = wal.Mark{Index: last, Term: term}
	}
	see := func(e *raftpb.Entry) (err error) {
		last, term = e.GetIndex(), e.GetTerm()
		conf, err = replica.Members(conf, e)
		return err
	}
	log, state, err := wal.Open(wal.Options{FS: opts.FS, Dir: m.path(LogDir), Keys: opts.Keys}, mark, see)
	if err != nil {
		return 0, 0, conf, err
	}
	for _, e := range state.Entries {
		err = cmp.Or(err, see(e))
	}
	return last, term, conf, cmp.Or(err, log.Close())
}
