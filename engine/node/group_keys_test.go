package node

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/coffer-dev/coffer/engine/adminapi"
	"github.com/coffer-dev/coffer/engine/machine"
	"github.com/coffer-dev/coffer/engine/vault"
	"github.com/coffer-dev/coffer/test/fixture/keyring"
)

func under(keys *vault.Ring) func(*GroupOptions) {
	return func(o *GroupOptions) { o.Keys = keys }
}

// volume is the content of every file in the data directory, by path: of a copy,
// since who writes them may go on.
func volume(t testing.TB, fs *vfs.MemFS) map[string][]byte {
	t.Helper()
	return below(t, fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: rand.New(rand.NewPCG(1, 2))}), "data")
}

// below is the content of every file of a file system that nobody uses.
func below(t testing.TB, fs *vfs.MemFS, dir string) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	names, err := fs.List(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		path := fs.PathJoin(dir, name)
		info, err := fs.Stat(path)
		if err != nil {
			continue // removed meanwhile
		}
		if info.IsDir() {
			for path, data := range below(t, fs, path) {
				files[path] = data
			}
			continue
		}
		if data, err := fs.UnsafeGetFileDataBuffer(path); err == nil {
			files[path] = data
		}
	}
	return files
}

// found lists the files in which one of the texts stands.
func found(files map[string][]byte, texts []string) (paths []string) {
	for path, data := range files {
		if slices.ContainsFunc(texts, func(s string) bool { return bytes.Contains(data, []byte(s)) }) {
			paths = append(paths, path)
		}
	}
	return paths
}

// TestVolumeHoldsNothingThatWasWritten looks for every key and value in every
// file there is, also while the group runs: in the log, spare segments,
// snapshots and those half-made. That they are found when nothing is sealed
// shows that the looking works.
func TestVolumeHoldsNothingThatWasWritten(t *testing.T) {
	for name, keys := range map[string]*vault.Ring{"sealed": keyring.New(t, 1), "plain": nil} {
		t.Run(name, func(t *testing.T) {
			fs := vfs.NewCrashableMem()
			g := startGroup(t, groupOptions(fs, under(keys)))
			var mu sync.Mutex
			var texts []string
			stop := make(chan struct{})
			var wg sync.WaitGroup
			for w := range 3 {
				wg.Go(func() {
					for i := 0; !isClosed(stop); i++ {
						key, value := fmt.Sprintf("the-key-%d-%d-", w, i), fmt.Sprintf("the-value-%d-%d-", w, i)
						items := []machine.Item{item("SET", key, value+strings.Repeat("v", i*7%500))}
						if g.Do(items) != nil {
							return
						}
						mu.Lock()
						texts = append(texts, key, value)
						mu.Unlock()
					}
				})
			}
			seen := map[string]bool{} // kinds of files looked into
			where := map[string]bool{}
			look := func(files map[string][]byte) {
				mu.Lock()
				defer mu.Unlock()
				for path := range files {
					seen[filepath.Ext(path)] = true
				}
				for _, path := range found(files, texts) {
					where[filepath.Ext(path)] = true
				}
			}
			for deadline := time.Now().Add(time.Minute); (!seen[".snap"] || !seen[".spare"] || !seen[".tmp"]) && time.Now().Before(deadline); {
				look(volume(t, fs))
			}
			close(stop)
			wg.Wait()
			if err := g.Stop(); err != nil {
				t.Fatal(err)
			}
			look(volume(t, fs))
			if !seen[".wal"] || !seen[".snap"] || !seen[".spare"] {
				t.Fatalf("looked into %v only", seen)
			}
			if keys != nil && len(where) > 0 {
				t.Fatalf("found in %v", where)
			}
			if keys == nil && (!where[".wal"] || !where[".snap"] || !where[".spare"]) {
				t.Fatalf("found in %v only: the test does not see what it looks for", where)
			}
		})
	}
}

// waitKeys waits for what the group says of its encryption.
func waitKeys(t testing.TB, g *Group, ok func(adminapi.Encryption) bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !ok(g.Stats().Encryption); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("still %+v", g.Stats().Encryption)
		}
	}
}

// only tells that the ring's primary key is all that is needed.
func only(keys *vault.Ring) func(adminapi.Encryption) bool {
	id := keys.Primary().String()
	return func(e adminapi.Encryption) bool {
		return e.Primary == id && slices.Equal(e.InUse, []string{id}) && e.PlainFiles == 0
	}
}

// TestKeyRotation changes the key again and again while writes and snapshots
// go on: once the group says so, the old key is not needed.
func TestKeyRotation(t *testing.T) {
	fs := vfs.NewCrashableMem()
	g := startGroup(t, groupOptions(fs, under(keyring.New(t, 1))))
	var mu sync.Mutex
	acked := map[string]string{}
	stop := make(chan struct{})
	wg := writers(g, 3, stop, func(key, value string) {
		mu.Lock()
		defer mu.Unlock()
		acked[key] = value
	})
	for n := byte(2); n < 12; n++ {
		g.SetKeys(keyring.New(t, n, n-1))
		waitKeys(t, g, only(keyring.New(t, n, n-1)))
		mu.Lock()
		before := make(map[string]string, len(acked))
		for k, v := range acked {
			before[k] = v
		}
		mu.Unlock()
		crashed := startGroup(t, groupOptions(fs.CrashClone(vfs.CrashCloneCfg{}), under(keyring.New(t, n))))
		for key := range before {
			if get(t, crashed, key) == "" {
				t.Fatalf("key %d: %s is lost", n, key)
			}
		}
		if err := crashed.Stop(); err != nil {
			t.Fatal(err)
		}
	}
	close(stop)
	wg.Wait()
	if err := g.Stop(); err != nil {
		t.Fatal(err)
	}
	g = startGroup(t, groupOptions(fs, under(keyring.New(t, 11))))
	defer g.Stop()
	for key, value := range acked {
		if got := get(t, g, key); got != value {
			t.Fatalf("%s is %q, want %q", key, got, value)
		}
	}
}

