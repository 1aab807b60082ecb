package audit

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"flag"
	"hash/crc32"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"

	"github.com/coffer-dev/coffer/engine/acl"
	"github.com/coffer-dev/coffer/engine/adminapi"
	"github.com/coffer-dev/coffer/engine/vault"
	"github.com/coffer-dev/coffer/test/fixture/keyring"
)

var update = flag.Bool("update", false, "write golden files of the present version that are missing")

// streamed is the golden file's stream: what its records are.
const streamed = "stream.jsonl"

func forEver(o *Options) { o.Policy = acl.Audit{Level: acl.AuditAll} }

// TestGolden reads files as every version wrote them, and goes on behind them.
func TestGolden(t *testing.T) {
	for name, keys := range map[string]*vault.Ring{"v1-plain": nil, "v1-sealed": keyring.New(t, 7)} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join("testdata", name)
			if _, err := os.Stat(dir); err != nil && *update {
				writeGolden(t, dir, keys)
			}
			fs := vfs.NewMem()
			put(t, fs, read(t, dir, fileName(1)))
			// A ring of newer keys that still has the file's.
			if keys != nil {
				keys = keyring.New(t, 9, 7)
			}
			l := open(t, fs, forEver, sealedBy(keys))
			defer closeLog(t, l)
			fill(t, l, 0, 1)
			page := l.Read(0, 100)
			lines := bytes.SplitAfter(read(t, dir, streamed), []byte("\n"))
			lines = lines[:len(lines)-1]
			if s := l.Status(); s.Error != "" || len(lines) != 6 || len(page.Records) != len(lines)+1 || page.FirstIndex != 1 {
				t.Fatalf("%d records of %d: %+v", len(page.Records), len(lines), s)
			}
			for i, line := range lines {
				got, err := json.Marshal(page.Records[i])
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(string(line), string(got)+"\n"); diff != "" {
					t.Errorf("record %d (-written +read):\n%s", i+1, diff)
				}
			}
			if last := page.Records[len(lines)]; last.Index != uint64(len(lines)+1) || last.Keys[0] != "key:0" {
				t.Errorf("behind it stands %+v", last)
			}
		})
	}
}

// TestFormatIsFrozen: what is written today is, byte for byte, what version 1
// wrote. Nonces keep a sealed file from being written twice.
func TestFormatIsFrozen(t *testing.T) {
	golden := read(t, filepath.Join("testdata", "v1-plain"), fileName(1))
	f := &file{first: 1}
	if err := f.decodeHeader(golden, nil); err != nil {
		t.Fatal(err)
	}
	blocks, rotten, torn := f.walk(golden)
	if len(blocks) < 3 || rotten+torn > 0 {
		t.Fatalf("%d blocks, rotten at %d, torn at %d", len(blocks), rotten, torn)
	}
	header, _, err := encodeHeader(1, f.begun, nil)
	if err != nil {
		t.Fatal(err)
	}
	copy(header[24:32], golden[24:32]) // random
	binary.LittleEndian.PutUint32(header[headerCheck:], crc32.Checksum(header[:headerCheck], castagnoli))
	again := header
	for _, b := range blocks {
		var lines []byte
		records, err := f.records(b)
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range records {
			var r adminapi.AuditRecord
			if err := json.Unmarshal(text, &r); err != nil {
				t.Fatal(err)
			}
			line, err := json.Marshal(r)
			if err != nil {
				t.Fatal(err)
			}
			lines = append(append(lines, line...), '\n')
		}
		again = f.appendBlock(again, int64(len(again)), b.head, lines)
	}
	if !bytes.Equal(again, golden) {
		t.Errorf("%d bytes, want those %d of testdata", len(again), len(golden))
	}
}

// writeGolden has a log write one record of each kind, in several blocks.
func writeGolden(t *testing.T, dir string, keys *vault.Ring) {
	t.Helper()
	fs, stream := vfs.NewMem(), &safeBuffer{}
	l := open(t, fs, forEver, sealedBy(keys), func(o *Options) { o.Stream = stream })
	many, more := Keys([][]byte{[]byte("a\nb"), {0xff}, []byte("c"), []byte("d"), []byte("e"), []byte("f"), []byte("g"), []byte("h"), []byte("i")}, func(k []byte) []byte { return k })
	for _, e := range []Entry{
		entry(7),
		{Identity: "shop.cart", Generation: 3, Source: "[2001:db8::1]:555", Operation: "mset", Keys: many, MoreKeys: more},
		{Identity: "shop.cart", Generation: 3, Source: "10.0.0.1:556", Operation: "get", Keys: "x", Denied: true, Reason: "access one of the keys used as arguments"},
		{Identity: "nobody", Source: "10.0.0.2:557", Operation: Login, Denied: true, Reason: "unknown user"},
		{Identity: "shop.cart", Generation: 3, Source: "10.0.0.1:558", Operation: Login},
	} {
		e.Time = time.UnixMilli(1_700_000_000_123)
		l.Add(e)
		wait(t, l, func(*adminapi.Audit) bool { return l.queued.Load() == 0 })
	}
	l.Count(Entry{Source: "10.0.0.3", Operation: Connect, Denied: true, Reason: "limits.maxUnauthenticated"})
	closeLog(t, l)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{fileName(1): data(t, fs, 1), streamed: stream.Bytes()} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func read(t *testing.T, dir, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}
