package member

import (
	"go.etcd.io/raft/v3/raftpb"

	"github.com/coffer-dev/coffer/engine/machine"
)

// parsedAhead is how many entries are parsed while one is applied.
const parsedAhead = 4

// replayer applies the log's entries in their order, beside the reading and
// parsing of those that follow, which is half of the work. What comes of it
// does not depend on who is faster: parsing looks at nothing but the entry, and
// an entry that does not parse ends both before it is applied.
type replayer struct {
	machine *machine.Machine
	idle    chan *machine.Logged
	parsed  chan *machine.Logged
	done    chan struct{}
}

func (m *Member) replayAhead() *replayer {
	r := &replayer{
		machine: m.machine,
		idle:    make(chan *machine.Logged, parsedAhead),
		parsed:  make(chan *machine.Logged, parsedAhead),
		done:    make(chan struct{}),
	}
	for range parsedAhead {
		r.idle <- &machine.Logged{}
	}
	go func() {
		defer close(r.done)
		for l := range r.parsed {
			r.machine.Run(l)
			r.idle <- l
		}
	}()
	return r
}

// entry takes the next entry up.
func (r *replayer) entry(e *raftpb.Entry) error {
	l := <-r.idle
	if err := r.machine.Parse(l, e.GetIndex(), batch(e)); err != nil {
		return err
	}
	r.parsed <- l
	return nil
}

// finish waits until all that was taken up is applied.
func (r *replayer) finish() {
	close(r.parsed)
	<-r.done
}
