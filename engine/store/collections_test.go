package store

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// again is a collection as a restart would find it.
func again[T Value](t *testing.T, v T) T {
	t.Helper()
	d := &decoder{rest: append([]byte{byte(v.Kind())}, v.appendTo(nil)...)}
	restored := d.value()
	if d.err != nil || len(d.rest) > 0 || Weight(restored) != Weight(v) || !bytes.Equal(restored.appendTo(nil), v.appendTo(nil)) {
		t.Fatalf("restored: %v, %d bytes left, weight %d, was %d", d.err, len(d.rest), Weight(restored), Weight(v))
	}
	return restored.(T)
}

func TestHashAgainstMap(t *testing.T) {
	for _, fields := range []int{20, 127, 400} {
		r := rand.New(rand.NewPCG(8, uint64(fields)))
		h, model := &Hash{}, map[string]string{}
		for step := range 30_000 {
			field := fmt.Appendf(nil, "%d", r.IntN(fields))
			_, had := model[string(field)]
			if r.IntN(5) < 3 {
				value := bytes.Repeat(field, r.IntN(8))
				if h.Set(field, value) == had {
					t.Fatalf("Set(%s) said new = %v", field, had)
				}
				model[string(field)] = string(value)
			} else {
				if h.Delete(field) != had {
					t.Fatalf("Delete(%s) said removed = %v", field, !had)
				}
				delete(model, string(field))
			}
			if step%100 == 0 && len(model) > 0 {
				h = again(t, h)
			}
			if step%1000 == 0 {
				got := map[string]string{}
				h.Range(0, h.Len(), func(f, v []byte) bool { got[string(f)] = string(v); return true })
				if !maps.Equal(got, model) || h.Len() != len(model) {
					t.Fatalf("%d fields, want %d, or others", len(got), len(model))
				}
			}
		}
		if h.Packed() != (fields < PackedEntries) {
			t.Errorf("%d fields: packed is %v", fields, h.Packed())
		}
		for field := range model {
			h.Delete([]byte(field))
		}
		if left := h.text + int64(len(h.pairs.data)); h.Len() != 0 || left != 0 {
			t.Errorf("%d fields and %d bytes are left", h.Len(), left)
		}
	}
}

func TestLongValuesUnpack(t *testing.T) {
	long := bytes.Repeat([]byte{'x'}, PackedBytes+1)
	changes := map[string]func(h *Hash){
		"field": func(h *Hash) { h.Set(long, nil) }, "value": func(h *Hash) { h.Set([]byte("b"), long) }, "old field's value": func(h *Hash) { h.Set([]byte("a"), long) },
	}
	for name, change := range changes {
		h := &Hash{}
		h.Set([]byte("a"), long[1:])
		packed := h.Packed()
		change(h)
		if !packed || h.Packed() {
			t.Errorf("a long %s leaves it packed", name)
		}
		if again(t, h).Packed() {
			t.Error("a restart packs what was not")
		}
	}
	z := &ZSet{}
	z.Set(long[1:], 1)
	packed := z.Packed()
	if !z.Set(long, 2) || !packed || z.Packed() || again(t, z).Packed() {
		t.Error("a long member leaves a sorted set packed")
	}
}

func TestZSetAgainstSlice(t *testing.T) {
	type pair struct {
		member string
		score  float64
	}
	for _, members := range []int{20, 127, 600} {
		r := rand.New(rand.NewPCG(2, uint64(members)))
		z, model := &ZSet{}, []pair(nil)
		order := func(a, b pair) int { return cmp.Or(cmp.Compare(a.score, b.score), cmp.Compare(a.member, b.member)) }
		scores := []float64{0, 1, 2, 2.5, -1, 1 << 52, -(1<<53 - 1), 1<<53 - 1, -(1 << 53), 1 << 54, math.Inf(1), math.Inf(-1), 1e300}
		for step := range 20_000 {
			p := pair{fmt.Sprint(r.IntN(members)), scores[r.IntN(len(scores))]}
			i := slices.IndexFunc(model, func(q pair) bool { return q.member == p.member })
			switch r.IntN(6) {
			case 0, 1, 2, 3:
				if added := z.Set([]byte(p.member), p.score); added != (i < 0) {
					t.Fatalf("Set(%v) said new = %v", p, added)
				}
				if i >= 0 {
					model = slices.Delete(model, i, i+1)
				}
				at, _ := slices.BinarySearchFunc(model, p, order)
				model = slices.Insert(model, at, p)
			case 4:
				if z.Delete([]byte(p.member)) != (i >= 0) {
					t.Fatalf("Delete(%s)", p.member)
				}
				if i >= 0 {
					model = slices.Delete(model, i, i+1)
				}
			case 5:
				if n := len(model); n > 0 && r.IntN(4) == 0 {
					from := r.IntN(n)
					to := min(from+r.IntN(4), n)
					z.DeleteRange(from, to)
					model = slices.Delete(model, from, to)
				}
			}
			if step%200 > 0 || len(model) == 0 {
				continue
			}
			z = again(t, z)
			i, j := r.IntN(len(model)), 1+r.IntN(len(model))
			var up, down, all []pair
			z.Range(i, j, false, func(m []byte, s float64) bool { up = append(up, pair{string(m), s}); return true })
			z.Range(i, j, true, func(m []byte, s float64) bool { down = append(down, pair{string(m), s}); return true })
			z.Slots(0, z.Len(), func(m []byte, s float64) bool { all = append(all, pair{string(m), s}); return true })
			slices.Reverse(down)
			slices.SortFunc(all, order)
			want := model[min(i, j):max(i, j)]
			if i >= j {
				want = nil
			}
			if !slices.Equal(up, want) || !slices.Equal(down, want) || !slices.Equal(all, model) || z.Len() != len(model) {
				t.Fatalf("ranks %d to %d of %d differ", i, j, len(model))
			}
			p = model[r.IntN(len(model))]
			if score, found := z.Score([]byte(p.member)); !found || score != p.score || model[z.Rank([]byte(p.member), score)] != p {
				t.Fatalf("score or rank of %v", p)
			}
		}
		if z.Packed() != (members < PackedEntries) {
			t.Errorf("%d members: packed is %v", members, z.Packed())
		}
		z.DeleteRange(0, z.Len())
		if left := len(z.items.data); z.Len() != 0 || left != 0 {
			t.Errorf("%d members and %d bytes are left", z.Len(), left)
		}
	}
}
