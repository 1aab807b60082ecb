package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.etcd.io/raft/v3/raftpb"

	"github.com/coffer-dev/coffer/engine/adminapi"
	"github.com/coffer-dev/coffer/engine/config"
	"github.com/coffer-dev/coffer/engine/peer"
	"github.com/coffer-dev/coffer/engine/wal"
)

// Phases of a member with peers that is nobody.
const (
	blank  = "blank: the volume is empty, and the member waits to be added to a group"
	forgot = "forgot: the host went down, or its disk failed, before all that the member had acknowledged was on the volume; it waits to be added to the group anew"
)

// colleagues is a node's part among its peers: peer.Member.
type colleagues struct {
	node      *Node
	ordinal   int // of this member's pod
	transport *peer.Transport
	group     atomic.Pointer[Group] // nil until it is open
	empty     atomic.Bool           // there is nothing on the volume, or what forgot has
	forgot    atomic.Pointer[forgotten]
	joined    chan place // what an empty member is given

	generation atomic.Uint64 // the group's, before it says anything
}

// place is a member's in a group.
type place struct {
	id, generation uint64

	recovered bool  // the volume is that one's already
	err       error // why it may be or not
}

// openPeers lets other members connect, if the configuration has any.
func (n *Node) openPeers() error {
	p := n.opts.Config.Peers
	if p == (config.Peers{}) {
		return nil
	}
	ordinal, err := ordinalOfPod(n.opts.Member)
	if err != nil {
		return err
	}
	c := &colleagues{node: n, ordinal: ordinal, joined: make(chan place, 1)}
	c.transport = peer.New(peer.Options{
		Instance: n.opts.Config.Instance, Name: p.Name, Credentials: n.credentials.Current, Member: c, Clients: n.entered, Log: n.opts.Log,
		Address:    func(id uint64) string { return addressOf(p.Address, ordinalOf(id)) },
		MaxMessage: wal.MaxPayload + 1<<20,
	})
	n.peers = c
	n.credentials.OnChange(c.transport.CredentialsChanged)
	_, err = n.serve("peers.listen", p.Listen, c.transport.Serve)
	return err
}

// addressOf is where a member listens.
func addressOf(address string, ordinal int) string {
	return strings.Replace(address, config.Ordinal, strconv.Itoa(ordinal), 1)
}

// ordinalOfPod is the number at the end of a pod's name.
func ordinalOfPod(name string) (int, error) {
	ordinal, err := strconv.Atoi(strings.TrimPrefix(name, prefixOf(name)))
	if err != nil || ordinal < 0 || ordinal > MaxOrdinal {
		return 0, fmt.Errorf("member: %q, must end in the ordinal of its pod, from 0 to %d", name, MaxOrdinal)
	}
	return ordinal, nil
}

// nameOf is the pod of a member, all of which are called alike.
func (c *colleagues) nameOf(id uint64) string {
	if id == 0 {
		return ""
	}
	return prefixOf(c.node.opts.Member) + strconv.Itoa(ordinalOf(id))
}

// becomeMember returns who this member is: as its volume says, or as it is told;
// nobody if the context ended before.
func (c *colleagues) becomeMember(ctx context.Context, dir string) (is place, err error) {
	if is.id, err = IDOf(vfs.Default, dir); err != nil {
		return is, err
	}
	if is.id != 0 && ordinalOf(is.id) != c.ordinal {
		return place{}, fmt.Errorf("%w: its volume is that of %s, this is %s", ErrForeign, c.nameOf(is.id), c.node.opts.Member)
	}
	f, err := lookForForgotten(vfs.Default, dir, c.node.opts.Config.Instance, c.node.opts.Boot, c.node.credentials.Current().Keys)
	if f == nil && err != nil {
		return is, err
	}
	if is.id == 0 || f != nil {
		if is, err = c.waitForPlace(ctx, f, err); err != nil || is.id == 0 {
			return is, err
		}
	}
	if ordinalOf(is.id) != c.ordinal {
		return place{}, fmt.Errorf("%w: its volume is that of %s, this is %s", ErrForeign, c.nameOf(is.id), c.node.opts.Member)
	}
	return is, nil
}

