package node

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// TestIdentityOutlivesACrash stops the machine before every operation on the
// disk of a first start: what is left is always taken up by the next, and what
// was acknowledged is in it.
func TestIdentityOutlivesACrash(t *testing.T) {
	mem := vfs.NewCrashableMem()
	rng := rand.New(rand.NewPCG(1, 2))
	var crashes []*vfs.MemFS
	var kinds []string
	fs := errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind.ReadOrWrite() == errorfs.OpIsWrite {
			for i := range 20 { // what survives is drawn each time
				percent := min(i, 1) * 50
				crashes = append(crashes, mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: rng}))
				kinds = append(kinds, fmt.Sprintf("%v of %s, %d%% survive", op.Kind, op.Path, percent))
			}
		}
		return nil
	}))
	g, err := OpenGroup(groupOptions(fs))
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Start(); err != nil {
		t.Fatal(err)
	}
	before := len(crashes)
	do(t, g, item("SET", "a", "1"))
	acknowledged := mem.CrashClone(vfs.CrashCloneCfg{})
	if err := g.Stop(); err != nil {
		t.Fatal(err)
	}
	for i, crash := range crashes[:before] {
		g, err := OpenGroup(groupOptions(crash))
		if err != nil {
			t.Fatalf("crash before %s: %v", kinds[i], err)
		}
		if err := g.Stop(); err != nil {
			t.Fatalf("crash before %s: %v", kinds[i], err)
		}
	}
	g = startGroup(t, groupOptions(acknowledged))
	defer g.Stop()
	if get(t, g, "a") != "1" {
		t.Fatal("the first write that was acknowledged is lost")
	}
}

// TestNewerIdentityIsRefused with both versions named.
func TestNewerIdentityIsRefused(t *testing.T) {
	fs := vfs.NewMem()
	g := startGroup(t, groupOptions(fs))
	if err := g.Stop(); err != nil {
		t.Fatal(err)
	}
	f, err := fs.Create("data/"+identityName, identityCategory)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(f, `{"version": %d, "instance": "ns/test", "more": {}}`, identityVersion+4)
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	_, err = OpenGroup(groupOptions(fs))
	if want := fmt.Sprintf("version %d, this engine reads up to %d", identityVersion+4, identityVersion); err == nil || !strings.Contains(err.Error(), want) {
		t.Fatalf("newer identity: %v, want %q", err, want)
	}
}
