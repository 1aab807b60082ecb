package machine

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"github.com/coffer-dev/coffer/engine/reply"
	"github.com/coffer-dev/coffer/engine/store"
)

// at has an item be carried out in a database.
func at(database uint8, item Item) Item {
	item.Database = database
	return item
}

// TestDatabasesReplay: what is done in a database is done there by who replays, in
// transactions too, whatever they watch.
func TestDatabasesReplay(t *testing.T) {
	live, replayed, index := New(parsePut), New(parsePut), uint64(0)
	entry := func(items ...Item) {
		t.Helper()
		index++
		now := int64(1000 + index)
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
	items := []Item{at(3, putItem("a", 0)), readItem("a"), at(3, readItem("a")), putItem("b", 0), at(15, putItem("c", 1500))}
	entry(items...)
	if items[1].Reply.Kind != reply.KindNull || items[2].Reply.Kind != reply.KindBulk {
		t.Errorf("in 0: %v, in 3: %v", items[1].Reply, items[2].Reply)
	}
	alone := []Item{at(3, readItem("a")), readItem("a"), at(3, readItem("b")), readItem("b")}
	live.Read(alone, 1000)
	for i, there := range []bool{true, false, false, true} {
		if (alone[i].Reply.Kind == reply.KindBulk) != there {
			t.Errorf("read %d: %v", i, alone[i].Reply)
		}
	}
	watch := func(keys ...store.Key) *store.Watch {
		w := &store.Watch{}
		for _, key := range keys {
			live.Databases().At(key.Database).Watch(w, []byte(key.Name), 1000+int64(index))
		}
		return w
	}
	one, three := store.Key{Name: "b"}, store.Key{Database: 3, Name: "a"}
	for name, tt := range map[string]struct {
		before Item // in the same entry
		watch  []store.Key
		kind   reply.Kind
	}{
		"nothing watched":               {putItem("x", 0), nil, reply.KindArray},
		"the same name elsewhere":       {putItem("a", 0), []store.Key{three, one}, reply.KindArray},
		"the same name elsewhere again": {at(4, putItem("a", 0)), []store.Key{three}, reply.KindArray},
		"a key of 0":                    {putItem("b", 0), []store.Key{three, one}, reply.KindNullArray},
		"a key of 3":                    {at(3, putItem("a", 0)), []store.Key{three, one}, reply.KindNullArray},
	} {
		inner := []Item{at(5, putItem("t", 0)), at(6, readItem("t")), at(5, readItem("t")), putItem("t", 0)}
		w := watch(tt.watch...)
		items := []Item{tt.before, Transaction(inner, w)}
		entry(items...)
		w.Stop()
		r := items[1].Reply
		if r.Kind != tt.kind {
			t.Errorf("%s: kind %d, want %d", name, r.Kind, tt.kind)
		}
		if r.Kind == reply.KindArray && (r.Items[1].Kind != reply.KindNull || r.Items[2].Kind != reply.KindBulk) {
			t.Errorf("%s: %v", name, r.Items)
		}
	}
	if live.Due(1499) || !live.Due(1500) {
		t.Error("what expires elsewhere than in 0 is not due")
	}
	index = 600
	entry(Sweep(10))
	if live.Databases().At(15).Len() != 0 || live.Keys() == 0 {
		t.Errorf("%d keys after the sweep, %d of them in 15", live.Keys(), live.Databases().At(15).Len())
	}
}

// TestDatabasesNeedTheirSemantics, and database 0 nothing: neither a byte nor a
// newer member.
func TestDatabasesNeedTheirSemantics(t *testing.T) {
	m := New(parsePut)
	watched := func(database int) *store.Watch {
		w := &store.Watch{}
		m.Databases().At(database).Watch(w, []byte("k"), 0)
		return w
	}
	write, read := putItem("a", 0), at(1, readItem("a"))
	for name, tt := range map[string]struct {
		item Item
		want uint16
	}{
		"database 0":                   {write, BaseSemantics},
		"another":                      {at(1, write), SinceDatabases},
		"a read of another":            {read, BaseSemantics},
		"a transaction in 0":           {Transaction([]Item{write, read}, watched(0)), BaseSemantics},
		"a transaction that goes on":   {Transaction([]Item{write, at(2, write)}, nil), SinceDatabases},
		"a transaction that watches 2": {Transaction([]Item{write}, watched(2)), SinceDatabases},
	} {
		batch, err := DecodeBatch(AppendBatch(nil, []Item{write, tt.item}, 1, 1))
		if err != nil || batch.Semantics != tt.want {
			t.Errorf("%s: %v, stamped %d, want %d", name, err, batch.Semantics, tt.want)
		}
	}
	batch, _ := DecodeBatch(AppendBatch(nil, []Item{write}, 1, 1))
	if len(batch.Commands[0]) != len(write.Argv) {
		t.Errorf("the log has %q", batch.Commands[0])
	}
}

// TestSnapshotOfDatabaseZero is what an older member reads, as long as nobody has
// used another.
func TestSnapshotOfDatabaseZero(t *testing.T) {
	m := New(parsePut)
	m.Apply(1, []Item{putItem("a", 0)}, 1000, 1)
	older := New(parsePut)
	older.known = BaseSemantics
	if err := older.Restore(bytes.NewReader(streamOf(t, m))); err != nil {
		t.Fatal(err)
	}
	m.Apply(2, []Item{at(1, putItem("a", 0))}, 1000, 1)
	stream := streamOf(t, m)
	if err := older.Restore(bytes.NewReader(stream)); !errors.Is(err, ErrSnapshotVersion) {
		t.Errorf("an older member reads what it cannot know: %v", err)
	}
	again := New(parsePut)
	if err := again.Restore(bytes.NewReader(stream)); err != nil || again.Hash() != m.Hash() || again.Databases().At(1).Len() != 1 {
		t.Errorf("%v, or another state", err)
	}
}

func TestMalformedDatabase(t *testing.T) {
	put := putItem("k", 0).Argv
	command := func(before ...string) (argv [][]byte) {
		for _, word := range before {
			argv = append(argv, []byte(word))
		}
		return append(argv, put...)
	}
	sized := func(argv [][]byte) [][]byte {
		return append([][]byte{[]byte(transactionName), []byte("0"), fmt.Append(nil, len(argv))}, argv...)
	}
	for _, argv := range [][][]byte{
		{[]byte(databaseName)}, {[]byte(databaseName), []byte("1")}, command(databaseName), command(databaseName, "0"), command(databaseName, "16"), command(databaseName, "-1"),
		command(databaseName, "256"), command(databaseName, ""), command(databaseName, "1", databaseName, "1"), command(databaseName, "1", sweepName),
		append([][]byte{[]byte(databaseName), []byte("1")}, Sweep(1).Argv...), append([][]byte{[]byte(databaseName), []byte("1")}, Transaction([]Item{putItem("k", 0)}, nil).Argv...),
		sized(command(databaseName, "16")), sized([][]byte{[]byte(watchName)}), sized(command(watchName, "0")), sized(command(watchName, "16")),
	} {
		item := Item{Argv: argv, Write: true}
		if err := New(parsePut).Replay(1, AppendBatch(nil, []Item{item}, 1, 1)); err == nil {
			t.Errorf("%q is accepted", argv)
		}
	}
	item := Item{Argv: command(databaseName, "15"), Write: true}
	if err := New(parsePut).Replay(1, AppendBatch(nil, []Item{item}, 1, 1)); err != nil {
		t.Error(err)
	}
}

// TestDeletionOfDatabases takes a key where it is, in one command of the log.
func TestDeletionOfDatabases(t *testing.T) {
	m := New(parsePut)
	for _, database := range []uint8{0, 1, 2} {
		m.Apply(uint64(database)+1, []Item{at(database, putItem("a", 0)), at(database, putItem("b", 0))}, 1, 1)
	}
	for _, tt := range []struct {
		keys []store.Key
		left []int // in 0, 1 and 2
	}{
		{[]store.Key{{Database: 0, Name: "a"}}, []int{1, 2, 2}},
		{[]store.Key{{Database: 2, Name: "a"}, {Database: 2, Name: "none"}}, []int{1, 2, 1}},
		{[]store.Key{{Database: 1, Name: "a"}, {Database: 0, Name: "b"}, {Database: 1, Name: "b"}}, []int{0, 0, 1}},
	} {
		before := m.Keys()
		items := []Item{m.Deletion(tt.keys)}
		m.Apply(m.Index()+1, items, 1, 1)
		for database, want := range tt.left {
			if got := m.Databases().At(database).Len(); got != want {
				t.Errorf("%v: %d keys in %d, want %d", tt.keys, got, database, want)
			}
		}
		if got := Deleted(items[0].Reply); got != int64(before-m.Keys()) {
			t.Errorf("%v: %d deleted by the reply", tt.keys, got)
		}
	}
}
