package node_test

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"testing"

	"github.com/coffer-dev/coffer/engine/config"
	"github.com/coffer-dev/coffer/engine/node"
	"github.com/coffer-dev/coffer/test/fixture/replicas"
)

// TestMembersCompareTheirStates: they agree, also who was away, whoever leads;
// one that is another than the others' ends, and the others go on.
func TestMembersCompareTheirStates(t *testing.T) {
	r := replicas.New(t, 3, func(c config.Config, name string) (replicas.Member, error) {
		return node.Start(node.Options{Config: c, Member: name, Version: "test", DigestEvery: 40, Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	})
	r.Form()
	n := 0
	write := func(from int) {
		t.Helper()
		if err := r.Redis(from).Set(t.Context(), fmt.Sprint("key", n%300), n, 0).Err(); err != nil {
			t.Fatal(err)
		}
		n++
	}
	agree := func(what string, members ...int) {
		t.Helper()
		begin := r.Status(members[0]).AppliedIndex
		r.Until(what, func() bool {
			write(members[0])
			for _, i := range members {
				if r.Status(i).Group.AgreedIndex <= begin {
					return false
				}
			}
			return true
		})
	}
	agree("three that agree", 0, 1, 2)
	away := (r.WaitLeader() + 1) % 3
	r.Stop(away)
	agree("two that agree", (away+1)%3, (away+2)%3)
	r.Start(away)
	agree("three that agree again", 0, 1, 2)

	odd := (r.WaitLeader() + 1) % 3
	r.Member(odd).(*node.Node).Spoil("another")
	r.Until("the odd one to end", func() bool { write((odd + 1) % 3); return r.Member(odd).(*node.Node).Ended() })
	if err := r.Take(odd).Stop(); !errors.Is(err, node.ErrDiffers) {
		t.Errorf("it ended with %v", err)
	}
	agree("two that go on", (odd+1)%3, (odd+2)%3)
	r.Start(odd) // its files are what they were
	agree("three that agree for good", 0, 1, 2)
}
