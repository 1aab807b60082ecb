package store

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// members is a set as every version of the engine has it: a new member is the last, and
// the last takes the place of one that is removed.
type members []string

func (o *members) change(member string, add bool) (changed bool) {
	i := slices.Index(*o, member)
	switch {
	case add && i < 0:
		*o = append(*o, member)
	case !add && i >= 0:
		(*o)[i] = (*o)[len(*o)-1]
		*o = (*o)[:len(*o)-1]
	}
	return add == (i < 0)
}

// TestSetsHaveOneOrder: in whatever form a set is, its members are where a version
// that knew of one form had them, since a position is what SPOP draws and SSCAN
// remembers.
func TestSetsHaveOneOrder(t *testing.T) {
	kinds := map[string]func(i int) string{
		"integers":         func(i int) string { return fmt.Sprint(i - 100) },
		"large integers":   func(i int) string { return fmt.Sprint((i - 100) << 50) },
		"a few large":      func(i int) string { return fmt.Sprint(i << (i % 90 / 89 * 40)) },
		"strings":          func(i int) string { return strings.Repeat(fmt.Sprint("member ", i), min(i, 1)) },
		"a few strings":    func(i int) string { return strings.Repeat("x", i%90/89) + fmt.Sprint(i) },
		"a few long":       func(i int) string { return strings.Repeat("1", i%90/89*(PackedBytes+1)) + fmt.Sprint(i) },
		"a few very long":  func(i int) string { return strings.Repeat("1", i%90/89*70_000) + fmt.Sprint(i) },
		"a few not as one": func(i int) string { return strings.Repeat("0", i%90/89) + fmt.Sprint(i) },
	}
	forms := map[string]int{}
	for name, member := range kinds {
		for _, most := range []int{10, 100, 200, 400, 700} {
			random := rand.New(rand.NewPCG(1, uint64(most)))
			s, model := &Set{}, members{}
			for range 6 * most {
				m, add := member(random.IntN(most)), random.IntN(4) > 0
				if changed := model.change(m, add); add && s.Add([]byte(m)) != changed || !add && s.Remove([]byte(m)) != changed {
					t.Fatalf("%s: adding (%t) %q to %d changed something: not %t", name, add, m, s.Len(), changed)
				}
				if s.Has([]byte(m)) != add {
					t.Fatalf("%s: Has(%q) is %t", name, m, !add)
				}
			}
			same(t, name, s, model)
			if s.numbers != nil && s.Len() > 512 {
				t.Fatalf("%s: %d numbers are looked through one by one", name, s.Len())
			}
			d := &decoder{s.appendTo(nil), nil}
			again := decodeSet(d)
			if d.err != nil {
				t.Fatal(d.err)
			}
			same(t, name+", restored", again, model)
			switch {
			case s.members != nil:
				forms["dict"]++
			case s.numbers != nil && s.numbers.wide != nil:
				forms["wide"]++
			case s.numbers != nil:
				forms["narrow"]++
			default:
				forms["packed"]++
			}
			for _, m := range slices.Clone(model) {
				s.Remove([]byte(m))
			}
			if !s.vanished() || s.weight() != dictWeight(0, 0) {
				t.Fatalf("%s: %d members are left, which weigh %d", name, s.Len(), s.weight())
			}
		}
	}
	for _, form := range []string{"packed", "narrow", "wide", "dict"} {
		if forms[form] < 2 {
			t.Errorf("the forms are %v", forms)
		}
	}
}

func same(t *testing.T, name string, s *Set, model members) {
	t.Helper()
	weight := dictWeight(len(model), int64(len(strings.Join(model, ""))))
	if s.Len() != len(model) || s.weight() != weight {
		t.Fatalf("%s: %d members that weigh %d, want %d and %d", name, s.Len(), s.weight(), len(model), weight)
	}
	for i, m := range model {
		if s.AppendAt(nil, i) == nil {
			t.Fatalf("%s: member %q is none", name, m)
		}
		if got := s.AppendAt([]byte("before "), i); string(got) != "before "+m {
			t.Fatalf("%s of %d: member %d is %q, want %q", name, len(model), i, got, m)
		}
	}
}

func TestIntegersAreWrittenAsOneWritesThem(t *testing.T) {
	for text, want := range map[string]bool{"0": true, "-1": true, "12": true, "9223372036854775807": true, "-9223372036854775808": true,
		"": false, "-": false, "-0": false, "+1": false, "01": false, "1 ": false, "1_0": false, "0x1": false, "9223372036854775808": false, "-9223372036854775809": false,
		"123456789012345678901": false} {
		if _, ok := ParseInteger([]byte(text)); ok != want {
			t.Errorf("%q is an integer: %t", text, ok)
		}
	}
}

// TestSetsOfIntegersTakeWhatIsCounted, which is little.
func TestSetsOfIntegersTakeWhatIsCounted(t *testing.T) {
	const keys = 1200
	names := crowded(100, keys) // a table weighs little
	for name, one := range map[string]struct {
		elements, factor int
		most             int64 // bytes each
	}{"narrow": {400, 1000, 6}, "wide": {400, 1 << 40, 11}, "packed": {100, 1000, 12}} {
		before := heap()
		s := New().At(0)
		for _, name := range names {
			key := []byte(name)
			s.Put(key, &Set{}, 0)
			Edit(s, key, func(v *Set) bool {
				for j := range one.elements {
					v.Add(fmt.Append(nil, j*one.factor))
				}
				return true
			})
		}
		taken := heap() - before
		if ratio := float64(s.Bytes()) / float64(taken); ratio < 0.85 || ratio > 1.15 {
			t.Errorf("%s: counted as %d bytes, %d are taken", name, s.Bytes()/keys, taken/keys)
		}
		if each := taken / keys / int64(one.elements); each > one.most {
			t.Errorf("%s: %d bytes a member, want %d at most", name, each, one.most)
		}
		runtime.KeepAlive(s)
	}
}

func BenchmarkSetHas(b *testing.B) {
	for _, n := range []int{10, 128, 512, 1000} {
		for name, format := range map[string]string{"integers": "%d", "strings": "member %d"} {
			s := &Set{}
			for i := range n {
				s.Add(fmt.Appendf(nil, format, i*1000))
			}
			last, none := s.AppendAt(nil, n/2), bytes.ReplaceAll(fmt.Appendf(nil, format, 7), []byte("m"), []byte("n"))
			b.Run(fmt.Sprintf("%d %s", n, name), func(b *testing.B) {
				for b.Loop() {
					if !s.Has(last) || s.Has(none) {
						b.Fatal()
					}
				}
			})
		}
	}
}
