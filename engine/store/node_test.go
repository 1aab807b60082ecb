package store

import (
	"bytes"
	"testing"
)

// TestNodesEndAlikeAfterARestart: where a node ends decides what "about" a
// length trims, so that a member that restarted must end them where the others
// do, whatever was deleted before.
func TestNodesEndAlikeAfterARestart(t *testing.T) {
	live, key := New().At(0), []byte("s")
	live.Put(key, &Stream{}, 0)
	add := func(s *Store, seq uint64, size int) {
		Edit(s, key, func(v *Stream) bool {
			v.Add(StreamEntry{ID: ID{1, seq}, Fields: [][]byte{{'f'}, make([]byte, size)}})
			return true
		})
	}
	for seq := range uint64(3) {
		add(live, seq+1, 1000)
	}
	Edit(live, key, func(v *Stream) bool { return v.Delete(ID{1, 2}) > 0 })
	restored, err := Restore(bytes.NewReader(encode(t, live)))
	if err != nil {
		t.Fatal(err)
	}
	for seq := uint64(4); seq < 20; seq++ {
		add(live, seq, 700)
		add(restored.At(0), seq, 700)
		if live.all.Hash() != restored.Hash() {
			t.Fatalf("entry %d went to another node", seq)
		}
	}
}
