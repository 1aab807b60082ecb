package audit

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/coffer-dev/coffer/engine/acl"
	"github.com/coffer-dev/coffer/engine/adminapi"
	"github.com/coffer-dev/coffer/engine/vault"
	"github.com/coffer-dev/coffer/test/fixture/keyring"
)

func open(t testing.TB, fs vfs.FS, change ...func(*Options)) *Log {
	t.Helper()
	o := Options{
		FS: fs, Dir: "data/audit", Member: "kv-0", Policy: acl.Audit{Level: acl.AuditAll, RetentionSeconds: 300_000_000},
		MaxBytes: 16 << 20, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
	}
	for _, f := range change {
		f(&o)
	}
	l, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func sealedBy(keys *vault.Ring) func(*Options) { return func(o *Options) { o.Keys = keys } }

func entry(n int) Entry {
	return Entry{Time: time.UnixMilli(1_700_000_000_000), Identity: "shop.cart", Generation: 2, Source: "10.0.0.1:555", Operation: "get", Keys: fmt.Sprintf("key:%d", n)}
}

// fill adds entries and waits until they are in the file.
func fill(t testing.TB, l *Log, from, to int) {
	t.Helper()
	for n := from; n < to; n++ {
		l.Add(entry(n))
	}
	wait(t, l, func(s *adminapi.Audit) bool { return l.queued.Load() == 0 })
}

func wait(t testing.TB, l *Log, ok func(*adminapi.Audit) bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(l.Status()); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("still %+v, %d bytes queued", l.Status(), l.queued.Load())
		}
	}
}

// keysOf are the keys that the log has records of, in order.
func keysOf(l *Log) (keys []string) {
	for after := uint64(0); ; {
		page := l.Read(after, 1000)
		for _, r := range page.Records {
			after = r.Index
			keys = append(keys, strings.Join(r.Keys, " "))
		}
		if len(page.Records) == 0 {
			return keys
		}
	}
}

func wantKeys(t testing.TB, l *Log, from, to int) {
	t.Helper()
	var want []string
	for n := from; n < to; n++ {
		want = append(want, fmt.Sprintf("key:%d", n))
	}
	if got := keysOf(l); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%d records %.200q, want %d from %d on", len(got), got, len(want), from)
	}
}

func closeLog(t testing.TB, l *Log) {
	t.Helper()
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}

