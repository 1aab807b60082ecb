package command

// The sparse form of a HyperLogLog is a row of runs:
//
//	00nnnnnn           n+1 registers of 0
//	01nnnnnn nnnnnnnn  n+1 registers of 0
//	1vvvvvnn           n+1 registers of v+1
const (
	runZeros     = 64 // registers in one byte
	runValue     = 32 // the greatest count that a run can have
	runValues    = 4  // registers of a count in one byte
	valueOpcode  = 0x80
	xzeroOpcode  = 0x40
	mergeScanned = 5 // runs, in search of two that can be one
)

// hllRun is one of the runs of registers: the count of n of them, in so many bytes.
type hllRun struct {
	count byte
	n     int
	size  int
}

// run reads the one that begins at a byte. What the last byte lacks is 0.
func (h hll) run(p int) hllRun {
	switch b := h[p]; {
	case b&valueOpcode != 0:
		return hllRun{b>>2&(runValue-1) + 1, int(b&(runValues-1)) + 1, 1}
	case b&xzeroOpcode == 0:
		return hllRun{0, int(b) + 1, 1}
	case p+1 < len(h):
		return hllRun{0, int(b&^xzeroOpcode)<<8 + int(h[p+1]) + 1, 2}
	default:
		return hllRun{0, int(b&^xzeroOpcode)<<8 + 1, 2}
	}
}

// appendZeros appends a run of registers of 0; none if there are none.
func appendZeros(dst []byte, n int) []byte {
	switch {
	case n == 0:
		return dst
	case n <= runZeros:
		return append(dst, byte(n-1))
	}
	return append(dst, xzeroOpcode|byte((n-1)>>8), byte(n-1)) //nolint:gosec // n is at most hllRegisters
}

// appendCount appends a run of registers of a count; none if there are none.
func appendCount(dst []byte, count byte, n int) []byte {
	if n == 0 {
		return dst
	}
	return append(dst, valueOpcode|(count-1)<<2|byte(n-1)) //nolint:gosec // n is at most runValues
}

// setSparse raises a register of the sparse form, or goes over to the dense one
// when the run cannot say it, or there is no room.
func (h hll) setSparse(i int, count byte) (changed hll, raised bool, err error) {
	if count > runValue {
		return h.promote(i, count)
	}
	p, before, first := hllHeader, -1, 0
	var r hllRun
	for p < len(h) {
		if r = h.run(p); i < first+r.n {
			break
		}
		before, p, first = p, p+r.size, first+r.n
	}
	if p+r.size > len(h) || r.n == 0 {
		return h, false, errCorrupt
	}
	if r.count >= count {
		return h, false, nil
	}
	parts := split(r, i-first, count)
	if len(parts) > r.size && len(h)+len(parts)-r.size > hllSparseBytes {
		return h.promote(i, count)
	}
	h = append(h[:p], append(parts, h[p+r.size:]...)...)
	if before < 0 {
		before = hllHeader
	}
	h = h.joined(before)
	h.expire()
	return h, true, nil
}

// split is a run whose register at a place has another count.
func split(r hllRun, at int, count byte) []byte {
	of := func(dst []byte, n int) []byte {
		if r.count == 0 {
			return appendZeros(dst, n)
		}
		return appendCount(dst, r.count, n)
	}
	return of(appendCount(of(nil, at), count, 1), r.n-at-1)
}

// joined makes one of two neighbours with one count, as far as redis-server looks.
func (h hll) joined(p int) hll {
	for scanned := 0; p < len(h) && scanned < mergeScanned; scanned++ {
		r := h.run(p)
		if r.count > 0 && p+1 < len(h) && h[p+1]&valueOpcode != 0 {
			if next := h.run(p + 1); next.count == r.count && r.n+next.n <= runValues {
				appendCount(h[p:p], r.count, r.n+next.n)
				h = append(h[:p+1], h[p+2:]...)
				continue
			}
		}
		p += r.size
	}
	return h
}

// promote goes over to the dense form.
func (h hll) promote(i int, count byte) (changed hll, raised bool, err error) {
	d, err := h.toDense()
	if err != nil {
		return h, false, err
	}
	return d, d.setDense(i, count), nil
}
