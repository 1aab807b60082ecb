package main

import (
	"errors"
	"io/fs"
	"path/filepath"
	"strings"
	"syscall"
)

// files is what a directory's files take on the disk.
type files struct {
	bytes    int64
	snapshot bool // one is being written
}

// look sums up a data directory. A file may vanish meanwhile. A snapshot is on
// its way until the one before it is gone.
func look(dir string) (f files, err error) {
	snapshots := 0
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			return nil
		}
		var info fs.FileInfo
		if err == nil {
			info, err = d.Info()
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		f.bytes += info.Sys().(*syscall.Stat_t).Blocks * 512
		if strings.HasSuffix(path, ".snap") {
			snapshots++
		}
		f.snapshot = f.snapshot || snapshots > 1 || strings.HasPrefix(d.Name(), "temp-rewriteaof") || strings.HasSuffix(path, "/snapshot/next.tmp")
		return nil
	})
	return f, err
}
