package member

import (
	"github.com/coffer-dev/coffer/engine/snapshot"
	"github.com/coffer-dev/coffer/engine/vault"
)

// snapshots are the member's, under the keys in force.
func (m *Member) snapshots() snapshot.Dir {
	return snapshot.Dir{FS: m.opts.FS, Path: m.path(SnapshotDir), Keys: m.opts.Keys}
}

// Rewrap makes a key ring the one in force, and wraps one file's data key under
// its primary key; more says that there are others left. Its error is final.
func (m *Member) Rewrap(keys *vault.Ring) (more bool, err error) {
	m.opts.Keys = keys
	more, err = m.log.Rewrap(keys)
	if err == nil && !more {
		m.sealed, err = m.snapshots().Rewrap()
	}
	return more, err
}

// needs counts the key of a snapshot that was written in, until the next Rewrap
// looks: the old key is not to go meanwhile.
func (m *Member) needs(keys *vault.Ring) {
	if keys != nil {
		m.sealed.Need(keys.Primary())
	}
}

// Usage tells which keys the files need, as of the last Rewrap.
func (m *Member) Usage() vault.Usage {
	usage := m.log.Usage()
	usage.Merge(m.sealed)
	if m.writing != nil && m.writing.dir.Keys != nil {
		usage.Need(m.writing.dir.Keys.Primary())
	}
	return usage
}
