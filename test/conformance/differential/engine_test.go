package differential

import (
	"bufio"
	"testing"

	"github.com/coffer-dev/coffer/test/fixture/devengine"
)

// engine is a connection to the whole engine: TLS, log and disk included.
type engine struct{ *redis }

func (e engine) sweep()       {} // the leader does it ten times a second
func (e engine) checkReplay() {}

// startEngine starts coffer-engine as a laptop user would, and connects to it
// in the given protocol.
func startEngine(t *testing.T, proto int, flags ...string) engine {
	t.Helper()
	return connectEngine(t, devengine.Start(t, devengine.Build(t), t.TempDir(), flags...), proto)
}

func connectEngine(t *testing.T, dev *devengine.Engine, proto int) engine {
	t.Helper()
	conn := dev.Dial()
	e := engine{&redis{t: t, conn: conn, in: bufio.NewReaderSize(conn, 1<<16)}}
	if raw := e.do(args("AUTH", "default", dev.Password)); string(raw) != "+OK\r\n" {
		t.Fatalf("AUTH: %q", raw)
	}
	if proto == 3 {
		e.do(args("HELLO", "3"))
	}
	return e
}

// TestWholeEngine is the comparison over TLS, through log and disk.
func TestWholeEngine(t *testing.T) {
	for name, proto := range map[string]int{"RESP2": 2, "RESP3": 3} {
		t.Run(name, func(t *testing.T) {
			p := &pair{t: t, theirs: startRedis(t, proto), ours: startEngine(t, proto)}
			p.script(edgeCases...)
			p.compareState()
			p.script("FLUSHALL")
			p.random(7, 4000)
		})
	}
}
