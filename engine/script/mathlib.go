package script

import "math"

func init() {
	constants("math", "huge", math.Inf(1))
	constants("math", "pi", math.Pi)
	library("math", builtins{
		"abs":        simple(math.Abs),
		"acos":       precise(acos),
		"asin":       precise(asin),
		"atan":       precise(atan),
		"atan2":      func(r *run, args []value) []value { return r.slowly(atan2(r.numberArg(args, 0), r.numberArg(args, 1))) },
		"ceil":       simple(ceil),
		"cos":        precise(cosine),
		"cosh":       precise(cosh),
		"deg":        simple(func(f float64) float64 { return f / (math.Pi / 180) }),
		"exp":        precise(exponential),
		"floor":      simple(floor),
		"fmod":       fmod,
		"frexp":      frexp,
		"ldexp":      ldexp,
		"log":        precise(logarithm),
		"log10":      precise(log10),
		"max":        extreme(func(a, b float64) bool { return a > b }),
		"min":        extreme(func(a, b float64) bool { return a < b }),
		"mod":        fmod,
		"modf":       modf,
		"pow":        func(r *run, args []value) []value { return r.one(r.power(r.numberArg(args, 0), r.numberArg(args, 1))) },
		"rad":        simple(func(f float64) float64 { return float64(f * (math.Pi / 180)) }),
		"random":     random,
		"randomseed": randomSeed,
		"sin":        precise(sine),
		"sinh":       precise(sinh),
		"sqrt":       simple(math.Sqrt),
		"tan":        precise(tangent),
		"tanh":       precise(tanh),
	})
}

func simple(fn func(float64) float64) func(r *run, args []value) []value {
	return func(r *run, args []value) []value { return r.one(fn(r.numberArg(args, 0))) }
}

// preciseSteps is what a function takes that is computed with package big.
const preciseSteps = 500

func precise(fn func(float64) float64) func(r *run, args []value) []value {
	return func(r *run, args []value) []value { return r.slowly(fn(r.numberArg(args, 0))) }
}

func (r *run) slowly(f float64) []value {
	r.spend(preciseSteps)
	return r.one(f)
}

// floor and ceil drop the fraction; numbers beyond 1<<53 have none.
func floor(f float64) float64 {
	if f != f || f >= 1<<53 || f <= -1<<53 {
		return f
	}
	n := float64(truncate(f))
	if n > f {
		n--
	}
	return math.Copysign(n, f)
}

func ceil(f float64) float64 { return -floor(-f) }

func fmod(r *run, args []value) []value {
	return r.one(math.Mod(r.numberArg(args, 0), r.numberArg(args, 1)))
}

func modf(r *run, args []value) []value {
	f := r.numberArg(args, 0)
	whole := floor(f)
	if f < 0 {
		whole = ceil(f)
	}
	if math.IsInf(f, 0) {
		return []value{f, 0.0}
	}
	return []value{whole, f - whole}
}

func frexp(r *run, args []value) []value {
	fraction, exponent := math.Frexp(r.numberArg(args, 0))
	return []value{fraction, float64(exponent)}
}

func ldexp(r *run, args []value) []value {
	exponent := min(max(r.intArg(args, 1), -10_000), 10_000)
	return r.one(math.Ldexp(r.numberArg(args, 0), exponent))
}

func extreme(better func(a, b float64) bool) func(r *run, args []value) []value {
	return func(r *run, args []value) []value {
		best := r.numberArg(args, 0)
		for i := 1; i < len(args); i++ {
			if f := r.numberArg(args, i); better(f, best) {
				best = f
			}
		}
		return r.one(best)
	}
}

// lrand48 is the generator of redis-server's math.random: POSIX's.
type lrand48 uint64

func newRandom(seed uint64) lrand48 { return lrand48(uint64(uint32(seed))<<16 | 0x330e) }

func (g *lrand48) next() int64 {
	*g = (*g*0x5deece66d + 0xb) & (1<<48 - 1)
	return int64(*g >> 17)
}

func random(r *run, args []value) []value {
	const largest = 1<<31 - 1
	f := float64(r.random.next()%largest) / largest
	low, high := 1, 0
	switch len(args) {
	case 0:
		return r.one(f)
	case 1:
		if high = r.intArg(args, 0); high < 1 {
			r.badArgument(0, "interval is empty")
		}
	case 2:
		low, high = r.intArg(args, 0), r.intArg(args, 1)
		if low > high {
			r.badArgument(1, "interval is empty")
		}
	default:
		r.fail("wrong number of arguments")
	}
	return r.one(floor(float64(f*float64(high-low+1))) + float64(low))
}

func randomSeed(r *run, args []value) []value {
	r.random = newRandom(uint64(r.intArg(args, 0)))
	return nil
}
