package main

import (
	"math"
	"math/rand/v2"
	"testing"
)

// TestMannWhitney against values worked out by hand.
func TestMannWhitney(t *testing.T) {
	for _, tt := range []struct {
		a, b           []float64
		superiority, z float64
	}{
		{[]float64{1, 2, 3}, []float64{4, 5, 6}, 0, -1.9640},       // U 0 of 9, variance 21/4
		{[]float64{4, 5, 6}, []float64{1, 2, 3}, 1, 1.9640},        //
		{[]float64{1, 4, 5}, []float64{2, 3, 6}, 4.0 / 9, -0.2182}, // U 4
		{[]float64{1, 2, 2}, []float64{2, 3, 4}, 1.0 / 9, -1.6231}, // U 1, three share a rank: variance 9/12 × (7 − 24/30)
	} {
		superiority, z := mannWhitney(tt.a, tt.b)
		if math.Abs(superiority-tt.superiority) > 1e-9 || math.Abs(z-tt.z) > 1e-3 {
			t.Errorf("%v %v: %.4f, z %.4f; want %.4f, %.4f", tt.a, tt.b, superiority, z, tt.superiority, tt.z)
		}
	}
}

// TestWelch against a value worked out by hand: means 2 and 4, variances 1 and 4.
func TestWelch(t *testing.T) {
	if got, want := welch([]float64{1, 2, 3}, []float64{2, 4, 6}), -2/math.Sqrt(5.0/3); math.Abs(got-want) > 1e-9 {
		t.Errorf("t is %f, want %f", got, want)
	}
}

// TestCompareSeesWhatThereIs, and nothing where there is nothing.
func TestCompareSeesWhatThereIs(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	draw := func(shift float64) (out []float64) {
		for range 20_000 {
			out = append(out, 50+shift+10*random.ExpFloat64())
		}
		return out
	}
	if c := compare(draw(0), draw(0)); math.Abs(c.z) > maxZ || math.Abs(c.welch) > maxT || c.p < 0.001 {
		t.Errorf("of the same: %+v", c)
	}
	if c := compare(draw(0.5), draw(0)); c.z < maxZ || c.welch < maxT || c.superiority < 0.5 || c.p > 0.001 {
		t.Errorf("half a microsecond more: %+v", c)
	}
	values := draw(0)
	if low, high := interval(values[:1000]); low > median(values) || high < median(values) || high-low > 3 {
		t.Errorf("the median %f is not within %f–%f", median(values), low, high)
	}
}
