package clients

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/coffer-dev/coffer/engine/client/jobs"
)

const (
	queue = "q"
	// lease is how long a job that a worker took and was never heard of again is
	// nobody else's.
	lease    = 5 * time.Second
	pullWait = time.Second
	batch    = 10
)

// Jobs is what producers and workers of a queue saw.
type Jobs struct {
	// Calm is the pause between two jobs of a producer.
	Calm time.Duration
	// Pushes are those that were acknowledged.
	Pushes *Pulse

	mu     sync.Mutex
	left   map[string]bool      // acknowledged to the producer, and not yet carried out
	early  map[string]bool      // carried out before its producer had an answer
	ran    map[uint64]time.Time // by the server's number: when its own acknowledgement was answered, zero if it was not
	jobs   int                  // that were acknowledged to producers
	twice  int                  // carried out again, after an acknowledgement without an answer
	again  []uint64             // handed out after their own acknowledgement was answered
	errors map[string]int
}

// NewJobs is a queue's beginning.
func NewJobs() *Jobs {
	return &Jobs{Calm: 5 * time.Millisecond, Pushes: NewPulse(), left: map[string]bool{}, early: map[string]bool{}, ran: map[uint64]time.Time{}, errors: map[string]int{}}
}

// Produce pushes jobs until ctx ends, each as often as it takes for an answer.
func (j *Jobs) Produce(ctx context.Context, client *jobs.Client, name string) {
	for n := 0; ctx.Err() == nil; n++ {
		id := fmt.Sprintf("%s-%d", name, n)
		for !j.push(client, id) && ctx.Err() == nil {
			time.Sleep(sulk)
		}
		time.Sleep(j.Calm)
	}
}

func (j *Jobs) push(client *jobs.Client, id string) bool {
	ctx, cancel := context.WithTimeout(context.Background(), answerTime)
	defer cancel()
	_, err := client.Push(ctx, queue, id, jobs.PushOptions{JobID: id})
	if err != nil {
		j.failed("push", err)
		return false
	}
	j.Pushes.Beat()
	j.acknowledged(id)
	return true
}

// acknowledged is what a producer was told.
func (j *Jobs) acknowledged(id string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.jobs++
	if !j.early[id] {
		j.left[id] = true
	}
	delete(j.early, id)
}

// Work carries jobs out until ctx ends.
func (j *Jobs) Work(ctx context.Context, client *jobs.Client) {
	for ctx.Err() == nil {
		for _, job := range j.pull(client) {
			j.carryOut(client, job)
		}
	}
}

// pull takes what there is, and knows what must not be among it.
func (j *Jobs) pull(client *jobs.Client) []*jobs.Job {
	ctx, cancel := context.WithTimeout(context.Background(), pullWait+answerTime)
	defer cancel()
	begun := time.Now()
	pulled, err := client.PullBatch(ctx, queue, batch, pullWait, lease)
	if err != nil {
		j.failed("pull", err)
		time.Sleep(rand.N(sulk))
	}
	for _, job := range pulled {
		j.handedOut(job, begun)
	}
	return pulled
}

// handedOut is a job that was asked for at a time.
func (j *Jobs) handedOut(job *jobs.Job, asked time.Time) {
	j.mu.Lock()
	defer j.mu.Unlock()
	at, ran := j.ran[job.ID]
	switch {
	case ran && !at.IsZero() && at.Before(asked):
		j.again = append(j.again, job.ID)
	case ran:
		j.twice++
	}
}

func (j *Jobs) carryOut(client *jobs.Client, job *jobs.Job) {
	var id string
	if err := job.Decode(&id); err != nil {
		j.failed("decode", err)
	}
	j.begin(job, id)
	ctx, cancel := context.WithTimeout(context.Background(), answerTime)
	defer cancel()
	if err := client.Ack(ctx, job, nil); err != nil {
		j.failed("ack", err)
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.ran[job.ID] = time.Now()
}

// begin is a job carried out, of which nobody has been told.
func (j *Jobs) begin(job *jobs.Job, id string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.left[id] {
		delete(j.left, id)
	} else {
		j.early[id] = true
	}
	if _, ran := j.ran[job.ID]; !ran {
		j.ran[job.ID] = time.Time{}
	}
}

// failed counts. What the server says no to is told apart from what had no answer.
func (j *Jobs) failed(what string, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	var refused *jobs.Error
	if errors.As(err, &refused) {
		j.errors[what+" refused: "+refused.Code]++
		return
	}
	j.errors[what+": "+errorKind(err)]++
}

// Left is how many jobs were acknowledged to a producer and not carried out yet.
func (j *Jobs) Left() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.left)
}

// JobsVerdict is what became of them.
type JobsVerdict struct {
	// Jobs were acknowledged to producers; Lost of them were never carried out.
	Jobs int
	Lost []string
	// Twice counts those carried out again because nobody could know that they
	// had been; Again are those handed out although that was acknowledged.
	Twice int
	Again []uint64
}

// Check judges what there was so far.
func (j *Jobs) Check() JobsVerdict {
	j.mu.Lock()
	defer j.mu.Unlock()
	return JobsVerdict{Jobs: j.jobs, Lost: slices.Sorted(maps.Keys(j.left)), Twice: j.twice, Again: slices.Clone(j.again)}
}

// Errors counts what came instead of answers, by its kind.
func (j *Jobs) Errors() map[string]int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return maps.Clone(j.errors)
}
