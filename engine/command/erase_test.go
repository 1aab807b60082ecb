package command

import (
	"fmt"
	"testing"

	"github.com/coffer-dev/coffer/engine/acl"
	"github.com/coffer-dev/coffer/engine/machine"
)

func TestEraseInSteps(t *testing.T) {
	m := machine.New(Parse)
	index := uint64(0)
	database := uint8(0)
	run := func(args ...string) machine.Item {
		t.Helper()
		argv := make([][]byte, len(args))
		for i := range args {
			argv[i] = []byte(args[i])
		}
		c, err := Resolve(argv)
		if err != nil {
			t.Fatal(err)
		}
		op, err := c.Parse(argv)
		if err != nil {
			t.Fatal(err)
		}
		items := []machine.Item{{Op: op, Argv: argv, Write: c.Logged(), Database: database}}
		index++
		m.Apply(index, items, int64(1000+index), 42)
		return items[0]
	}
	for i := range 1000 {
		run("SET", fmt.Sprintf("user:%d:%d", i%10, i), "v")
	}
	run("SET", "user:3:short", "v", "PX", "1") // expired when it is erased
	run("COFFER.ERASE", "0", "nobody:*")
	if m.Erased() != 0 {
		t.Error("nothing was erased, and it is noted")
	}
	removed, steps := int64(0), 0
	for cursor := "0"; steps == 0 || cursor != "0"; steps++ {
		r := run("COFFER.ERASE", cursor, "user:3:*", "COUNT", "50").Reply
		cursor = string(r.Items[0].Str)
		if r.Items[1].Int > 0 {
			removed += r.Items[1].Int
			if m.Erased() != index {
				t.Errorf("erased at %d, noted is %d", index, m.Erased())
			}
		}
	}
	if removed != 101 || m.Keys() != 900 || steps < 10 {
		t.Errorf("%d removed in %d steps, %d are left", removed, steps, m.Keys())
	}
	for _, database = range []uint8{1, 4, 15} { // also of the others, whichever is asked
		for i := range 20 {
			run("SET", fmt.Sprintf("user:3:%d", i), "v")
		}
	}
	database, removed, steps = 4, 0, 0
	for cursor := "0"; steps == 0 || cursor != "0"; steps++ {
		r := run("COFFER.ERASE", cursor, "user:3:*", "COUNT", "100").Reply
		cursor = string(r.Items[0].Str)
		removed += r.Items[1].Int
	}
	if removed != 60 || m.Keys() != 900 || steps < 9 || steps > 12 {
		t.Errorf("%d removed in %d steps, %d are left", removed, steps, m.Keys())
	}
	for _, args := range [][]string{{"0", "*", "COUNT", "0"}, {"0", "*", "COUNT", "10001"}, {"0", "*", "LIMIT", "1"}, {"0", "*", "COUNT"}, {"x", "*"}} {
		argv := [][]byte{[]byte("COFFER.ERASE")}
		for _, a := range args {
			argv = append(argv, []byte(a))
		}
		if _, err := Parse(argv); err == nil {
			t.Errorf("%q is accepted", args)
		}
	}
	if c := Lookup([]byte("coffer.erase")); c.EveryKey() != acl.Write || !c.Changes() {
		t.Error("it needs every key")
	}
}
