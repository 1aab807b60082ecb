// Command coffer-engine is Coffer's data plane: it serves one database or queue
// over TLS 1.3, in a pod of the operator's or alone on a laptop.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/coffer-dev/coffer/engine/config"
	"github.com/coffer-dev/coffer/engine/node"
	"github.com/coffer-dev/coffer/engine/node/dev"
	"github.com/coffer-dev/coffer/engine/version"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	root := &cobra.Command{
		Use: "coffer-engine", Short: "Serve keys and jobs over TLS 1.3",
		SilenceUsage: true, SilenceErrors: true,
	}
	root.AddCommand(serveCommand(), checkCommand(), versionCommand())
	if err := root.ExecuteContext(ctx); err != nil {
		fmt.Fprintf(os.Stderr, "coffer-engine: %v\n", err)
		stop()
		os.Exit(1)
	}
}

// serveFlags are what serve was called with.
type serveFlags struct {
	config, member, dir string
	dev, debugCommand   bool
	ports               dev.Ports
}

func serveCommand() *cobra.Command {
	var f serveFlags
	cmd := &cobra.Command{
		Use: "serve", Short: "Serve until SIGTERM, then finish what connections are at", Args: cobra.NoArgs,
		Example: "  coffer-engine serve --config /etc/coffer/config/engine.json\n  coffer-engine serve --dev --port 6380",
		RunE: func(cmd *cobra.Command, _ []string) error {
			spareProcessor()
			if f.dev {
				return serveDev(cmd.Context(), f)
			}
			if f.config == "" {
				return errors.New("give --config FILE, or --dev to try it on this machine")
			}
			return servePod(cmd.Context(), f)
		},
	}
	hostname, _ := os.Hostname()
	flags := cmd.Flags()
	flags.StringVar(&f.config, "config", "", "configuration file (engine.json)")
	flags.StringVar(&f.member, "member", hostname, "name of this member, the pod's")
	flags.BoolVar(&f.dev, "dev", false, "serve on the loopback address with a certificate and password made for it")
	flags.StringVar(&f.dir, "dir", "coffer-dev", "with --dev: where certificate, password and data are kept")
	flags.IntVar(&f.ports.Keys, "port", 6379, "with --dev: port for keys, 0 for any free one")
	flags.IntVar(&f.ports.Jobs, "queue-port", 6789, "with --dev: port for jobs, 0 for any free one")
	flags.IntVar(&f.ports.JobsHTTP, "http-port", 6790, "with --dev: port for jobs over HTTPS, 0 for any free one")
	flags.BoolVar(&f.debugCommand, "enable-debug-command", false, "with --dev: allow DEBUG, for tests")
	cmd.MarkFlagsMutuallyExclusive("config", "dev")
	cmd.MarkFlagsMutuallyExclusive("config", "dir")
	cmd.MarkFlagsMutuallyExclusive("config", "port")
	cmd.MarkFlagsMutuallyExclusive("config", "queue-port")
	cmd.MarkFlagsMutuallyExclusive("config", "http-port")
	cmd.MarkFlagsMutuallyExclusive("config", "enable-debug-command")
	return cmd
}

// spareProcessor lets the runtime use one processor more than there is, unless
// GOMAXPROCS is set. Who waits for an fsync keeps one in its sense: when none is
// left, the runtime takes it away each time, and its watchdog, which looks for
// such threads, never sleeps longer than 20 µs.
func spareProcessor() {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + 1)
	}
}

func servePod(ctx context.Context, f serveFlags) error {
	c, err := config.Load(f.config)
	if err != nil {
		return err
	}
	log := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	n, err := node.Start(node.Options{Config: c, Member: f.member, Version: version.String(), AuditStream: os.Stdout, Log: log})
	if err != nil {
		return err
	}
	return n.Run(ctx)
}

func serveDev(ctx context.Context, f serveFlags) error {
	c, err := dev.Prepare(f.dir, f.ports)
	if err != nil {
		return err
	}
	c.EnableDebugCommand = f.debugCommand
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	n, err := node.Start(node.Options{Config: c, Member: f.member, Version: version.String(), Log: log})
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("%w: choose another --port, --queue-port or --http-port, or 0 for any free one", err)
	}
	if err != nil {
		return err
	}
	line, err := dev.Announce(f.dir, n.Addresses().Keys, n.Addresses().Jobs, n.Addresses().JobsHTTP)
	if err != nil {
		return fmt.Errorf("%w; stopping: %w", err, n.Stop())
	}
	fmt.Println(line)
	return n.Run(ctx)
}

func checkCommand() *cobra.Command {
	var path string
	cmd := &cobra.Command{
		Use: "check", Short: "Say whether a configuration file is valid, and what is wrong with it", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			c, err := config.Load(path)
			if err != nil {
				return err
			}
			fmt.Printf("%s: valid, version %d, instance %s\n", path, c.Version, c.Instance)
			return nil
		},
	}
	cmd.Flags().StringVar(&path, "config", "", "configuration file (engine.json)")
	_ = cmd.MarkFlagRequired("config") // the flag exists
	return cmd
}

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Args: cobra.NoArgs,
		Run: func(cmd *cobra.Command, _ []string) {
			fmt.Fprintf(cmd.OutOrStdout(), "coffer-engine %s %s %s/%s\n", version.String(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
		},
	}
}
