// Command run runs a rotation storm on the cluster that KUBECONFIG names, whose
// node is this machine (make storm starts one).
//
//	hack/on-cluster go run ./test/storm/run --duration 10m --seed 1
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/coffer-dev/coffer/hack/cluster/clone"
	"github.com/coffer-dev/coffer/hack/cluster/progress"
	"github.com/coffer-dev/coffer/test/fixture"
	"github.com/coffer-dev/coffer/test/storm"
)

const system = "coffer-system"

func main() {
	o := storm.Options{Namespace: "coffer-storm", System: system}
	flag.DurationVar(&o.Duration, "duration", 10*time.Minute, "how long it blows")
	flag.DurationVar(&o.Calm, "calm", time.Minute, "the longest that an operator acts before it is killed")
	flag.Uint64Var(&o.Seed, "seed", 0, "decides what is rotated and when the operator dies; 0 takes one from the clock")
	flag.IntVar(&o.Databases, "databases", 3, "how many databases")
	flag.IntVar(&o.Tokens, "tokens", 2, "how many AccessTokens each database has")
	flag.IntVar(&o.Clients, "clients", 50, "how many clients work, over all applications")
	flag.Parse()
	if o.Seed == 0 {
		o.Seed = uint64(time.Now().UnixNano())
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "storm:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, o storm.Options) error {
	root, err := clone.Root()
	if err != nil {
		return err
	}
	cluster, err := fixture.Connect(ctx)
	if err != nil {
		return err
	}
	fmt.Printf("seed %d: again with make storm DURATION=%s SEED=%d\n", o.Seed, o.Duration, o.Seed)
	out := &progress.Printer{Out: os.Stdout}
	err = out.Run("helm install coffer charts/coffer", func(*progress.Step) error {
		return fixture.Install(ctx, root+"/charts/coffer", "dev", system)
	})
	if err != nil {
		return err
	}
	var report *storm.Report
	err = out.Run("storm:", func(s *progress.Step) (err error) {
		o.Note = s.Note
		if report, err = storm.Run(ctx, cluster, o); err != nil {
			return err
		}
		return report.Err()
	})
	if report != nil {
		fmt.Print(report)
	}
	if err != nil {
		fmt.Print(fixture.Explain(context.WithoutCancel(ctx), o.Namespace, system, o.Names()...))
	}
	return err
}
