package store

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// TestOrderIsThatOfKeys: whatever keys have in common, and wherever they end.
func TestOrderIsThatOfKeys(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	kinds := map[string]func() string{
		"numbers": func() string { return fmt.Sprint(random.IntN(1000)) },
		"families": func() string {
			return fmt.Sprintf("%s:%08d", []string{"k", "key", "counter"}[random.IntN(3)], random.IntN(500))
		},
		"a long beginning": func() string { return strings.Repeat("x", 1000) + fmt.Sprint(random.IntN(1000)) },
		"zeros":            func() string { return strings.Repeat("\x00", random.IntN(40)) },
		"zeros and ones": func() string {
			return strings.Map(func(r rune) rune { return r % 2 }, fmt.Sprintf("%020d", random.Uint64()))
		},
		"each a part of all": func() string { return strings.Repeat("abcdefg", 40)[:random.IntN(280)] },
		"bytes":              func() string { return string([]byte{byte(random.IntN(256)), byte(random.IntN(256))}) },
	}
	for name, key := range kinds {
		for _, n := range []int{0, 1, 2, 5, 30, 300} {
			tab, saved, keys := newTable(newSeed(), 0), savedValues{}, map[string]string{}
			for range n {
				k := key()
				if _, _, found := tab.find([]byte(k)); !found && random.IntN(3) > 0 {
					tab.insert(cell(appendCell(nil, k, 0, "now")), nil)
					keys[k] = "now"
				}
				switch random.IntN(5) {
				case 0:
					saved[k] = &entry{key: k, text: "then"}
				case 1:
					saved[k] = nil // was not there
				}
			}
			for k, e := range saved {
				if delete(keys, k); e != nil {
					keys[k] = "then"
				}
			}
			want := make([]string, 0, len(keys))
			for k := range keys {
				want = append(want, k)
			}
			slices.Sort(want)
			var o order
			o.arrange(newTable(newSeed(), 0), savedValues{"of another": {key: "of another"}})
			o.arrange(tab, saved)
			got := make([]string, 0, o.len())
			for i := range o.len() {
				e := o.at(i)
				if got = append(got, e.key); e.text != keys[e.key] {
					t.Fatalf("%s: %q is as it is %s, want %s", name, e.key, e.text, keys[e.key])
				}
			}
			if !slices.Equal(got, want) {
				t.Fatalf("%s: %q, want %q", name, got, want)
			}
		}
	}
}
