package disk

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// value i, of so many bytes.
func value(i, size int) string { return fmt.Sprintf("%d-%s", i, strings.Repeat("v", size)) }

// written is what was acknowledged.
type written map[string]string

func (w written) check(t *testing.T, e *engine, when string) {
	t.Helper()
	for key, want := range w {
		if got := e.do("GET", key); got != want {
			t.Fatalf("%s: %s was acknowledged as %.10s and is %.10s", when, key, want, got)
		}
	}
}

// fill writes until the engine refuses, and checks how.
func (w written) fill(t *testing.T, e *engine, size int) {
	t.Helper()
	for i := 0; ; i++ {
		key, text := fmt.Sprint("key", i%64), value(i, size)
		switch answer := e.do("SET", key, text); {
		case answer == "OK":
			w[key] = text
		case strings.HasPrefix(answer, "MISCONF "):
			return
		default:
			t.Fatalf("write %d: %s", i, answer)
		}
		if i > 5000 {
			t.Fatal("the volume never fills up")
		}
	}
}

// TestFullVolume fills a volume to its end, kills the engine, starts it again
// while there is no space, and gives space back.
func TestFullVolume(t *testing.T) {
	each(t, func(t *testing.T, v *volume) {
		e, w := v.start(), written{}
		if e.do("SET", "first", "1") != "OK" {
			t.Fatal("an empty volume refuses")
		}
		v.leave(3 << 20)
		w.fill(t, e, 30<<10)
		w.check(t, e, "while the volume is full")
		if got := e.do("SET", "refused", "1"); !strings.HasPrefix(got, "MISCONF ") || e.do("GET", "refused") != "" {
			t.Fatalf("a write to a full volume: %s", got)
		}

		for range 2 {
			e.kill()
			e = v.start()
			w.check(t, e, "killed and started on the full volume")
			if got := e.do("SET", "first", value(2, 600<<10)); !strings.HasPrefix(got, "MISCONF ") {
				t.Fatalf("a large write after a start on the full volume: %s", got)
			}
		}
		if e.do("GET", "first") != "1" {
			t.Fatal("what was refused is there")
		}

		v.free()
		eventually(t, "writes are taken again, without a restart", func() bool { return e.do("SET", "first", "2") == "OK" })
		w.check(t, e, "healed")
		e.kill()
		e = v.start()
		w.check(t, e, "killed after it healed")
		if e.do("GET", "first") != "2" {
			t.Fatal("what was written once there was space is lost")
		}
	})
}

// TestSnapshotThatDoesNotFit: it leaves nothing behind, the log serves on, and
// the next one is taken when there is space.
func TestSnapshotThatDoesNotFit(t *testing.T) {
	each(t, func(t *testing.T, v *volume) {
		e, w := v.start(), written{}
		put := func(i int) string {
			key, text := fmt.Sprint("key", i%100), value(i, 30<<10)
			answer := e.do("SET", key, text)
			if answer == "OK" {
				w[key] = text
			}
			return answer
		}
		for i := range 100 { // 3 MiB of state, and of log
			if answer := put(i); answer != "OK" {
				t.Fatal(answer)
			}
		}
		v.leave(5 * segmentSize) // for the log to grow until a snapshot is due
		for i := 100; e.said("no space for a snapshot") == 0; i++ {
			if answer := put(i); answer != "OK" && !strings.HasPrefix(answer, "MISCONF ") {
				t.Fatal(answer)
			}
			if i > 2000 {
				t.Fatal("no snapshot was tried")
			}
		}
		names, err := os.ReadDir(filepath.Join(v.data(), "snapshot"))
		if err != nil || len(names) > 0 {
			t.Fatalf("the snapshot that did not fit left %v, %v", names, err)
		}
		w.check(t, e, "after a snapshot that did not fit")
		e.kill()
		e = v.start()
		w.check(t, e, "killed after a snapshot that did not fit")

		v.free()
		i := 10_000
		eventually(t, "a snapshot is written once there is space", func() bool {
			put(i)
			i++
			return e.said("snapshot written") > 0
		})
		w.check(t, e, "after the snapshot")
		e.kill()
		w.check(t, v.start(), "restored from the snapshot")
	})
}
