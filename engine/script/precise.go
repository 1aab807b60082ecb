package script

import (
	"math"
	"math/big"
	"sync"
)

// What processors and libraries compute differently in the last digit is
// computed here with more digits than are kept, and rounded: every member gets
// the same number, nearly always the one closest to the truth.
const (
	digits = 160 // bits
	// enough bounds a series: its terms are below 2^-(digits) by then.
	enough = 400
)

func number(f float64) *big.Float { return new(big.Float).SetPrec(digits).SetFloat64(f) }

func fresh() *big.Float { return new(big.Float).SetPrec(digits) }

func rounded(f *big.Float) float64 {
	x, _ := f.Float64()
	return x
}

// negligible tells whether a term no longer changes a sum.
func negligible(term, sum *big.Float) bool {
	return term.Sign() == 0 || sum.Sign() != 0 && term.MantExp(nil) < sum.MantExp(nil)-digits
}

// power is x^y.
func (r *run) power(x, y float64) float64 {
	n, whole := toInteger(y)
	switch {
	case y == 0 || x == 1:
		return 1
	case y == 1:
		return x
	case y == 2:
		return float64(x * x)
	case y == 0.5 && !math.IsInf(x, 0) && x != 0:
		return math.Sqrt(x)
	case x != x || y != y || x == 0 || math.IsInf(x, 0) || math.IsInf(y, 0):
		return math.Pow(x, y) // exact: 0, 1, infinite or no number
	case x < 0 && !whole:
		return math.NaN()
	}
	if product, ok := wholePower(x, n); ok && whole {
		return product
	}
	r.spend(preciseSteps)
	negative := x < 0 && n&1 == 1
	exponent := fresh().Mul(number(y), ln(number(math.Abs(x))))
	f := exp(exponent)
	if negative {
		f = -f
	}
	return f
}

// wholePower is x^n where all that is multiplied are integers without an error.
func wholePower(x float64, n int64) (product float64, ok bool) {
	const exact = 1 << 53
	if i, whole := toInteger(x); !whole || n < 0 || n > 64 || i > exact || i < -exact {
		return 0, false
	}
	product = 1
	for range n {
		if product = float64(product * x); product > exact || product < -exact {
			return 0, false
		}
	}
	return product, true
}

func exponential(f float64) float64 {
	switch {
	case f != f || math.IsInf(f, 1):
		return f
	case math.IsInf(f, -1):
		return 0
	}
	return exp(number(f))
}

// exp is e^x, rounded.
func exp(x *big.Float) float64 {
	if large, _ := x.Float64(); large > 800 {
		return math.Inf(1)
	} else if large < -800 {
		return 0
	}
	return rounded(expBig(x))
}

// expBig takes x apart into halves until it is small: e^x = (e^(x/2^k))^(2^k).
func expBig(x *big.Float) *big.Float {
	const halvings = 16
	small := fresh().SetMantExp(x, -halvings)
	sum, term := number(1), number(1)
	for i := 1; i < enough; i++ {
		term.Mul(term, small)
		term.Quo(term, number(float64(i)))
		if negligible(term, sum) {
			break
		}
		sum.Add(sum, term)
	}
	for range halvings {
		sum.Mul(sum, sum)
	}
	return sum
}

func logarithm(f float64) float64 {
	switch {
	case f != f || f < 0:
		return math.NaN()
	case f == 0:
		return math.Inf(-1)
	case math.IsInf(f, 1):
		return f
	}
	return rounded(ln(number(f)))
}

func log10(f float64) float64 {
	if f != f || f <= 0 || math.IsInf(f, 1) {
		return logarithm(f)
	}
	return rounded(fresh().Quo(ln(number(f)), ln(number(10))))
}

