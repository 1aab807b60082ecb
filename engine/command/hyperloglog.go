package command

import (
	"encoding/binary"
	"math"
	"math/bits"

	"github.com/coffer-dev/coffer/engine/keyevent"
	"github.com/coffer-dev/coffer/engine/machine"
	"github.com/coffer-dev/coffer/engine/reply"
	"github.com/coffer-dev/coffer/engine/store"
)

func init() {
	register(
		row("pfadd", -2, Write|DenyOOM|Fast, oneKey.to(rw|inserts), "write hyperloglog fast", plain(pfadd)).since7(),
		row("pfcount", -2, ReadOnly, allKeys.to(rw|accesses), "read hyperloglog slow", plain(pfcount)).inLog().since7().noting("RW because it may change the internal representation of the key, and propagate to replicas"), // it keeps what it counted
		row("pfmerge", -2, Write|DenyOOM, allKeys.to(rw|accesses|inserts, ro|accesses), "write hyperloglog slow", plain(pfmerge)).since7(),
	)
}

const (
	errNotHLL  = textError("WRONGTYPE Key is not a valid HyperLogLog string value.")
	errCorrupt = textError("INVALIDOBJ Corrupted HLL object detected")
)

// A HyperLogLog is a string in redis-server's format: "HYLL", an encoding byte,
// three of nothing, the cardinality as it was counted last (8 bytes, little
// endian, the highest bit says that it holds no more), then registers.
const (
	hllMagic    = "HYLL"
	hllHeader   = 16 // bytes
	hllEncoding = 4  // where the encoding stands
	hllCard     = 8  // where the cardinality stands
	hllStale    = 7  // of its bytes, the one with the mark

	hllDense  = 0 // registers of 6 bits, the lowest bits first
	hllSparse = 1 // runs of registers

	hllWork = 500 // steps of a script in which all registers are looked at

	hllBits        = 14 // of a hash choose the register
	hllRegisters   = 1 << hllBits
	hllRegister    = 6                // bits
	hllLongest     = 64 - hllBits + 1 // run of zeros, and the one behind it
	hllDenseSize   = hllHeader + hllRegisters*hllRegister/8
	hllSparseBytes = 3000                       // redis-server's hll-sparse-max-bytes
	hllLargest     = hllHeader + 2*hllRegisters // bytes: each register has a run of its own
)

// hll is a string that is one, for who may change it.
type hll []byte

// checkHLL says what redis-server says of strings that are none.
func checkHLL(v store.String) error {
	switch {
	case len(v) < hllHeader, string(v[:len(hllMagic)]) != hllMagic, v[hllEncoding] > hllSparse,
		v[hllEncoding] == hllDense && len(v) != hllDenseSize:
		return errNotHLL
	case len(v) > hllLargest: // and nobody copies it
		return errCorrupt
	}
	return nil
}

func readHLL(tx *machine.Tx, key []byte) (hll, bool, error) {
	v, found, err := readString(tx, key)
	if err != nil || !found {
		return nil, false, err
	}
	return hll(v), true, checkHLL(v)
}

// newHLL has every register 0, in one run.
func newHLL() hll {
	h := make(hll, hllHeader, hllHeader+8)
	copy(h, hllMagic)
	h[hllEncoding] = hllSparse
	return appendZeros(h, hllRegisters)
}

// copied has room for what one more element may need: nothing is changed in place.
func (h hll) copied() hll { return append(make(hll, 0, len(h)+8), h...) }

func (h hll) dense() bool { return h[hllEncoding] == hllDense }

func (h hll) expire() { h[hllCard+hllStale] |= 1 << 7 }

// registerOf is the register of an element, and what it puts there.
func registerOf(element []byte) (register int, count byte) {
	hash := murmur64(element)
	return int(hash & (hllRegisters - 1)), byte(bits.TrailingZeros64(hash>>hllBits|1<<(64-hllBits)) + 1)
}