func data(t testing.TB, fs *vfs.MemFS, first uint64) []byte {
	t.Helper()
	b, err := fs.UnsafeGetFileDataBuffer("data/audit/" + fileName(first))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestRecordsOutliveTheProcess, in order, with one index each, sealed or not.
func TestRecordsOutliveTheProcess(t *testing.T) {
	for name, keys := range map[string]*vault.Ring{"plain": nil, "sealed": keyring.New(t, 1)} {
		t.Run(name, func(t *testing.T) {
			fs := vfs.NewMem()
			l := open(t, fs, sealedBy(keys))
			fill(t, l, 0, 30)
			wantKeys(t, l, 0, 30)
			closeLog(t, l)
			if found := bytes.Contains(data(t, fs, 1), []byte("key:7")); found != (keys == nil) {
				t.Errorf("a key's name is in the file: %v", found)
			}
			l = open(t, fs, sealedBy(keys))
			defer closeLog(t, l)
			fill(t, l, 30, 40)
			wantKeys(t, l, 0, 40)
			if page := l.Read(0, 7); len(page.Records) != 7 || page.Records[6].Index != 7 {
				t.Errorf("page %+v", page)
			}
			if s := l.Status(); s.FirstIndex != 1 || s.NextIndex != 41 || s.Error != "" || s.Level != "All" {
				t.Errorf("%+v", s)
			}
			if page := l.Read(35, 3); len(page.Records) != 3 || page.Records[0].Index != 36 || page.NextIndex != 41 {
				t.Errorf("page %+v", page)
			}
		})
	}
}

// TestStream: each record is one line of JSON, as it is stored.
func TestStream(t *testing.T) {
	var out safeBuffer
	l := open(t, vfs.NewMem(), func(o *Options) { o.Stream = &out })
	fill(t, l, 0, 3)
	closeLog(t, l)
	want := `{"index":1,"time":"2023-11-14T22:13:20.000Z","member":"kv-0","identity":"shop.cart","generation":2,"source":"10.0.0.1:555","operation":"get","keys":["key:0"],"decision":"allowed"}` + "\n"
	if got := out.String(); !strings.HasPrefix(got, want) || strings.Count(got, "\n") != 3 {
		t.Errorf("got %s", got)
	}
}

type safeBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

// TestACrashTakesNoMoreThanTheEnd: whatever a host's crash leaves of what was
// not synced, the records before it are read, and no index is given twice.
func TestACrashTakesNoMoreThanTheEnd(t *testing.T) {
	mem := vfs.NewCrashableMem()
	if err := mem.MkdirAll("data", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syncDir(mem, "/"); err != nil {
		t.Fatal(err)
	}
	l := open(t, mem, sealedBy(keyring.New(t, 1)))
	fill(t, l, 0, 20)
	end := time.Now().Add(10 * time.Second)
	crashed := mem.CrashClone(vfs.CrashCloneCfg{})
	for ; ; crashed = mem.CrashClone(vfs.CrashCloneCfg{}) {
		after := open(t, crashed, sealedBy(keyring.New(t, 1)))
		kept := len(keysOf(after))
		if s := after.Status(); s.Error != "" || s.NextIndex < 21 {
			t.Fatalf("after a crash: %+v", s)
		}
		closeLog(t, after)
		if kept == 20 {
			break // a tick has synced them
		}
		if time.Now().After(end) {
			t.Fatalf("%d records are durable", kept)
		}
		time.Sleep(20 * time.Millisecond)
	}
	closeLog(t, l)
}

// built is a file of three blocks, one record each; the last one says that the
// two before were synced. It is not closed: the process ended there.
func built(t *testing.T) (b []byte, blocks []block) {
	t.Helper()
	b, _, err := encodeHeader(1, 1_700_000_000_000, nil)
	if err != nil {
		t.Fatal(err)
	}
	f := &file{name: fileName(1), first: 1}
	if err := f.decodeHeader(b, nil); err != nil {
		t.Fatal(err)
	}
	for n := range 3 {
		e := entry(n)
		line, err := json.Marshal(e.record(uint64(n+1), "kv-0", 0))
		if err != nil {
			t.Fatal(err)
		}
		h := head{synced: headerSize, first: uint64(n + 1), records: 1, time: 1_700_000_000_000}
		if n == 2 {
			h.synced = uint64(len(b))
		}
		b = f.appendBlock(b, int64(len(b)), h, append(line, '\n'))
	}
	blocks, _, _ = f.walk(b)
	return b, blocks
}

func put(t *testing.T, fs vfs.FS, b []byte) {
	t.Helper()
	if err := fs.MkdirAll("data/audit", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := replace(fs, "data/audit/temp", "data/audit/"+fileName(1), bytes.Clone(b)); err != nil {
		t.Fatal(err)
	}
}

// TestTornAndRotten: a bad block with nothing synced behind it is a crash's and
// ends the file; one that was synced is rot, is told, and read around.
func TestTornAndRotten(t *testing.T) {
	for _, tt := range []struct {
		name   string
		damage func(b []byte, blocks []block) []byte
		want   string // keys that are left
		says   string
	}{
		{"whole", func(b []byte, _ []block) []byte { return b }, "key:0 key:1 key:2", ""},
		{"torn", func(b []byte, blocks []block) []byte { b[blocks[2].offset+blockHead+9] ^= 1; return b }, "key:0 key:1", ""},
		{"short", func(b []byte, _ []block) []byte { return b[:len(b)-1] }, "key:0 key:1", ""},
		{"zeros", func(b []byte, blocks []block) []byte { clear(b[blocks[2].offset:]); return b }, "key:0 key:1", ""},
		{"rotten", func(b []byte, blocks []block) []byte { b[blocks[1].offset+blockHead+9] ^= 1; return b }, "key:0 key:2", "rotten at offset"},
		{"rotten length", func(b []byte, blocks []block) []byte { b[blocks[1].offset] ^= 1; return b }, "key:0 key:2", "rotten at offset"},
		{"header", func(b []byte, _ []block) []byte { b[20] ^= 1; return b }, "", "the header is damaged"},
		{"newer", func(b []byte, _ []block) []byte {
			b[4] = 9
			binary.LittleEndian.PutUint32(b[headerCheck:], crc32.Checksum(b[:headerCheck], castagnoli))
			return b
		}, "", "version 9, this engine reads up to 1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b, blocks := built(t)
			b = tt.damage(b, blocks)
			fs := vfs.NewMem()
			put(t, fs, b)
			l := open(t, fs)
			defer closeLog(t, l)
			if got := strings.Join(keysOf(l), " "); got != tt.want {
				t.Errorf("left are %q, want %q", got, tt.want)
			}
			if s := l.Status(); !strings.Contains(s.Error, tt.says) || (tt.says == "") != (s.Error == "") || s.NextIndex < crashLeap {
				t.Errorf("%+v, want error %q", s, tt.says)
			}
			fill(t, l, 7, 8)
			if got := data(t, fs, 1); !bytes.Equal(got, b) {
				t.Error("the file was changed")
			}
		})
	}
}

// TestOldRotIsFound: files that are not the newest are read in the background.
func TestOldRotIsFound(t *testing.T) {
	b, blocks := built(t)
	b[blocks[1].offset+blockHead+9] ^= 1
	fs := vfs.NewMem()
	put(t, fs, b)
	l := open(t, fs)
	fill(t, l, 7, 8) // another file
	closeLog(t, l)
	l = open(t, fs)
	defer closeLog(t, l)
	wait(t, l, func(s *adminapi.Audit) bool { return strings.Contains(s.Error, "rotten") })
}

// TestKeyRotation: after it the files need the new key alone, and what was
// written before there were keys is sealed.
func TestKeyRotation(t *testing.T) {
	fs := vfs.NewMem()
	l := open(t, fs)
	fill(t, l, 0, 5)
	if u := l.Usage(); u.Plain != 1 || len(u.IDs) != 0 {
		t.Errorf("plain: %+v", u)
	}
	for _, keys := range []*vault.Ring{keyring.New(t, 1), keyring.New(t, 2, 1)} {
		l.SetKeys(keys)
		wait(t, l, func(*adminapi.Audit) bool {
			u := l.Usage()
			return u.Plain == 0 && len(u.IDs) == 1 && u.IDs[0] == keys.Primary()
		})
		wantKeys(t, l, 0, 5)
	}
	if bytes.Contains(data(t, fs, 1), []byte("key:")) {
		t.Error("the file is not sealed")
	}
	fill(t, l, 5, 10)
	closeLog(t, l)
	l = open(t, fs, sealedBy(keyring.New(t, 3, 2))) // rotated while it was down
	wantKeys(t, l, 0, 10)
	wait(t, l, func(*adminapi.Audit) bool {
		u := l.Usage()
		return len(u.IDs) == 1 && u.IDs[0] == keyring.New(t, 3).Primary()
	})
	closeLog(t, l)
	l = open(t, fs, sealedBy(keyring.New(t, 4)))
	defer closeLog(t, l)
	if s := l.Status(); !strings.Contains(s.Error, "sealed under key") || len(keysOf(l)) != 0 {
		t.Errorf("without its key: %+v", s)
	}
	fill(t, l, 10, 12)
	wantKeys(t, l, 10, 12)
}

// TestFullVolume: what could not be written is counted and told, and the log
// goes on when there is space.
func TestFullVolume(t *testing.T) {
	var full atomic.Bool
	fs := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if full.Load() && (op.Kind == errorfs.OpFileWrite || op.Kind == errorfs.OpCreate) {
			return syscall.ENOSPC
		}
		return nil
	}))
	var stream safeBuffer
	l := open(t, fs, func(o *Options) { o.Stream = &stream })
	defer l.Close()
	fill(t, l, 0, 3)
	full.Store(true)
	fill(t, l, 3, 6)
	s := l.Status()
	if s.Lost != 3 || !strings.Contains(s.Error, "no space") {
		t.Errorf("while it is full: %+v", s)
	}
	full.Store(false)
	fill(t, l, 6, 7)
	if s := l.Status(); s.Lost != 3 || s.Error != "" {
		t.Errorf("with space again: %+v", s)
	}
	page := l.Read(3, 10)
	if len(page.Records) != 2 || page.Records[0].Decision != adminapi.AuditLost || page.Records[0].Count != 3 || !strings.Contains(page.Records[0].Reason, "no space") {
		t.Errorf("records %+v", page.Records)
	}
	if !strings.Contains(stream.String(), "key:4") {
		t.Error("the stream lacks what the volume did not take")
	}
}

