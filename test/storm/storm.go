// Package storm changes everything under applications that work, for as long as
// one likes: passwords, tokens, certificates and authorities of several
// databases rotate again and again, and the operator is killed at random
// moments. The applications run in pods, by the recipe of docs/clients, with
// retries off. It runs on a cluster whose node is this machine, with the
// operator installed.
package storm

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/coffer-dev/coffer/api/v1alpha1"
	"github.com/coffer-dev/coffer/hack/demo/client/job"
	"github.com/coffer-dev/coffer/hack/image/images"
	"github.com/coffer-dev/coffer/test/fixture"
)

const (
	// patience bounds each wait: a kubelet may take 90 seconds to deliver, and an
	// operator that takes over waits for the lease of the one before.
	patience = 5 * time.Minute
	tick     = 300 * time.Millisecond
	// settled is how long nothing must have been seen of what is about to be
	// taken away: who is just connecting has read the old secret.
	settled = time.Second
	// connectionAge makes clients connect anew, and so verify the server.
	connectionAge = 4 * time.Second
	// turn is the pause of a client, which leaves the machine to what rotates.
	turn = 20 * time.Millisecond
)

// Options of a storm.
type Options struct {
	Namespace string // that it makes, of databases and applications
	System    string // the operator's
	Databases int
	Tokens    int // of each database
	Clients   int // that work, over all applications
	Duration  time.Duration
	// Calm is the longest that an operator acts before it is killed.
	Calm time.Duration
	// Seed decides what is rotated when, and when the operator dies.
	Seed uint64
	// Note is told how it goes, every second.
	Note func(format string, args ...any)
}

// storm is one that is going on.
type storm struct {
	Options
	cluster   *fixture.Cluster
	databases []*database
	report    *Report
	give      context.CancelCauseFunc // ends it early
}

// database is one whose everything changes. Credentials' first is its own.
type database struct {
	*storm
	name        string
	address     string
	pod         *corev1.Pod // as it was at the beginning
	credentials []*credential
	authorities [][]byte // that have gone, as PEM
}

// Run runs a storm. An error says why there was none; what broke in it is in
// the report.
func Run(ctx context.Context, cluster *fixture.Cluster, o Options) (*Report, error) {
	ctx, give := context.WithCancelCause(ctx)
	defer give(nil)
	s := &storm{Options: o, cluster: cluster, give: give, report: newReport(o)}
	if err := s.prepare(ctx); err != nil {
		return nil, err
	}
	s.blow(ctx)
	if ctx.Err() == nil {
		s.broke(s.refuseWhatWas(ctx))
		s.broke(s.stopApplications(ctx))
	}
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, errBroken) {
		return nil, cause
	}
	after := context.WithoutCancel(ctx) // a storm that broke is judged too
	s.broke(s.judgePods(after))
	s.count()
	return s.report, nil
}

// Names of its databases, for who wants to look into a failure.
func (o Options) Names() (all []string) {
	for i := range o.Databases {
		all = append(all, fmt.Sprintf("storm-%d", i+1))
	}
	return all
}

func (s *storm) note(format string, args ...any) {
	if s.Note != nil {
		s.Note(format, args...)
	}
}

var errBroken = errors.New("something broke")

// broke takes an error down and ends the storm; nil is none.
func (s *storm) broke(err error) {
	if err == nil || errors.Is(err, context.Canceled) {
		return
	}
	s.report.problem(err)
	s.give(errBroken)
}

// prepare makes the databases, the tokens and the applications, and waits until
// each of these works.
func (s *storm) prepare(ctx context.Context) error {
	if err := s.cluster.Namespace(ctx, s.Namespace); err != nil {
		return err
	}
	for _, name := range s.Names() {
		d := &database{storm: s, name: name}
		s.databases = append(s.databases, d)
		d.credentials = append(d.credentials, &credential{database: d, object: d.object, secret: name + "-connection", user: "default"})
		if err := s.cluster.Create(ctx, d.kvdatabase()); err != nil {
			return err
		}
		for i := range s.Tokens {
			token := fmt.Sprintf("%s-token-%d", name, i+1)
			c := &credential{database: d, secret: token, user: token}
			c.object = c.token
			d.credentials = append(d.credentials, c)
			if err := s.cluster.Create(ctx, fixture.Token(s.Namespace, token, name, "*")); err != nil {
				return err
			}
		}
	}
	for _, d := range s.databases {
		if err := d.start(ctx); err != nil {
			return err
		}
	}
	applications := s.applications()
	for i, a := range applications {
		s.note("starting applications, %d of %d work", i, len(applications))
		err := await(ctx, a.client.Name+" works", func(context.Context) (string, error) { return a.working() })
		if err != nil {
			return err
		}
	}
	return nil
}