// murmur64 is MurmurHash64A with redis-server's seed.
func murmur64(data []byte) uint64 {
	const m, seed = 0xc6a4a7935bd1e995, 0xadc83b19
	h := seed ^ uint64(len(data))*m
	for ; len(data) >= 8; data = data[8:] {
		k := binary.LittleEndian.Uint64(data) * m
		h = (h ^ (k^k>>47)*m) * m
	}
	if len(data) > 0 {
		for i, b := range data {
			h ^= uint64(b) << (8 * i)
		}
		h *= m
	}
	h = (h ^ h>>47) * m
	return h ^ h>>47
}

// denseAt is a register of the dense form.
func (h hll) denseAt(i int) byte {
	bit := i * hllRegister
	at, shift := hllHeader+bit/8, bit%8
	v := uint16(h[at]) >> shift
	if at+1 < len(h) {
		v |= uint16(h[at+1]) << (8 - shift)
	}
	return byte(v & (1<<hllRegister - 1))
}

// setDense raises a register, and tells whether it was lower.
func (h hll) setDense(i int, count byte) bool {
	if h.denseAt(i) >= count {
		return false
	}
	const mask = 1<<hllRegister - 1
	bit := i * hllRegister
	at, shift := hllHeader+bit/8, bit%8
	h[at] = h[at]&^byte(mask<<shift) | count<<shift
	if at+1 < len(h) {
		h[at+1] = h[at+1]&^byte(mask>>(8-shift)) | count>>(8-shift)
	}
	return true
}

// set raises a register in whatever form, and tells whether it was lower. What
// it returns takes the place of h, which it may have changed.
func (h hll) set(i int, count byte) (changed hll, raised bool, err error) {
	if !h.dense() {
		return h.setSparse(i, count)
	}
	return h, h.setDense(i, count), nil
}

// each visits the runs of registers from the first on. False means that they
// are not as many as there must be.
func (h hll) each(visit func(first, n int, count byte)) bool {
	if h.dense() {
		for i := range hllRegisters {
			visit(i, 1, h.denseAt(i))
		}
		return true
	}
	i := 0
	for p := hllHeader; p < len(h); {
		r := h.run(p)
		if r.n > hllRegisters-i {
			return false
		}
		visit(i, r.n, r.count)
		i, p = i+r.n, p+r.size
	}
	return i == hllRegisters
}

// toDense is the dense form.
func (h hll) toDense() (hll, error) {
	if h.dense() {
		return h, nil
	}
	d := make(hll, hllDenseSize)
	copy(d, h[:hllHeader])
	d[hllEncoding] = hllDense
	whole := h.each(func(first, n int, count byte) {
		for i := first; count > 0 && i < first+n; i++ {
			d.setDense(i, count)
		}
	})
	if !whole {
		return nil, errCorrupt
	}
	return d, nil
}

// mergeInto raises registers to those of h.
func (h hll) mergeInto(registers *[hllRegisters]byte) error {
	whole := h.each(func(first, n int, count byte) {
		for i := first; count > 0 && i < first+n; i++ {
			registers[i] = max(registers[i], count)
		}
	})
	if !whole {
		return errCorrupt
	}
	return nil
}

// histogram is how many registers have each count.
type histogram [1 << hllRegister]int

// estimate is Ertl's estimator, "New cardinality estimation algorithms for
// HyperLogLog sketches", 2017, with the arithmetic of redis-server. Products are
// rounded by themselves, as not every processor would.
func (counts *histogram) estimate() int64 {
	const alpha, m = 0.721347520444481703680, float64(hllRegisters)
	z := float64(m * tau((m-float64(counts[hllLongest]))/m))
	for j := hllLongest - 1; j >= 1; j-- {
		z = float64((z + float64(counts[j])) * 0.5)
	}
	z += float64(m * sigma(float64(counts[0])/m))
	e := math.Round(float64(float64(alpha*m)*m) / z)
	if !(e < math.MaxInt64) { // registers that no element makes
		return math.MinInt64
	}
	return int64(e)
}

