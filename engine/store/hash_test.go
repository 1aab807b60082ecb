package store

import (
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"testing"
)

// fields says of every field of the state whether the hash covers it, or why
// it need not: a new field is decided on here, or the test fails.
var fields = map[reflect.Type]map[string]string{
	reflect.TypeFor[Databases](): {"at": covered, "snapshot": "not state", "ahead": "not state", "usage": "of the leader alone", "lasting": "of the leader alone", "events": "of the leader alone", "changes": "of the leader alone"},
	reflect.TypeFor[Store](): {"contents": covered, "number": covered, "all": "leads back", "seed": "decides the order of tables, which is sorted before it is used",
		"buf": "not state", "bench": "not state", "watched": "not state", "usage": "of the leader alone"},
	reflect.TypeFor[contents]():           {"slots": covered, "keys": "counts slots", "bytes": "memory, derived from slots", "expiries": "an index of slots", "saving": "not state"},
	reflect.TypeFor[table]():              {"cells": covered, "apart": covered, "tags": "an index of cells", "few": "those of a few", "count": "counts cells", "marks": "of the leader alone", "seed": "as the store's"},
	reflect.TypeFor[entry]():              {"key": covered, "text": covered, "compact": covered, "apart": covered, "deadline": covered},
	reflect.TypeFor[Set]():                {"packed": covered, "numbers": covered, "members": covered},
	reflect.TypeFor[numbers]():            {"narrow": covered, "wide": covered, "text": "memory, derived from both"},
	reflect.TypeFor[List]():               {"base": covered, "head": "says where base begins", "length": "counts base", "text": "memory, derived from base"},
	reflect.TypeFor[Hash]():               {"pairs": covered, "fields": covered, "text": "memory, derived from fields"},
	reflect.TypeFor[ZSet]():               {"items": covered, "members": covered, "tree": "an index of members"},
	reflect.TypeFor[packed]():             {"data": covered, "ends": covered, "lent": "whether a snapshot has it"},
	reflect.TypeFor[dict[float64]]():      {"blocks": covered, "length": "counts blocks' entries", "index": "an index of entries", "text": "memory, derived from entries", "still": "what a snapshot has of it"},
	reflect.TypeFor[dictEntry[float64]](): {"key": covered, "value": covered},
	reflect.TypeFor[Stream](): {"nodes": covered, "lastID": covered, "maxDeleted": covered, "added": covered, "length": "counts nodes' entries",
		"groups": covered, "size": "memory, derived from nodes and groups"},
	reflect.TypeFor[Group]():       {"Name": covered, "LastID": covered, "Read": covered, "consumers": covered, "pending": covered, "stream": "leads back"},
	reflect.TypeFor[Consumer]():    {"Name": covered, "Seen": covered, "pending": "an index of the group's"},
	reflect.TypeFor[Pending]():     {"ID": covered, "Consumer": covered, "Delivered": covered, "Deliveries": covered},
	reflect.TypeFor[streamNode]():  {"entries": covered, "deleted": covered, "bytes": "derived from entries", "end": "not before any entry; finds the same entries whatever it is", "lent": "whether a snapshot has it"},
	reflect.TypeFor[StreamEntry](): {"ID": covered, "Fields": covered},
}

const covered = "covered"

func TestEveryFieldIsDecidedOn(t *testing.T) {
	for of, decided := range fields {
		var names []string
		for i := range of.NumField() {
			names = append(names, of.Field(i).Name)
		}
		slices.Sort(names)
		if want := slices.Sorted(maps.Keys(decided)); !slices.Equal(names, want) {
			t.Errorf("%s has the fields %v, decided on are %v", of, names, want)
		}
	}
}

// example has every kind of value; change alters it.
func example(change func(*Store)) *Store {
	s := New().At(0)
	s.Put([]byte("string"), String("value"), 0)
	s.Put([]byte("short"), String("value"), 5000)
	s.Put([]byte("set"), &Set{}, 0)
	Edit(s, []byte("set"), func(v *Set) bool {
		for _, m := range []string{"a", "b", "c"} {
			v.Add([]byte(m))
		}
		return true
	})
	s.Put([]byte("stream"), &Stream{}, 0)
	Edit(s, []byte("stream"), func(v *Stream) bool {
		for seq := range uint64(150) {
			v.Add(StreamEntry{ID: ID{1, seq + 1}, Fields: [][]byte{[]byte("f"), []byte("v")}})
		}
		v.Delete(ID{1, 7})
		g := v.CreateGroup([]byte("group"), ID{1, 20}, 19)
		c, d := g.CreateConsumer([]byte("c"), 4000), g.CreateConsumer([]byte("d"), 4000)
		for seq := range uint64(10) {
			g.Assign(ID{1, seq + 1}, c)
		}
		g.Assign(ID{1, 3}, d)
		return true
	})
	for name, n := range map[string]int{"": 3, "large ": 200} {
		l, h, z, texts, integers := &List{}, &Hash{}, &ZSet{}, &Set{}, &Set{}
		for i := range n {
			text := fmt.Append(nil, i)
			l.Insert(i, text)
			h.Set(text, []byte("v"))
			z.Set(text, float64(i))
			integers.Add(text)
			texts.Add(append([]byte("text "), text...))
		}
		s.Put([]byte(name+"list"), l, 0)
		s.Put([]byte(name+"hash"), h, 0)
		s.Put([]byte(name+"zset"), z, 0)
		s.Put([]byte(name+"set of integers"), integers, 0)
		s.Put([]byte(name+"set of texts"), texts, 0)
	}
	if change != nil {
		change(s)
	}
	return s
}

