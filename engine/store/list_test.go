package store

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestListAgainstSlice: every operation, on lists of one node and of many, with
// elements that fill a node alone.
func TestListAgainstSlice(t *testing.T) {
	r := rand.New(rand.NewPCG(6, 6))
	l, model := &List{}, [][]byte(nil)
	element := func() []byte {
		if r.IntN(60) == 0 {
			return bytes.Repeat([]byte{'x'}, r.IntN(2*listNodeBytes))
		}
		return fmt.Append(nil, r.IntN(30))
	}
	for step := range 60_000 {
		n := len(model)
		switch e := element(); r.IntN(12) {
		case 0, 1:
			l.Insert(n, e)
			model = append(model, e)
		case 2, 3:
			l.Insert(0, e)
			model = slices.Insert(model, 0, e)
		case 4:
			i := r.IntN(n + 1)
			l.Insert(i, e)
			model = slices.Insert(model, i, e)
		case 5, 6:
			if n > 0 {
				i := r.IntN(n)
				l.Set(i, e)
				model[i] = e
			}
		case 7:
			i, j := r.IntN(n+1), r.IntN(n+1)
			if r.IntN(200) > 0 {
				j = min(i+r.IntN(4), n)
			}
			l.Delete(i, j)
			if i < j {
				model = slices.Delete(model, i, j)
			}
		case 8:
			if r.IntN(300) == 0 {
				model = removeFrom(t, l, model, e, int64(r.IntN(3))*int64(r.IntN(50)), r.IntN(2) == 0)
			}
		}
		if step%500 == 0 || len(model) < 4 {
			sameList(t, l, model, r)
		}
	}
	if len(l.nodes()) < 10 {
		t.Errorf("%d nodes: the list never became long", len(l.nodes()))
	}
}

func removeFrom(t *testing.T, l *List, model [][]byte, e []byte, limit int64, fromEnd bool) [][]byte {
	t.Helper()
	want := int64(0)
	if fromEnd {
		slices.Reverse(model)
	}
	model = slices.DeleteFunc(model, func(m []byte) bool {
		if !bytes.Equal(m, e) || limit != 0 && want == limit {
			return false
		}
		want++
		return true
	})
	if fromEnd {
		slices.Reverse(model)
	}
	if got := l.Remove(e, limit, fromEnd); got != want {
		t.Fatalf("removed %d, want %d", got, want)
	}
	return model
}

func sameList(t *testing.T, l *List, model [][]byte, r *rand.Rand) {
	t.Helper()
	i, j := 0, len(model)
	if j > 0 && r.IntN(2) == 0 {
		i, j = r.IntN(j), 1+r.IntN(j)
	}
	var up, down [][]byte
	l.Range(i, j, false, func(e []byte) bool { up = append(up, bytes.Clone(e)); return true })
	l.Range(i, j, true, func(e []byte) bool { down = append(down, bytes.Clone(e)); return true })
	slices.Reverse(down)
	want := model[min(i, j):max(i, j)]
	if i >= j {
		want = nil
	}
	if l.Len() != len(model) || !slices.EqualFunc(up, want, bytes.Equal) || !slices.EqualFunc(down, want, bytes.Equal) {
		t.Fatalf("elements %d to %d of %d: %d up, %d down", i, j, len(model), len(up), len(down))
	}
	text := int64(0)
	for k, e := range model {
		text += int64(len(e))
		if r.IntN(50) == 0 && !bytes.Equal(l.At(k), e) {
			t.Fatalf("element %d", k)
		}
	}
	if l.text != text {
		t.Fatalf("counts %d bytes, holds %d", l.text, text)
	}
	for k := range l.nodes() {
		if p := &l.nodes()[k]; p.len() == 0 || p.len() > listNodeElements || p.len() > 1 && len(p.data) > listNodeBytes {
			t.Fatalf("node %d has %d elements, %d bytes", k, p.len(), len(p.data))
		}
	}
}

// TestAQueueKeepsItsRoom: what passes through a list from one end to the other
// leaves nothing behind.
func TestAQueueKeepsItsRoom(t *testing.T) {
	for _, toFront := range []bool{false, true} {
		l := &List{}
		for i := range 100_000 {
			at, oldest := l.Len(), 0
			if toFront {
				at, oldest = 0, l.Len()
			}
			l.Insert(at, fmt.Append(nil, i))
			if i >= 1000 {
				l.Delete(oldest, oldest+1)
			}
		}
		if l.Len() != 1000 || cap(l.base) > 64 {
			t.Errorf("%d elements, room for %d nodes", l.Len(), cap(l.base))
		}
	}
}
