package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/coffer-dev/coffer/engine/client/jobs"
	"github.com/coffer-dev/coffer/hack/demo/client/queue"
	"github.com/coffer-dev/coffer/hack/demo/client/report"
)

// runQueue is run for a job queue.
func runQueue(ctx context.Context, f flags, out, warn io.Writer) error {
	client, err := jobs.Connect(ctx, jobs.Options{SecretDir: f.secret, Address: f.address, OnError: func(err error) { fmt.Fprintln(warn, "client:", err) }})
	if err != nil {
		return err
	}
	defer client.Close()
	work := &queue.Load{Client: client, Role: f.role, Queue: f.queue, Clerks: f.clients, Pause: f.pause}
	if err := work.Refusals(ctx); err != nil {
		return err
	}
	fmt.Fprintln(out, "refused what a "+f.role+" may not do"+report.Ok)
	ctx, cancel := until(ctx, f)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- work.Until(ctx) }()
	tell := func(last bool) error {
		done, doubled, failed, first := work.Counts()
		line := report.Line{Commands: done, Doubled: doubled, Failed: failed, Done: last}
		if first != nil {
			line.Error = first.Error()
		}
		return json.NewEncoder(out).Encode(line)
	}
	for tick := time.NewTicker(time.Second); ; {
		select {
		case <-tick.C:
			if err := tell(false); err != nil {
				return fmt.Errorf("writing the report: %w", err)
			}
		case err := <-ended:
			if _, _, failed, first := work.Counts(); failed > 0 {
				err = errors.Join(err, fmt.Errorf("%d failed, the first: %w", failed, first))
			}
			return errors.Join(tell(true), err)
		}
	}
}
