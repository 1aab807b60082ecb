package httpapi

import "testing"

// TestUnsentEventsAreBounded by their number and by their bytes.
func TestUnsentEventsAreBounded(t *testing.T) {
	for _, size := range []int{10, 100_000, 10 << 20} {
		e := &events{queue: make(chan []byte, maxUnsent)}
		n := 0
		for e.offer(make([]byte, size)) {
			n++
		}
		if most := min(maxUnsent, maxUnsentBytes/size+1); n != most {
			t.Errorf("%d events of %d bytes are kept, want %d", n, size, most)
		}
	}
}
