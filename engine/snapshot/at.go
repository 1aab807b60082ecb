package snapshot

import "fmt"

// At opens the snapshot at an index. A newer one may be there already, of which
// the log does not know yet.
func (d Dir) At(index uint64) (*Reader, error) {
	r, err := d.Open(d.join(fileName(index)))
	if err != nil {
		return nil, err
	}
	if r.Meta.Index != index {
		_ = r.Close()
		return nil, &DamageError{r.path, 8, fmt.Sprintf("is the snapshot at index %d", r.Meta.Index)}
	}
	return r, nil
}
