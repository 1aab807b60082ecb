package wal

import (
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// TestForgottenIsInNoFile: spare files, of which there are some before, and what
// the next Release gives up have gone once that is over, also if the host goes
// down then.
func TestForgottenIsInNoFile(t *testing.T) {
	fs := vfs.NewCrashableMem()
	newDir(t, fs)
	l := mustOpen(t, fs, Mark{}).log
	release := func(index uint64) {
		t.Helper()
		if err := l.MarkSnapshot(Mark{Index: index, Term: 1}); err != nil {
			t.Fatal(err)
		}
		if err := l.Release(index); err != nil {
			t.Fatal(err)
		}
	}
	fillTo(t, l, 1, 100)
	release(90)
	if !l.HasSpare() {
		t.Fatal("no file is kept: the test sees nothing removed")
	}
	before, err := fs.List("wal")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Forget(); err != nil {
		t.Fatal(err)
	}
	release(100)
	if l.HasSpare() {
		t.Error("what was given up is kept as a spare file")
	}
	after, err := fs.CrashClone(vfs.CrashCloneCfg{}).List("wal")
	if err != nil || len(after) == 0 {
		t.Fatalf("%v, %v", after, err)
	}
	for _, name := range before {
		if slices.Contains(after, name) {
			t.Errorf("%s is still there", name)
		}
	}
}
