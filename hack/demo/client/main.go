// Command client is an application as Coffer's documentation wants one: it
// mounts a connection secret as files, uses the database in five ways, keeps
// writing and reading while the credentials rotate, and fails if one command
// fails. Its retries are off, so nothing hides a failure. With --role it is the
// producer or the worker of a job queue.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"

	"github.com/coffer-dev/coffer/hack/demo/client/connection"
	"github.com/coffer-dev/coffer/hack/demo/client/load"
	"github.com/coffer-dev/coffer/hack/demo/client/patterns"
	"github.com/coffer-dev/coffer/hack/demo/client/report"
)

type flags struct {
	secret, address, untilFile string
	clients                    int
	duration, connectionAge    time.Duration
	pause                      time.Duration
	queue, role                string
}

func main() {
	var f flags
	flag.StringVar(&f.secret, "secret", "/etc/coffer-connection", "directory of the mounted connection secret")
	flag.StringVar(&f.address, "address", "", "host:port to dial instead of the uri's; the certificate is checked against the uri's host all the same")
	flag.StringVar(&f.untilFile, "until-file", "", "end cleanly when this file exists")
	flag.IntVar(&f.clients, "clients", 50, "workers that write and read, each with a connection")
	flag.DurationVar(&f.duration, "duration", 0, "how long they work; 0 ends after the patterns unless --until-file is given, negative is until SIGTERM")
	flag.DurationVar(&f.connectionAge, "connection-age", 0, "after which a connection is made anew, with a handshake; 0 keeps it for as long as it works")
	flag.DurationVar(&f.pause, "pause", 0, "of each worker between two turns of some commands; 0 works as fast as it goes")
	flag.StringVar(&f.queue, "queue", "", "with --role: the queue to work with, in place of a database")
	flag.StringVar(&f.role, "role", "", "producer or worker of a job queue")
	flag.Parse()
	// go-redis would log each connection that waits for its AUTH.
	logging.Disable()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	application := run
	if f.role != "" {
		application = runQueue
	}
	if err := application(ctx, f, os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "client:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, f flags, out, warn io.Writer) error {
	rotations := 0
	changed := make(chan struct{}, 64)
	source, err := connection.Open(f.secret, func(_ string, err error) {
		if err != nil {
			fmt.Fprintln(warn, "client: kept the last good secret:", err)
			return
		}
		changed <- struct{}{}
	})
	if err != nil {
		return err
	}
	watching, done := context.WithCancel(context.WithoutCancel(ctx))
	defer done()
	go func() { _ = source.Watch(watching) }()
	options := source.Options(f.clients, f.address)
	options.ConnMaxLifetime, options.ConnMaxLifetimeJitter = f.connectionAge, f.connectionAge/2
	db := redis.NewClient(options)
	defer func() { _ = db.Close() }()
	var dialled dials
	db.AddHook(&dialled)

	reach(ctx, db)
	if err := runPatterns(context.WithoutCancel(ctx), db, out); err != nil {
		return err
	}
	if f.duration == 0 && f.untilFile == "" {
		return nil
	}
	ctx, cancel := until(ctx, f)
	defer cancel()
	work := &load.Load{DB: db, Workers: f.clients, Run: fmt.Sprintf("load:%d", time.Now().UnixNano()), Pause: f.pause}
	ended := make(chan struct{})
	go func() { work.Until(ctx); close(ended) }()
	tell := func(last bool) error {
		commands, failed := work.Counts()
		secret := source.Secret()
		line := report.Line{Commands: commands, Failed: failed, Connections: dialled.Load(),
			Generation: secret.Generation, Authorities: secret.Authorities, Rotations: rotations, Done: last}
		if errs := work.Errors(); len(errs) > 0 {
			line.Error = errs[0].Error()
		}
		return json.NewEncoder(out).Encode(line)
	}
	for tick := time.NewTicker(time.Second); ; {
		select {
		case <-changed:
			rotations++
		case <-tick.C:
			if err := tell(false); err != nil {
				return fmt.Errorf("writing the report: %w", err)
			}
		case <-ended:
			return errors.Join(tell(true), verdict(work))
		}
	}
}

// reach waits a while for whom nobody listens yet: a node may learn of the pod
// behind a Service a moment after the database is Ready. What else is wrong the
// first command says.
func reach(ctx context.Context, db *redis.Client) {
	for tries := 0; tries < 100 && errors.Is(db.Ping(ctx).Err(), syscall.ECONNREFUSED); tries++ {
		time.Sleep(200 * time.Millisecond)
	}
}

// dials counts connections as they are made.
type dials struct{ atomic.Int64 }

// DialHook implements redis.Hook.
func (d *dials) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		d.Add(1)
		return next(ctx, network, addr)
	}
}

// ProcessHook implements redis.Hook.
func (d *dials) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }

// ProcessPipelineHook implements redis.Hook.
func (d *dials) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func runPatterns(ctx context.Context, db *redis.Client, out io.Writer) error {
	for _, p := range patterns.All {
		if err := p.Run(ctx, db); err != nil {
			return fmt.Errorf("%s: %w", p.Name, err)
		}
		fmt.Fprintln(out, p.Name+report.Ok)
	}
	return nil
}

// until ends with the duration or when the file appears, whichever is given.
func until(ctx context.Context, f flags) (context.Context, context.CancelFunc) {
	var cancel context.CancelFunc
	if f.duration > 0 {
		ctx, cancel = context.WithTimeout(ctx, f.duration)
	} else {
		ctx, cancel = context.WithCancel(ctx)
	}
	if f.untilFile == "" {
		return ctx, cancel
	}
	go func() {
		for ctx.Err() == nil {
			if _, err := os.Stat(f.untilFile); err == nil {
				cancel()
			}
			time.Sleep(200 * time.Millisecond)
		}
	}()
	return ctx, cancel
}

func verdict(work *load.Load) error {
	commands, failed := work.Counts()
	if failed == 0 {
		return nil
	}
	var texts []string
	for _, err := range work.Errors() {
		texts = append(texts, err.Error())
	}
	return fmt.Errorf("%d of %d commands failed, among them: %s", failed, commands, strings.Join(texts, "; "))
}
