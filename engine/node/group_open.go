package node

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/coffer-dev/coffer/engine/adminapi"
	"github.com/coffer-dev/coffer/engine/config"
	"github.com/coffer-dev/coffer/engine/member"
	"github.com/coffer-dev/coffer/engine/peer"
	"github.com/coffer-dev/coffer/engine/wal"
)

// What a data directory holds beside the member's own.
const (
	lockName     = "LOCK"
	identityName = "identity.json"

	// memberID is raft's name of a group's first member.
	memberID = 1

	identityVersion  = 4
	identityCategory = vfs.DiskWriteCategory("identity")
)

var (
	// ErrInUse is returned for a directory that another process has open.
	ErrInUse = errors.New("the data directory is in use by another process")
	// ErrForeign is returned for a directory that holds another instance's data.
	ErrForeign = errors.New("the data directory belongs to another instance")
)

// identity says whose data a directory holds.
type identity struct {
	Version  int    `json:"version"`
	Instance string `json:"instance"` // namespace/name
	// ID is the member's number, since version 2; it is the first one's in
	// version 1, which is still written for that.
	ID uint64 `json:"id,omitempty"`
	// Generation of the group, and how it began if it did on this volume: since
	// version 3, which is written for nothing else.
	Generation uint64              `json:"generation,omitempty"`
	Recovered  *adminapi.Recovered `json:"recovered,omitempty"`
	// Unsynced is the boot of the host in whose memory the end of the log may be
	// that others count on; empty when all is on the volume. Since version 4, which
	// is written for nothing else.
	Unsynced string `json:"unsynced,omitempty"`
}

// IDOf is the number of the member that a data directory is of; 0 when there is
// none yet.
func IDOf(fs vfs.FS, dir string) (uint64, error) {
	id, err := readIdentity(fs, fs.PathJoin(dir, identityName))
	if errors.Is(err, os.ErrNotExist) {
		for _, name := range []string{member.LogDir, member.SnapshotDir} {
			if _, err := fs.Stat(fs.PathJoin(dir, name)); err == nil {
				return 0, fmt.Errorf("%w: %s holds data and no %s", ErrForeign, dir, identityName)
			}
		}
		return 0, nil
	}
	return id.ID, err
}

func readIdentity(fs vfs.FS, path string) (id identity, err error) {
	file, err := fs.Open(path)
	if err != nil {
		return id, fmt.Errorf("read identity: %w", err)
	}
	defer func() { _ = file.Close() }()
	if err := json.NewDecoder(io.LimitReader(file, 64<<10)).Decode(&id); err != nil {
		return id, fmt.Errorf("read %s: %w", path, err)
	}
	if id.Version > identityVersion {
		return id, fmt.Errorf("%s has version %d, this engine reads up to %d", path, id.Version, identityVersion)
	}
	if id.ID == 0 {
		id.ID = memberID
	}
	return id, nil
}

// OpenGroup opens a data directory, or begins one, and reads the state back.
// The group answers once it is started.
func OpenGroup(opts GroupOptions) (_ *Group, err error) {
	g := &Group{
		opts: opts,
		wake: make(chan struct{}, 1),
		stop: make(chan struct{}),
		done: make(chan struct{}),
	}
	if g.opts.Boot == "" {
		g.opts.Boot = bootOfHost()
	}
	g.snapshot.finished = make(chan snapshotResult, 1)
	g.snapshot.last.Store(time.Now().Unix())
	g.jobs.start()
	g.beginEvicting()
	g.fresh.start()
	g.synced = make(chan wal.Synced, 1)
	g.peers = peers{network: opts.Network, events: make(chan func() error, maxEvents), heard: map[uint64]uint64{}}
	g.late.start()
	g.digests.finished, g.digests.heard = make(chan bool, 1), map[uint64]map[uint64]peer.Digest{}
	g.encryption.keys, g.encryption.changed = opts.Keys, make(chan struct{}, 1)
	g.encryption.told.Store(opts.Keys)
	if err := g.prepareDir(); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			g.noteLost(err)
			_ = g.release.Close()
		}
	}()
	if err := g.identify(); err != nil {
		return nil, err
	}
	return g, g.open()
}

// Start lets the group answer.
func (g *Group) Start() error {
	g.started.Store(true)
	switch err := g.lead(); {
	case errors.Is(err, wal.ErrFull):
		g.setFull(err, 0)
	case err != nil:
		g.finish(err)
		return g.err
	}
	g.lookAtKeys() // a crash may have come between two files
	go g.loop()
	return nil
}

func (g *Group) path(name string) string { return g.opts.FS.PathJoin(g.opts.Dir, name) }

// prepareDir makes and locks the directory.
func (g *Group) prepareDir() error {
	fs, dir := g.opts.FS, g.opts.Dir
	if _, err := fs.Stat(dir); err != nil {
		if err := fs.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("make data directory: %w", err)
		}
		if err := syncDir(fs, fs.PathDir(dir)); err != nil {
			return err
		}
	}
	lock, err := fs.Lock(g.path(lockName))
	if errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EACCES) || err != nil && strings.Contains(err.Error(), "held by current process") {
		return fmt.Errorf("%w: %s: %w", ErrInUse, dir, err)
	}
	if err != nil {
		return fmt.Errorf("lock data directory: %w", err)
	}
	g.release = lock
	return nil
}

