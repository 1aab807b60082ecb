package main

import (
	"math"
	"math/rand/v2"
	"slices"
)

// comparison of two samples.
type comparison struct {
	medianA, medianB float64
	// z and p are Mann and Whitney's; superiority is the chance that a value of
	// a is the larger one, 0.5 where nothing tells them apart.
	z, p, superiority float64
	// welch is Welch's t of the values below the common ninetieth percentile:
	// what lies above is the machine's doing.
	welch float64
}

func compare(a, b []float64) (c comparison) {
	c.medianA, c.medianB = median(a), median(b)
	c.superiority, c.z = mannWhitney(a, b)
	c.p = math.Erfc(math.Abs(c.z) / math.Sqrt2)
	all := slices.Concat(a, b)
	slices.Sort(all)
	cut := all[len(all)*9/10]
	c.welch = welch(below(a, cut), below(b, cut))
	return c
}

func median(values []float64) float64 {
	values = slices.Clone(values)
	slices.Sort(values)
	n := len(values)
	return (values[(n-1)/2] + values[n/2]) / 2
}

func below(values []float64, cut float64) (out []float64) {
	for _, v := range values {
		if v <= cut {
			out = append(out, v)
		}
	}
	return out
}

// mannWhitney ranks all values together; equal ones share their ranks.
func mannWhitney(a, b []float64) (superiority, z float64) {
	type value struct {
		v   float64
		ofA bool
	}
	all := make([]value, 0, len(a)+len(b))
	for _, v := range a {
		all = append(all, value{v, true})
	}
	for _, v := range b {
		all = append(all, value{v, false})
	}
	slices.SortFunc(all, func(x, y value) int {
		switch {
		case x.v < y.v:
			return -1
		case x.v > y.v:
			return 1
		}
		return 0
	})
	n1, n2, n := float64(len(a)), float64(len(b)), float64(len(all))
	rankSum, ties := 0.0, 0.0
	for i := 0; i < len(all); {
		j := i
		for j < len(all) && all[j].v == all[i].v {
			j++
		}
		rank := float64(i+1+j) / 2
		for _, v := range all[i:j] {
			if v.ofA {
				rankSum += rank
			}
		}
		t := float64(j - i)
		ties += t*t*t - t
		i = j
	}
	u := rankSum - n1*(n1+1)/2
	variance := n1 * n2 / 12 * (n + 1 - ties/(n*(n-1)))
	return u / (n1 * n2), (u - n1*n2/2) / math.Sqrt(variance)
}

// welch is the difference of the means over its standard error.
func welch(a, b []float64) float64 {
	meanA, varA := moments(a)
	meanB, varB := moments(b)
	return (meanA - meanB) / math.Sqrt(varA/float64(len(a))+varB/float64(len(b)))
}

func moments(values []float64) (mean, variance float64) {
	for _, v := range values {
		mean += v / float64(len(values))
	}
	for _, v := range values {
		variance += (v - mean) * (v - mean) / float64(len(values)-1)
	}
	return mean, variance
}

// interval is the 95 % confidence interval of the median, by bootstrap.
func interval(values []float64) (low, high float64) {
	random := rand.New(rand.NewPCG(1, 2))
	const times = 1000
	medians := make([]float64, times)
	sample := make([]float64, len(values))
	for i := range medians {
		for j := range sample {
			sample[j] = values[random.IntN(len(values))]
		}
		medians[i] = median(sample)
	}
	slices.Sort(medians)
	return medians[times*25/1000], medians[times*975/1000]
}
