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
)

// killDir tells the child process of TestKill its directory.
const killDir = "COFFER_TEST_KILL_DIR"

// TestKillChild is the process that TestKill kills. It prints what was
// acknowledged, a line each.
func TestKillChild(t *testing.T) {
	dir := os.Getenv(killDir)
	if dir == "" {
		return // not the child
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
func killOnce(t *testing.T, dir string, after time.Duration) map[string]string {
	t.Helper()
	child := exec.Command(os.Args[0], "-test.run=^TestKillChild$", "-test.count=1")
	child.Env = append(os.Environ(), killDir+"="+dir)
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
