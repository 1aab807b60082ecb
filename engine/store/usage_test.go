package store

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
)

// TestMarksFollowTheirKeys however a table grows, shrinks and closes its gaps.
func TestMarksFollowTheirKeys(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	tab, want := newTable(newSeed(), 0), map[string]uint32{}
	for n := uint32(1); n < 20_000; n++ {
		key := fmt.Sprint(random.IntN(10 + int(n/50)))
		switch place, _, found := tab.find([]byte(key)); {
		case found && tab.mark(place) != want[key]:
			t.Fatalf("%s has the mark %d, want %d", key, tab.mark(place), want[key])
		case found && random.IntN(2) == 0:
			tab.remove(place)
			delete(want, key)
		case found:
			tab.setMark(place, n)
			want[key] = n
		default:
			if place := tab.insert(cellOf(key), nil); tab.mark(place) != 0 {
				t.Fatal("a new key has a mark")
			}
			want[key] = 0
		}
	}
	for key, mark := range want {
		if place, _, found := tab.find([]byte(key)); !found || tab.mark(place) != mark {
			t.Errorf("%s has the mark %d (%t), want %d", key, tab.mark(place), found, mark)
		}
	}
}

func cellOf(key string) cell { return cell(appendCell(nil, key, 0, "")) }

// TestLookingIsNoUse: what asks about a key, or is the store's own business, has
// it as old as before.
func TestLookingIsNoUse(t *testing.T) {
	s, key := New().At(0), []byte("key")
	s.all.Track(Recency, 0)
	s.Put(key, String("v"), 0)
	const hour = 3_600_000
	s.all.Clock(hour)
	s.Exists(key, hour)
	s.Peek(key, hour)
	s.Deadline(key, hour)
	s.all.Aside(func() { s.Get(key, hour) })
	s.Each(hour, func(string, Kind) bool { return true })
	if idle, _ := s.Idle(key); idle < hour-2*recencyTick {
		t.Errorf("unused for %d ms, want an hour", idle)
	}
	s.Touch(key, hour)
	if idle, _ := s.Idle(key); idle > 2*recencyTick {
		t.Errorf("unused for %d ms after TOUCH", idle)
	}
}

// TestFrequencyRisesAndFalls as redis-server's counter does: a hundred uses are
// about 10, a hundred thousand above 100; each minute without one takes one away.
func TestFrequencyRisesAndFalls(t *testing.T) {
	s, key := New().At(0), []byte("key")
	s.all.Track(Frequency, 0)
	s.Put(key, String("v"), 0)
	counter := func() int { n, _ := s.Frequency(key); return int(n) }
	if got := counter(); got != initialFrequency {
		t.Errorf("a new key has %d", got)
	}
	for range 100 {
		s.Get(key, 0)
	}
	if got := counter(); got < 7 || got > 16 {
		t.Errorf("%d after 100 uses", got)
	}
	for range 100_000 {
		s.Get(key, 0)
	}
	before := counter()
	if before < 100 {
		t.Errorf("%d after a hundred thousand uses", before)
	}
	s.all.Clock(10 * minute)
	if got := counter(); got != before-10 {
		t.Errorf("%d after ten minutes, %d before", got, before)
	}
	s.all.Clock(1000 * minute)
	if got := counter(); got != 0 {
		t.Errorf("%d after a day", got)
	}
}

// TestUsageIsNoState: who notes it and who does not have the same snapshot; who
// does not pays nothing.
func TestUsageIsNoState(t *testing.T) {
	var states [][]byte
	for _, usage := range []Usage{NoUsage, Recency, Frequency} {
		s := New().At(0)
		s.all.Track(usage, 1)
		for i := range 300 {
			s.Put(fmt.Append(nil, i), String("v"), int64(i%2)*1000)
			s.Get(fmt.Append(nil, i/2), 1)
		}
		states = append(states, encode(t, s))
		s.all.Track(NoUsage, 1)
		for _, table := range s.slots {
			if table != nil && table.marks != nil {
				t.Fatal("marks are kept although nothing is noted")
			}
		}
	}
	if !bytes.Equal(states[0], states[1]) || !bytes.Equal(states[0], states[2]) {
		t.Error("the use of keys is in the snapshot")
	}
}
