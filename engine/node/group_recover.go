package node

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/coffer-dev/coffer/engine/adminapi"
	"github.com/coffer-dev/coffer/engine/wal"
)

// ErrRecovered ends a group whose member is another one from now on: it is to be
// started again.
var ErrRecovered = errors.New("the member begins anew, as the only one of its group")

// Recover has the member go on alone from what its log holds, as another member
// of another generation, in whose place no other one of its group can speak or
// vote. It returns nil once that is durable, and again for the same question; the
// group ends with ErrRecovered, and what there is to do is done by the next start.
func (g *Group) Recover(id, index uint64) error {
	answer := make(chan error, 1)
	if !g.post(func() error {
		err := g.recover(id, index)
		answer <- err
		switch {
		case err == nil && g.opts.ID == id:
			return ErrRecovered // it does nothing more as the member that it was
		case errors.Is(err, ErrNotNow):
			return nil
		}
		return err
	}) {
		return ErrStopped
	}
	select {
	case err := <-answer:
		return err
	case <-g.done:
	}
	select {
	case err := <-answer: // it ended by that
		return err
	default:
		return ErrStopped
	}
}

func (g *Group) recover(id, index uint64) error {
	if r := g.recovered; r != nil && r.ID == id && r.Index == index {
		return nil // it has
	}
	last, _ := g.member.Last()
	conf := g.member.Members()
	switch {
	case id != g.opts.ID:
		return notNow("member %d is to go on, this one is %d", id, g.opts.ID)
	case !slices.Contains(conf.GetVoters(), id) && !slices.Contains(conf.GetLearners(), id):
		return notNow("the member has not been sent the data yet, or was taken out")
	case g.leaderHeard() != 0:
		return notNow("member %d leads: there is a majority", g.leaderHeard())
	case index != last:
		return notNow("the log ends at %d, not at %d", last, index)
	}
	if err := g.member.ReserveAlone(); errors.Is(err, wal.ErrFull) {
		return notNow("the volume is full: let it grow first")
	} else if err != nil {
		return fmt.Errorf("make room in the log: %w", err)
	}
	if err := g.member.SyncLog(); err != nil {
		return err
	}
	g.reborn = true
	return g.writeIdentity(recovered(id, index, g.opts.Generation))
}

// recovered is who a member is that goes on alone, from the end of its log.
func recovered(id, index, generation uint64) identity {
	return identity{
		ID:         index<<ordinalBits | uint64(ordinalOf(id)+1), //nolint:gosec // below MaxOrdinal
		Generation: nextGeneration(generation),
		Recovered:  &adminapi.Recovered{ID: id, Index: index},
	}
}

// nextGeneration is later than the one before, and another one each time: a group
// may be recovered twice from the same one, out of copies of its volumes.
func nextGeneration(before uint64) uint64 { return (before>>32+1)<<32 | uint64(rand.Uint32()) }
