package wal

import "fmt"

// Restart begins the log anew behind a durable snapshot that came from another
// member: what was appended before is void, also above the snapshot. It is
// durable after the next Sync.
//
// Between the snapshot's durability and Restart's a crash may come. Open then
// compares the log's entry at the snapshot's index with the snapshot's term
// and, where they differ, does what Restart would have done.
func (l *Log) Restart(m Mark) error {
	if l.err != nil {
		return l.err
	}
	b := append(l.buf[:0], make([]byte, frameHeader)...)
	return l.write(b, frame{kind: typeRestart, term: m.Term, index: m.Index})
}

// restart drops what was read so far.
func (r *replay) restart(f frame) error {
	if f.index > r.snapshot.Index {
		return fmt.Errorf("%w: it begins anew after a snapshot at index %d, the newest is at %d", ErrGap, f.index, r.snapshot.Index)
	}
	if r.handed > 0 {
		return &DamageError{Reason: fmt.Sprintf("voids entry %d, which was committed", r.handed)}
	}
	r.cut(false)
	return nil
}

// cut drops the entries above the snapshot, and those that follow if the log's
// entry at the snapshot's index is not the one that the snapshot holds: raft
// never lets two logs agree again behind an entry in which they differ.
func (r *replay) cut(differs bool) {
	r.state.Entries = nil
	r.last, r.void = r.snapshot.Index, differs
}
