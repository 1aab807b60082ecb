package machine

import (
	"maps"
	"reflect"
	"slices"
	"testing"

	"github.com/coffer-dev/coffer/engine/queue"
)

// TestHashCoversTheMachine: the hash covers all of the machine's fields but
// those that are no state, and each counts on its own.
func TestHashCoversTheMachine(t *testing.T) {
	fields := map[string]bool{"MaxReply": false, "erased": false, "databases": true, "queues": true, "scripts": true, "grown": false, "parse": false, "logged": false, "index": true, "lastNow": true, "reads": false, "known": false, "semantics": true}
	var names []string
	for of, i := reflect.TypeFor[Machine](), 0; i < of.NumField(); i++ {
		names = append(names, of.Field(i).Name)
	}
	slices.Sort(names)
	if !slices.Equal(names, slices.Sorted(maps.Keys(fields))) {
		t.Errorf("the fields are %v, decided on are %v", names, fields)
	}
	hash := func(index uint64, now int64, key string) uint64 {
		m := New(parsePut)
		if key == "job" {
			(&queue.Push{Jobs: []queue.NewJob{{Queue: "q"}}}).Apply(m.queues, 1, 1)
		}
		if key != "" {
			m.Apply(1, []Item{putItem(key, 0)}, 1, 1)
		}
		m.index, m.lastNow = index, now
		return m.Hash()
	}
	seen := map[uint64]bool{}
	for _, h := range []uint64{hash(0, 0, ""), hash(1, 0, ""), hash(0, 1, ""), hash(1, 1, ""), hash(2, 2, ""), hash(1, 2, ""), hash(2, 1, ""), hash(1, 1, "a"), hash(1, 1, "b"), hash(1, 1, "job")} {
		if seen[h] {
			t.Errorf("two states have the hash %x", h)
		}
		seen[h] = true
	}
	one, two := New(parsePut), New(parsePut)
	if two.semantics = Semantics; one.Hash() == two.Hash() {
		t.Error("what may be used is state")
	}
	two.semantics, two.known = BaseSemantics, BaseSemantics
	two.MaxReply, two.reads = 7, 7
	if one.Hash() != two.Hash() {
		t.Error("neither the limit of replies nor the number of reads is state")
	}
}
