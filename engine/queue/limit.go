package queue

// windowParts is into how many parts a window is divided to count pulls: a
// pull leaves the window at most that part of its length too late, and never
// too early.
const windowParts = 1024

// window counts the pulls of the latest while.
type window struct {
	parts []part // oldest first
	used  int64
}

type part struct{ end, n int64 }

// maxParts bounds the parts of a window whose length has been changed: those of
// the one before are finer, or end later, than it needs.
const maxParts = 2 * windowParts

// take notes n pulls.
func (w *window) take(now, n, per int64) {
	end := partEnd(now, per)
	w.used += n
	for len(w.parts) >= maxParts { // two become one, which leaves with the later
		w.parts[1].n += w.parts[0].n
		w.parts = w.parts[1:]
	}
	if last := len(w.parts) - 1; last >= 0 && w.parts[last].end == end {
		w.parts[last].n += n
		return
	}
	w.parts = append(w.parts, part{end, n})
}

// partEnd is the end of the part of a window that a time is in.
func partEnd(now, per int64) int64 {
	size := max(per/windowParts, 1)
	return (now + size - 1) / size * size
}

// expire forgets the pulls that are not of the window any more.
func (w *window) expire(now, per int64) {
	for i, end := len(w.parts)-1, partEnd(now, per); i >= 0 && w.parts[i].end > end; i-- {
		w.parts[i].end = end // it was a part of a longer window
	}
	n := 0
	for n < len(w.parts) && w.parts[n].end+per <= now {
		w.used -= w.parts[n].n
		n++
	}
	if w.parts = w.parts[n:]; len(w.parts) == 0 {
		*w = window{}
	}
}

// room is how many pulls the limit leaves at that time.
func (w *window) room(now int64, limit RateLimit) int64 {
	used := w.used
	for _, p := range w.parts {
		if p.end+limit.Per > now {
			break
		}
		used -= p.n
	}
	return max(limit.Max-used, 0)
}

// opens is when the window has room again, given that it has none at that time.
func (w *window) opens(now int64, limit RateLimit) int64 {
	used := w.used
	for _, p := range w.parts {
		used -= p.n
		if at := p.end + limit.Per; at > now && used < limit.Max {
			return at
		}
	}
	return now
}

// rateLimit is the one in force; Max is 0 for none.
func (qu *queue) rateLimit() RateLimit {
	if qu.rate.Max > 0 {
		return qu.rate
	}
	if qu.declared != nil && qu.declared.RateLimit != nil {
		return *qu.declared.RateLimit
	}
	return RateLimit{}
}

// concurrencyLimit is the one in force, 0 for none.
func (qu *queue) concurrencyLimit() int64 {
	if qu.concurrency > 0 {
		return qu.concurrency
	}
	if qu.declared != nil {
		return qu.declared.Concurrency
	}
	return 0
}

// slots is how many jobs may become active, whatever the rate, at most n.
func (qu *queue) slots(n int) int {
	if qu.paused {
		return 0
	}
	n = min(n, qu.ready.Len())
	if limit := qu.concurrencyLimit(); limit > 0 {
		n = int(min(int64(n), max(limit-int64(qu.active.Len()), 0)))
	}
	return n
}

// pullable is how many jobs can be pulled at that time, at most n.
func (qu *queue) pullable(now int64, n int) int {
	n = qu.slots(n)
	if limit := qu.rateLimit(); n > 0 && limit.Max > 0 {
		n = int(min(int64(n), qu.window.room(now, limit)))
	}
	return n
}
