package node

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/coffer-dev/coffer/engine/command"
	"github.com/coffer-dev/coffer/engine/config"
)

// killDir tells the child process of TestKill its directory.
const killDir = "COFFER_TEST_KILL_DIR"

// killEvicts has the child keep within little memory.
const killEvicts = "COFFER_TEST_KILL_EVICTS"

// TestKillChild is the process that TestKill kills. It prints what was
// acknowledged, a line each.
func TestKillChild(t *testing.T) {
	dir := os.Getenv(killDir)
	if dir == "" {
		return // not the child
	}
	if os.Getenv(killEvicts) != "" {
		evictUntilKilled(t, dir)
	}
	g := startGroup(t, groupOptions(vfs.Default, func(o *GroupOptions) { o.Dir = dir }))
	var mu sync.Mutex
	wg := writers(g, 50, nil, func(key, value string) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Printf("ack %s %s\n", key, value)
	})
	wg.Wait()
}

// TestKill kills a process that writes, and finds every acknowledged write.
func TestKill(t *testing.T) {
	dir := t.TempDir() + "/data"
	for round := range 3 {
		acked := killOnce(t, dir, time.Duration(200+100*round)*time.Millisecond)
		if len(acked) == 0 {
			t.Fatal("nothing was acknowledged: the test proves nothing")
		}
		g := startGroup(t, groupOptions(vfs.Default, func(o *GroupOptions) { o.Dir = dir }))
		for key, value := range acked {
			if got := get(t, g, key); number(got) < number(value) {
				t.Errorf("round %d: %s was acknowledged as %.10s and is %.10s", round, key, value, got)
			}
		}
		if err := g.Stop(); err != nil {
			t.Fatal(err)
		}
	}
}

// killOnce returns the last acknowledged value of each key.
func killOnce(t *testing.T, dir string, after time.Duration, env ...string) map[string]string {
	t.Helper()
	child := exec.Command(os.Args[0], "-test.run=^TestKillChild$", "-test.count=1")
	child.Env = append(append(os.Environ(), killDir+"="+dir), env...)
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	acked := map[string]string{}
	var once sync.Once
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) != 3 || fields[0] != "ack" {
			continue
		}
		acked[fields[1]] = fields[2]
		once.Do(func() {
			if _, err := OpenGroup(groupOptions(vfs.Default, func(o *GroupOptions) { o.Dir = dir })); !errors.Is(err, ErrInUse) {
				t.Errorf("another process has the directory open: %v", err)
			}
			time.AfterFunc(after, func() { _ = child.Process.Kill() })
		})
	}
	_ = child.Wait() // killed
	return acked
}

func evictingIn(dir string) GroupOptions {
	return groupOptions(vfs.Default, func(o *GroupOptions) {
		o.Dir, o.Parse, o.MaxData, o.Eviction = dir, command.Parse, 1<<20, config.AllKeysLRU
	})
}

// evictUntilKilled writes key after key, of which the first already are more than
// fit.
func evictUntilKilled(t *testing.T, dir string) {
	const full = 1200
	g := startGroup(t, evictingIn(dir))
	do(t, g, sets(t, 0, full)...)
	for n := full; ; n += 10 {
		if r := do(t, g, sets(t, n, n+10)...); refusedOf(t, r) == 0 {
			fmt.Printf("ack %d 0\n", n)
		}
	}
}

// TestKillUnderEviction: what was written last is there, and no more than fits.
func TestKillUnderEviction(t *testing.T) {
	dir := t.TempDir() + "/data"
	acked := killOnce(t, dir, 300*time.Millisecond, killEvicts+"=1")
	last := -1
	for n := range acked {
		last = max(last, number(n+"-"))
	}
	g := startGroup(t, evictingIn(dir))
	defer g.Stop()
	if s := g.Stats(); last < 0 || s.Bytes > 1<<20 || s.Keys > 1000 {
		t.Errorf("%d bytes, %d keys, the last one acknowledged is %d", s.Bytes, s.Keys, last)
	}
	if got := do(t, g, call(t, "EXISTS", fmt.Sprint("key:", last), fmt.Sprint("key:", last+5), fmt.Sprint("key:", last+9)))[0].Int; got != 3 {
		t.Errorf("%d of 3 keys that were written last are there", got)
	}
}