// waitForPlace is for a member with an empty volume, or one that forgot, whose log
// may be unreadable.
func (c *colleagues) waitForPlace(ctx context.Context, f *forgotten, unreadable error) (is place, err error) {
	phase, log := blank, c.node.opts.Log.With("member", c.node.opts.Member)
	if f == nil {
		log.Info("the volume is empty: waiting to be added to a group")
	} else {
		phase = forgot
		log.Warn("waiting to be added to the group anew", "reason", ErrForgot, "lastIndex", f.last, "error", unreadable)
	}
	c.forgot.Store(f)
	c.empty.Store(true)
	c.node.setPhase(phase)
	select {
	case is = <-c.joined:
	case <-ctx.Done():
		return is, nil
	}
	c.node.setPhase(starting)
	if f != nil && is.err == nil && !is.recovered {
		is.err = f.becomes(is)
	}
	c.forgot.Store(nil)
	return is, is.err
}

// join gives an empty member its number, once. One that forgot is another member
// from then on, of a group at least as late.
func (c *colleagues) join(id, generation uint64) bool {
	if f := c.forgot.Load(); f != nil && (generation < f.Generation || generation == f.Generation && id <= f.ID) {
		return false
	}
	if ordinalOf(id) != c.ordinal || !c.empty.CompareAndSwap(true, false) {
		return false
	}
	c.joined <- place{id: id, generation: generation}
	return true
}

// recoverForgotten has the group go on from the log of a member that forgot.
func (c *colleagues) recoverForgotten(f *forgotten, id, index uint64) error {
	if err := f.mayRecover(id, index); err != nil {
		return err
	}
	if !c.empty.CompareAndSwap(true, false) {
		return notNow("the member is starting")
	}
	is := recovered(id, index, f.Generation)
	is.Instance = f.Instance
	err := is.write(f.fs, f.dir)
	c.joined <- place{id: is.ID, generation: is.Generation, recovered: true, err: err}
	return err
}

// Greet implements peer.Member.
func (c *colleagues) Greet(h peer.Hello) peer.Welcome {
	if g := c.group.Load(); g != nil {
		switch {
		case h.Generation != g.opts.Generation:
			return peer.Welcome{Refused: otherGeneration(h.Generation, g.opts.Generation)}
		case g.opts.ID != h.To:
			return peer.Welcome{Refused: fmt.Sprintf("member %d is spoken to, this one is %d", h.To, g.opts.ID)}
		}
		return peer.Welcome{}
	}
	if c.empty.Load() && (!h.Join || !c.join(h.To, h.Generation)) {
		return peer.Welcome{Blank: true}
	}
	return peer.Welcome{Refused: "the member is starting"}
}

// otherGeneration is why a member is not listened to whose group is not this one's.
func otherGeneration(theirs, own uint64) string {
	if theirs < own {
		return "the group went on without the member that speaks, after a majority was lost: its volume is of the time before"
	}
	return "this member's volume is of the time before the group went on without it, after a majority was lost"
}

// Generation implements peer.Member.
func (c *colleagues) Generation() uint64 { return c.generation.Load() }

// Receive implements peer.Member.
func (c *colleagues) Receive(m *raftpb.Message) error { return c.group.Load().Receive(m) }

// ReceiveSnapshot implements peer.Member.
func (c *colleagues) ReceiveSnapshot(m *raftpb.Message, state io.Reader) error {
	return c.group.Load().ReceiveSnapshot(m, state)
}

// ReceiveDigest implements peer.Member.
func (c *colleagues) ReceiveDigest(from uint64, d peer.Digest) { c.group.Load().ReceiveDigest(from, d) }