// identify makes sure that the data is this instance's. The mark is made
// before there is any data.
func (g *Group) identify() error {
	fs := g.opts.FS
	names, err := fs.List(g.opts.Dir)
	if err != nil {
		return fmt.Errorf("list data directory: %w", err)
	}
	marked, data := false, false
	for _, name := range names {
		marked = marked || name == identityName
		data = data || name == member.LogDir || name == member.SnapshotDir
	}
	switch {
	case marked:
		err = g.checkIdentity()
	case data:
		err = fmt.Errorf("%w: %s holds data and no %s", ErrForeign, g.opts.Dir, identityName)
	default:
		if g.opts.ID == 0 {
			g.opts.ID = memberID
		}
		err = g.writeIdentity(g.identity())
	}
	return err
}

// identity is the member's as long as all of its log is on the volume.
func (g *Group) identity() identity {
	return identity{ID: g.opts.ID, Generation: g.opts.Generation, Recovered: g.recovered}
}

func (g *Group) checkIdentity() error {
	id, err := readIdentity(g.opts.FS, g.path(identityName))
	if err != nil {
		return err
	}
	if id.Instance != g.opts.Instance {
		return fmt.Errorf("%w: %s is of %s, this is %s", ErrForeign, g.opts.Dir, id.Instance, g.opts.Instance)
	}
	if g.opts.ID != 0 && id.ID != g.opts.ID {
		return fmt.Errorf("%w: %s is of member %d, this is %d", ErrForeign, g.opts.Dir, id.ID, g.opts.ID)
	}
	if g.unsynced = id.Unsynced != ""; id.forgot(g.opts.FS, g.opts.Dir, g.opts.Boot) {
		return fmt.Errorf("%w: %s", ErrForgot, g.opts.Dir)
	}
	g.opts.ID, g.opts.Generation, g.recovered = id.ID, id.Generation, id.Recovered
	return nil
}

func (g *Group) writeIdentity(id identity) error {
	id.Instance = g.opts.Instance
	return id.write(g.opts.FS, g.opts.Dir)
}

// write says who the member is, in the lowest version that can: what an engine
// before it cannot go by it does not read.
func (id identity) write(fs vfs.FS, dir string) error {
	id.Version = 1
	switch {
	case id.Unsynced != "":
		id.Version = identityVersion
	case id.Generation != 0:
		id.Version = 3
	case id.ID != memberID:
		id.Version = 2
	default:
		id.ID = 0
	}
	data, err := json.Marshal(id)
	if err != nil {
		return fmt.Errorf("write identity: %w", err)
	}
	path := fs.PathJoin(dir, identityName)
	file, err := fs.Create(path+".tmp", identityCategory)
	if err != nil {
		return fmt.Errorf("write identity: %w", err)
	}
	_, err = file.Write(append(data, '\n'))
	if err == nil {
		err = file.Sync()
	}
	if closeErr := file.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = fs.Rename(path+".tmp", path)
	}
	if err != nil {
		return fmt.Errorf("write identity: %w", err)
	}
	return syncDir(fs, dir)
}

func syncDir(fs vfs.FS, path string) error {
	dir, err := fs.OpenDir(path)
	if err == nil {
		err = dir.Sync()
		_ = dir.Close()
	}
	if err != nil {
		return fmt.Errorf("fsync directory %s: %w", path, err)
	}
	return nil
}

// open opens the member and reads the state back.
func (g *Group) open() (err error) {
	// What a crash has left of a snapshot on its way is of no use.
	if err := g.opts.FS.RemoveAll(g.path(incomingDir)); err != nil {
		return fmt.Errorf("remove %s: %w", incomingDir, err)
	}
	var alone uint64
	if g.recovered != nil {
		alone = g.recovered.Index
	}
	g.member, err = member.Open(member.Options{
		FS: g.opts.FS, Dir: g.opts.Dir, ID: g.opts.ID, Voters: []uint64{memberID}, Alone: alone,
		Parse: g.opts.Parse, Log: g.opts.Log, Keys: g.opts.Keys, MaxReply: g.opts.MaxReply,
		Lazy: g.opts.Durability == config.EverySecond, Unsynced: g.tellUnsynced, SegmentSize: g.opts.SegmentSize, SnapshotAfter: g.opts.SnapshotAfter,
		Number: rand.Uint64(), DigestEvery: g.digestEvery(),
	})
	if err != nil {
		return err
	}
	if torn := g.member.Torn(); torn != nil {
		g.opts.Log.Warn("the log's tail was torn by a crash and is cut off: nobody was told of what it held", "file", torn.File, "offset", torn.Offset)
	}
	g.term.Store(g.member.Term())
	return g.remembers()
}
