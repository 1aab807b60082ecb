package machine

import (
	"bytes"
	"encoding/binary"
	"testing"
)

// newItem is a write that came after BaseSemantics.
func newItem(key string) Item {
	item := putItem(key, 0)
	item.Since = Semantics
	return item
}

// TestABatchNeedsWhatItsCommandsNeed, and no more: an older member would end for
// nothing.
func TestABatchNeedsWhatItsCommandsNeed(t *testing.T) {
	read := readItem("a")
	read.Since = Semantics
	for name, tt := range map[string]struct {
		items []Item
		want  uint16
	}{
		"nothing":                        {nil, BaseSemantics},
		"old commands":                   {[]Item{putItem("a", 0), putItem("b", 0)}, BaseSemantics},
		"a sweep":                        {[]Item{Sweep(10)}, BaseSemantics},
		"a read of what is new":          {[]Item{putItem("a", 0), read}, BaseSemantics},
		"a transaction of old ones":      {[]Item{Transaction([]Item{putItem("a", 0), read}, nil)}, BaseSemantics},
		"a new one among others":         {[]Item{putItem("a", 0), newItem("b"), putItem("c", 0)}, Semantics},
		"a new one within a transaction": {[]Item{Transaction([]Item{putItem("a", 0), newItem("b")}, nil)}, Semantics},
	} {
		batch, err := DecodeBatch(AppendBatch(nil, tt.items, 1, 1))
		if err != nil || batch.Semantics != tt.want {
			t.Errorf("%s: %v, stamped %d, want %d", name, err, batch.Semantics, tt.want)
		}
	}
}

// TestAnOlderMemberFollows a newer one, entries and snapshots, until somebody uses
// what it does not know. From then on it takes neither.
func TestAnOlderMemberFollows(t *testing.T) {
	leader, older := New(parsePut), New(parsePut)
	older.known = BaseSemantics
	index := uint64(0)
	propose := func(item Item) error {
		index++
		batch := AppendBatch(nil, []Item{item}, 1000, index)
		leader.Apply(index, []Item{item}, 1000, index)
		return older.Replay(index, batch)
	}
	for _, key := range []string{"a", "b", "c"} {
		if err := propose(putItem(key, 0)); err != nil {
			t.Fatal(err)
		}
	}
	if leader.Hash() != older.Hash() {
		t.Error("the two have other states")
	}
	restored := New(parsePut)
	restored.known = BaseSemantics
	if err := restored.Restore(bytes.NewReader(streamOf(t, leader))); err != nil || restored.Hash() != leader.Hash() {
		t.Errorf("a newer member's snapshot: %v", err)
	}
	known := [2]int{BatchFormat, BaseSemantics}
	newer(t, propose(newItem("d")), ErrBatchVersion, [2]int{BatchFormat, Semantics}, known)
	if older.Index() != index-1 {
		t.Errorf("the older member is at %d", older.Index())
	}
	stream := streamOf(t, leader)
	newer(t, restored.Restore(bytes.NewReader(stream)), ErrSnapshotVersion, [2]int{SnapshotFormat, Semantics}, [2]int{SnapshotFormat, BaseSemantics})
	again := New(parsePut)
	if err := again.Restore(bytes.NewReader(stream)); err != nil || again.Hash() != leader.Hash() {
		t.Fatalf("%v, or another state", err)
	}
	if stamp := binary.LittleEndian.Uint16(streamOf(t, again)[6:]); stamp != Semantics {
		t.Errorf("what was used is forgotten: the next snapshot is stamped %d", stamp)
	}
}

func streamOf(t *testing.T, m *Machine) (stream []byte) {
	t.Helper()
	s, err := m.BeginSnapshot()
	if err != nil {
		t.Fatal(err)
	}
	for done := false; !done; {
		var chunk []byte
		chunk, done = s.Next(1 << 10)
		stream = append(stream, chunk...)
	}
	return stream
}
