// Package kube has everything happen to a database and a queue of three members
// that can happen to them on a cluster: on nodes that are network namespaces of
// this machine, under clients whose answers are checked.
package kube

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/coffer-dev/coffer/api/v1alpha1"
	"github.com/coffer-dev/coffer/engine/client/jobs"
	"github.com/coffer-dev/coffer/hack/cluster/local"
	"github.com/coffer-dev/coffer/hack/demo/client/connection"
	"github.com/coffer-dev/coffer/test/chaos/clients"
	"github.com/coffer-dev/coffer/test/fixture"
)

const (
	replicas = 3
	// patience bounds what has to happen by itself: a container that ended often
	// is started again after five minutes.
	patience = 6 * time.Minute
	tick     = 300 * time.Millisecond
	// calmest is the longest time between two faults in which all is well.
	calmest = 4 * time.Second
)

// Options of a run.
type Options struct {
	Namespace string // that it makes
	System    string // the operator's
	Root      string // of the clone
	Duration  time.Duration
	Seed      uint64 // decides what happens to whom, and what clients ask
	Clients   int    // of the database; the queue has a producer and two workers on each node
	// Kept is a directory for logs, and of a run that failed for its history.
	Kept string
	// Note is told how it goes.
	Note func(format string, args ...any)
}

// world is what is under test and what is seen of it.
type world struct {
	Options
	cluster  *fixture.Cluster
	local    *local.Cluster
	nodes    []local.Node
	database *v1alpha1.KVDatabase
	queue    *v1alpha1.JobQueue
	keys     *clients.Keys
	jobs     *clients.Jobs
	report   *Report
	rng      *rand.Rand
	secrets  string // a directory of those that clients read
	asked    int    // values given to annotations
	// stop ends clients; workers go on until all jobs are done.
	using, working         context.Context
	stopUsing, stopWorking context.CancelFunc
	running, carrying      sync.WaitGroup
}

// Run has faults happen until the time is over. An error says why there were
// none; what they broke is in the report.
func Run(ctx context.Context, cluster *fixture.Cluster, o Options) (*Report, error) {
	return run(ctx, cluster, o, (*world).faultsUntil)
}

func run(ctx context.Context, cluster *fixture.Cluster, o Options, scenario func(*world, context.Context) error) (*Report, error) {
	nodes, err := local.New(o.Root, "test")
	if err != nil {
		return nil, err
	}
	w := &world{Options: o, cluster: cluster, local: nodes, nodes: nodes.Nodes(), report: newReport(o), rng: rand.New(rand.NewPCG(o.Seed, 0))}
	if len(w.nodes) < replicas {
		return nil, fmt.Errorf("the cluster has %d nodes, and its members need %d: run make chaos, which starts one", len(w.nodes), replicas)
	}
	w.using, w.stopUsing = context.WithCancel(ctx)
	w.working, w.stopWorking = context.WithCancel(ctx)
	defer w.stopUsing()
	defer w.stopWorking()
	if w.secrets, err = os.MkdirTemp("", "coffer-chaos-"); err != nil {
		return nil, err
	}
	defer os.RemoveAll(w.secrets)
	if err := w.prepare(ctx); err != nil {
		return nil, err
	}
	w.report.Begun = time.Now()
	w.report.broke(scenario(w, ctx))
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	w.judge(ctx)
	return w.report, w.keep(ctx)
}

// prepare makes the database and the queue, and starts their clients.
func (w *world) prepare(ctx context.Context) error {
	if err := w.cluster.Namespace(ctx, w.Namespace); err != nil {
		return err
	}
	if err := w.followLogs(ctx); err != nil {
		return err
	}
	for _, o := range w.instances() {
		if err := w.cluster.Create(ctx, o); err != nil {
			return err
		}
	}
	if err := w.settled(ctx, replicas); err != nil {
		return err
	}
	for _, o := range w.instances() {
		if err := w.spread(ctx, o); err != nil {
			return err
		}
	}
	return errors.Join(w.useDatabase(ctx), w.useQueue(ctx))
}