// TestFailedFsync: what it did not make durable is counted and told, though a
// reader may still find it.
func TestFailedFsync(t *testing.T) {
	var broken, tearing atomic.Bool
	fs := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		switch {
		case op.Kind == errorfs.OpFileSyncData && broken.Load(), op.Kind == errorfs.OpFileWrite && tearing.Load():
			return syscall.EIO
		}
		return nil
	}))
	l := open(t, fs)
	defer l.Close()
	fill(t, l, 0, 1)
	broken.Store(true)
	fill(t, l, 1, 4)
	wait(t, l, func(s *adminapi.Audit) bool { return s.Lost >= 3 })
	before := l.Status()
	if !strings.Contains(before.Error, "fsync") {
		t.Errorf("%+v", before)
	}
	// What stands before a block that could not be written is made durable too.
	fill(t, l, 4, 6)
	tearing.Store(true)
	fill(t, l, 6, 7)
	if s := l.Status(); s.Lost != before.Lost+4 { // with the record that told of those before
		t.Errorf("behind a block that could not be written: %+v, before: %+v", s, before)
	}
	broken.Store(false)
	tearing.Store(false)
	fill(t, l, 7, 8)
	told := int64(0)
	for _, r := range l.Read(0, 1000).Records {
		if r.Decision == adminapi.AuditLost {
			told += r.Count
		}
	}
	if s := l.Status(); told != s.Lost || s.Error != "" {
		t.Errorf("told of %d, %+v", told, s)
	}
}

