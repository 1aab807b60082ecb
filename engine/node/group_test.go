package node

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/coffer-dev/coffer/engine/config"
	"github.com/coffer-dev/coffer/engine/machine"
	"github.com/coffer-dev/coffer/engine/reply"
	"github.com/coffer-dev/coffer/engine/snapshot"
	"github.com/coffer-dev/coffer/engine/store"
	"github.com/coffer-dev/coffer/engine/wal"
)

// testOp is SET key value [deadline ms] and GET key, all that these tests need.
type testOp struct{ argv [][]byte }

func (o testOp) Apply(tx *machine.Tx) reply.Reply {
	if string(o.argv[0]) == "GET" {
		if v, ok := tx.Store.Get(o.argv[1], tx.Now).(store.String); ok {
			return reply.Bulk(v)
		}
		return reply.Null
	}
	deadline := int64(0)
	if len(o.argv) > 3 {
		deadline = tx.Now + int64(o.argv[3][0])
	}
	tx.Store.Put(o.argv[1], store.String(bytes.Clone(o.argv[2])), deadline)
	return reply.OK
}

func testParse(argv [][]byte) (machine.Op, error) {
	if len(argv) < 2 {
		return nil, errors.New("arguments")
	}
	return testOp{argv}, nil
}

func item(args ...string) machine.Item {
	argv := make([][]byte, len(args))
	for i, a := range args {
		argv[i] = []byte(a)
	}
	return machine.Item{Op: testOp{argv}, Argv: argv, Write: args[0] == "SET"}
}

// groupOptions are those of a group on a file system of its own; modify
// changes them.
func groupOptions(fs vfs.FS, modify ...func(*GroupOptions)) GroupOptions {
	opts := GroupOptions{
		FS: fs, Dir: "data", Instance: "ns/test", Durability: config.Always, Parse: testParse,
		Log: slog.New(slog.DiscardHandler), SegmentSize: 32 << 10, SnapshotAfter: 100 << 10,
	}
	for _, m := range modify {
		m(&opts)
	}
	return opts
}

func startGroup(t testing.TB, opts GroupOptions) *Group {
	t.Helper()
	g, err := OpenGroup(opts)
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Start(); err != nil {
		t.Fatal(err)
	}
	return g
}

// Do is Write, and waits.
func (g *Group) Do(items []machine.Item) error {
	done := make(chan error, 1)
	if !slices.ContainsFunc(items, isWrite) {
		return g.Read(items)
	}
	g.Write(items, func(err error) { done <- err })
	return <-done
}

func do(t testing.TB, g *Group, items ...machine.Item) []reply.Reply {
	t.Helper()
	if err := g.Do(items); err != nil {
		t.Fatal(err)
	}
	replies := make([]reply.Reply, len(items))
	for i := range items {
		replies[i] = items[i].Reply
	}
	return replies
}

func get(t testing.TB, g *Group, key string) string {
	t.Helper()
	return string(do(t, g, item("GET", key))[0].Str)
}

func TestGroupAnswersInOrder(t *testing.T) {
	g := startGroup(t, groupOptions(vfs.NewMem()))
	defer g.Stop()
	got := do(t, g, item("GET", "a"), item("SET", "a", "1"), item("GET", "a"), item("SET", "a", "2"), item("GET", "a"))
	if got[0].Kind != reply.KindNull || string(got[2].Str) != "1" || string(got[4].Str) != "2" {
		t.Fatalf("replies %v", got)
	}
	var many []machine.Item
	for i := range 3 * maxEntryItems {
		many = append(many, item("SET", "n", fmt.Sprint(i)), item("GET", "n"))
	}
	for i, r := range do(t, g, many...) {
		if i%2 == 1 && string(r.Str) != fmt.Sprint(i/2) {
			t.Fatalf("read %d answered %s", i/2, r.Str)
		}
	}
	if f := g.Stats(); f.Role != "leader" || f.Keys != 2 || f.AppliedIndex == 0 || f.Term == 0 {
		t.Fatalf("facts %+v", f)
	}
}

// writers run until stop is closed; each confirms what was acknowledged.
func writers(g *Group, n int, stop <-chan struct{}, acked func(key, value string)) *sync.WaitGroup {
	var wg sync.WaitGroup
	for w := range n {
		wg.Go(func() {
			for i := 1; !isClosed(stop); i++ {
				key, value := fmt.Sprintf("w%d-%d", w, i%50), fmt.Sprintf("%d-%s", i, strings.Repeat("v", i*7%300))
				items := []machine.Item{item("SET", key, value)}
				if g.Do(items) != nil || items[0].Reply.IsError() {
					return
				}
				acked(key, value)
			}
		})
	}
	return &wg
}

