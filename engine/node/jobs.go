package node

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/coffer-dev/coffer/engine/adminapi"
	"github.com/coffer-dev/coffer/engine/credential"
	"github.com/coffer-dev/coffer/engine/httpapi"
	"github.com/coffer-dev/coffer/engine/job"
	"github.com/coffer-dev/coffer/engine/jobserver"
	"github.com/coffer-dev/coffer/engine/machine"
	"github.com/coffer-dev/coffer/engine/metrics"
	"github.com/coffer-dev/coffer/engine/queue"
	"github.com/coffer-dev/coffer/engine/reply"
)

// settingsRetry is when settings that could not be put in force are tried again.
const settingsRetry = time.Second

// settings are those of the queues, on their way from their file into the log.
type settings struct {
	changed chan struct{}

	mu      sync.Mutex
	problem string // why those of the file are not in force; empty if they are
	refused string // their revision then
}

// look has followSettings look.
func (s *settings) look() {
	select {
	case s.changed <- struct{}{}:
	default: // it will
	}
}

// openJobs makes what serves jobs, if the configuration has a port for them.
func (n *Node) openJobs(ctx context.Context) error {
	if n.dispatcher == nil {
		return nil
	}
	if err := n.loadGuard(); err != nil {
		return err
	}
	n.dispatcher.Open(job.Options{Executor: n.group, Audit: n.audit, Guard: n.guard})
	n.jobs = jobserver.New(jobserver.Options{
		Limits: n.limits(), Credentials: n.credentials.Current, Dispatcher: n.dispatcher, Audit: n.audit, Log: n.opts.Log, Through: n.through(),
	})
	n.credentials.OnChange(n.jobs.CredentialsChanged)
	n.settings.changed = make(chan struct{}, 1)
	n.settings.changed <- struct{}{}
	n.credentials.OnChange(func(*credential.Snapshot) { n.settings.look() })
	n.background("queues", func() error { n.followSettings(ctx); return nil })
	if n.opts.Config.Listen.JobsHTTP != "" {
		n.jobsHTTP = httpapi.NewJobs(httpapi.JobsOptions{
			Credentials: n.credentials.Current, Dispatcher: n.dispatcher, Bounds: n.jobs.Bounds(), Audit: n.audit, Log: n.opts.Log,
		})
	}
	return nil
}

// followSettings puts the settings of the file in force, until the context ends.
func (n *Node) followSettings(ctx context.Context) {
	for {
		var retry <-chan time.Time
		text := n.credentials.Current().Queues
		err := n.configure(text)
		n.settings.mu.Lock()
		before := n.settings.problem
		n.settings.problem, n.settings.refused = "", ""
		if err != nil {
			n.settings.problem, n.settings.refused = err.Error(), revisionOf(text)
			retry = time.After(settingsRetry)
		}
		if n.settings.problem != before && err != nil {
			n.opts.Log.Error("the queues' settings are not in force, the previous ones stay", "error", err)
		}
		n.settings.mu.Unlock()
		select {
		case <-ctx.Done():
			return
		case <-n.settings.changed:
		case <-retry:
		}
	}
}

// revisionOf is the revision that settings name, however wrong they are.
func revisionOf(text []byte) string {
	var s struct {
		Revision string `json:"revision"`
	}
	_ = json.Unmarshal(text, &s) // what is no JSON has none
	return s.Revision
}

// configure brings settings into the log, unless they are in force.
func (n *Node) configure(text []byte) error {
	if text == nil || n.peers != nil && !n.group.leading.Load() {
		return nil // the leader puts them in force, for all members
	}
	s, invalid := queue.ParseSettings(text)
	if invalid != nil {
		return invalid
	}
	if s.Revision == "" { // of a file that no operator wrote
		sum := sha256.Sum256(text)
		s.Revision = hex.EncodeToString(sum[:8])
		var err error
		if text, err = json.Marshal(s); err != nil {
			return fmt.Errorf("queues.json: %w", err)
		}
	}
	if n.settingsRevision() == s.Revision {
		return nil
	}
	op := &queue.Configure{Settings: text}
	if err := op.Check(time.Now().UnixMilli()); err != nil {
		return err
	}
	if err := n.guardBy(s); err != nil {
		return err
	}
	if err := n.carry(op); err != nil {
		if back := n.loadGuard(); back != nil {
			n.opts.Log.Error("the queues' schemas and encrypted fields", "error", back)
		}
		return err
	}
	n.opts.Log.Info("the queues' settings are in force", "revision", s.Revision)
	return nil
}

