// Command run has everything happen to a database and a queue of three members
// on the cluster that KUBECONFIG names, whose nodes are on this machine (make
// chaos starts one).
//
//	NODES=3 hack/on-cluster go run ./test/chaos/run --duration 10m --seed 1
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/coffer-dev/coffer/hack/cluster/clone"
	"github.com/coffer-dev/coffer/hack/cluster/progress"
	"github.com/coffer-dev/coffer/test/chaos/kube"
	"github.com/coffer-dev/coffer/test/fixture"
)

const system = "coffer-system"

// scenario is a kind of run, and where its page goes.
type scenario struct {
	run                       func(context.Context, *fixture.Cluster, kube.Options) (*kube.Report, error)
	clients                   int
	target, file, filesPrefix string
}

var scenarios = map[string]scenario{
	"chaos":    {kube.Run, 12, "chaos", "README.md", ""},
	"rollover": {kube.Rollover, 50, "chaos-rollover", "rollover.md", "rollover-"},
}

func main() {
	o := kube.Options{Namespace: "coffer-chaos", System: system}
	flag.DurationVar(&o.Duration, "duration", 10*time.Minute, "how long faults go on")
	flag.Uint64Var(&o.Seed, "seed", 0, "decides what happens to whom; 0 takes one from the clock")
	name := flag.String("scenario", "chaos", "chaos, or rollover: leaders' pods deleted, the image rolled, nodes drained")
	report := flag.String("report", "", "directory that gets a page with the figures")
	flag.Parse()
	if o.Seed == 0 {
		o.Seed = uint64(time.Now().UnixNano())
	}
	redis.SetLogger(quiet{})
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *name, *report, o); err != nil {
		fmt.Fprintln(os.Stderr, "chaos:", err)
		stop()
		os.Exit(1)
	}
}

// quiet is for a client library that tells of every connection it cannot make.
type quiet struct{}

func (quiet) Printf(context.Context, string, ...any) {}

func run(ctx context.Context, name, report string, o kube.Options) (err error) {
	s, known := scenarios[name]
	if !known {
		return fmt.Errorf("--scenario is %q: it is chaos or rollover", name)
	}
	if o.Root, err = clone.Root(); err != nil {
		return err
	}
	o.Clients, o.Kept = s.clients, filepath.Join(o.Root, "dist", fmt.Sprintf("%s-%d", s.target, o.Seed))
	cluster, err := fixture.Connect(ctx)
	if err != nil {
		return err
	}
	command := fmt.Sprintf("make %s DURATION=%s SEED=%d", s.target, short(o.Duration), o.Seed)
	fmt.Println("again with:", command)
	out := &progress.Printer{Out: os.Stdout}
	err = out.Run("helm install coffer charts/coffer", func(*progress.Step) error {
		return fixture.Install(ctx, filepath.Join(o.Root, "charts", "coffer"), "dev", system)
	})
	if err != nil {
		return err
	}
	var r *kube.Report
	err = out.Run(name+":", func(step *progress.Step) (err error) {
		o.Note = step.Note
		if r, err = s.run(ctx, cluster, o); err != nil {
			return err
		}
		return r.Err()
	})
	if r != nil {
		fmt.Print(r)
		if report != "" {
			err = errors.Join(err, r.Write(report, s.file, s.filesPrefix, command, runtime.NumCPU()))
		}
	}
	if err != nil {
		return fmt.Errorf("%w\nkept in %s: illegal.txt has what cannot be explained, faults.txt what happened when, logs/ what members said\nagain with: %s", err, o.Kept, command)
	}
	return nil
}

// short is a duration as one writes it.
func short(d time.Duration) string {
	return strings.NewReplacer("h0m0s", "h", "m0s", "m").Replace(d.String())
}
