package machine

import (
	"strings"
	"testing"

	"github.com/coffer-dev/coffer/engine/reply"
)

// sized is a put that takes more than its arguments tell.
type sized struct {
	put
	needs int64
}

func (s sized) Needs(*Tx) int64 { return s.needs }

func TestBoundRefusesWhatWouldNotFit(t *testing.T) {
	const limit = 10_000
	grow := func(size int) Item {
		i := putItem(strings.Repeat("k", size), 0)
		i.Grows = true
		return i
	}
	large := func(needs int64) Item {
		i := grow(1)
		i.Op = sized{i.Op.(put), needs}
		return i
	}
	free := putItem(strings.Repeat("k", limit), 0)
	tests := []struct {
		name  string
		items []Item
		want  string // of each item: w is left, r is refused, - reads
		left  bool
	}{
		{"fits", []Item{grow(100)}, "w", true},
		{"too large", []Item{grow(limit)}, "r", false},
		{"what does not grow the keyspace", []Item{free}, "w", true},
		{"the others go on", []Item{grow(limit), free, readItem("a"), grow(100)}, "rw-w", true},
		{"only reads are left", []Item{grow(limit), readItem("a")}, "r-", false},
		{"together too large", []Item{grow(2000), grow(2000)}, "wr", true},
		{"more than its arguments", []Item{large(limit)}, "r", false},
		{"a copy of what came before", []Item{large(limit / 2), large(1)}, "wr", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := New(parsePut)
			if left := m.Bound(tt.items, Room{Limit: limit}, 1, reply.Error("OOM")); left != tt.left {
				t.Errorf("left: %t", left)
			}
			got := ""
			for _, item := range tt.items {
				r := item.Op.Apply(&Tx{Store: m.databases.At(0), Now: 1})
				switch {
				case r.IsError():
					got += "r"
				case item.Write:
					got += "w"
				default:
					got += "-"
				}
			}
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
