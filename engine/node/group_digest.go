package node

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"github.com/coffer-dev/coffer/engine/machine"
	"github.com/coffer-dev/coffer/engine/member"
	"github.com/coffer-dev/coffer/engine/peer"
)

const (
	// digestEvery is how many entries of the log there are between two that members
	// compare their states at: minutes, under the heaviest load. Each costs a pass
	// over the state.
	digestEvery = 1 << 20
	// digestsKept is of how many indexes it is kept what members have said.
	digestsKept = 4
)

// ErrDiffers ends a member whose state is another than that of a majority, which
// applied the same log: a bug, or memory that has changed by itself.
var ErrDiffers = errors.New("this member's state differs from what a majority of the members has")

// digests are what the members' states were at the same indexes.
type digests struct {
	running  *member.Digest
	finished chan bool                         // whether the one that ran was abandoned
	heard    map[uint64]map[uint64]peer.Digest // by index and member
	agreed   atomic.Uint64                     // the last index at which a majority had this member's state
}

// digestEvery is how often; 0 for a member that has nobody to compare with.
func (g *Group) digestEvery() uint64 {
	if g.opts.Network == nil {
		return 0
	}
	return cmp.Or(g.opts.DigestEvery, digestEvery)
}

// beginDigest takes one beside the loop.
func (g *Group) beginDigest(d *member.Digest) {
	g.digests.running = d
	go func() {
		for {
			chunk, done := g.digestChunk(d)
			if d.Add(chunk); done {
				g.digests.finished <- isClosed(g.stop)
				return
			}
		}
	}()
}

// digestChunk is what comes next, and whether it is the last: the group's end
// comes before the state's.
func (g *Group) digestChunk(d *member.Digest) (chunk []byte, done bool) {
	if isClosed(g.stop) {
		return nil, true
	}
	chunk, done, pause := g.stateChunk(d.Next)
	time.Sleep(pause)
	return chunk, done
}

// endDigest tells the others.
func (g *Group) endDigest(abandoned bool) error {
	d := g.digests.running
	g.digests.running = nil
	g.mu.Lock()
	g.member.EndDigest(d)
	g.mu.Unlock()
	if abandoned {
		return nil
	}
	own := peer.Digest{Index: d.Index, Format: machine.Format(), Sum: d.Sum()}
	conf := g.member.Members()
	for _, id := range slices.Concat(conf.GetVoters(), conf.GetLearners()) {
		if id != g.opts.ID {
			g.peers.network.SendDigest(g.opts.ID, id, own)
		}
	}
	return g.compare(g.opts.ID, own)
}

// ReceiveDigest takes another member's.
func (g *Group) ReceiveDigest(from uint64, d peer.Digest) {
	g.post(func() error { return g.compare(from, d) })
}

// compare ends this member if its state at an index is not what a majority has.
func (g *Group) compare(from uint64, d peer.Digest) error {
	heard := g.digests.heard
	if heard[d.Index] == nil {
		heard[d.Index] = map[uint64]peer.Digest{}
	}
	heard[d.Index][from] = d
	if len(heard) > digestsKept {
		delete(heard, slices.Min(slices.Collect(maps.Keys(heard))))
	}
	own, known := heard[d.Index][g.opts.ID]
	if !known {
		return nil
	}
	voters := g.member.Members().GetVoters()
	have := map[string]int{}
	for _, id := range voters {
		if other, ok := heard[d.Index][id]; ok && other.Format == own.Format {
			have[other.Sum]++
		}
	}
	for sum, n := range have {
		switch {
		case n <= len(voters)/2:
		case sum == own.Sum:
			g.digests.agreed.Store(max(d.Index, g.digests.agreed.Load()))
		default:
			return fmt.Errorf("%w, at index %d of the log: it is read back from its files at the next start; if it differs again, delete its volume, and it is added anew", ErrDiffers, d.Index)
		}
	}
	if len(have) > 1 {
		g.opts.Log.Error("members' states differ", "index", d.Index, "digests", heard[d.Index])
	}
	return nil
}

// abandonDigest ends the goroutine that takes one.
func (g *Group) abandonDigest() {
	g.halt()
	if d := g.digests.running; d != nil {
		<-g.digests.finished
		g.mu.Lock()
		g.member.EndDigest(d)
		g.mu.Unlock()
	}
}