// carry carries out an operation of the node's own.
func (n *Node) carry(op queue.Op) error {
	items := []machine.Item{job.Item(op)}
	done := make(chan error, 1)
	n.group.Write(items, func(err error) { done <- err })
	if err := <-done; err != nil {
		return err
	}
	if items[0].Reply.Kind == reply.KindError {
		return errors.New(string(items[0].Reply.Str))
	}
	if err := op.Failed(); err != nil {
		return err
	}
	return nil
}

func (n *Node) settingsRevision() string {
	op := &settingsInForce{}
	if err := n.group.Look([]machine.Item{{Op: op}}); err != nil {
		return ""
	}
	return op.revision
}

// settingsInForce reads the revision of the queues' settings.
type settingsInForce struct{ revision string }

// Apply implements machine.Op.
func (s *settingsInForce) Apply(tx *machine.Tx) reply.Reply {
	if in := tx.Queues.Settings(); in != nil {
		s.revision = in.Revision
	}
	return reply.OK
}

// queueCounts are those of all queues, declared ones first, each part sorted by
// name.
func (n *Node) queueCounts() (all []queue.Counts) {
	op := &queue.ListQueues{Limit: queue.MaxListed, ResultMore: true}
	for op.ResultMore {
		after := ""
		if len(all) > 0 {
			after = all[len(all)-1].Name
		}
		op = &queue.ListQueues{After: after, Limit: queue.MaxListed}
		if err := n.group.Look([]machine.Item{job.Item(op)}); err != nil {
			return nil
		}
		all = append(all, op.Result...)
	}
	rank := func(c queue.Counts) int {
		if c.Declared {
			return 0
		}
		return 1
	}
	slices.SortStableFunc(all, func(a, b queue.Counts) int { return cmp.Compare(rank(a), rank(b)) })
	return all
}

// jobsStatus is what the operator is told; nil without a port for jobs.
func (n *Node) jobsStatus(snapshot *credential.Snapshot) *adminapi.Jobs {
	if n.jobs == nil {
		return nil
	}
	n.settings.mu.Lock()
	j := &adminapi.Jobs{SettingsRevision: n.settingsRevision(), Error: snapshot.QueuesError}
	if j.Error == "" {
		j.Error, j.ErrorRevision = n.settings.problem, n.settings.refused
	}
	n.settings.mu.Unlock()
	for _, c := range n.queueCounts() {
		counts := adminapi.JobCounts{Waiting: c.Waiting + c.Blocked, Delayed: c.Delayed, Active: c.Active, Completed: c.Completed, Dead: c.Failed}
		j.Total.Waiting += counts.Waiting
		j.Total.Delayed += counts.Delayed
		j.Total.Active += counts.Active
		j.Total.Completed += counts.Completed
		j.Total.Dead += counts.Dead
		if len(j.Queues) == adminapi.MaxQueues {
			j.More++
			continue
		}
		j.Queues = append(j.Queues, adminapi.QueueStatus{Name: c.Name, Declared: c.Declared, Closed: c.Closed, Paused: c.Paused, JobCounts: counts})
	}
	return j
}

// jobsSample is what a scrape reads; nil without a port for jobs.
func (n *Node) jobsSample() *metrics.Jobs {
	if n.jobs == nil {
		return nil
	}
	j := &metrics.Jobs{}
	for i, c := range n.queueCounts() {
		counts := metrics.Queue{
			Name: c.Name, Waiting: c.Waiting, Delayed: c.Delayed, Active: c.Active, Blocked: c.Blocked, Completed: c.Completed, Failed: c.Failed,
		}
		j.Total.Add(counts)
		j.Pushed += c.Pushed
		j.Completed += c.TotalCompleted
		j.Failed += c.TotalFailed
		if i < adminapi.MaxQueues {
			j.Queues = append(j.Queues, counts)
		}
	}
	return j
}
