// Package replicated measures three members beside redis-server with two
// replicas and beside etcd with three members, all on this machine:
//
//	make bench-replicated
//
// All serve TLS 1.3 with one ECDSA P-256 certificate, between members too, have
// their files on the same file system, sync what they acknowledge, and take turns
// in one run. A write of redis-server is SET and `WAIT 1`, sent together: then
// one replica has it in memory, if not on its disk (`WAITAOF`, which waits for
// that, is of 7.2). The engine's is on two disks, as etcd's is.
//
// It is a Go benchmark so that the members are processes of the test's own
// program, as in test/chaos; `go test` alone measures nothing.
package replicated

import (
	"flag"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/coffer-dev/coffer/test/bench/harness"
	"github.com/coffer-dev/coffer/test/fixture/replicas"
)

var (
	rounds  = flag.Int("rounds", 5, "rounds of each contender")
	seconds = flag.Int("seconds", 4, "length of a round")
	changes = flag.Int("changes", 20, "how many leaders are killed, and how many hand over")
	out     = flag.String("out", "", "Markdown file to write as well")
	dir     = flag.String("dir", "", "directory on the file system to measure; else the system's temporary one")
)

// TestMain lets the test's program be a member.
func TestMain(m *testing.M) { replicas.Main(m, 0) }

// BenchmarkReplicated is everything, once.
func BenchmarkReplicated(b *testing.B) {
	if *dir != "" {
		b.Setenv("TMPDIR", *dir)
	}
	if err := os.Chdir("../../.."); err != nil {
		b.Fatal(err)
	}
	r := harness.NewReport("Three members beside redis-server and etcd", "replicated")
	r.Add(harness.Machine(os.TempDir(), ", "+redisVersion(b)+", etcd 3.6.16"))
	ours := startCoffer(b)
	contenders := []contender{ours, &coffer{Group: ours.Group, b: b, direct: true}, startRedis(b), startEtcd(b)}
	for _, load := range loads {
		begin := time.Now()
		r.Add(compare(b, contenders, load))
		fmt.Fprintf(os.Stderr, "%s took %s\n", load.title, time.Since(begin).Round(time.Second))
	}
	for _, c := range contenders[2:] {
		c.stop()
	}
	r.Add(measureChanges(b, ours))
	r.Add(harness.LoadNow("At the end"))
	if *out != "" {
		if err := r.Write(*out); err != nil {
			b.Fatal(err)
		}
	}
}