// number is the counter that a writer put before its value.
func number(value string) int {
	n := 0
	fmt.Sscanf(value, "%d-", &n)
	return n
}

func TestGroupRestartsFromSnapshotAndLog(t *testing.T) {
	fs := vfs.NewMem()
	var state []byte
	want := map[string]string{}
	for round := range 4 {
		g := startGroup(t, groupOptions(fs))
		if round > 0 && g.member.Machine().Keys() != len(want) {
			t.Fatalf("round %d: %d keys, want %d", round, g.member.Machine().Keys(), len(want))
		}
		for key, value := range want {
			if got := get(t, g, key); got != value {
				t.Fatalf("round %d: %s is %q, want %q", round, key, got, value)
			}
		}
		var mu sync.Mutex
		stop := make(chan struct{})
		wg := writers(g, 8, stop, func(key, value string) {
			mu.Lock()
			want[key] = value
			mu.Unlock()
		})
		time.Sleep(300 * time.Millisecond)
		close(stop)
		wg.Wait()
		if err := g.Stop(); err != nil {
			t.Fatal(err)
		}
		state = stateOf(t, g)
	}
	g := startGroup(t, groupOptions(fs))
	if err := g.Stop(); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(stateOf(t, g), state) {
		t.Fatal("the state read back is another")
	}
	names, err := fs.List("data/snapshot")
	if err != nil || len(names) != 1 {
		t.Fatalf("snapshots %v, %v", names, err)
	}
	if names, _ = fs.List("data/wal"); len(names) > 20 {
		t.Fatalf("%d files in the log: nothing was released", len(names))
	}
}

// stateOf is all that a stopped group's machine holds, but for the index,
// which moves on with each start.
func stateOf(t testing.TB, g *Group) (state []byte) {
	t.Helper()
	s, err := g.member.Machine().BeginSnapshot()
	if err != nil {
		t.Fatal(err)
	}
	for done := false; !done; {
		var chunk []byte
		chunk, done = s.Next(1 << 20)
		state = append(state, chunk...)
	}
	const beforeIndex, afterIndex = 8, 16
	return append(state[:beforeIndex], state[afterIndex:]...)
}

// TestGroupSurvivesTheLossOfUnsyncedData takes the disk away at random moments
// while writers run: whatever had been acknowledged until then is in what a
// crash leaves of it.
func TestGroupSurvivesTheLossOfUnsyncedData(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for round := range 6 {
		mem := vfs.NewCrashableMem()
		g := startGroup(t, groupOptions(mem))
		var acked sync.Map
		stop := make(chan struct{})
		wg := writers(g, 8, stop, func(key, value string) { acked.Store(key, value) })
		for range 8 {
			time.Sleep(time.Duration(10+rng.IntN(30)) * time.Millisecond)
			before := map[any]any{}
			acked.Range(func(k, v any) bool { before[k] = v; return true })
			crashed := mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: round % 3 * 50, RNG: rng})
			again := startGroup(t, groupOptions(crashed))
			for key, value := range before {
				if got := get(t, again, key.(string)); number(got) < number(value.(string)) {
					t.Fatalf("%s was acknowledged as %.10s and is %.10s after a crash", key, value, got)
				}
			}
			if err := again.Stop(); err != nil {
				t.Fatal(err)
			}
		}
		close(stop)
		wg.Wait()
		if err := g.Stop(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestEverySecondIsDurableAfterASecond(t *testing.T) {
	mem := vfs.NewCrashableMem()
	g := startGroup(t, groupOptions(mem, func(o *GroupOptions) { o.Durability = config.EverySecond }))
	defer g.Stop()
	do(t, g, item("SET", "a", "1"))
	deadline := time.Now().Add(5 * time.Second)
	for {
		again := startGroup(t, groupOptions(mem.CrashClone(vfs.CrashCloneCfg{})))
		got := get(t, again, "a")
		again.Stop()
		if got == "1" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("not durable after 5 s")
		}
		time.Sleep(100 * time.Millisecond)
	}
}