func tau(x float64) float64 {
	if x == 0 || x == 1 {
		return 0
	}
	y, z := 1.0, 1-x
	for last := math.Inf(1); last != z; {
		x = math.Sqrt(x)
		last = z
		y = float64(y * 0.5)
		z -= float64(float64((1-x)*(1-x)) * y)
	}
	return z / 3
}

func sigma(x float64) float64 {
	if x == 1 {
		return math.Inf(1)
	}
	y, z := 1.0, x
	for last := math.Inf(1); last != z; {
		x = float64(x * x)
		last = z
		z += float64(x * y)
		y += y
	}
	return z
}

func pfadd(tx *machine.Tx, argv [][]byte) reply.Reply {
	h, found, err := readHLL(tx, argv[1])
	if err != nil {
		return fail(err)
	}
	changed := !found
	if found {
		h = h.copied()
	} else {
		h = newHLL()
	}
	for _, element := range argv[2:] {
		var raised bool
		if h, raised, err = h.set(registerOf(element)); err != nil {
			break
		}
		changed = changed || raised
	}
	if changed {
		h.expire()
		replaceString(tx, argv[1], h)
		tx.Store.Tell(keyevent.String, "pfadd", argv[1])
	}
	if err != nil {
		return fail(err)
	}
	return truth(changed)
}

// pfcount of one key keeps the result with it until the next element; of several
// it counts their union.
func pfcount(tx *machine.Tx, argv [][]byte) reply.Reply {
	if len(argv) > 2 {
		return pfcountUnion(tx, argv[1:])
	}
	h, found, err := readHLL(tx, argv[1])
	switch {
	case err != nil:
		return fail(err)
	case !found:
		return reply.Integer(0)
	case h[hllCard+hllStale]&(1<<7) == 0:
		return reply.Integer(int64(binary.LittleEndian.Uint64(h[hllCard:]))) //nolint:gosec // as it was kept
	}
	tx.Visited(hllWork)
	var counts histogram
	if !h.each(func(_, n int, count byte) { counts[count] += n }) {
		return fail(errCorrupt)
	}
	h = h.copied()
	n := counts.estimate()
	binary.LittleEndian.PutUint64(h[hllCard:], uint64(n)) //nolint:gosec // as it is read
	replaceString(tx, argv[1], h)
	return reply.Integer(n)
}

// mergeHLLs raises registers to those of every key, and tells whether one of
// them is dense. A key that is named again adds nothing.
func mergeHLLs(tx *machine.Tx, keys [][]byte, registers *[hllRegisters]byte) (dense bool, err error) {
	seen := map[string]bool{}
	for _, key := range keys {
		h, found, err := readHLL(tx, key)
		switch {
		case err != nil:
			return false, err
		case !found || seen[string(key)]:
			continue
		}
		seen[string(key)] = true
		tx.Visited(hllWork)
		dense = dense || h.dense()
		if err := h.mergeInto(registers); err != nil {
			return false, err
		}
	}
	return dense, nil
}

func pfcountUnion(tx *machine.Tx, keys [][]byte) reply.Reply {
	var registers [hllRegisters]byte
	if _, err := mergeHLLs(tx, keys, &registers); err != nil {
		return fail(err)
	}
	var counts histogram
	for _, count := range registers {
		counts[count]++
	}
	return reply.Integer(counts.estimate())
}

func pfmerge(tx *machine.Tx, argv [][]byte) reply.Reply {
	var registers [hllRegisters]byte
	dense, err := mergeHLLs(tx, argv[1:], &registers)
	if err != nil {
		return fail(err)
	}
	h, found, _ := readHLL(tx, argv[1])
	if found {
		h = h.copied()
	} else {
		h = newHLL()
	}
	if dense {
		if h, err = h.toDense(); err != nil {
			return fail(err)
		}
	}
	for i, count := range registers {
		if count == 0 {
			continue
		}
		if h, _, err = h.set(i, count); err != nil {
			return fail(err)
		}
	}
	h.expire()
	replaceString(tx, argv[1], h)
	tx.Store.Tell(keyevent.String, "pfadd", argv[1])
	return reply.OK
}