// TestRetention: the bound on all files wins over how long records are kept.
func TestRetention(t *testing.T) {
	fs := vfs.NewMem()
	l := open(t, fs, func(o *Options) { o.MaxBytes = 256 << 10 })
	for n := range 300 {
		e := entry(n)
		e.Reason = strings.Repeat("x", 4000)
		l.Add(e)
		if n%10 == 9 {
			wait(t, l, func(*adminapi.Audit) bool { return l.queued.Load() == 0 })
		}
	}
	total := int64(0)
	l.mu.Lock()
	for _, f := range l.files {
		total += f.size
	}
	l.mu.Unlock()
	if s := l.Status(); s.FirstIndex < 100 || s.NextIndex != 301 || total > (256<<10)+maxBlock {
		t.Errorf("%d bytes are kept: %+v", total, s)
	}
	l.SetPolicy(acl.Audit{Level: acl.AuditAll, RetentionSeconds: 1})
	wait(t, l, func(s *adminapi.Audit) bool { return s.FirstIndex == 301 })
	if names, err := fs.List("data/audit"); err != nil || len(names) != 0 {
		t.Errorf("left are %v, %v", names, err)
	}
	closeLog(t, l)
}

// TestLevels says what each records.
func TestLevels(t *testing.T) {
	l := open(t, vfs.NewMem())
	defer closeLog(t, l)
	for level, want := range map[acl.Level][3]bool{
		acl.AuditNone: {}, acl.AuditDenied: {true}, acl.AuditWrites: {true, true}, acl.AuditAll: {true, true, true},
	} {
		l.SetPolicy(acl.Audit{Level: level})
		if got := [3]bool{l.Wants(Refusal), l.Wants(Change), l.Wants(Read)}; got != want {
			t.Errorf("%s records %v", level, got)
		}
	}
	if (*Log)(nil).Wants(Refusal) || (*Log)(nil).Full() {
		t.Error("there is no log")
	}
}

