package node

import "testing"

func TestGCPercent(t *testing.T) {
	for _, tt := range []struct {
		live  uint64
		limit int64
		want  int
	}{
		{0, 0, mostGCPercent},
		{16 << 20, 0, mostGCPercent},
		{64 << 20, 0, 200},
		{128 << 20, 0, 100},
		{1 << 30, 0, 100},
		{1 << 30, 8 << 30, 100},
		{1 << 30, 3 << 30, 75},
		{1 << 30, 3 << 29, leastGCPercent},
		{64 << 20, 256 << 20, 100}, // a quarter of the limit
		{64 << 20, 1 << 40, 200},
	} {
		if got := gcPercent(tt.live, tt.limit); got != tt.want {
			t.Errorf("%d bytes live, limit %d: %d %%, want %d", tt.live, tt.limit, got, tt.want)
		}
	}
}

func TestLull(t *testing.T) {
	var l lull
	allocated := uint64(0)
	period := func(bytes uint64) bool {
		allocated += bytes
		return l.begins(allocated, 1<<20)
	}
	for range 20 {
		if period(64 << 20) {
			t.Fatal("a lull while there is much to do")
		}
	}
	for i := range quietPeriods {
		if got, want := period(1000), i == quietPeriods-1; got != want {
			t.Fatalf("quiet period %d: a lull begins: %t", i+1, got)
		}
	}
	for range 3 * quietPeriods {
		if period(1000) {
			t.Fatal("a lull begins again without work in between")
		}
	}
	period(worthBytes)
	begun := 0
	for i := range 2 * restPeriods {
		if !period(1000) {
			continue
		}
		if begun++; i < restPeriods/2 {
			t.Fatal("a lull begins soon after another")
		}
	}
	if begun != 1 {
		t.Fatalf("%d lulls after more work", begun)
	}
	allocated += worthBytes
	for range 2 * restPeriods {
		if allocated += 1000; l.begins(allocated, 8*worthBytes) {
			t.Fatal("a lull begins though little was allocated beside what lives")
		}
	}
}
