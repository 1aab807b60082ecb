package node

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/coffer-dev/coffer/engine/command"
	"github.com/coffer-dev/coffer/engine/job"
	"github.com/coffer-dev/coffer/engine/machine"
	"github.com/coffer-dev/coffer/engine/queue"
	"github.com/coffer-dev/coffer/engine/reply"
)

// carry carries out a command of the keyspace.
func carry(t *testing.T, g *Group, args ...string) reply.Reply {
	t.Helper()
	argv := make([][]byte, len(args))
	for i := range args {
		argv[i] = []byte(args[i])
	}
	c, err := command.Resolve(argv)
	if err != nil {
		t.Fatal(err)
	}
	op, err := c.Parse(argv)
	if err != nil {
		t.Fatal(err)
	}
	items := []machine.Item{{Op: op, Argv: argv, Write: c.Logged()}}
	if err := g.Do(items); err != nil {
		t.Fatal(err)
	}
	return items[0].Reply
}

// TestErasedIsGoneFromEveryFile: from the log, spare segments and snapshots, a
// few seconds later, though nothing else is written; also when the engine dies
// in between. That the texts were there before shows that the looking works.
func TestErasedIsGoneFromEveryFile(t *testing.T) {
	erase := map[string]func(t *testing.T, g *Group){
		"keys": func(t *testing.T, g *Group) {
			removed := int64(0)
			for cursor := "0"; ; {
				r := carry(t, g, "COFFER.ERASE", cursor, "user:42:*")
				removed += r.Items[1].Int
				if cursor = string(r.Items[0].Str); cursor == "0" {
					break
				}
			}
			if removed != 20 {
				t.Errorf("%d keys removed", removed)
			}
		},
		"jobs": func(t *testing.T, g *Group) {
			op := &queue.Erase{Queue: "*", Path: "user.id", Value: []byte("42")}
			if err := g.Do([]machine.Item{job.Item(op)}); err != nil || op.Result != 20 {
				t.Errorf("%d jobs removed, %v", op.Result, err)
			}
		},
		"jobs, redacted": func(t *testing.T, g *Group) {
			op := &queue.Erase{Queue: "mail", Path: "user.id", Value: []byte("42"), Redact: []string{"user.name"}}
			if err := g.Do([]machine.Item{job.Item(op)}); err != nil || op.Result != 20 {
				t.Errorf("%d jobs redacted, %v", op.Result, err)
			}
		},
	}
	for name, erase := range erase {
		for _, dies := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, dies: %v", name, dies), func(t *testing.T) {
				fs := vfs.NewCrashableMem()
				options := groupOptions(fs, func(o *GroupOptions) { o.Parse = parseLogged })
				g := startGroup(t, options)
				for i := range 600 { // several segments and snapshots
					if name == "keys" {
						carry(t, g, "SET", fmt.Sprintf("user:%d:%d", i%30+30, i), strings.Repeat(fmt.Sprintf("secret-%d ", i%30+30), 40))
						continue
					}
					data := fmt.Sprintf(`{"user":{"id":%d,"name":%q}}`, i%30+30, strings.Repeat(fmt.Sprintf("secret-%d ", i%30+30), 40))
					if err := g.Do([]machine.Item{job.Item(&queue.Push{Jobs: []queue.NewJob{{Queue: "mail", Data: []byte(data)}}})}); err != nil {
						t.Fatal(err)
					}
				}
				if len(found(volume(t, fs), []string{"secret-42"})) < 2 {
					t.Fatal("what is to be erased is not in several files")
				}
				erase(t, g)
				if dies {
					crashed := fs.CrashClone(vfs.CrashCloneCfg{})
					if err := g.Stop(); err != nil {
						t.Fatal(err)
					}
					fs = crashed
					options.FS = fs
					g = startGroup(t, options)
				}
				for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
					files := found(volume(t, fs), []string{"secret-42"})
					if len(files) == 0 {
						break
					}
					if time.Now().After(deadline) {
						t.Fatalf("it is still in %s", files)
					}
				}
				if len(found(volume(t, fs), []string{"secret-43"})) == 0 {
					t.Error("others are gone, too")
				}
				if err := g.Stop(); err != nil {
					t.Fatal(err)
				}
			})
		}
	}
}
