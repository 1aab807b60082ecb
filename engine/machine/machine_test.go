package machine

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"testing"

	"github.com/coffer-dev/coffer/engine/reply"
	"github.com/coffer-dev/coffer/engine/store"
)

// put is a write of the tests: it stores time and seed under its key.
type put struct {
	key      []byte
	deadline int64
}

func (p put) Apply(tx *Tx) reply.Reply {
	value := fmt.Sprintf("%d %d", tx.Now, tx.Seed)
	tx.Store.Put(p.key, store.String(value), p.deadline)
	return reply.BulkString(value)
}

type read struct{ key []byte }

func (r read) Apply(tx *Tx) reply.Reply {
	v, found, _ := store.Read[store.String](tx.Store, r.key, tx.Now)
	if !found {
		return reply.Null
	}
	return reply.Bulk(v)
}

var errParse = errors.New("cannot parse")

func parsePut(argv [][]byte) (Op, error) {
	if len(argv) != 3 || string(argv[0]) != "put" {
		return nil, errParse
	}
	return put{argv[1], int64(binary.LittleEndian.Uint64(argv[2]))}, nil
}

func putItem(key string, deadline int64) Item {
	argv := [][]byte{[]byte("put"), []byte(key), binary.LittleEndian.AppendUint64(nil, uint64(deadline))}
	return Item{Op: put{argv[1], deadline}, Argv: argv, Write: true}
}

func readItem(key string) Item { return Item{Op: read{[]byte(key)}} }

func TestReadsSeeTheWritesBeforeThem(t *testing.T) {
	m := New(parsePut)
	items := []Item{readItem("a"), putItem("a", 0), readItem("a"), putItem("b", 0), putItem("a", 0), readItem("a")}
	m.Apply(1, items, 1000, 42)
	if items[0].Reply.Kind != reply.KindNull {
		t.Error("a read before the write sees it")
	}
	if !bytes.Equal(items[2].Reply.Str, items[1].Reply.Str) || !bytes.Equal(items[5].Reply.Str, items[4].Reply.Str) {
		t.Error("a read behind a write does not see it")
	}
	if bytes.Equal(items[1].Reply.Str, items[3].Reply.Str) {
		t.Error("two commands of a batch got the same seed")
	}
	alone := []Item{readItem("b")}
	m.Read(alone, 1000)
	if !bytes.Equal(alone[0].Reply.Str, items[3].Reply.Str) {
		t.Error("Read does not see what was applied")
	}
}

func TestReplayEqualsApply(t *testing.T) {
	live, replayed := New(parsePut), New(parsePut)
	for index := uint64(1); index < 50; index++ {
		now := int64(1000 + 10*index)
		if index%7 == 0 {
			now = 5 // a new leader's clock is behind
		}
		items := []Item{readItem("x"), putItem(fmt.Sprint("k", index), now+100), readItem("y"), putItem("x", 0), Sweep(3)}
		data := AppendBatch(nil, items, now, index*31)
		live.Apply(index, items, now, index*31)
		if err := replayed.Replay(index, data); err != nil {
			t.Fatal(err)
		}
		if live.Hash() != replayed.Hash() {
			t.Fatalf("states differ after entry %d", index)
		}
	}
	if live.Keys() > 20 || live.Keys() < 2 {
		t.Errorf("%d keys: the sweeps did not do their part", live.Keys())
	}
	if err := replayed.Replay(50, nil); err != nil || replayed.Index() != 50 {
		t.Errorf("an empty entry must only move the index: %v", err)
	}
}

func TestTimeNeverRunsBackwards(t *testing.T) {
	m := New(parsePut)
	m.Apply(1, []Item{putItem("a", 2000)}, 1999, 1)
	m.Apply(2, []Item{putItem("b", 0)}, 2000, 1)
	items := []Item{readItem("a")}
	m.Read(items, 1500)
	if items[0].Reply.Kind != reply.KindNull {
		t.Error("an expired key came back with an older clock")
	}
}