// Joins implements peer.Member.
func (c *colleagues) Joins(id uint64) bool {
	if g := c.group.Load(); g != nil && g.leading.Load() {
		if s := g.Members(); s != nil {
			for _, m := range s.Members {
				if m.ID == id {
					return !m.Voter && m.Match == 0
				}
			}
		}
	}
	return false
}

// Unreachable implements peer.Member.
func (c *colleagues) Unreachable(id uint64) {
	if g := c.group.Load(); g != nil {
		g.Unreachable(id)
	}
}

// Sent implements peer.Member.
func (c *colleagues) Sent(id uint64, arrived bool) {
	if g := c.group.Load(); g != nil {
		g.post(func() error { g.member.ReportSnapshot(id, arrived); return nil })
	}
}

// status is the group's, with names and with what is known of connections.
func (c *colleagues) status() *adminapi.Group {
	if f := c.forgot.Load(); f != nil {
		return f.status(c.nameOf)
	}
	g := c.group.Load()
	if g == nil || g.Members() == nil {
		return &adminapi.Group{}
	}
	s := *g.Members()
	s.AgreedIndex = g.digests.agreed.Load()
	s.Leader = c.nameOf(g.leader.Load())
	s.Members = slices.Clone(s.Members)
	for i := range s.Members {
		m := &s.Members[i]
		m.Name = c.nameOf(m.ID)
		if g.leading.Load() && m.ID != g.opts.ID {
			m.Blank, m.Refused = c.transport.Peer(m.ID)
		}
	}
	return &s
}

// errAlone is what a member without peers answers to a change of its group.
var errAlone = errors.New("this member is configured to be alone: there is no group to change")

// ChangeGroup implements httpapi.Administered.
func (n *Node) ChangeGroup(change adminapi.GroupChange) error {
	c := n.peers
	if c == nil {
		return errAlone
	}
	if change.Operation == adminapi.GroupBegin {
		if g := c.group.Load(); g != nil && g.opts.ID == memberID {
			return nil // it has
		}
		if c.forgot.Load() != nil || !c.join(memberID, 0) {
			return notNow("only a member %s with an empty volume begins a group", c.nameOf(memberID))
		}
		return nil
	}
	if f := c.forgot.Load(); f != nil && change.Operation == adminapi.GroupRecover {
		return c.recoverForgotten(f, change.ID, change.Index)
	}
	g := c.group.Load()
	if g == nil {
		return notNow("the member is not in a group yet")
	}
	if change.Operation == adminapi.GroupRecover {
		return g.Recover(change.ID, change.Index)
	}
	ordinal := 0
	if change.Operation == adminapi.GroupAdd {
		var err error
		if ordinal, err = ordinalOfPod(change.Member); err != nil || prefixOf(change.Member) != prefixOf(n.opts.Member) {
			return notNow("%q is not a pod of this instance", change.Member)
		}
	}
	return g.Change(change.Operation, ordinal, change.ID)
}

// prefixOf is what the names of all of an instance's pods begin with.
func prefixOf(name string) string { return name[:strings.LastIndexByte(name, '-')+1] }

// handThrough opens a connection to the leader for a client. A leader of a version
// before this has no other way in for it than the client's own.
func (c *colleagues) handThrough(leader uint64, kind peer.Port, port string, client net.Addr) (net.Conn, error) {
	conn, err := c.transport.HandThrough(leader, kind, client)
	if errors.Is(err, peer.ErrUnanswered) {
		return net.DialTimeout("tcp", net.JoinHostPort(c.hostOf(leader), port), forwardDial)
	}
	return conn, err
}

// hostOf is where the ports of a member are.
func (c *colleagues) hostOf(id uint64) string {
	host, _, _ := net.SplitHostPort(addressOf(c.node.opts.Config.Peers.Address, ordinalOf(id))) // it was validated
	return host
}
