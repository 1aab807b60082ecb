// Package mail is an application's part that hands mail to a JobQueue and sends
// what is in it. The connection secret is mounted, and changes.
package mail

import (
	"context"
	"errors"

	"github.com/coffer-dev/coffer/engine/client/jobs"
)

// Mail is a job's data.
type Mail struct {
	To, Subject string
}

// Connect connects to the queue whose connection secret is mounted at dir. The
// client reads it again as long as it lives.
func Connect(ctx context.Context, dir string, report func(error)) (*jobs.Client, error) {
	return jobs.Connect(ctx, jobs.Options{SecretDir: dir, OnError: report})
}

// Enqueue hands in a mail. Its id makes it safe to do so again when the answer
// was lost with its connection: there will be one job.
func Enqueue(ctx context.Context, client *jobs.Client, id string, mail Mail) error {
	for {
		_, err := client.Push(ctx, "mail", mail, jobs.PushOptions{JobID: id, MaxAttempts: 5})
		if !errors.Is(err, jobs.ErrDisconnected) {
			return err
		}
	}
}

// Send sends mail until ctx has ended, and finishes what it has begun by then.
// send is called again, later, for a mail that it returned an error for; its
// context ends if the job is no longer ours.
func Send(ctx context.Context, client *jobs.Client, send func(context.Context, Mail) error, report func(error)) error {
	worker := jobs.Worker{
		Queue:       "mail",
		Concurrency: 8,
		OnError:     report,
		Handle: func(ctx context.Context, job *jobs.Job) (any, error) {
			var mail Mail
			if err := job.Decode(&mail); err != nil {
				return nil, err
			}
			return nil, send(ctx, mail)
		},
	}
	return worker.Run(ctx, client)
}