func TestSweepRemovesWhatIsDue(t *testing.T) {
	m := New(parsePut)
	for i := range 10 {
		m.Apply(uint64(i+1), []Item{putItem(fmt.Sprint(i), int64(100+i))}, 50, 1)
	}
	if m.Due(99) || !m.Due(100) {
		t.Error("due from the first deadline on")
	}
	items := []Item{Sweep(100)}
	m.Apply(11, items, 104, 1)
	if items[0].Reply.Int != 5 || m.Keys() != 5 {
		t.Errorf("swept %d, %d left; want 5 and 5", items[0].Reply.Int, m.Keys())
	}
	for _, argv := range [][][]byte{{[]byte(sweepName)}, {[]byte(sweepName), []byte("x")}, {[]byte(sweepName), []byte("999999999")}} {
		if _, err := m.parseLogged(&argv); err == nil {
			t.Errorf("%q was accepted", argv)
		}
	}
}

func TestSnapshotAndRestore(t *testing.T) {
	m := New(parsePut)
	for i := range 500 {
		m.Apply(uint64(i+1), []Item{putItem(fmt.Sprint(i), int64(i%3)*100_000)}, int64(i), uint64(i))
	}
	want := m.Hash()
	snapshot, err := m.BeginSnapshot()
	if err != nil {
		t.Fatal(err)
	}
	var stream []byte
	for i := 0; ; i++ {
		chunk, done := snapshot.Next(100)
		if len(chunk) > 100 {
			t.Fatalf("chunk of %d bytes", len(chunk))
		}
		if stream = append(stream, chunk...); done {
			break
		}
		m.Apply(uint64(501+i), []Item{putItem(fmt.Sprint(i*7%500), 0)}, 1000, 9)
	}
	restored := New(parsePut)
	if err := restored.Restore(bytes.NewReader(stream)); err != nil {
		t.Fatal(err)
	}
	if restored.Hash() != want || restored.Index() != 500 || snapshot.Index != 500 {
		t.Errorf("restored another state, or of index %d", restored.Index())
	}
	if err := restored.Restore(bytes.NewReader(stream[:len(stream)-1])); err == nil || restored.Hash() != want {
		t.Errorf("a torn snapshot was accepted or left its traces: %v", err)
	}
	newer := bytes.Clone(stream)
	newer[6] = Semantics + 1
	if err := restored.Restore(bytes.NewReader(newer)); !errors.Is(err, ErrSnapshotVersion) {
		t.Errorf("newer semantics: %v", err)
	}
}

func TestBatchRefusesWhatItCannotBe(t *testing.T) {
	good := AppendBatch(nil, []Item{putItem("k", 1), readItem("k"), putItem("l", 2)}, -5, 7)
	b, err := DecodeBatch(good)
	if err != nil || len(b.Commands) != 2 || b.Now != -5 || b.Seed != 7 || string(b.Commands[1][1]) != "l" {
		t.Fatalf("%+v, %v", b, err)
	}
	for cut := range len(good) {
		if _, err := DecodeBatch(good[:cut]); !errors.Is(err, ErrBatchCorrupt) {
			t.Errorf("cut at %d: %v", cut, err)
		}
	}
	change := func(at int, to byte) []byte { c := bytes.Clone(good); c[at] = to; return c }
	for name, tt := range map[string]struct {
		data []byte
		want error
	}{
		"newer format":       {change(0, BatchFormat+1), ErrBatchVersion},
		"newer semantics":    {change(1, Semantics+1), ErrBatchVersion},
		"format 0":           {change(0, 0), ErrBatchCorrupt},
		"too many commands":  {change(batchHeader, 0x7f), ErrBatchCorrupt},
		"command of nothing": {change(batchHeader+1, 0), ErrBatchCorrupt},
		"trailing byte":      {append(bytes.Clone(good), 0), ErrBatchCorrupt},
	} {
		if _, err := DecodeBatch(tt.data); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	unknown := []Item{{Argv: [][]byte{[]byte("nonsense")}, Write: true}}
	if err := New(parsePut).Replay(1, AppendBatch(nil, unknown, 1, 1)); !errors.Is(err, errParse) {
		t.Errorf("a command that cannot be parsed: %v", err)
	}
}

func FuzzDecodeBatch(f *testing.F) {
	f.Add(AppendBatch(nil, []Item{putItem("key", 1), putItem("", 2)}, 1, 2))
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := DecodeBatch(data)
		if err != nil {
			return
		}
		var items []Item
		for _, argv := range b.Commands {
			items = append(items, Item{Argv: argv, Write: true})
		}
		again, err := DecodeBatch(AppendBatch(nil, items, b.Now, b.Seed))
		if err != nil || fmt.Sprint(again) != fmt.Sprint(b) {
			t.Fatalf("does not survive another round: %v", err)
		}
	})
}
