package machine

import (
	"errors"
	"fmt"
	"testing"

	"github.com/coffer-dev/coffer/engine/reply"
	"github.com/coffer-dev/coffer/engine/store"
)

// watchOf watches keys as of now.
func watchOf(m *Machine, now int64, keys ...string) *store.Watch {
	w := &store.Watch{}
	for _, key := range keys {
		m.databases.At(0).Watch(w, []byte(key), now)
	}
	return w
}

// TestTransactionReplays: what a transaction does on the member that proposed
// it, its seeds included, is what it does on the others, which the log tells of
// its writes alone; also where it is not carried out.
func TestTransactionReplays(t *testing.T) {
	live, replayed := New(parsePut), New(parsePut)
	index := uint64(0)
	entry := func(now int64, items ...Item) {
		t.Helper()
		index++
		live.Decide(items, now)
		data := AppendBatch(nil, items, now, index*31)
		live.Apply(index, items, now, index*31)
		if err := replayed.Replay(index, data); err != nil {
			t.Fatal(err)
		}
		if live.Hash() != replayed.Hash() {
			t.Fatalf("states differ after entry %d", index)
		}
	}
	wantKind := func(item Item, kind reply.Kind) {
		t.Helper()
		if item.Reply.Kind != kind {
			t.Fatalf("entry %d: kind %d, want %d", index, item.Reply.Kind, kind)
		}
	}
	whole := []Item{Transaction([]Item{readItem("a"), putItem("a", 0), readItem("a"), putItem("b", 2000)}, nil), readItem("b")}
	entry(1000, whole...)
	wantKind(whole[0], reply.KindArray)
	replies := whole[0].Reply.Items
	if len(replies) != 4 || replies[0].Kind != reply.KindNull || string(replies[1].Str) != string(replies[2].Str) || string(replies[1].Str) == string(replies[3].Str) {
		t.Fatalf("%v", replies)
	}
	for _, tt := range []struct {
		now    int64
		before []Item // in the same entry
		keys   []string
		kind   reply.Kind
	}{
		{1001, nil, []string{"a", "none"}, reply.KindArray},
		{1002, []Item{putItem("c", 0)}, []string{"a", "none"}, reply.KindArray},
		{1003, []Item{putItem("a", 0)}, []string{"a"}, reply.KindNullArray},
		{1004, []Item{Transaction([]Item{putItem("none", 0)}, nil)}, []string{"none"}, reply.KindNullArray},
		{1999, nil, []string{"b"}, reply.KindArray},
		{2000, nil, []string{"b"}, reply.KindNullArray},
		{2001, []Item{Sweep(9)}, []string{"b"}, reply.KindArray}, // it is gone already
	} {
		watch := watchOf(live, tt.now-1, tt.keys...)
		items := append(tt.before, Transaction([]Item{putItem("d", 0)}, watch))
		entry(tt.now, items...)
		wantKind(items[len(items)-1], tt.kind)
		watch.Stop()
	}
	touched := watchOf(live, 2002, "a")
	entry(2002, putItem("a", 0))
	items := []Item{Transaction([]Item{putItem("e", 0)}, touched)}
	entry(2003, items...)
	wantKind(items[0], reply.KindNullArray)
	if items[0].Write {
		t.Error("what is known to be broken before it is logged is not logged")
	}
	if _, logged := Transaction([]Item{readItem("a")}, nil), Transaction(nil, nil); logged.Write {
		t.Error("a transaction that writes nothing is not logged")
	}
	reads := []Item{Transaction([]Item{readItem("a")}, touched)}
	live.Read(reads, 2003)
	wantKind(reads[0], reply.KindNullArray)
}

