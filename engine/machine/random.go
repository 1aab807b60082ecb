package machine

// Random is a sequence that a command's seed determines.
type Random struct{ state uint64 }

// Random begins the command's sequence.
func (tx *Tx) Random() *Random { return &Random{tx.Seed} }

// Below is the next number, from 0 up to but not including n.
func (r *Random) Below(n int) int {
	r.state = step(r.state)
	return int(mix(r.state) % uint64(n))
}

// Sample is count different numbers from 0 up to but not including n, in random
// order; count is at most n.
func (r *Random) Sample(count, n int) []int {
	picked, moved := make([]int, count), make(map[int]int, count)
	at := func(i int) int {
		if j, ok := moved[i]; ok {
			return j
		}
		return i
	}
	for i := range picked { // the first steps of Fisher and Yates' shuffle
		j := i + r.Below(n-i)
		picked[i] = at(j)
		moved[j] = at(i)
	}
	return picked
}
