// Package node is the engine's composition root: it wires the group, the
// servers and the credentials together and owns their start, drain and stop.
package node

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/coffer-dev/coffer/engine/audit"
	"github.com/coffer-dev/coffer/engine/command"
	"github.com/coffer-dev/coffer/engine/config"
	"github.com/coffer-dev/coffer/engine/credential"
	"github.com/coffer-dev/coffer/engine/guard"
	"github.com/coffer-dev/coffer/engine/httpapi"
	"github.com/coffer-dev/coffer/engine/job"
	"github.com/coffer-dev/coffer/engine/jobserver"
	"github.com/coffer-dev/coffer/engine/machine"
	"github.com/coffer-dev/coffer/engine/metrics"
	"github.com/coffer-dev/coffer/engine/peer"
	"github.com/coffer-dev/coffer/engine/server"
)

// drainTimeout is how long connections get to finish at a stop; a pod's grace
// period is 30 s.
const drainTimeout = 20 * time.Second

// Options are what a Node is started with.
type Options struct {
	Config  config.Config
	Member  string // pod name
	Version string // of the engine
	// AuditStream gets the audit records, a line of JSON each; nil for nobody.
	AuditStream io.Writer
	// Boot tells apart the times between which the host's memory is lost; as the
	// host says when empty.
	Boot string
	// DigestEvery is how many entries of the log there are between two that members
	// compare their states at; some when zero.
	DigestEvery uint64
	Log         *slog.Logger
}

// Node is a running member.
type Node struct {
	opts        Options
	runID       string
	memoryLimit int64
	credentials *credential.Watcher
	group       *Group
	audit       *audit.Log
	server      *server.Server
	reads       *server.Server    // nil without listen.reads
	dispatcher  *job.Dispatcher   // nil without listen.jobs
	jobs        *jobserver.Server // nil without listen.jobs
	guard       *guard.Guard
	jobsHTTP    *httpapi.Jobs // nil without a port for it
	settings    settings      // of the queues
	peers       *colleagues   // nil for a member alone
	entrances   []*entrance   // of a member with peers
	serving     atomic.Bool   // clients are let in; of a member with peers
	leads       chan struct{} // the leadership may have changed
	admin       *http.Server
	health      *http.Server
	addrs       Addresses

	phase     atomic.Pointer[string] // starting, blank, "stopping"; nil while it serves
	opening   sync.Mutex             // open, and what Stop takes apart
	informing sync.Mutex             // held by informGroup
	failed    chan error
	stopOnce  sync.Once
	stopErr   error
	cancel    context.CancelFunc
	joining   context.Context // until Stop
	endJoin   context.CancelFunc
	wg        sync.WaitGroup

	logSyncs atomic.Int64
}

// Addresses are where the node listens.
type Addresses struct{ Keys, Reads, Jobs, JobsHTTP, Admin, Metrics net.Addr }

