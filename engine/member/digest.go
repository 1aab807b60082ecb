package member

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"

	"github.com/coffer-dev/coffer/engine/machine"
)

// Digest is one of the state as it was at an index, taken while writes go on. Of
// members that applied the same log it is the same, as long as they write their
// snapshots in the same format.
type Digest struct {
	Index  uint64
	source *machine.Snapshot
	sum    hash.Hash
}

// beginDigest begins one behind an entry that the members agreed to compare their
// states at. It is left out while a snapshot is written: the next one will do.
func (m *Member) beginDigest(r *Result) error {
	index := m.machine.Index()
	if every := m.opts.DigestEvery; every == 0 || index%every != 0 || m.writing != nil || m.digest != nil {
		return nil
	}
	source, err := m.machine.BeginSnapshot()
	if err != nil {
		return fmt.Errorf("digest at index %d: %w", index, err)
	}
	m.digest = &Digest{Index: index, source: source, sum: sha256.New()}
	r.Digest = m.digest
	return nil
}

// Next returns the next bytes of the state, at most limit, and whether they are
// the last. It looks at the machine; the bytes hold until the next call, before
// which the caller gives them to Add.
func (d *Digest) Next(limit int) (chunk []byte, done bool) { return d.source.Next(limit) }

// Add takes bytes into account.
func (d *Digest) Add(chunk []byte) { d.sum.Write(chunk) }

// Sum is the digest, once all bytes are added.
func (d *Digest) Sum() string { return hex.EncodeToString(d.sum.Sum(nil)) }

// EndDigest ends one, finished or not.
func (m *Member) EndDigest(d *Digest) {
	d.source.Close()
	m.digest = nil
}
