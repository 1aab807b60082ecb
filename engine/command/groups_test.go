package command

import (
	"fmt"
	"strings"
	"testing"

	"github.com/coffer-dev/coffer/engine/machine"
	"github.com/coffer-dev/coffer/engine/reply"
	"github.com/coffer-dev/coffer/engine/store"
)

// TestKeysOfXreadgroup: what is permitted is what is read, whatever groups and
// consumers are called.
func TestKeysOfXreadgroup(t *testing.T) {
	for _, call := range []string{
		"XREADGROUP GROUP g c STREAMS k1 k2 > 0", "XREADGROUP GROUP streams c STREAMS k1 k2 > 0", "XREADGROUP COUNT 1 GROUP streams streams NOACK BLOCK 0 streams k1 k2 > 0",
		"XREADGROUP NOACK GROUP x streams GROUP block count STREAMS k1 k2 > 0",
	} {
		words := argv(strings.Fields(call)...)
		op, err := Parse(words)
		if err != nil {
			t.Fatalf("%s: %v", call, err)
		}
		if w, ok := op.(*xreadgroupWaiting); ok {
			op = w.xreadgroup
		}
		var keys [][]byte
		for _, key := range Lookup(words[0]).AppendKeys(nil, words) {
			keys = append(keys, key.Name)
		}
		if read := op.(*xreadgroup).keys; fmt.Sprintf("%s", keys) != "[k1 k2]" || fmt.Sprintf("%s", read) != "[k1 k2]" {
			t.Errorf("%s asks for %s and reads %s", call, keys, read)
		}
	}
}

// groupOfMany is a stream of so many entries, with a group.
func groupOfMany(t *testing.T, entries int) *machine.Tx {
	t.Helper()
	tx := &machine.Tx{Store: store.New().At(0), Now: 1000}
	for i := range entries {
		apply(t, tx, "XADD", "stream", fmt.Sprintf("%d-1", i+1), "f", "v")
	}
	apply(t, tx, "XGROUP", "CREATE", "stream", "g", "0")
	return tx
}

// TestWhatIsDeliveredIsCounted: a short command that makes thousands of entries
// pending must say so, or it escapes the limit on memory.
func TestWhatIsDeliveredIsCounted(t *testing.T) {
	const entries = 5000
	for call, pending := range map[string]int64{"": entries, "COUNT 10 ": 10, "NOACK ": 0} {
		tx := groupOfMany(t, entries)
		op, err := Parse(argv(strings.Fields("XREADGROUP GROUP g c " + call + "STREAMS stream >")...))
		if err != nil {
			t.Fatal(err)
		}
		needs, before := op.(machine.Sizer).Needs(tx), tx.Store.Bytes()
		op.Apply(tx)
		grown := tx.Store.Bytes() - before
		if least := pending * store.PendingBytes; grown < least || needs < grown {
			t.Errorf("XREADGROUP %s: says that it needs %d bytes, and takes %d, for %d entries", call, needs, grown, pending)
		}
	}
	for _, name := range []string{"xreadgroup", "xclaim", "xautoclaim"} {
		if !Lookup([]byte(name)).Grows() {
			t.Errorf("%s does not say that it grows", name)
		}
	}
}

// TestXinfoMakesNoMoreThanAnybodyGets, however many groups tell of the same
// entries.
func TestXinfoMakesNoMoreThanAnybodyGets(t *testing.T) {
	const entries, groups, maxReply = 2000, 50, 100_000
	tx := groupOfMany(t, entries)
	for i := range groups {
		name := fmt.Sprint("group", i)
		apply(t, tx, "XGROUP", "CREATE", "stream", name, "0")
		apply(t, tx, "XREADGROUP", "GROUP", name, "c", "STREAMS", "stream", ">")
	}
	tx.MaxReply = maxReply
	for _, call := range []string{"XINFO STREAM stream FULL COUNT 0", "XPENDING stream group0 - + 1000000"} {
		if size := apply(t, tx, strings.Fields(call)...).Size(); size <= maxReply || size > 3*maxReply {
			t.Errorf("%s makes %d bytes of %d", call, size, maxReply)
		}
	}
}

// TestWhoWaitedGetsAPart: a consumer that has waited and said no COUNT is not
// given a stream whole.
func TestWhoWaitedGetsAPart(t *testing.T) {
	tx := groupOfMany(t, 3*waitedCount)
	op, err := Parse(argv(strings.Fields("XREADGROUP GROUP g c BLOCK 0 STREAMS stream >")...))
	if err != nil {
		t.Fatal(err)
	}
	call := op.(Waiter).Call([]byte("stream"))
	op, err = Parse(call)
	if err != nil {
		t.Fatal(err)
	}
	if got := op.Apply(tx); got.Kind != reply.KindPairedMap || len(got.Items[1].Items) != waitedCount {
		t.Errorf("%q answers %v with %d entries", call, got.Kind, len(got.Items[1].Items))
	}
}
