package disk

import (
	"bufio"
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/coffer-dev/coffer/engine/command"
	"github.com/coffer-dev/coffer/engine/config"
	"github.com/coffer-dev/coffer/engine/machine"
	"github.com/coffer-dev/coffer/engine/node"
	"github.com/coffer-dev/coffer/engine/reply"
)

// engineDir tells the process that is killed its directory.
const engineDir = "COFFER_DISK_ENGINE"

// What the engine under test is set to: small, as its volumes are.
const (
	segmentSize   = 512 << 10
	snapshotAfter = 4 << 20
)

// serve is the process that is killed: it carries out a command per line of its
// input and answers with a line, its text quoted.
func serve() {
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	g, err := node.OpenGroup(node.GroupOptions{
		FS: vfs.Default, Dir: os.Getenv(engineDir), Instance: "test/disk", Durability: config.Always, Parse: command.Parse,
		Log: log, SegmentSize: segmentSize, SnapshotAfter: snapshotAfter,
	})
	if err == nil {
		err = g.Start()
	}
	if err != nil {
		log.Error("start", "error", err)
		os.Exit(1)
	}
	fmt.Println("ready")
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 1<<20)
	for in.Scan() {
		fmt.Printf("%q\n", text(carryOut(g, in.Bytes())))
	}
	if err := g.Stop(); err != nil {
		log.Error("stop", "error", err)
		os.Exit(1)
	}
}

func carryOut(g *node.Group, line []byte) reply.Reply {
	argv := bytes.Fields(bytes.Clone(line))
	c, err := command.Resolve(argv)
	if err != nil {
		return reply.Error(err.Error())
	}
	op, err := c.Parse(argv)
	if err != nil {
		return reply.Error(err.Error())
	}
	items := []machine.Item{{Op: op, Argv: argv, Write: c.Flags&command.Write != 0, Grows: c.Grows()}}
	done := make(chan error, 1)
	g.Write(items, func(err error) { done <- err })
	if err := <-done; err != nil {
		return reply.Error("STOPPED " + err.Error())
	}
	return items[0].Reply
}

func text(r reply.Reply) string {
	if r.Kind == reply.KindInteger {
		return fmt.Sprint(r.Int)
	}
	return string(r.Str)
}

// engine is that process, seen from the test.
type engine struct {
	t   *testing.T
	cmd *exec.Cmd
	in  *bufio.Writer
	out *bufio.Reader

	mu  sync.Mutex
	log bytes.Buffer
}

// Write implements io.Writer for the process's log.
func (e *engine) Write(p []byte) (int, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.log.Write(p)
}

// said tells how often a text stands in the log.
func (e *engine) said(text string) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return strings.Count(e.log.String(), text)
}

// start starts the engine on a volume.
func (v *volume) start() *engine {
	v.t.Helper()
	e := &engine{t: v.t, cmd: exec.Command("/proc/self/exe")}
	e.cmd.Env = append(os.Environ(), engineDir+"="+v.data())
	e.cmd.Stderr = e
	e.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	in, err := e.cmd.StdinPipe()
	if err != nil {
		v.t.Fatal(err)
	}
	out, err := e.cmd.StdoutPipe()
	if err != nil {
		v.t.Fatal(err)
	}
	if err := e.cmd.Start(); err != nil {
		v.t.Fatal(err)
	}
	v.t.Cleanup(e.kill)
	e.in, e.out = bufio.NewWriter(in), bufio.NewReader(out)
	if line := e.line(); line != "ready\n" {
		v.t.Fatalf("the engine said %q", line)
	}
	return e
}

func (e *engine) line() string {
	e.t.Helper()
	line, err := e.out.ReadString('\n')
	if err != nil {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.t.Fatalf("the engine is gone: %v\n%s", err, e.log.String())
	}
	return line
}

// do carries out a command.
func (e *engine) do(words ...string) string {
	e.t.Helper()
	_, _ = e.in.WriteString(strings.Join(words, " ") + "\n")
	_ = e.in.Flush() // when the engine is gone, line tells
	var answer string
	if _, err := fmt.Sscanf(e.line(), "%q", &answer); err != nil {
		e.t.Fatal(err)
	}
	return answer
}

// kill is kill -9.
func (e *engine) kill() {
	_ = e.cmd.Process.Kill()
	_ = e.cmd.Wait()
}

// eventually waits for something, at most as long as a test may take.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !ok(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not in 30 s: %s", what)
		}
	}
}
