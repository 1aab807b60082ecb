// Command demo shows Coffer at work: `up` makes a local Kubernetes (or takes the cluster of the current context, with
// CLUSTER=existing), installs the chart, applies config/samples, and lets a client work while its credentials rotate
// twice. `down` removes all of it.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"

	"github.com/coffer-dev/coffer/hack/cluster/build"
	"github.com/coffer-dev/coffer/hack/cluster/clone"
	"github.com/coffer-dev/coffer/hack/cluster/local"
	"github.com/coffer-dev/coffer/hack/cluster/progress"
	"github.com/coffer-dev/coffer/hack/image/images"
)

func main() {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	interrupted := ctx.Err() != nil
	cancel()
	if err != nil && interrupted {
		// What the interrupted programs said last would only hide this.
		fmt.Fprintln(os.Stderr, "demo: interrupted; what was started stays: `make demo` starts afresh, `make demo-down` removes it")
		os.Exit(130)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) != 1 || args[0] != "up" && args[0] != "down" {
		return errors.New("usage: demo up|down")
	}
	root, err := clone.Root()
	if err != nil {
		return err
	}
	// Debian keeps these out of some users' PATH, also root's after a plain su.
	if err := os.Setenv("PATH", os.Getenv("PATH")+":/usr/local/sbin:/usr/sbin:/sbin"); err != nil {
		return err
	}
	out := &progress.Printer{Out: os.Stdout}
	switch where := os.Getenv("CLUSTER"); where {
	case "existing":
		return runExisting(ctx, root, args[0], out)
	case "", "local":
		return runLocal(ctx, root, args[0], out)
	default:
		return fmt.Errorf("CLUSTER=%s: leave it out for a local cluster, or set it to existing", where)
	}
}

// demoSteps is how many steps show reports: images, chart, database, client.
const demoSteps = 4

func runLocal(ctx context.Context, root, verb string, out *progress.Printer) error {
	if err := local.Check(runtime.GOOS); err != nil {
		return err
	}
	cluster, err := local.New(root, "demo")
	if err != nil {
		return err
	}
	if verb == "down" {
		return out.Run("removing the demo's cluster", func(*progress.Step) error { return cluster.Down(ctx) })
	}
	missing, unbuilt, err := announce(root, cluster.Left())
	if err != nil {
		return err
	}
	out.Total = 2 + local.Steps + demoSteps
	err = out.Run("packages", func(*progress.Step) error { return local.InstallPackages(ctx, missing) })
	if err != nil {
		return err
	}
	programs, err := buildPrograms(ctx, root, len(unbuilt) > 0, out)
	if err != nil {
		return err
	}
	if err := cluster.Up(ctx, programs, 1, out); err != nil {
		return err
	}
	d := &demo{root: root, kubeconfig: cluster.Kubeconfig(), kubectl: programs.Path("kubectl"), helm: programs.Path("helm"),
		ref: images.Coffer, clientRef: images.DemoClient}
	d.load = func(ctx context.Context, archive string) error { return cluster.LoadImage(ctx, programs, archive) }
	if err := d.show(ctx, out); err != nil {
		return fmt.Errorf("%w\n(look around: export KUBECONFIG=%s; undo everything: make demo-down)", err, d.kubeconfig)
	}
	return nil
}

// announce says, before anything is changed, what will be.
func announce(root string, replaces bool) (missing, unbuilt []string, err error) {
	if unbuilt, err = build.Missing(root); err != nil {
		return nil, nil, err
	}
	missing = local.MissingPackages()
	fmt.Println("Coffer demo: a local Kubernetes on this machine, in its own network namespace. Undo everything with `make demo-down`.")
	if replaces {
		fmt.Println("  will replace  the demo's cluster that is there, with all that is in it")
	}
	if len(missing) > 0 {
		fmt.Printf("  will install  %s   (Debian packages)\n", strings.Join(missing, " "))
	}
	if len(unbuilt) > 0 {
		fmt.Printf("  will build    %s   (first time only; all of them take about 25 min on two cores)\n", strings.Join(unbuilt, " "))
	}
	return missing, unbuilt, nil
}

// buildPrograms is one step when everything is in the cache, and a section with a line for each program when not.
func buildPrograms(ctx context.Context, root string, long bool, out *progress.Printer) (programs *build.Programs, err error) {
	const title = "building the cluster's programs"
	if long {
		out.Section(title)
		return build.All(ctx, root, &progress.Printer{Out: out.Out, Indent: "        "})
	}
	err = out.Run(title, func(s *progress.Step) (err error) {
		s.Result("(all in the cache)")
		programs, err = build.All(ctx, root, &progress.Printer{Out: out.Out})
		return err
	})
	return programs, err
}
