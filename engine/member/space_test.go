package member

import (
	"encoding/binary"
	"log/slog"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/coffer-dev/coffer/engine/command"
)

// onVolume is what all files of a member take.
func onVolume(t *testing.T, fs vfs.FS, dir string) (bytes int64) {
	t.Helper()
	names, err := fs.List(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		path := fs.PathJoin(dir, name)
		info, err := fs.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.IsDir() {
			bytes += onVolume(t, fs, path)
		} else {
			bytes += info.Size()
		}
	}
	return bytes
}

// TestVolumeHoldsTwiceTheData overwrites a database again and again. Its files
// never take more than twice what it holds, and during a snapshot, beside which
// writes go on as fast as they may, three times.
func TestVolumeHoldsTwiceTheData(t *testing.T) {
	const keys, size = 640, 64 << 10
	const data = keys * size
	fs := vfs.NewMem()
	if err := fs.MkdirAll("data", 0o700); err != nil {
		t.Fatal(err)
	}
	m, err := Open(Options{FS: fs, Dir: "data", ID: 1, Voters: []uint64{1}, Parse: command.Parse, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	lead(t, m)
	value := strings.Repeat("v", size)
	written, snapshots, during := 0, 0, int64(0)
	write := func() {
		key := binary.BigEndian.AppendUint16([]byte("key:"), uint16(written%keys))
		p := &Proposal{Items: items(t, true, "SET", string(key), value), Now: 1}
		if err := m.Propose(p); err != nil {
			t.Fatal(err)
		}
		if turns(t, m); p.Err != nil {
			t.Fatal(p.Err)
		}
		written++
	}
	var running *Snapshot
	for written < 3*keys {
		write()
		if m.SnapshotDue() {
			if running, err = m.BeginSnapshot(); err != nil {
				t.Fatal(err)
			}
			err := running.Write(func() ([]byte, bool, error) {
				for !m.Outrun() {
					write()
				}
				during = max(during, onVolume(t, fs, "data"))
				chunk, done := running.Next(3 * size)
				return chunk, done, nil
			})
			if err != nil {
				t.Fatal(err)
			}
			if err := m.EndSnapshot(running); err != nil {
				t.Fatal(err)
			}
			snapshots++
		}
		if steady := onVolume(t, fs, "data"); written > keys && steady > 2*data {
			t.Fatalf("after %d writes files take %d bytes for %d of data", written, steady, data)
		}
	}
	if snapshots < 3 || during > 3*data || during < 2*data {
		t.Errorf("%d snapshots, during them files took up to %d bytes for %d of data", snapshots, during, data)
	}
}
