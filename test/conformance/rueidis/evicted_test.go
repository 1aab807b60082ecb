package rueidis

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"github.com/redis/rueidis"

	"github.com/coffer-dev/coffer/engine/config"
	"github.com/coffer-dev/coffer/engine/node"
	"github.com/coffer-dev/coffer/engine/node/dev"
)

// TestWhatIsEvictedIsReadAgain: it goes from clients, too.
func TestWhatIsEvictedIsReadAgain(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "dev")
	c, err := dev.Prepare(dir, dev.Ports{})
	if err != nil {
		t.Fatal(err)
	}
	c.Memory = config.Memory{LimitBytes: 2 << 20, EvictionPolicy: config.VolatileTTL}
	n, err := node.Start(node.Options{Config: c, Member: "member-0", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Stop(); err != nil {
			t.Error(err)
		}
	})
	d := database{t: t, dir: dir, address: n.Addresses().Keys.String()}
	mine, other := d.connect(), d.connect()
	other.do("SET k a EX 3600")
	read := func() rueidis.Cacheable { return getK(mine.B()) }
	mine.keeps(read, "a")
	for i := range 10 {
		other.do(fmt.Sprintf("SET k%d %s EX 7200", i, strings.Repeat("v", 256<<10)))
	}
	mine.learns(read, "nil")
}