// ln is the natural logarithm of a positive number: m * 2^e with m about 1.
func ln(x *big.Float) *big.Float {
	mantissa := fresh()
	exponent := x.MantExp(mantissa)
	if mantissa.Cmp(number(0.75)) < 0 {
		mantissa.SetMantExp(mantissa, 1)
		exponent--
	}
	two := fresh().Mul(number(float64(exponent)), artanhTwice(number(2)))
	return two.Add(two, artanhTwice(mantissa))
}

// artanhTwice is ln m = 2 artanh((m-1)/(m+1)).
func artanhTwice(m *big.Float) *big.Float {
	z := fresh().Quo(fresh().Sub(m, number(1)), fresh().Add(m, number(1)))
	square := fresh().Mul(z, z)
	sum, power := fresh(), fresh().Set(z)
	for i := 1; i < enough; i += 2 {
		term := fresh().Quo(power, number(float64(i)))
		if i > 1 && negligible(term, sum) {
			break
		}
		sum.Add(sum, term)
		power.Mul(power, square)
	}
	return sum.SetMantExp(sum, 1)
}

// piBits of pi are enough for the largest angle.
const piBits = 1300

// arctanInverse is the arc tangent of 1/n, to piBits.
func arctanInverse(n int64) *big.Float {
	precise := func() *big.Float { return new(big.Float).SetPrec(piBits) }
	power := precise().Quo(precise().SetInt64(1), precise().SetInt64(n))
	square := precise().SetInt64(n * n)
	sum := precise()
	for i := int64(1); i < 2*piBits; i += 2 {
		term := precise().Quo(power, precise().SetInt64(i))
		if i%4 == 1 {
			sum.Add(sum, term)
		} else {
			sum.Sub(sum, term)
		}
		power.Quo(power, square)
	}
	return sum
}

// pi is computed by Machin's formula, once somebody asks for it.
var pi = sync.OnceValue(func() *big.Float {
	sixteen := new(big.Float).SetPrec(piBits).SetInt64(16)
	four := new(big.Float).SetPrec(piBits).SetInt64(4)
	a := sixteen.Mul(sixteen, arctanInverse(5))
	return a.Sub(a, four.Mul(four, arctanInverse(239)))
})

// reduced is an angle less the nearest multiple of half pi, and which one of
// four that is.
func reduced(f float64) (angle *big.Float, quadrant int) {
	half := new(big.Float).SetPrec(piBits).SetMantExp(pi(), -1)
	x := new(big.Float).SetPrec(piBits).SetFloat64(f)
	turns := new(big.Float).SetPrec(piBits).Quo(x, half)
	half2 := new(big.Float).SetPrec(piBits).SetFloat64(0.5)
	if f < 0 {
		half2.Neg(half2)
	}
	n, _ := turns.Add(turns, half2).Int(nil)
	x.Sub(x, half.Mul(half, new(big.Float).SetPrec(piBits).SetInt(n)))
	low := new(big.Int).And(n, big.NewInt(3))
	return fresh().Set(x), int(low.Int64())
}

// sineSeries sums x - x^3/3! + … or, from 1 on, 1 - x^2/2! + …
func sineSeries(x *big.Float, cosine bool) *big.Float {
	square := fresh().Mul(x, x)
	term, i := fresh().Set(x), 1
	if cosine {
		term, i = number(1), 0
	}
	sum := fresh().Set(term)
	for ; i < enough; i += 2 {
		term.Mul(term, square)
		term.Quo(term, number(float64((i+1)*(i+2))))
		term.Neg(term)
		if negligible(term, sum) {
			break
		}
		sum.Add(sum, term)
	}
	return sum
}

func turned(f float64, quadrants int) *big.Float {
	angle, quadrant := reduced(f)
	quadrant = (quadrant + quadrants) & 3
	result := sineSeries(angle, quadrant&1 == 1)
	if quadrant&2 == 2 {
		result.Neg(result)
	}
	return result
}

func sine(f float64) float64 {
	if f != f || math.IsInf(f, 0) {
		return math.NaN()
	}
	if f == 0 {
		return f
	}
	return rounded(turned(f, 0))
}