// TestFull: what waits for a stream that nobody reads is bounded by those who
// ask before they add.
func TestFull(t *testing.T) {
	r, w := io.Pipe()
	l := open(t, vfs.NewMem(), func(o *Options) { o.Stream = w })
	n := 0
	for ; !l.Full(); n++ {
		l.Add(entry(n))
		if n > 1<<20 {
			t.Fatal("the queue has no end")
		}
	}
	go io.Copy(io.Discard, r)
	wait(t, l, func(*adminapi.Audit) bool { return !l.Full() })
	closeLog(t, l)
	if l = open(t, l.opts.FS); len(keysOf(l)) != n {
		t.Errorf("%d records, want %d", len(keysOf(l)), n)
	}
	closeLog(t, l)
}

// TestCounts: what happens often is one record, and how many there are is
// bounded.
func TestCounts(t *testing.T) {
	l := open(t, vfs.NewMem())
	for n := range 1000 {
		l.Count(Entry{Time: time.Now(), Operation: Connect, Source: fmt.Sprint("10.0.0.", n%2), Denied: true, Reason: "full"})
		l.Count(Entry{Operation: Login, Source: fmt.Sprint("host", n), Denied: true})
	}
	closeLog(t, l) // tells what was counted so far
	l = open(t, l.opts.FS)
	counted, seen := int64(0), 0
	for after := uint64(0); ; {
		page := l.Read(after, 1000)
		for _, r := range page.Records {
			seen, counted, after = seen+1, counted+r.Count, r.Index
			if r.Operation == Connect && r.Count != 500 {
				t.Errorf("%+v", r)
			}
		}
		if len(page.Records) == 0 {
			break
		}
	}
	if counted != 2000 || seen > maxCounts+1 {
		t.Errorf("%d records of %d events", seen, counted)
	}
	closeLog(t, l)
}

// TestWhatAClientSendsIsBounded, readable, and no password.
func TestWhatAClientSendsIsBounded(t *testing.T) {
	keys := [][]byte{[]byte("a\nb"), {0xff, 'x'}, bytes.Repeat([]byte("k"), 1000), []byte("ключ")}
	for range 20 {
		keys = append(keys, []byte("more"))
	}
	text, more := Keys(keys, func(k []byte) []byte { return k })
	got := strings.Split(text, "\n")
	if more != len(keys)-maxKeys || len(got) != maxKeys || got[0] != `a\x0ab` || got[1] != `\xffx` || got[2] != strings.Repeat("k", 256)+"...(+744 bytes)" || got[3] != "ключ" {
		t.Errorf("%d more: %q", more, got)
	}
	if got := Name(strings.Repeat("n", 70) + "\r\n"); got != strings.Repeat("n", 64)+"...(+8 bytes)" {
		t.Errorf("name %q", got)
	}
	// A password of the user's own may be long, and of any bytes.
	secrets := []string{"hunter2", strings.Repeat("p", 1024), "pass\x01word"}
	l := open(t, vfs.NewMem(), func(o *Options) { o.IsSecret = func(s string) bool { return slices.Contains(secrets, s) } })
	defer closeLog(t, l)
	for _, name := range append(secrets, "mallory", strings.Repeat("m", 5000)) {
		l.Add(Entry{Operation: Login, Denied: true, Identity: Claim(name)})
	}
	wait(t, l, func(*adminapi.Audit) bool { return l.queued.Load() == 0 })
	var names []string
	for _, r := range l.Read(0, 10).Records {
		names = append(names, r.Identity)
	}
	const hidden = "(somebody's password)"
	if want := []string{hidden, hidden, hidden, "mallory", strings.Repeat("m", 64) + "...(+1984 bytes)"}; !slices.Equal(names, want) {
		t.Errorf("%q", names)
	}
}
