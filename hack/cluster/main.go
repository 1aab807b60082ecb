// Command cluster builds, starts and removes a real Kubernetes on this machine, for the demo and for tests.
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

	"github.com/coffer-dev/coffer/hack/cluster/build"
	"github.com/coffer-dev/coffer/hack/cluster/clone"
	"github.com/coffer-dev/coffer/hack/cluster/local"
	"github.com/coffer-dev/coffer/hack/cluster/progress"
)

var errUsage = errors.New(`usage: cluster COMMAND [--name demo|test] [FILE…]
  build         build the cluster's programs into the user's cache directory
  up            install missing Debian packages, build, start the cluster afresh: --nodes N, 1 if left out
  down          remove the cluster and all it left
  load-image    put images (docker-archive files) on every node
  status        tell what runs`)

func main() {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	cancel()
	if err != nil {
		fmt.Fprintln(os.Stderr, "cluster:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return errUsage
	}
	flags := flag.NewFlagSet("cluster "+args[0], flag.ContinueOnError)
	name := flags.String("name", "test", "which cluster: demo or test")
	nodes := flags.Int("nodes", 1, "how many nodes it gets")
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	root, err := clone.Root()
	if err != nil {
		return err
	}
	// Debian keeps these out of some users' PATH, also root's after a plain su.
	if err := os.Setenv("PATH", os.Getenv("PATH")+":/usr/local/sbin:/usr/sbin:/sbin"); err != nil {
		return err
	}
	cluster, err := local.New(root, *name)
	if err != nil {
		return err
	}
	return dispatch(ctx, args[0], cluster, *nodes, flags.Args())
}

func dispatch(ctx context.Context, verb string, cluster *local.Cluster, nodes int, files []string) error {
	out := &progress.Printer{Out: os.Stdout}
	if verb == "build" {
		_, err := build.All(ctx, cluster.Root, out)
		return err
	}
	if err := local.Check(runtime.GOOS); err != nil {
		return err
	}
	switch verb {
	case "up":
		return up(ctx, cluster, nodes, out)
	case "down":
		return out.Run("removing cluster "+cluster.Name, func(*progress.Step) error { return cluster.Down(ctx) })
	case "status":
		return cluster.Status(os.Stdout)
	case "load-image":
		programs, err := build.All(ctx, cluster.Root, out)
		if err != nil {
			return err
		}
		for _, file := range files {
			if err := cluster.LoadImage(ctx, programs, file); err != nil {
				return err
			}
		}
		return nil
	}
	return errUsage
}

func up(ctx context.Context, cluster *local.Cluster, nodes int, out *progress.Printer) error {
	if missing := local.MissingPackages(); len(missing) > 0 {
		err := out.Run("installing Debian packages "+strings.Join(missing, " "), func(*progress.Step) error {
			return local.InstallPackages(ctx, missing)
		})
		if err != nil {
			return err
		}
	}
	programs, err := build.All(ctx, cluster.Root, out)
	if err != nil {
		return err
	}
	if err := cluster.Up(ctx, programs, nodes, out); err != nil {
		return err
	}
	fmt.Printf("kubeconfig: %s\nkubectl:    %s\n", cluster.Kubeconfig(), filepath.Join(cluster.Root, ".cluster", "bin", "kubectl"))
	return nil
}
