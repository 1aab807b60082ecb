package node

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.etcd.io/raft/v3/raftpb"

	"github.com/coffer-dev/coffer/engine/adminapi"
	"github.com/coffer-dev/coffer/engine/member"
	"github.com/coffer-dev/coffer/engine/vault"
	"github.com/coffer-dev/coffer/engine/wal"
)

// A member that is lazy among others (config.EverySecond) says to have what is in
// its host's memory alone for up to a second. A process that is killed takes
// nothing of it, a host that goes down does, and then others may have counted on
// what is gone: who votes without it could elect a leader without what was
// acknowledged. So the member's identity says in which boot of the host it was so,
// and a member that finds itself in another one is nobody, as one whose volume is
// lost: it waits to be added anew. Its log stays until then, since it may be the
// latest there is left.

// forgotName is of a file without content that says the same of a log that could
// not be made durable: what is in the host's memory may be on no disk. It counts
// while the identity says that there is such a log.
const forgotName = "FORGOT"

// ErrForgot is returned for a directory whose log may lack what its member said
// to have.
var ErrForgot = errors.New("the member may have forgotten what it had acknowledged: the host went down, or the disk failed, before that was on the volume")

// bootOfHost tells apart the times between which a host's memory is lost. Where
// that is not known, each start of the process counts as one.
func bootOfHost() string {
	data, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if boot := strings.TrimSpace(string(data)); err == nil && boot != "" {
		return boot
	}
	return "unknown-" + strconv.FormatUint(rand.Uint64(), 16)
}

// forgot tells whether the log may lack its end.
func (id identity) forgot(fs vfs.FS, dir, boot string) bool {
	if id.Unsynced == "" {
		return false
	}
	_, err := fs.Stat(fs.PathJoin(dir, forgotName))
	return err == nil || id.Unsynced != boot
}

// forget notes that the log may lack its end, whoever opens it in whatever boot.
func forget(fs vfs.FS, dir string) error {
	file, err := fs.Create(fs.PathJoin(dir, forgotName), identityCategory)
	if err != nil {
		return fmt.Errorf("note that the log may lack its end: %w", err)
	}
	_ = file.Close()
	return syncDir(fs, dir)
}

// noteLost notes that the log may lack its end, if that is why it could not be made
// durable.
func (g *Group) noteLost(err error) {
	if !errors.Is(err, wal.ErrFailed) || !g.unsynced {
		return
	}
	if err := forget(g.opts.FS, g.opts.Dir); err != nil {
		g.opts.Log.Error("the log may lack its end", "error", err)
	}
}

// remembers notes, of a log that was opened and so is durable, that it is whole.
func (g *Group) remembers() error {
	err := g.opts.FS.Remove(g.path(forgotName)) // of a log that is no more
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove %s: %w", forgotName, err)
	}
	if !g.unsynced {
		return nil
	}
	return g.tellUnsynced(false)
}

// tellUnsynced is what the member tells of its log.
func (g *Group) tellUnsynced(is bool) error {
	if g.reborn {
		return nil // the volume is of another member already
	}
	id := g.identity()
	if is {
		id.Unsynced = g.opts.Boot
	}
	if err := g.writeIdentity(id); err != nil {
		return err
	}
	g.unsynced = is
	return nil
}

// forgotten is a member that may have forgotten, and what its log has.
type forgotten struct {
	identity
	fs         vfs.FS
	dir        string
	last, term uint64
	conf       *raftpb.ConfState
}

// lookForForgotten looks whether a directory is of such a member; nil if not.
// That of another instance is left to who opens it, and refuses it.
func lookForForgotten(fs vfs.FS, dir, instance, boot string, keys *vault.Ring) (*forgotten, error) {
	id, err := readIdentity(fs, fs.PathJoin(dir, identityName))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil || id.Instance != instance || !id.forgot(fs, dir, boot) {
		return nil, err
	}
	if err := forget(fs, dir); err != nil { // it may come back to the boot that it was of
		return nil, err
	}
	f := &forgotten{identity: id, fs: fs, dir: dir}
	f.last, f.term, f.conf, err = member.Peek(member.Options{FS: fs, Dir: dir, Voters: []uint64{memberID}, Keys: keys})
	return f, err
}

// becomes has the volume be of another member, that has nothing yet. Until that is
// written, the last of all, it is of the one that forgot.
func (f *forgotten) becomes(is place) error {
	for _, name := range []string{member.LogDir, member.SnapshotDir, incomingDir} {
		if err := f.fs.RemoveAll(f.fs.PathJoin(f.dir, name)); err != nil {
			return fmt.Errorf("remove what a member had that is in the group no more: %w", err)
		}
	}
	if err := syncDir(f.fs, f.dir); err != nil {
		return err
	}
	return identity{Instance: f.Instance, ID: is.id, Generation: is.generation}.write(f.fs, f.dir)
}

// mayRecover says why the group is not to go on from this member alone.
func (f *forgotten) mayRecover(id, index uint64) error {
	switch {
	case id != f.ID:
		return notNow("member %d is to go on, the volume is of %d", id, f.ID)
	case index != f.last || index == 0:
		return notNow("the log ends at %d, not at %d", f.last, index)
	}
	return nil
}

// status is what there is to tell of its log.
func (f *forgotten) status(nameOf func(uint64) string) *adminapi.Group {
	s := &adminapi.Group{Forgot: f.ID, Generation: f.Generation, LastIndex: f.last, LastTerm: f.term}
	for _, id := range f.conf.GetVoters() {
		s.Members = append(s.Members, adminapi.GroupMember{ID: id, Name: nameOf(id), Voter: true})
	}
	for _, id := range f.conf.GetLearners() {
		s.Members = append(s.Members, adminapi.GroupMember{ID: id, Name: nameOf(id)})
	}
	return s
}
