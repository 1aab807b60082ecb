package node

import (
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/coffer-dev/coffer/engine/member"
)

// countingFS counts how often the log's files are made durable: what a write
// costs is mostly its share of one such wait.
type countingFS struct {
	vfs.FS
	syncs *atomic.Int64
}

// OpenReadWrite is how the log opens what it writes to.
func (c countingFS) OpenReadWrite(name string, category vfs.DiskWriteCategory, opts ...vfs.OpenOption) (vfs.File, error) {
	file, err := c.FS.OpenReadWrite(name, category, opts...)
	if err != nil || c.PathBase(c.PathDir(name)) != member.LogDir {
		return file, err
	}
	return countingFile{file, c.syncs}, nil
}

type countingFile struct {
	vfs.File
	syncs *atomic.Int64
}

// Sync counts.
func (f countingFile) Sync() error {
	f.syncs.Add(1)
	return f.File.Sync()
}

// SyncData counts.
func (f countingFile) SyncData() error {
	f.syncs.Add(1)
	return f.File.SyncData()
}