// spread holds members to nodes of their own.
func (w *world) spread(ctx context.Context, o v1alpha1.Instance) error {
	pods, err := w.members(ctx, o)
	if err != nil {
		return err
	}
	nodes := map[string]bool{}
	for _, p := range pods {
		nodes[p.Spec.NodeName] = true
	}
	if len(nodes) != replicas {
		return fmt.Errorf("the %d members of %s are on %d nodes", len(pods), o.GetName(), len(nodes))
	}
	return nil
}

// entrances mounts the instance's connection secret and opens a door on each node.
func (w *world) entrances(ctx context.Context, o v1alpha1.Instance) (dir string, doors []string, err error) {
	if dir, err = os.MkdirTemp(w.secrets, o.GetName()); err != nil {
		return "", nil, err
	}
	address, err := w.cluster.Address(ctx, o)
	if err != nil {
		return "", nil, err
	}
	if err := w.cluster.KeepSecretMounted(ctx, client.ObjectKey{Namespace: o.GetNamespace(), Name: o.GetName() + "-connection"}, dir); err != nil {
		return "", nil, err
	}
	for _, n := range w.nodes {
		d, err := openDoor(ctx, n, address)
		if err != nil {
			return "", nil, err
		}
		doors = append(doors, d.Addr().String())
	}
	return dir, doors, nil
}

func (w *world) useDatabase(ctx context.Context) error {
	dir, doors, err := w.entrances(ctx, w.database)
	if err != nil {
		return err
	}
	source, err := connection.Open(dir, nil)
	if err != nil {
		return err
	}
	go func() { _ = source.Watch(ctx) }()
	w.keys = clients.NewKeys(func(rng *rand.Rand) *redis.Client {
		options := source.Options(1, doors[rng.IntN(len(doors))])
		options.ContextTimeoutEnabled = true
		return redis.NewClient(options)
	})
	w.keys.Calm = 40 * time.Millisecond
	for i := range w.Clients {
		rng := rand.New(rand.NewPCG(w.Seed, uint64(1+i)))
		w.running.Go(func() { w.keys.Use(w.using, rng) })
	}
	return nil
}

func (w *world) useQueue(ctx context.Context) error {
	dir, doors, err := w.entrances(ctx, w.queue)
	if err != nil {
		return err
	}
	w.jobs = clients.NewJobs()
	w.jobs.Calm = 20 * time.Millisecond
	for i, door := range doors {
		c, err := jobs.Connect(ctx, jobs.Options{SecretDir: dir, Address: door})
		if err != nil {
			return err
		}
		context.AfterFunc(ctx, c.Close)
		w.running.Go(func() { w.jobs.Produce(w.using, c, strconv.Itoa(i)) })
		for range 2 {
			w.carrying.Go(func() { w.jobs.Work(w.working, c) })
		}
	}
	return nil
}

func (w *world) instances() []v1alpha1.Instance {
	if w.database == nil {
		w.database = fixture.Database(w.Namespace, "kv", fixture.WithDeletion(v1alpha1.DeletionDelete))
		w.database.Spec.Replicas = replicas
		w.queue = fixture.JobQueue(w.Namespace, "jobs", "q")
		w.queue.Spec.DeletionPolicy = v1alpha1.DeletionDelete
		w.queue.Spec.Replicas = replicas
	}
	return []v1alpha1.Instance{w.database, w.queue}
}

// members are the instance's pods that have a node.
func (w *world) members(ctx context.Context, o v1alpha1.Instance) (pods []corev1.Pod, err error) {
	list := &corev1.PodList{}
	err = w.cluster.List(ctx, list, client.InNamespace(o.GetNamespace()), client.MatchingLabels{v1alpha1.LabelInstance: o.GetName()})
	return list.Items, err
}
