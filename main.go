// Coffer runs secure key-value databases on Kubernetes. `coffer operator` is
// the controller; the databases themselves run coffer-engine.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/coffer-dev/coffer/controllers"
	"github.com/coffer-dev/coffer/engine/version"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := root().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "coffer:", err)
		stop()
		os.Exit(1)
	}
}

func root() *cobra.Command {
	cmd := &cobra.Command{
		Use:           "coffer",
		Short:         "Secure key-value databases on Kubernetes",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	cmd.AddCommand(operatorCommand(), versionCommand())
	return cmd
}

func operatorCommand() *cobra.Command {
	o := controllers.DefaultOptions()
	cmd := &cobra.Command{
		Use:   "operator",
		Short: "Run the controller that turns KVDatabase objects into running databases",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.Version = version.String()
			return controllers.Run(cmd.Context(), o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.Image, "image", o.Image, "image with coffer-engine that the databases run (required)")
	f.StringVar(&o.Namespace, "namespace", o.Namespace, "namespace of the operator itself; read from its service account when empty")
	f.StringSliceVar(&o.WatchNamespaces, "watch-namespaces", nil, "namespaces whose databases it looks after, separated by commas; all when empty")
	f.BoolVar(&o.LeaderElect, "leader-elect", o.LeaderElect, "let one of several operators act at a time")
	f.StringVar(&o.MetricsAddress, "metrics-bind-address", o.MetricsAddress, "host:port of the metrics (HTTPS, authenticated); 0 turns them off")
	f.StringVar(&o.HealthAddress, "health-bind-address", o.HealthAddress, "host:port of /healthz and /readyz (HTTPS)")
	return cmd
}

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		Run: func(cmd *cobra.Command, _ []string) {
			fmt.Fprintf(cmd.OutOrStdout(), "coffer %s %s %s/%s\n", version.String(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
		},
	}
}
