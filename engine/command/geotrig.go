package command

import "math"

// Sine, cosine and arcsine, computed with twice the digits of a float64 and then
// rounded: package math may round otherwise on another processor, and which
// places are within a radius is written by GEOSEARCHSTORE. Angles are those
// between two places on earth: within -2π and 2π.

// double is the sum of two numbers, the second of which is below half a unit in
// the last place of the first (Dekker, 1971).
type double struct{ hi, lo float64 }

func sumOf(a, b float64) double {
	s := a + b
	bb := s - a
	return double{s, (a - (s - bb)) + (b - bb)}
}

// halves splits a number into two of 26 bits.
func halves(a float64) (hi, lo float64) {
	const splitter = 1<<27 + 1
	c := float64(splitter * a)
	hi = c - (c - a)
	return hi, a - hi
}

func productOf(a, b float64) double {
	p := float64(a * b)
	ah, al := halves(a)
	bh, bl := halves(b)
	err := float64(al*bl) - (((p - float64(ah*bh)) - float64(al*bh)) - float64(ah*bl))
	return double{p, err}
}

func (x double) plus(y double) double {
	s := sumOf(x.hi, y.hi)
	return sumOf(s.hi, s.lo+(x.lo+y.lo))
}

func (x double) negative() double { return double{-x.hi, -x.lo} }

func (x double) times(y double) double {
	p := productOf(x.hi, y.hi)
	return sumOf(p.hi, p.lo+(float64(x.hi*y.lo)+float64(x.lo*y.hi)))
}

// over divides by a number.
func (x double) over(n float64) double {
	q := x.hi / n
	rest := x.plus(productOf(q, n).negative())
	return sumOf(q, rest.hi/n)
}

// halfPi is π/2.
var halfPi = double{math.Pi / 2, 6.123233995736766e-17}

// series is x - x³/3! + …, or with cosine 1 - x²/2! + …, for |x| up to π/4.
func series(x double, cosine bool) double {
	square := x.times(x).negative()
	sum, n := x, 1.0
	if cosine {
		sum, n = double{1, 0}, 0
	}
	for term := sum; ; {
		term = term.times(square).over(float64((n + 1) * (n + 2)))
		n += 2
		if term.hi == 0 || math.Abs(term.hi/sum.hi) < 0x1p-110 {
			return sum
		}
		sum = sum.plus(term)
	}
}

// turned is the sine of an angle and so many right angles.
func turned(angle float64, quadrants int) double {
	const eighth = math.Pi / 4
	rest := double{angle, 0}
	for ; rest.hi > eighth; quadrants++ {
		rest = rest.plus(halfPi.negative())
	}
	for ; rest.hi < -eighth; quadrants-- {
		rest = rest.plus(halfPi)
	}
	s := series(rest, quadrants&1 == 1)
	if quadrants&2 == 2 {
		return s.negative()
	}
	return s
}

func sine(angle float64) float64 {
	if angle == 0 {
		return angle
	}
	return turned(angle, 0).hi
}

func cosine(angle float64) float64 { return turned(angle, 1).hi }

// arcsine is of what is not negative; above 1 it is that of 1.
func arcsine(x float64) float64 {
	switch {
	case x >= 1:
		return halfPi.hi
	case x == 0:
		return 0
	}
	better := double{approximately(x), 0} // by Newton's method
	if x > 0.5 {
		better.hi = halfPi.hi - float64(2*approximately(math.Sqrt((1-x)/2)))
	}
	for range 2 {
		s, c := turned(better.hi, 0), cosine(better.hi)
		s = s.plus(double{float64(c * better.lo), 0})
		better = better.plus(double{x, 0}.plus(s.negative()).over(c))
	}
	return better.hi
}

// approximately is the arcsine of up to 1/2, to some digits.
func approximately(x float64) float64 {
	s := float64(x * x)
	return float64(x * (1 + float64(s*(1.0/6+float64(s*(3.0/40+float64(s*(15.0/336+float64(s*(105.0/3456))))))))))
}