func (d *database) kvdatabase() *v1alpha1.KVDatabase {
	return fixture.Database(d.Namespace, d.name, fixture.WithDeletion(v1alpha1.DeletionDelete))
}

// start waits until the database and its tokens can be used, and starts the
// applications that do.
func (d *database) start(ctx context.Context) error {
	d.note("waiting for %s", d.name)
	db := d.kvdatabase()
	err := await(ctx, d.name+" is ready", func(ctx context.Context) (string, error) {
		err := d.cluster.Reload(ctx, db)
		return notYet(fixture.Ready(db), fixture.Condition(db, v1alpha1.ConditionReady)), err
	})
	if err != nil {
		return err
	}
	if d.address, err = d.cluster.Address(ctx, db); err != nil {
		return err
	}
	if d.pod, err = d.cluster.Pod(ctx, db); err != nil {
		return err
	}
	for _, c := range d.credentials {
		err := await(ctx, "there is secret "+c.secret, func(ctx context.Context) (string, error) {
			_, err := c.read(ctx)
			return "", err
		})
		if err != nil {
			return err
		}
		clients := d.Clients / (d.Databases * (1 + d.Tokens))
		if d.report.Applications < d.Clients%(d.Databases*(1+d.Tokens)) {
			clients++
		}
		d.report.Applications++
		c.application = &application{storm: d.storm, client: job.Client{Name: "uses-" + c.secret, Namespace: d.Namespace, Image: images.DemoClient,
			Secret: c.secret, Clients: clients, ConnectionAge: connectionAge, Pause: turn}}
		if err := c.application.start(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (s *storm) applications() (all []*application) {
	for _, d := range s.databases {
		for _, c := range d.credentials {
			all = append(all, c.application)
		}
	}
	return all
}

// blow is the storm itself. What is being rotated when its time is over is
// brought to its end.
func (s *storm) blow(ctx context.Context) {
	raging, over := context.WithTimeout(ctx, s.Duration)
	defer over()
	var all sync.WaitGroup
	stream := uint64(0)
	draw := func() *rand.Rand { stream++; return rand.New(rand.NewPCG(s.Seed, stream)) }
	for _, d := range s.databases {
		for i, c := range d.credentials {
			rng, round := draw(), c.round
			if i == 0 {
				round = d.round
			}
			all.Go(func() {
				for n := 1; raging.Err() == nil; n++ {
					s.broke(round(ctx, rng, n))
				}
			})
		}
	}
	rng := draw()
	all.Go(func() { s.broke(s.killOperators(ctx, raging, rng)) })
	ended := make(chan struct{})
	go func() { all.Wait(); close(ended) }()
	begin := time.Now()
	for ticker := time.NewTicker(time.Second); ; {
		select {
		case <-ended:
			ticker.Stop()
			return
		case <-ticker.C:
		}
		s.count()
		s.note("%s of %s · %s", time.Since(begin).Round(time.Second), s.Duration, s.report.summary())
		for _, a := range s.applications() {
			s.broke(a.problem())
		}
	}
}

// count adds up what the applications say.
func (s *storm) count() {
	var commands, failed, connections int64
	for _, a := range s.applications() {
		_, last, _ := a.output.State()
		commands, failed, connections = commands+last.Commands, failed+last.Failed, connections+last.Connections
	}
	s.report.counted(commands, failed, connections)
}

// judgePods says which data pods are not those of the beginning.
func (s *storm) judgePods(ctx context.Context) error {
	var problems []error
	for _, d := range s.databases {
		pod, err := s.cluster.Pod(ctx, d.kvdatabase())
		switch {
		case err != nil:
			problems = append(problems, err)
		case pod.UID != d.pod.UID:
			s.report.Replaced++
			problems = append(problems, fmt.Errorf("pod %s was replaced", pod.Name))
		case fixture.Restarts(pod) > 0:
			s.report.Restarts += int(fixture.Restarts(pod))
			problems = append(problems, fmt.Errorf("pod %s was restarted", pod.Name))
		}
	}
	return errors.Join(problems...)
}

// notYet is what await wants: nothing once it holds.
func notYet(holds bool, format string, args ...any) string {
	if holds {
		return ""
	}
	return strings.ToValidUTF8(fmt.Sprintf("still "+format, args...), "")
}

// await polls until there is nothing in the way and no error.
func await(ctx context.Context, what string, look func(context.Context) (string, error)) error {
	deadline := time.Now().Add(patience)
	for {
		obstacle, err := look(ctx)
		if err == nil && obstacle == "" {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s: not within %s: %s: %w", what, patience, obstacle, err)
		}
		if err := pause(ctx, tick); err != nil {
			return err
		}
	}
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
