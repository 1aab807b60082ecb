package script

import "strings"

func init() {
	library("table", builtins{
		"concat":   tableConcat,
		"foreach":  tableForeach,
		"foreachi": tableForeachI,
		"getn":     func(r *run, args []value) []value { return r.one(float64(r.tableArg(args).length())) },
		"insert":   tableInsert,
		"maxn":     tableMaxN,
		"remove":   tableRemove,
		"setn":     func(r *run, args []value) []value { r.tableArg(args); r.fail("'setn' is obsolete"); return nil },
		"sort":     tableSort,
	})
}

func tableConcat(r *run, args []value) []value {
	t := r.tableArg(args)
	separator := r.optionalString(args, 1, "")
	from := r.optionalInt(args, 2, 1)
	to := r.optionalInt(args, 3, t.length())
	var b strings.Builder
	for i := from; i <= to; i++ {
		s, ok := asText(t.at(i))
		if !ok {
			r.fail("invalid value (%s) at index %d in table for 'concat'", typeName(t.at(i)), i)
		}
		r.spend(1)
		r.alloc(len(s) + len(separator))
		b.WriteString(s)
		if i < to {
			b.WriteString(separator)
		}
	}
	return r.one(b.String())
}

func tableForeach(r *run, args []value) []value {
	t, fn := r.tableArg(args), r.functionArg(args, 1)
	for k, v, _ := t.next(nil); k != nil; {
		if result := first(r.call(fn, k, v)); result != nil {
			return r.one(result)
		}
		var ok bool
		if k, v, ok = t.next(k); !ok {
			r.fault("invalid key to 'next'")
		}
	}
	return nil
}

func tableForeachI(r *run, args []value) []value {
	t, fn := r.tableArg(args), r.functionArg(args, 1)
	for i, n := 1, t.length(); i <= n; i++ {
		if result := first(r.call(fn, float64(i), t.at(i))); result != nil {
			return r.one(result)
		}
	}
	return nil
}

func (r *run) functionArg(args []value, i int) *function {
	fn, ok := arg(args, i).(*function)
	if !ok {
		r.wrongType(args, i, "function")
	}
	return fn
}

func tableInsert(r *run, args []value) []value {
	t := r.ownTable(args)
	end := t.length() + 1
	switch len(args) {
	case 2:
		t.set(r, float64(end), args[1])
		return nil
	case 3:
	default:
		r.fail("wrong number of arguments to 'insert'")
	}
	at := r.intArg(args, 1)
	end = max(end, at)
	for i := end; i > at; i-- {
		r.spend(1)
		t.set(r, float64(i), t.at(i-1))
	}
	t.set(r, float64(at), args[2])
	return nil
}

func tableMaxN(r *run, args []value) []value {
	largest := 0.0
	t := r.tableArg(args)
	r.spend(len(t.array) + len(t.entries))
	t.each(func(k, _ value) bool {
		if f, ok := k.(float64); ok {
			largest = max(largest, f)
		}
		return true
	})
	return r.one(largest)
}

func tableRemove(r *run, args []value) []value {
	t := r.ownTable(args)
	end := t.length()
	at := r.optionalInt(args, 1, end)
	if at < 1 || at > end {
		return nil
	}
	removed := t.at(at)
	r.spend(end - at)
	for i := at; i < end; i++ {
		t.set(r, float64(i), t.at(i+1))
	}
	t.set(r, float64(end), nil)
	return r.one(removed)
}

// tableSort is the quicksort of Lua 5.1, so that an order that is none leads to
// the same table everywhere.
func tableSort(r *run, args []value) []value {
	s := sorter{run: r, t: r.ownTable(args)}
	if arg(args, 1) != nil {
		s.by = r.functionArg(args, 1)
	}
	s.sort(1, s.t.length())
	return nil
}

type sorter struct {
	run *run
	t   *table
	by  *function
}

func (s *sorter) less(a, b value) bool {
	s.run.spend(1)
	if s.by != nil {
		return truth(first(s.run.call(s.by, a, b)))
	}
	return s.run.less(a, b)
}

func (s *sorter) swap(i, j int) {
	a, b := s.t.at(i), s.t.at(j)
	s.put(i, b)
	s.put(j, a)
}

func (s *sorter) put(i int, v value) { s.t.set(s.run, float64(i), v) }

// order swaps two elements that stand the wrong way around.
func (s *sorter) order(low, high int) bool {
	if s.less(s.t.at(high), s.t.at(low)) {
		s.swap(low, high)
		return true
	}
	return false
}

func (s *sorter) sort(low, high int) {
	for low < high {
		s.order(low, high)
		if high-low == 1 {
			return
		}
		middle := (low + high) / 2
		if !s.order(low, middle) {
			s.order(middle, high)
		}
		if high-low == 2 {
			return
		}
		pivot := s.t.at(middle)
		s.swap(middle, high-1)
		i := s.partition(low, high, pivot)
		if i-low < high-i {
			s.sort(low, i-1)
			low = i + 1
		} else {
			s.sort(i+1, high)
			high = i - 1
		}
	}
}

func (s *sorter) partition(low, high int, pivot value) int {
	i, j := low, high-1
	for {
		for i++; s.less(s.t.at(i), pivot); i++ {
			if i > high {
				s.run.fail("invalid order function for sorting")
			}
		}
		for j--; s.less(pivot, s.t.at(j)); j-- {
			if j < low {
				s.run.fail("invalid order function for sorting")
			}
		}
		if j < i {
			break
		}
		s.swap(i, j)
	}
	s.swap(high-1, i)
	return i
}
