package snapshot

import "github.com/cockroachdb/pebble/v2/vfs"

// Write is Dir.Write without keys.
func Write(fs vfs.FS, dir string, meta Meta, next func() (chunk []byte, done bool, err error)) (int64, error) {
	return Dir{FS: fs, Path: dir}.Write(meta, next)
}

// Newest is Dir.Newest without keys.
func Newest(fs vfs.FS, dir string) (*Reader, error) { return Dir{FS: fs, Path: dir}.Newest() }

// Prune is Dir.Prune.
func Prune(fs vfs.FS, dir string, index uint64) error { return Dir{FS: fs, Path: dir}.Prune(index) }