// TestTransactionKeepsNoLargeReplies: what nobody gets is not gathered; writes
// are carried out all the same.
func TestTransactionKeepsNoLargeReplies(t *testing.T) {
	m := New(parsePut)
	m.MaxReply = 200
	var items []Item
	for i := range 100 {
		items = append(items, putItem(fmt.Sprint(i), 0), readItem(fmt.Sprint(i)))
	}
	whole := []Item{Transaction(items, nil)}
	m.Apply(1, whole, 1, 1)
	if size := whole[0].Reply.Size(); size <= m.MaxReply || size > 2*m.MaxReply || m.Keys() != 100 {
		t.Errorf("%d bytes of replies, %d keys", size, m.Keys())
	}
}

func TestTransactionIsBound(t *testing.T) {
	grow := func(needs int64) Item {
		i := putItem("k", 0)
		i.Grows, i.Op = true, sized{i.Op.(put), needs}
		return i
	}
	for name, tt := range map[string]struct {
		items []Item
		left  bool
	}{
		"fits":                         {[]Item{grow(1000), grow(1000)}, true},
		"together too large":           {[]Item{grow(4000), grow(4000), grow(4000)}, false},
		"a copy of what is made in it": {[]Item{grow(3000), grow(1), grow(1), grow(1)}, false},
	} {
		m := New(parsePut)
		items := []Item{Transaction(tt.items, nil)}
		if left := m.Bound(items, Room{Limit: 10_000}, 1, reply.Error("OOM")); left != tt.left || items[0].Write != tt.left {
			t.Errorf("%s: %t", name, left)
		}
	}
	m := New(parsePut)
	items := []Item{grow(3000), Transaction([]Item{grow(1), grow(1), grow(1)}, nil)}
	m.Bound(items, Room{Limit: 10_000}, 1, reply.Error("OOM"))
	if items[1].Write {
		t.Error("copies of what comes before the transaction were not counted")
	}
}

func TestMalformedTransaction(t *testing.T) {
	put := putItem("k", 0).Argv
	for _, argv := range [][][]byte{
		nil, {[]byte("x")}, {[]byte("-1")}, {[]byte("2"), []byte("k")}, {[]byte("0"), []byte("0")}, {[]byte("0"), []byte("4"), put[0], put[1], put[2]},
		{[]byte("0"), []byte("3"), put[0], put[1]}, {[]byte("0"), []byte("9999999999999999999")},
	} {
		item := Item{Argv: append([][]byte{[]byte(transactionName)}, argv...), Write: true}
		if err := New(parsePut).Replay(1, AppendBatch(nil, []Item{item}, 1, 1)); !errors.Is(err, errTransaction) {
			t.Errorf("%q: %v", argv, err)
		}
	}
	nested := Transaction([]Item{Transaction([]Item{putItem("k", 0)}, nil)}, nil)
	if err := New(parsePut).Replay(1, AppendBatch(nil, []Item{nested}, 1, 1)); !errors.Is(err, errParse) {
		t.Errorf("a transaction within one: %v", err)
	}
}

// decided is a write that is carried out, and logged, as it is told.
type decided struct {
	put
	carry bool
}

func (d decided) Decide(_ *Tx, argv [][]byte) ([][]byte, bool) {
	return [][]byte{argv[0], []byte("decided"), argv[2]}, d.carry
}

func TestDeciderDecidesWhatIsLogged(t *testing.T) {
	m := New(parsePut)
	yes, no := putItem("a", 0), putItem("b", 0)
	yes.Op, no.Op = decided{yes.Op.(put), true}, decided{no.Op.(put), false}
	items := []Item{yes, no, readItem("a")}
	m.Decide(items, 1)
	batch, err := DecodeBatch(AppendBatch(nil, items, 1, 1))
	if err != nil || len(batch.Commands) != 1 || string(batch.Commands[0][1]) != "decided" {
		t.Fatalf("%q, %v", batch.Commands, err)
	}
	m.Apply(1, items, 1, 1)
	if m.Keys() != 1 || items[1].Reply.Kind != reply.OK.Kind {
		t.Errorf("%d keys, %+v", m.Keys(), items[1].Reply)
	}
}