// TestKeyChangesWhileASnapshotIsWritten: its file is under the old key when it
// is done, and the group says so until it is wrapped again.
func TestKeyChangesWhileASnapshotIsWritten(t *testing.T) {
	mem := vfs.NewCrashableMem()
	var held atomic.Bool
	reached, release := make(chan struct{}, 1), make(chan struct{})
	fs := errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpFileWrite && strings.HasSuffix(op.Path, "snapshot/next.tmp") && held.CompareAndSwap(true, false) {
			reached <- struct{}{}
			<-release
		}
		return nil
	}))
	g := startGroup(t, groupOptions(fs, under(keyring.New(t, 1))))
	held.Store(true)
	var wg sync.WaitGroup
	wg.Go(func() { // the last of these writes waits for the snapshot
		for i := 0; held.Load(); i++ {
			if err := g.Do([]machine.Item{item("SET", fmt.Sprint("k", i%100), strings.Repeat("v", 500))}); err != nil {
				t.Error(err)
			}
		}
	})
	<-reached
	g.SetKeys(keyring.New(t, 2, 1))
	old := keyring.New(t, 1).Primary().String()
	for range 30 { // longer than a look at the files takes
		time.Sleep(50 * time.Millisecond)
		if e := g.Stats().Encryption; !slices.Contains(e.InUse, old) {
			t.Fatalf("a snapshot is being written under key %s: %+v", old, e)
		}
	}
	close(release)
	stop := make(chan struct{})
	wg.Go(func() {
		for !isClosed(stop) {
			if only(keyring.New(t, 2))(g.Stats().Encryption) {
				crashed, err := OpenGroup(groupOptions(mem.CrashClone(vfs.CrashCloneCfg{}), under(keyring.New(t, 2))))
				if err != nil {
					t.Errorf("the old key is needed: %v", err)
					return
				}
				_ = crashed.Stop()
			}
		}
	})
	waitKeys(t, g, only(keyring.New(t, 2)))
	time.Sleep(50 * time.Millisecond)
	close(stop)
	wg.Wait()
	if err := g.Stop(); err != nil {
		t.Fatal(err)
	}
}

// TestRotationGoesOnAfterACrash: the ring has both keys, some files are under
// the old one.
func TestRotationGoesOnAfterACrash(t *testing.T) {
	fs := vfs.NewMem()
	g := startGroup(t, groupOptions(fs, under(keyring.New(t, 1))))
	for i := range 200 {
		do(t, g, item("SET", fmt.Sprint("k", i), strings.Repeat("v", 500)))
	}
	if err := g.Stop(); err != nil {
		t.Fatal(err)
	}
	g = startGroup(t, groupOptions(fs, under(keyring.New(t, 2, 1))))
	defer g.Stop()
	waitKeys(t, g, only(keyring.New(t, 2)))
}

func TestMissingKeyIsRefused(t *testing.T) {
	fs := vfs.NewMem()
	g := startGroup(t, groupOptions(fs, under(keyring.New(t, 1))))
	do(t, g, item("SET", "a", "1"))
	if err := g.Stop(); err != nil {
		t.Fatal(err)
	}
	for _, keys := range []*vault.Ring{nil, keyring.New(t, 2)} {
		_, err := OpenGroup(groupOptions(fs, under(keys)))
		var missing *vault.KeyError
		if !errors.As(err, &missing) || !strings.Contains(err.Error(), "data/wal/") {
			t.Fatalf("opened without the key: %v", err)
		}
	}
	g = startGroup(t, groupOptions(fs, under(keyring.New(t, 2, 1))))
	defer g.Stop()
	if got := get(t, g, "a"); got != "1" {
		t.Fatalf("got %q", got)
	}
}

// golden is a volume as a version wrote it.
func golden(t testing.TB, dir string) *vfs.MemFS {
	t.Helper()
	fs := vfs.NewMem()
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		to := filepath.Join("data", strings.TrimPrefix(path, dir))
		if d.IsDir() {
			return fs.MkdirAll(to, 0o700)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		file, err := fs.Create(to, vfs.WriteCategoryUnspecified)
		if err == nil {
			_, err = file.Write(data)
			file.Close()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return fs
}

// TestVolumeOfVersion1 opens with and without keys; with them nothing of it
// stays plain.
func TestVolumeOfVersion1(t *testing.T) {
	for name, keys := range map[string]*vault.Ring{"plain": nil, "sealed": keyring.New(t, 1)} {
		t.Run(name, func(t *testing.T) {
			fs := golden(t, "testdata/v1")
			g := startGroup(t, groupOptions(fs, under(keys)))
			if keys != nil {
				waitKeys(t, g, only(keys))
			}
			do(t, g, item("SET", "new", "value"))
			check := func() {
				t.Helper()
				for i := 20; i < 60; i++ {
					want := fmt.Sprintf("value-%d-%s", i, strings.Repeat("v", i*7%300))
					if got := get(t, g, fmt.Sprintf("key-%d", i%40)); got != want {
						t.Fatalf("key-%d is %q, want %q", i%40, got, want)
					}
				}
			}
			check()
			if err := g.Stop(); err != nil {
				t.Fatal(err)
			}
			if at := found(below(t, fs, "data"), []string{"key-", "value-"}); keys != nil && len(at) > 0 {
				t.Fatalf("plain text in %v", at)
			}
			g = startGroup(t, groupOptions(fs, under(keys)))
			defer g.Stop()
			check()
		})
	}
}