func setOf(members ...string) *Set {
	s := &Set{}
	for _, m := range members {
		s.Add([]byte(m))
	}
	return s
}

func alter[T Value](s *Store, key string, change func(T)) {
	Edit(s, []byte(key), func(v T) bool {
		change(v)
		return true
	})
}

// TestHashCoversEveryReply alters one thing at a time. Each must change the
// hash, and what a snapshot restores must have the altered hash: what is not in
// the snapshot would be lost by a restart.
func TestHashCoversEveryReply(t *testing.T) {
	stream := func(change func(*Stream)) func(*Store) {
		return func(s *Store) { change(s.Get([]byte("stream"), 0).(*Stream)) }
	}
	group := func(change func(*Group)) func(*Store) {
		return stream(func(v *Stream) { change(v.Group([]byte("group"))) })
	}
	changes := map[string]func(*Store){
		"a group more":            stream(func(v *Stream) { v.CreateGroup([]byte("more"), ID{}, 0) }),
		"no group":                group(func(g *Group) { g.stream.DestroyGroup(g) }),
		"where a group is":        group(func(g *Group) { g.LastID.Seq++ }),
		"what a group has read":   group(func(g *Group) { g.Read++ }),
		"what nobody can tell":    group(func(g *Group) { g.Read = UnknownRead }),
		"a consumer more":         group(func(g *Group) { g.CreateConsumer([]byte("e"), 4000) }),
		"a consumer less":         group(func(g *Group) { g.DeleteConsumer(g.Consumer([]byte("d"))) }),
		"when one was seen":       group(func(g *Group) { g.See([]byte("c"), 4001) }),
		"whose an entry is":       group(func(g *Group) { g.Assign(ID{1, 3}, g.Consumer([]byte("c"))) }),
		"when it was delivered":   group(func(g *Group) { g.Find(ID{1, 3}).Delivered = 1 }),
		"how often":               group(func(g *Group) { g.Find(ID{1, 3}).Deliveries = 1 }),
		"one pending entry less":  group(func(g *Group) { g.Acknowledge(ID{1, 5}) }),
		"another pending for one": group(func(g *Group) { g.Assign(ID{1, 50}, g.Consumer([]byte("c"))) }),
		"nothing":                 nil,
		"a key more":              func(s *Store) { s.Put([]byte("more"), String("value"), 0) },
		"a key less":              func(s *Store) { s.Delete([]byte("string"), 0) },
		"a key's name":            func(s *Store) { s.Rename([]byte("string"), []byte("String")) },
		"a value":                 func(s *Store) { s.Put([]byte("string"), String("Value"), 0) },
		"a shorter value":         func(s *Store) { s.Put([]byte("string"), String("valu"), 0) },
		"a long value":            func(s *Store) { s.Put([]byte("string"), String(make([]byte, embedded+1)), 0) },
		"a kind":                  func(s *Store) { s.Put([]byte("string"), setOf("value"), 0) },
		"a deadline more":         func(s *Store) { s.SetDeadline([]byte("string"), 5000) },
		"a deadline":              func(s *Store) { s.SetDeadline([]byte("short"), 5001) },
		"no deadline":             func(s *Store) { s.SetDeadline([]byte("short"), 0) },
		"values swapped": func(s *Store) {
			a, b := s.Get([]byte("string"), 0), s.Get([]byte("set"), 0)
			s.Put([]byte("string"), b, 0)
			s.Put([]byte("set"), a, 0)
		},
		"where members end":   func(s *Store) { s.Put([]byte("set"), setOf("ab", "c"), 0) },
		"the last ID":         stream(func(v *Stream) { v.lastID.Seq++ }),
		"the last ID's ms":    stream(func(v *Stream) { v.lastID.Ms++ }),
		"the highest deleted": stream(func(v *Stream) { v.maxDeleted.Seq++ }),
		"how many were added": stream(func(v *Stream) { v.added++ }),
		"an entry's ID": stream(func(v *Stream) {
			v.nodes[1].entries[49].ID.Seq--
			v.nodes[1].entries[48].ID.Seq--
			v.nodes[1].entries = slices.Delete(v.nodes[1].entries, 47, 48)
		}),
		"an entry's field": stream(func(v *Stream) { v.nodes[0].entries[0].Fields = [][]byte{[]byte("g"), []byte("v")} }),
		"an entry's value": stream(func(v *Stream) { v.nodes[0].entries[0].Fields = [][]byte{[]byte("f"), []byte("w")} }),
		"a node's deleted": stream(func(v *Stream) { v.nodes[0].deleted++ }),
		"where a node ends": stream(func(v *Stream) {
			a, b := v.nodes[0], v.nodes[1]
			b.entries = slices.Insert(b.entries, 0, a.entries[len(a.entries)-1])
			a.entries = a.entries[:len(a.entries)-1]
		}),
	}
	for _, size := range []string{"", "large "} {
		list := func(change func(*List)) func(*Store) {
			return func(s *Store) { alter(s, size+"list", change) }
		}
		hash := func(change func(*Hash)) func(*Store) {
			return func(s *Store) { alter(s, size+"hash", change) }
		}
		zset := func(change func(*ZSet)) func(*Store) {
			return func(s *Store) { alter(s, size+"zset", change) }
		}
		set := func(of string, change func(*Set)) func(*Store) {
			return func(s *Store) { alter(s, size+"set of "+of, change) }
		}
		changes[size+"set: a member"] = set("texts", func(v *Set) { v.Remove([]byte("text 2")); v.Add([]byte("text B")) })
		changes[size+"set: the order"] = set("texts", func(v *Set) { v.Remove([]byte("text 1")); v.Add([]byte("text 1")) })
		changes[size+"set: an integer"] = set("integers", func(v *Set) { v.Remove([]byte("2")); v.Add([]byte("1000")) })
		changes[size+"set: a large integer"] = set("integers", func(v *Set) { v.Remove([]byte("2")); v.Add([]byte("9999999999")) })
		changes[size+"set: the integers' order"] = set("integers", func(v *Set) { v.Remove([]byte("1")); v.Add([]byte("1")) })
		changes[size+"list: an element"] = list(func(v *List) { v.Set(1, []byte("B")) })
		changes[size+"list: one less"] = list(func(v *List) { v.Delete(2, 3) })
		changes[size+"list: the order"] = list(func(v *List) { v.Set(1, []byte("2")); v.Set(2, []byte("1")) })
		changes[size+"hash: a field"] = hash(func(v *Hash) { v.Delete([]byte("2")); v.Set([]byte("B"), []byte("v")) })
		changes[size+"hash: a value"] = hash(func(v *Hash) { v.Set([]byte("1"), []byte("w")) })
		changes[size+"hash: the order"] = hash(func(v *Hash) { v.Delete([]byte("1")); v.Set([]byte("1"), []byte("v")) })
		changes[size+"zset: a member"] = zset(func(v *ZSet) { v.Delete([]byte("2")); v.Set([]byte("B"), 2) })
		changes[size+"zset: a score"] = zset(func(v *ZSet) { v.Set([]byte("1"), 1.5) })
	}
	changes["hash: the form"] = func(s *Store) { alter(s, "hash", (*Hash).unpack) }
	changes["zset: the form"] = func(s *Store) { alter(s, "zset", (*ZSet).unpack) }
	changes["large zset: the positions"] = func(s *Store) {
		v := s.Get([]byte("large zset"), 0).(*ZSet)
		v.Delete([]byte("1"))
		v.Set([]byte("1"), 1)
	}
	changes["large zset: the sign of 0"] = func(s *Store) {
		v := s.Get([]byte("large zset"), 0).(*ZSet)
		v.Set([]byte("0"), 1)
		v.Set([]byte("0"), math.Copysign(0, -1))
	}
	seen := map[uint64]string{}
	for name, change := range changes {
		s := example(change)
		if other, twice := seen[s.all.Hash()]; twice {
			t.Errorf("%q and %q have the same hash", name, other)
		}
		seen[s.all.Hash()] = name
		restored := New().At(0)
		for slot := range uint16(Slots) {
			if s.slots[slot] != nil {
				if err := restored.DecodeSlot(slot, s.EncodeSlot(slot, nil)); err != nil {
					t.Fatalf("%s: %v", name, err)
				}
			}
		}
		if restored.all.Hash() != s.all.Hash() {
			t.Errorf("%q does not outlive a restart", name)
		}
	}
}
