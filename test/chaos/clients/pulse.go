package clients

import (
	"slices"
	"sync"
	"time"
)

// Pulse remembers when something was acknowledged.
type Pulse struct {
	begun time.Time

	mu    sync.Mutex
	beats []time.Duration // since begun, ascending
}

// NewPulse begins now.
func NewPulse() *Pulse { return &Pulse{begun: time.Now()} }

// Beat is an acknowledgement.
func (p *Pulse) Beat() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.beats = append(p.beats, time.Since(p.begun))
}

// Count is how many there were.
func (p *Pulse) Count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.beats)
}

// Pause is the longest time without an acknowledgement that began after from and
// before to. What goes on at the end lasts until now.
func (p *Pulse) Pause(from, to time.Time) (longest time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	begin, end := from.Sub(p.begun), to.Sub(p.begun)
	last := begin
	i, _ := slices.BinarySearch(p.beats, begin)
	for ; last < end; i++ {
		next := time.Since(p.begun)
		if i < len(p.beats) {
			next = p.beats[i]
		}
		longest = max(longest, next-last)
		if last = next; i >= len(p.beats) {
			break
		}
	}
	return longest
}

// PerSecond counts them second by second, from a moment on.
func (p *Pulse) PerSecond(from time.Time, seconds int) []int {
	p.mu.Lock()
	defer p.mu.Unlock()
	counts := make([]int, seconds)
	for _, beat := range p.beats {
		if s := int((p.begun.Add(beat).Sub(from)) / time.Second); beat >= from.Sub(p.begun) && s < seconds {
			counts[s]++
		}
	}
	return counts
}