func cosine(f float64) float64 {
	if f != f || math.IsInf(f, 0) {
		return math.NaN()
	}
	return rounded(turned(f, 1))
}

func tangent(f float64) float64 {
	if f != f || math.IsInf(f, 0) {
		return math.NaN()
	}
	if f == 0 {
		return f
	}
	return rounded(fresh().Quo(turned(f, 0), turned(f, 1)))
}

// arctan halves its argument until it is small:
// atan x = 2 atan(x / (1 + sqrt(1 + x^2))).
func arctan(x *big.Float) *big.Float {
	const halvings = 8
	y := fresh().Set(x)
	for range halvings {
		root := fresh().Sqrt(fresh().Add(number(1), fresh().Mul(y, y)))
		y.Quo(y, root.Add(root, number(1)))
	}
	square := fresh().Mul(y, y)
	sum, power := fresh(), fresh().Set(y)
	for i := 1; i < enough; i += 2 {
		term := fresh().Quo(power, number(float64(i)))
		if i > 1 && negligible(term, sum) {
			break
		}
		if i%4 == 1 {
			sum.Add(sum, term)
		} else {
			sum.Sub(sum, term)
		}
		power.Mul(power, square)
	}
	return sum.SetMantExp(sum, halvings)
}

func atan(f float64) float64 {
	if f != f || f == 0 {
		return f
	}
	if math.IsInf(f, 0) {
		return math.Copysign(math.Pi/2, f)
	}
	return rounded(arctan(number(f)))
}

func atan2(y, x float64) float64 {
	if x != x || y != y || x == 0 || y == 0 || math.IsInf(x, 0) || math.IsInf(y, 0) {
		return math.Atan2(y, x) // a multiple of a quarter of pi
	}
	angle := arctan(fresh().Quo(number(y), number(x)))
	if x < 0 {
		half := fresh().Set(pi())
		if y < 0 {
			half.Neg(half)
		}
		angle.Add(angle, half)
	}
	return rounded(angle)
}

func asin(f float64) float64 {
	if f != f || f < -1 || f > 1 {
		return math.NaN()
	}
	if f == 0 {
		return f
	}
	if f == 1 || f == -1 {
		return math.Copysign(math.Pi/2, f)
	}
	x := number(f)
	root := fresh().Sqrt(fresh().Sub(number(1), fresh().Mul(x, x)))
	return rounded(arctan(x.Quo(x, root)))
}

func acos(f float64) float64 {
	if f != f || f < -1 || f > 1 {
		return math.NaN()
	}
	if f == -1 {
		return math.Pi
	}
	// acos x = 2 atan(sqrt((1-x)/(1+x)))
	ratio := fresh().Quo(fresh().Sub(number(1), number(f)), fresh().Add(number(1), number(f)))
	angle := arctan(fresh().Sqrt(ratio))
	return rounded(angle.SetMantExp(angle, 1))
}

// hyperbolic is (e^x + sign e^-x) / 2.
func hyperbolic(f, sign float64) *big.Float {
	e := expBig(number(f))
	inverse := fresh().Quo(number(sign), e)
	sum := e.Add(e, inverse)
	return sum.SetMantExp(sum, -1)
}

func sinh(f float64) float64 {
	if f != f || f == 0 || math.IsInf(f, 0) {
		return f
	}
	if f > 800 || f < -800 {
		return math.Copysign(math.Inf(1), f)
	}
	return rounded(hyperbolic(f, -1))
}

func cosh(f float64) float64 {
	if f != f || f > 800 || f < -800 {
		return math.Abs(f) + math.Inf(1)
	}
	return rounded(hyperbolic(f, 1))
}

func tanh(f float64) float64 {
	if f != f || f == 0 {
		return f
	}
	if f > 30 || f < -30 {
		return math.Copysign(1, f)
	}
	return rounded(fresh().Quo(hyperbolic(f, -1), hyperbolic(f, 1)))
}