func TestFailedFsyncStopsTheGroup(t *testing.T) {
	var broken atomic.Bool
	fs := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if broken.Load() && op.Kind == errorfs.OpFileSyncData {
			return syscall.EIO
		}
		return nil
	}))
	g := startGroup(t, groupOptions(fs))
	do(t, g, item("SET", "a", "1"))
	broken.Store(true)
	if err := g.Do([]machine.Item{item("SET", "a", "2")}); !errors.Is(err, wal.ErrFailed) || !errors.Is(err, syscall.EIO) {
		t.Fatalf("a write whose fsync failed: %v", err)
	}
	broken.Store(false)
	<-g.Done()
	if err := g.Do([]machine.Item{item("SET", "a", "3")}); err == nil {
		t.Fatal("a write was taken after a failed fsync")
	}
	if err := g.Do([]machine.Item{item("GET", "a")}); err == nil {
		t.Fatal("a read was answered after a failed fsync")
	}
	if err := g.Stop(); !errors.Is(err, ErrFailed) {
		t.Fatalf("why it stopped: %v", err)
	}
}

// TestFailedFsyncBesideTheLogStopsTheGroup: with EverySecond nobody waits for
// the disk, and what it has lost is unknown all the same.
func TestFailedFsyncBesideTheLogStopsTheGroup(t *testing.T) {
	var broken atomic.Bool
	fs := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if broken.Load() && op.Kind == errorfs.OpFileSyncData {
			return syscall.EIO
		}
		return nil
	}))
	g := startGroup(t, groupOptions(fs, func(o *GroupOptions) { o.Durability = config.EverySecond }))
	broken.Store(true)
	do(t, g, item("SET", "a", "1"))
	select {
	case <-g.Done():
	case <-time.After(10 * time.Second):
		t.Fatal("the group goes on")
	}
	if err := g.Do([]machine.Item{item("SET", "a", "2")}); err == nil {
		t.Error("a write was taken after a failed fsync")
	}
	if err := g.Stop(); !errors.Is(err, ErrFailed) || !errors.Is(err, syscall.EIO) {
		t.Errorf("why it stopped: %v", err)
	}
}

func TestFullVolumeRefusesWritesAndHeals(t *testing.T) {
	var full atomic.Bool
	fs := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		// A file being made: frames never begin at offset 0.
		if full.Load() && (op.Kind == errorfs.OpFileWriteAt && op.Offset == 0 || op.Kind == errorfs.OpFileWrite) {
			return syscall.ENOSPC
		}
		return nil
	}))
	g := startGroup(t, groupOptions(fs))
	full.Store(true)
	acked, last := 0, reply.Reply{}
	for i := 1; !last.IsError(); i++ {
		if i > 10_000 {
			t.Fatal("never full")
		}
		last = do(t, g, item("SET", "a", fmt.Sprintf("%d-%s", i, strings.Repeat("x", 100))))[0]
		if !last.IsError() {
			acked = i
		}
	}
	if !strings.HasPrefix(string(last.Str), "MISCONF ") || !g.Stats().Storage.Full {
		t.Fatalf("full volume answered %s", last.Str)
	}
	got := do(t, g, item("GET", "a"), item("SET", "b", "1"), item("GET", "b"))
	if number(string(got[0].Str)) != acked || !got[1].IsError() || got[2].Kind != reply.KindNull {
		t.Fatalf("while full: %v", got)
	}
	full.Store(false)
	deadline := time.Now().Add(10 * time.Second)
	for do(t, g, item("SET", "b", "2"))[0].IsError() {
		if time.Now().After(deadline) {
			t.Fatal("does not heal")
		}
		time.Sleep(20 * time.Millisecond)
	}
	if err := g.Stop(); err != nil {
		t.Fatal(err)
	}
	g = startGroup(t, groupOptions(fs))
	defer g.Stop()
	if number(get(t, g, "a")) != acked || get(t, g, "b") != "2" {
		t.Fatal("lost while the volume was full")
	}
}

