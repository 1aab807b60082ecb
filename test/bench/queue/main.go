// Command queue measures a JobQueue beside the queues that people use, in one
// run and in turns: BullMQ and asynq on Debian's redis-server, NATS JetStream,
// beanstalkd.
//
//	go run ./test/bench/queue [-dir DIR] [-rounds N] [-jobs N] [-only NAMES] [-loads NAMES] [-out FILE]
//
// Ours speaks TLS 1.3 and encrypts its files; the others speak and write
// plainly. Each is driven by its own client, on the same machine: what the
// clients take is not the servers'. A load is
//
//	push     single pushes, 50 on their way at a time
//	batch    pushes of 1000, 4 on their way at a time
//	process  jobs that are there already, pulled and acknowledged by 10 workers
//	large    push, of jobs of 10 KB
//	deep     push and process with a million jobs waiting, ours alone; and the memory that those take
//
// A job has 200 bytes unless said otherwise. What is reported is jobs a second
// and the server's processor time for each: medians of rounds, the smallest and
// largest beside them. A round in which the hypervisor took more than 5 % of the
// processors' time is repeated.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/coffer-dev/coffer/test/bench/harness"
)

// options are what the program was called with.
type options struct {
	dir         string
	rounds      int
	jobs        int
	backlog     int
	only, loads []string
}

const (
	small    = 200 // bytes of a job
	large    = 10_000
	batch    = 1000
	pushers  = 50
	batchers = 4
	workers  = 10
)

func main() {
	var o options
	flag.StringVar(&o.dir, "dir", os.TempDir(), "directory on the file system to measure")
	flag.IntVar(&o.rounds, "rounds", 3, "rounds of each")
	flag.IntVar(&o.jobs, "jobs", 50_000, "jobs of a round; of what syncs every write a fifth")
	flag.IntVar(&o.backlog, "backlog", 1_000_000, "jobs that wait in `deep`")
	only := flag.String("only", strings.Join(names, ","), "whom to measure")
	loads := flag.String("loads", "push,batch,process,large,deep", "what to measure")
	out := flag.String("out", "", "Markdown file to write as well")
	flag.Parse()
	o.only, o.loads = strings.Split(*only, ","), strings.Split(*loads, ",")
	if err := run(o, *out); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(o options, out string) (err error) {
	for _, program := range []string{"redis-server", "beanstalkd", "npm"} {
		if _, err := exec.LookPath(program); err != nil {
			return fmt.Errorf("%w: apt-get install redis-server beanstalkd npm", err)
		}
	}
	if o.dir, err = os.MkdirTemp(o.dir, "coffer-bench-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(o.dir)) }()
	if err := build(o.dir); err != nil {
		return err
	}
	r := harness.NewReport("Jobs beside BullMQ, asynq, JetStream and beanstalkd", "queue")
	r.Add(harness.Machine(o.dir, versions()))
	r.Add(introduction)
	for _, load := range []string{"push", "batch", "process", "large"} {
		if !slices.Contains(o.loads, load) {
			continue
		}
		measured, discarded, err := takeTurns(o, load)
		if err != nil {
			return fmt.Errorf("%s: %w", load, err)
		}
		r.Add(table(load, o, measured, discarded))
	}
	if slices.Contains(o.loads, "deep") {
		if err := measureDeep(o, r); err != nil {
			return fmt.Errorf("deep: %w", err)
		}
	}
	r.Add(harness.LoadNow("At the end"))
	if out == "" {
		return nil
	}
	return r.Write(out)
}

// build builds the programs that are not installed.
func build(dir string) error {
	if err := harness.BuildEngine(filepath.Join(dir, "coffer-engine")); err != nil {
		return err
	}
	jetstream := exec.Command("go", "-C", "test/bench/queue/jetstream", "build", "-o", filepath.Join(dir, "jetstream"), ".")
	jetstream.Stderr = os.Stderr
	if err := jetstream.Run(); err != nil {
		return fmt.Errorf("build jetstream: %w", err)
	}
	return harness.InstallBullMQ()
}
