package command

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/coffer-dev/coffer/engine/acl"
)

// TestGeoradiusNamesAllItMayWrite: the last option counts, and nobody may write
// there by naming another key first.
func TestGeoradiusNamesAllItMayWrite(t *testing.T) {
	c := argv(strings.Fields("GEORADIUS g 0 0 1 m STORE mine STOREDIST yours")...)
	var written []string
	for _, key := range Lookup(c[0]).AppendKeys(nil, c)[1:] {
		if key.Access != acl.Write {
			t.Errorf("%s is not written", key.Name)
		}
		written = append(written, string(key.Name))
	}
	if got := strings.Join(written, " "); got != "mine yours" {
		t.Errorf("it may write %q", got)
	}
}

// TestAngles: sines and arcsines are those of package math, but for the last
// digits, which there depend on the processor.
func TestAngles(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	near := func(name string, x, got, want, unit float64) {
		if math.Abs(got-want) > unit*max(math.Abs(want), 1e-3) {
			t.Errorf("%s(%v) = %v, want %v", name, x, got, want)
		}
	}
	for range 20_000 {
		x := (r.Float64() - 0.5) * 8
		near("sine", x, sine(x), math.Sin(x), 4e-16)
		near("cosine", x, cosine(x), math.Cos(x), 4e-16)
		u := r.Float64()
		near("arcsine", u, arcsine(u), math.Asin(u), 2e-15) // that one is not so good near 1
	}
	if sine(0) != 0 || cosine(0) != 1 || arcsine(0) != 0 || arcsine(1) != math.Pi/2 || arcsine(2) != math.Pi/2 {
		t.Error("the ends")
	}
}