// TestSnapshotMakesRoomOnAFullVolume: where there is space for a snapshot but
// not for a segment, the log's own segments are used again.
func TestSnapshotMakesRoomOnAFullVolume(t *testing.T) {
	var full atomic.Bool
	fs := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if full.Load() && op.Kind == errorfs.OpFileWriteAt && op.Offset == 0 && strings.HasSuffix(op.Path, "wal/next.tmp") {
			return syscall.ENOSPC
		}
		return nil
	}))
	g := startGroup(t, groupOptions(fs, func(o *GroupOptions) { o.SnapshotAfter = 1 << 30 }))
	defer g.Stop()
	value := strings.Repeat("x", 100)
	for i := range 300 {
		do(t, g, item("SET", fmt.Sprint("k", i%9), value))
	}
	full.Store(true)
	for !do(t, g, item("SET", "a", value))[0].IsError() {
	}
	deadline := time.Now().Add(10 * time.Second)
	for do(t, g, item("SET", "a", value))[0].IsError() {
		if time.Now().After(deadline) {
			t.Fatal("stays full beside a log that a snapshot could replace")
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func TestExpiredKeysAreSwept(t *testing.T) {
	g := startGroup(t, groupOptions(vfs.NewMem()))
	defer g.Stop()
	do(t, g, item("SET", "short", "1", "\x32"), item("SET", "long", "1"))
	deadline := time.Now().Add(5 * time.Second)
	for g.Stats().Keys != 1 {
		if time.Now().After(deadline) {
			t.Fatal("the expired key is still there")
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func TestDirectoryOfAnother(t *testing.T) {
	fs, dir := vfs.Default, t.TempDir()+"/data"
	here := func(o *GroupOptions) { o.Dir = dir }
	g := startGroup(t, groupOptions(fs, here))
	do(t, g, item("SET", "a", "1"))
	if _, err := OpenGroup(groupOptions(fs, here)); !errors.Is(err, ErrInUse) {
		t.Fatalf("opened twice: %v", err)
	}
	if err := g.Stop(); err != nil {
		t.Fatal(err)
	}
	_, err := OpenGroup(groupOptions(fs, here, func(o *GroupOptions) { o.Instance = "ns/other" }))
	if !errors.Is(err, ErrForeign) || !strings.Contains(err.Error(), "ns/test") || !strings.Contains(err.Error(), "ns/other") {
		t.Fatalf("another instance's directory: %v", err)
	}
	if err := fs.Remove(dir + "/" + identityName); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenGroup(groupOptions(fs, here)); !errors.Is(err, ErrForeign) {
		t.Fatalf("data without an identity: %v", err)
	}
}

// TestTermOutlivesACrashInEverySecond: a member that forgets its vote could
// vote twice in one term, whatever a lost second of writes may cost.
func TestTermOutlivesACrashInEverySecond(t *testing.T) {
	everySecond := func(o *GroupOptions) { o.Durability = config.EverySecond }
	mem := vfs.NewCrashableMem()
	g := startGroup(t, groupOptions(mem, everySecond))
	defer g.Stop()
	again := startGroup(t, groupOptions(mem.CrashClone(vfs.CrashCloneCfg{}), everySecond))
	defer again.Stop()
	if before, after := g.Stats().Term, again.Stats().Term; after <= before {
		t.Errorf("term %d after a crash in term %d: the election was forgotten", after, before)
	}
}

func TestClockNeverRunsBackwards(t *testing.T) {
	var g Group
	ahead := time.Now().Add(time.Hour).UnixMilli()
	g.now.Store(ahead)
	for range 2 {
		if now := g.clock(); now != ahead {
			t.Fatalf("%d after %d", now, ahead)
		}
	}
}

// snapshotted runs a group until it has a snapshot, and returns the files of
// all that it has, the newest last: one that a stop overtook is not yet pruned.
func snapshotted(t *testing.T, fs vfs.FS) []string {
	t.Helper()
	g := startGroup(t, groupOptions(fs))
	begun := g.Stats().LastSnapshot
	stop := make(chan struct{})
	wg := writers(g, 4, stop, func(string, string) {})
	list := func() (files []string) {
		names, err := fs.List("data/snapshot")
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			if strings.HasSuffix(name, ".snap") {
				files = append(files, "data/snapshot/"+name)
			}
		}
		slices.Sort(files)
		return files
	}
	for g.Stats().LastSnapshot == begun { // until the log before one is gone too
		time.Sleep(5 * time.Millisecond)
	}
	close(stop)
	wg.Wait()
	if err := g.Stop(); err != nil {
		t.Fatal(err)
	}
	return list()
}

func TestMissingSnapshotIsRefused(t *testing.T) {
	fs := vfs.NewMem()
	for _, name := range snapshotted(t, fs) {
		if err := fs.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := OpenGroup(groupOptions(fs)); !errors.Is(err, wal.ErrGap) {
		t.Fatalf("the snapshot is gone: %v", err)
	}
}

// TestDamagedFooterIsRefused: the state ends before the footer, so that reading
// the state alone would not see it.
func TestDamagedFooterIsRefused(t *testing.T) {
	fs := vfs.NewMem()
	names := snapshotted(t, fs)
	name := names[len(names)-1]
	info, err := fs.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	file, err := fs.OpenReadWrite(name, "test")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.WriteAt([]byte("rot!"), info.Size()-4); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenGroup(groupOptions(fs)); !errors.Is(err, snapshot.ErrDamaged) {
		t.Fatalf("the footer is damaged: %v", err)
	}
}
