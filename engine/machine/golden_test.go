package machine

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/coffer-dev/coffer/engine/queue"
)

var update = flag.Bool("update", false, "write golden files of the present versions that are missing")

// TestGolden reads batches and snapshots as every version of format and
// semantics wrote them.
func TestGolden(t *testing.T) {
	for _, dir := range []string{"format1-semantics1", "format1-semantics2", "format1-semantics3", "format1-semantics4", "format2-semantics5", "format3-semantics6", "format3-semantics7", "format3-semantics8"} {
		t.Run(dir, func(t *testing.T) {
			databases := dir >= "format3-semantics8"
			dir := filepath.Join("testdata", dir)
			if _, err := os.Stat(dir); err != nil && *update {
				writeGolden(t, dir)
			}
			read := func(name string) []byte {
				t.Helper()
				data, err := os.ReadFile(filepath.Join(dir, name))
				if err != nil {
					t.Fatal(err)
				}
				return data
			}
			m := New(parsePut)
			if err := m.Restore(bytes.NewReader(read("snapshot"))); err != nil {
				t.Fatal(err)
			}
			check := func(index uint64, keys ...string) {
				t.Helper()
				items := make([]Item, len(keys))
				for i, key := range keys {
					items[i] = readItem(key)
				}
				m.Read(items, 0)
				for i, key := range keys {
					if want := read("value-" + key); !bytes.Equal(items[i].Reply.Str, want) {
						t.Errorf("%s is %q, want %q", key, items[i].Reply.Str, want)
					}
				}
				if m.Databases().At(0).Len() != len(keys) || m.Index() != index || (m.Keys() > len(keys)) != databases {
					t.Errorf("index %d, %d keys", m.Index(), m.Keys())
				}
			}
			check(5, "a", "b")
			if found := m.scripts.Find(ScriptSHA([]byte("return 2"))) != nil; found != (dir >= filepath.Join("testdata", "format2")) || found && len(m.scripts.kept) != 1 {
				t.Errorf("scripts: %v", found)
			}
			if n := m.queues.Len(); (n == 1) != (dir >= filepath.Join("testdata", "format3")) {
				t.Errorf("%d jobs", n)
			}
			if err := m.Replay(6, read("batch")); err != nil {
				t.Fatal(err)
			}
			check(6, "a", "b", "c")
		})
	}
}

func writeGolden(t *testing.T, dir string) {
	t.Helper()
	_ = os.MkdirAll(dir, 0o755)
	write := func(name string, data []byte) {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	m := New(parsePut)
	m.Apply(5, []Item{putItem("a", 0), putItem("b", 9000), at(7, putItem("a", 0))}, 1000, 42)
	m.scripts.Add(ScriptSHA([]byte("return 1")), "return 1", true)
	m.scripts.Add(ScriptSHA([]byte("return 2")), "return 2", false)
	(&queue.Push{Jobs: []queue.NewJob{{Queue: "q", Data: []byte("1")}}}).Apply(m.queues, 1000, 42)
	s, err := m.BeginSnapshot()
	if err != nil {
		t.Fatal(err)
	}
	var snapshot []byte
	for done := false; !done; {
		var chunk []byte
		chunk, done = s.Next(1 << 10)
		snapshot = append(snapshot, chunk...)
	}
	write("snapshot", snapshot)
	watch := watchOf(m, 0, "a", "none")
	m.Databases().At(7).Watch(watch, []byte("a"), 0)
	items := []Item{Transaction([]Item{putItem("c", 0), at(9, putItem("c", 0))}, watch), at(9, putItem("d", 0))}
	write("batch", AppendBatch(nil, items, 2000, 43))
	m.Apply(6, items, 2000, 43)
	for _, key := range []string{"a", "b", "c"} {
		item := []Item{readItem(key)}
		m.Read(item, 0)
		write("value-"+key, item[0].Reply.Str)
	}
}
