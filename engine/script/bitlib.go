package script

import "math/bits"

func init() {
	library("bit", builtins{
		"arshift": shifting(func(n uint32, by uint) uint32 { return uint32(int32(n) >> by) }),
		"band":    folding(func(a, b uint32) uint32 { return a & b }),
		"bnot":    folding1(func(n uint32) uint32 { return ^n }),
		"bor":     folding(func(a, b uint32) uint32 { return a | b }),
		"bswap":   folding1(bits.ReverseBytes32),
		"bxor":    folding(func(a, b uint32) uint32 { return a ^ b }),
		"lshift":  shifting(func(n uint32, by uint) uint32 { return n << by }),
		"rol":     shifting(func(n uint32, by uint) uint32 { return bits.RotateLeft32(n, int(by)) }),
		"ror":     shifting(func(n uint32, by uint) uint32 { return bits.RotateLeft32(n, -int(by)) }),
		"rshift":  shifting(func(n uint32, by uint) uint32 { return n >> by }),
		"tobit":   folding1(func(n uint32) uint32 { return n }),
		"tohex":   toHex,
	})
}

// bitArg is a number's lowest 32 bits, rounded to the nearest as LuaBitOp does.
func (r *run) bitArg(args []value, i int) uint32 {
	f := r.numberArg(args, i)
	n := floor(f + 0.5)
	if f-floor(f) == 0.5 && truncate(n)&1 == 1 {
		n-- // halves go to the even one
	}
	return uint32(uint64(truncate(modulo(n, 1<<32))))
}

func (r *run) signedBits(n uint32) []value { return r.one(float64(int32(n))) }

func folding1(op func(uint32) uint32) func(r *run, args []value) []value {
	return func(r *run, args []value) []value { return r.signedBits(op(r.bitArg(args, 0))) }
}

func folding(op func(a, b uint32) uint32) func(r *run, args []value) []value {
	return func(r *run, args []value) []value {
		n := r.bitArg(args, 0)
		for i := 1; i < len(args); i++ {
			n = op(n, r.bitArg(args, i))
		}
		return r.signedBits(n)
	}
}

func shifting(op func(n uint32, by uint) uint32) func(r *run, args []value) []value {
	return func(r *run, args []value) []value {
		return r.signedBits(op(r.bitArg(args, 0), uint(r.bitArg(args, 1)&31)))
	}
}

func toHex(r *run, args []value) []value {
	n, digits := r.bitArg(args, 0), int32(8)
	if len(args) > 1 {
		digits = int32(r.bitArg(args, 1))
	}
	set := "0123456789abcdef"
	if digits < 0 {
		digits, set = -digits, "0123456789ABCDEF"
	}
	if digits > 8 || digits < 0 {
		digits = 8
	}
	b := make([]byte, digits)
	for i := len(b) - 1; i >= 0; i-- {
		b[i] = set[n&15]
		n >>= 4
	}
	return r.one(r.newString(string(b)))
}