// Start brings a member up. Health answers first, so that a long replay is not
// taken for death.
func Start(opts Options) (*Node, error) {
	n := &Node{opts: opts, failed: make(chan error, 4), memoryLimit: limitMemory(opts.Log), leads: make(chan struct{}, 1)}
	id := make([]byte, 20)
	_, _ = rand.Read(id) // never fails
	n.runID = hex.EncodeToString(id)
	n.opts.Boot = cmp.Or(opts.Boot, bootOfHost())
	n.setPhase(starting)
	files := opts.Config.Files
	var err error
	n.credentials, err = credential.Open(credential.Paths{Users: files.Users, ClientTLS: files.ClientTLS, AdminTLS: files.AdminTLS, Keys: files.EncryptionKeys, Queues: files.Queues}, opts.Log)
	if err != nil {
		return nil, fmt.Errorf("credentials: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	n.cancel = cancel
	n.joining, n.endJoin = context.WithCancel(ctx)
	if err := n.start(ctx); err != nil {
		return nil, errors.Join(err, n.Stop())
	}
	return n, nil
}

func (n *Node) start(ctx context.Context) error {
	listen := n.opts.Config.Listen
	n.health = httpapi.Health(n.credentials.Current, n.notReady, metrics.Handler(n.sample), n.opts.Log)
	addr, err := n.serveHTTP(n.health, listen.Metrics)
	if err != nil {
		return err
	}
	n.addrs.Metrics = addr
	if err := n.openPeers(); err != nil { // before the status tells of them
		return err
	}
	n.admin = httpapi.Admin(n.credentials.Current, n.opts.Config.Files.OperatorName, n, n.opts.Log)
	if n.addrs.Admin, err = n.serveHTTP(n.admin, listen.Admin); err != nil {
		return err
	}
	n.background("credentials", func() error { return n.credentials.Run(ctx) })
	if n.peers == nil {
		return n.open(ctx, place{})
	}
	// A member with an empty volume may wait long to be told who it is.
	n.background("member", func() error {
		is, err := n.peers.becomeMember(n.joining, n.opts.Config.DataDir)
		if err != nil || is.id == 0 {
			return err
		}
		return n.open(ctx, is)
	})
	return nil
}

// open reads the state back and serves.
func (n *Node) open(ctx context.Context, is place) (err error) {
	n.opening.Lock()
	defer n.opening.Unlock()
	if n.joining.Err() != nil {
		return nil // it is being stopped
	}
	listen := n.opts.Config.Listen
	if err := n.openGroup(is); err != nil {
		return err
	}
	if err := n.openAudit(); err != nil {
		return err
	}
	var debugged server.Debugged
	if n.opts.Config.EnableDebugCommand {
		n.opts.Log.Warn("DEBUG is allowed, which is for tests: whoever may use it can stop this member from answering", "field", "enableDebugCommand")
		debugged = n.group
	}
	n.server = server.New(server.Options{
		Debug: debugged, Limits: n.limits(), Credentials: n.credentials.Current, Executor: n.group, Facts: n.facts, Held: n.group.Held,
		Audit: n.audit, Log: n.opts.Log, Through: n.through(),
	})
	n.credentials.OnChange(n.server.CredentialsChanged)
	n.group.Tell(n.server)
	n.credentials.OnChange(func(*credential.Snapshot) { n.informGroup() })
	n.informGroup() // it may have changed while the state was read
	if err := n.openJobs(ctx); err != nil {
		return err
	}
	n.background("collector", func() error { return n.tuneCollector(ctx) })
	if n.addrs.Keys, err = n.serveClients(peer.Keys, "listen.keys", listen.Keys, n.server.Serve); err != nil {
		return err
	}
	if n.addrs.Reads, err = n.serveReads(); err != nil {
		return err
	}
	if n.jobs != nil {
		if n.addrs.Jobs, err = n.serveClients(peer.Jobs, "listen.jobs", listen.Jobs, n.jobs.Serve); err != nil {
			return err
		}
	}
	if n.jobsHTTP != nil {
		if n.addrs.JobsHTTP, err = n.serveClients(peer.JobsHTTP, "listen.jobsHTTP", listen.JobsHTTP, n.jobsHTTP.Serve); err != nil {
			return err
		}
	}
	n.background("group", func() error {
		select {
		case <-n.group.Done():
			return n.group.Stop() // why it stopped
		case <-ctx.Done():
			return nil
		}
	})
	if n.peers != nil {
		n.background("leadership", func() error { n.followLead(ctx); return nil })
	}
	n.phase.Store(nil)
	n.opts.Log.Info("serving", "member", n.opts.Member, "version", n.opts.Version, "keys", text(n.addrs.Keys), "reads", text(n.addrs.Reads), "jobs", text(n.addrs.Jobs), "jobsHTTP", text(n.addrs.JobsHTTP),
		"admin", text(n.addrs.Admin), "metrics", text(n.addrs.Metrics), "durability", string(n.opts.Config.Durability))
	return nil
}

// informGroup tells the group what of the mounted files is its business: what is in
// force, not what was when it was called, since calls overtake each other.
func (n *Node) informGroup() {
	n.informing.Lock()
	defer n.informing.Unlock()
	s := n.credentials.Current()
	n.group.SetKeys(s.Keys)
	n.group.SetRetention(s.Settings.Retention)
	n.group.TellEvents(s.Settings.Events())
}

// Phases of a member before and after it serves.
const (
	starting = "starting" // reads its state back
	stopping = "stopping"
)

// text is an address as people write it; "" where nothing is served.
func text(a net.Addr) string {
	if a == nil {
		return ""
	}
	return a.String()
}

// openGroup reads the state back and lets it answer. Nearly all of what is
// allocated then stays, so that a collection finds little and looks at everything:
// at the usual percentage they took two fifths of the processor's time. A memory
// limit holds all the same.
func (n *Node) openGroup(is place) error {
	defer debug.SetGCPercent(debug.SetGCPercent(mostGCPercent))
	options := GroupOptions{
		FS: countingFS{vfs.Default, &n.logSyncs}, Dir: n.opts.Config.DataDir, Instance: n.opts.Config.Instance,
		Durability: n.opts.Config.Durability, Parse: parseLogged, Log: n.opts.Log,
		MaxData: n.maxData(), Eviction: n.opts.Config.Memory.EvictionPolicy, MaxReply: n.opts.Config.Limits.MaxOutputBytes,
		DigestEvery: n.opts.DigestEvery, Boot: n.opts.Boot,
		Keys: n.credentials.Current().Keys, ID: is.id, Generation: is.generation,
	}
	if n.peers != nil {
		options.Network, options.OnLead = n.peers.transport, n.lookAtLead
		options.Stale = n.opts.Config.Listen.Reads != ""
	}
	if n.opts.Config.Listen.Jobs != "" {
		n.dispatcher = job.New()
		options.OnReady, options.OnEvent = n.dispatcher.OnReady, n.dispatcher.OnEvent
	}
	g, err := OpenGroup(options)
	if err != nil {
		return fmt.Errorf("data in %s: %w", n.opts.Config.DataDir, err)
	}
	if n.peers != nil {
		n.peers.generation.Store(g.opts.Generation)
	}
	if err := g.Start(); err != nil {
		return fmt.Errorf("data in %s: %w", n.opts.Config.DataDir, err)
	}
	n.group = g
	if n.peers != nil {
		n.peers.group.Store(g)
	}
	return nil
}

// lookAtLead has followLead look.
func (n *Node) lookAtLead() {
	select {
	case n.leads <- struct{}{}:
	default: // it will
	}
}

// parseLogged reads back what is in the log, for keys and for jobs.
func parseLogged(argv [][]byte) (machine.Op, error) {
	if string(argv[0]) == job.Name {
		return job.Parse(argv)
	}
	return command.Parse(argv)
}

// serve listens for clients of one protocol; not at all without an address.
func (n *Node) serve(field, address string, serve func(net.Listener) error) (net.Addr, error) {
	if address == "" {
		return nil, nil
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", field, err)
	}
	n.background(field, func() error { return serve(l) })
	return l.Addr(), nil
}

// serveClients is serve for clients, who are the leader's.
func (n *Node) serveClients(kind peer.Port, field, address string, serve func(net.Listener) error) (net.Addr, error) {
	if n.peers == nil || address == "" {
		return n.serve(field, address, serve)
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", field, err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String()) // of TCP: it has one
	e := &entrance{
		Listener: l, kind: kind, place: n.leaderForClients, max: n.opts.Config.Limits.MaxClients, log: n.opts.Log,
		reach: func(leader uint64, client net.Addr) (net.Conn, error) {
			return n.peers.handThrough(leader, kind, port, client)
		},
		own: make(chan net.Conn), closed: make(chan struct{}), through: map[*passage]struct{}{},
	}
	n.entrances = append(n.entrances, e)
	n.background(field+", the way in", e.run)
	n.background(field, func() error { return serve(e) })
	return l.Addr(), nil
}

// through tells of addresses of other members, which hand connections through;
// nil for a member alone.
func (n *Node) through() func(host string) bool {
	if n.peers == nil {
		return nil
	}
	return n.peers.transport.Hosts
}

// entered is what takes clients that another member hands through; nil while
// this one does not lead.
func (n *Node) entered(kind peer.Port) (enter func(net.Conn)) {
	if !n.serving.Load() {
		return nil // it may have no group yet: others believe that it leads until they hear of another
	}
	if own, _ := n.leaderForClients(); !own {
		return nil
	}
	for _, e := range n.entrances {
		if e.kind == kind {
			return e.enter
		}
	}
	return nil
}

// leaderForClients is who serves them; 0 while nobody is known to.
func (n *Node) leaderForClients() (own bool, leader uint64) {
	if n.serving.Load() && n.group.leading.Load() && !n.group.yields.Load() {
		return true, 0
	}
	if leader = n.group.leader.Load(); leader == n.group.opts.ID {
		return false, 0 // not yet, or not any more, or not for long
	}
	return false, leader
}

func (n *Node) serveHTTP(s *http.Server, address string) (net.Addr, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	n.background(address, func() error {
		// The certificate comes from the snapshot, by GetConfigForClient.
		if err := s.Serve(tls.NewListener(httpapi.Limit(l), s.TLSConfig)); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	return l.Addr(), nil
}

// background runs f; its error ends the node.
func (n *Node) background(what string, f func() error) {
	n.wg.Add(1)
	go func() {
		defer n.wg.Done()
		if err := f(); err != nil {
			select {
			case n.failed <- fmt.Errorf("%s: %w", what, err):
			default: // others have failed before
			}
		}
	}()
}

// Addresses are where the node listens.
func (n *Node) Addresses() Addresses { return n.addrs }

// Run serves until the context ends, then drains; or until something fails.
func (n *Node) Run(ctx context.Context) error {
	select {
	case <-ctx.Done():
		n.opts.Log.Info("draining", "member", n.opts.Member)
		return n.Stop()
	case err := <-n.failed:
		return errors.Join(err, n.Stop())
	}
}

// Stop drains connections, then stops everything; the core last.
func (n *Node) Stop() error {
	n.stopOnce.Do(func() { n.stopErr = n.stop() })
	return n.stopErr
}

func (n *Node) stop() error {
	n.endJoin()
	n.opening.Lock()
	defer n.opening.Unlock()
	n.setPhase(stopping)
	ctx, cancel := context.WithTimeout(context.Background(), drainTimeout)
	defer cancel()
	var err error
	n.handOver()
	n.drain(ctx)
	n.cancel()
	for _, s := range []*http.Server{n.admin, n.health} {
		if s != nil {
			err = errors.Join(err, s.Close())
		}
	}
	if n.peers != nil {
		n.peers.transport.Close()
	}
	if n.audit != nil {
		err = errors.Join(err, n.audit.Close())
	}
	if n.group != nil {
		err = errors.Join(err, n.group.Stop())
	}
	n.wg.Wait()
	return err
}

// drain ends all connections of clients.
func (n *Node) drain(ctx context.Context) {
	var wg sync.WaitGroup
	if n.server != nil {
		wg.Go(func() { n.warn("drain", n.server.Shutdown(ctx)) })
	}
	if n.reads != nil {
		wg.Go(func() { n.warn("drain", n.reads.Shutdown(ctx)) })
	}
	if n.jobs != nil {
		wg.Go(func() { n.warn("drain", n.jobs.Shutdown(ctx)) })
	}
	if n.jobsHTTP != nil {
		wg.Go(func() { n.warn("drain", n.jobsHTTP.Shutdown(ctx)) })
	}
	wg.Wait()
	if n.dispatcher != nil {
		n.dispatcher.Close()
	}
}

func (n *Node) warn(what string, err error) {
	if err != nil {
		n.opts.Log.Warn(what, "error", err)
	}
}

func (n *Node) setPhase(phase string) { n.phase.Store(&phase) }

// notReady says why the member does not serve; nil if it does.
func (n *Node) notReady() error {
	if phase := n.phase.Load(); phase != nil {
		return errors.New(*phase)
	}
	switch {
	case n.group.leading.Load() && n.peers != nil && !n.serving.Load():
		return errors.New(takesOver)
	case n.reads != nil && n.group.leader.Load() != 0 && n.group.tooOld() != nil:
		return errors.New(behind)
	case n.group.leading.Load():
		return nil
	case n.peers == nil:
		return errors.New(logWaits)
	case n.group.leader.Load() == 0:
		return errors.New(noLeader)
	}
	return nil
}
