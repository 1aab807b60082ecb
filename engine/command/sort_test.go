package command

import (
	"strings"
	"testing"

	"github.com/coffer-dev/coffer/engine/acl"
	"github.com/coffer-dev/coffer/engine/machine"
	"github.com/coffer-dev/coffer/engine/store"
)

// TestSortLooksUpForThoseWhoReadAll: the keys that BY and GET look at are named
// by the data, so they are for who may read every key.
func TestSortLooksUpForThoseWhoReadAll(t *testing.T) {
	who := func(rules string) *acl.Identity {
		id, err := acl.FromRules([]byte(rules))
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	some := who(`{"commands": ["@all"], "keys": ["mine:*", "?"]}`)
	reader := who(`{"commands": ["@all"], "readKeys": ["*"], "writeKeys": ["mine:*"]}`)
	for _, tt := range []struct {
		call         string
		some, reader bool
	}{
		{"SORT mine:l", true, true}, {"SORT mine:l BY nosort", true, true}, {"SORT mine:l STORE mine:d", true, true}, {"SORT mine:l STORE yours:d", false, false},
		{"SORT mine:l STORE yours:d STORE mine:d", true, true}, {"SORT mine:l STORE mine:d STORE yours:d", false, false}, {"SORT yours:l", false, true},
		{"SORT mine:l BY w_*", false, true}, {"SORT mine:l BY w_* BY nosort", false, true}, {"SORT mine:l GET #", false, true}, {"SORT mine:l GET mine:*", false, true}, {"SORT mine:l GET w", false, true},
		{"SORT_RO mine:l", true, true}, {"SORT_RO mine:l BY *", false, true}, {"SORT_RO mine:l GET *", false, true},
	} {
		call := argv(strings.Fields(tt.call)...)
		c := Lookup(call[0])
		action := c.Action(c.AppendKeys(nil, call), nil, false)
		if got := some.Allows(&action) == nil; got != tt.some {
			t.Errorf("%s: %v for who may read some keys", tt.call, got)
		}
		if got := reader.Allows(&action) == nil; got != tt.reader {
			t.Errorf("%s: %v for who may read all", tt.call, got)
		}
	}
}

// TestSortIsBounded: a short call names one long string many times over.
func TestSortIsBounded(t *testing.T) {
	tx := &machine.Tx{Store: store.New().At(0)}
	list := []string{"RPUSH", "l"}
	for range 20_000 {
		list = append(list, "1")
	}
	apply(t, tx, list...)
	apply(t, tx, "SET", "w1", strings.Repeat("x", 1<<20))
	call := func(words string) []string { return strings.Fields(words + strings.Repeat(" GET w*", 100)) }
	op, err := Parse(argv(call("SORT l STORE d")...))
	if err != nil {
		t.Fatal(err)
	}
	if needs := op.(machine.Sizer).Needs(tx); needs < 1<<40 {
		t.Errorf("it needs %d bytes", needs)
	}
	if got := string(apply(t, tx, strings.Fields("SORT_RO l ALPHA"+strings.Repeat(" GET #", 501))...).Str); !strings.HasPrefix(got, "ERR SORT may look up 10000000 values") {
		t.Errorf("%q", got)
	}
	tx.MaxReply = 10 << 20
	if got := apply(t, tx, call("SORT l")...); got.Size() > 20<<20 {
		t.Errorf("it answers %d bytes", got.Size())
	}
	apply(t, tx, "SET", "long", strings.Repeat("x", 5000))
	if got := string(apply(t, tx, "LCS", "long", "long").Str); !strings.HasPrefix(got, "ERR Insufficient memory, the product of the strings' lengths may be 16777216") {
		t.Errorf("%q", got)
	}
}
