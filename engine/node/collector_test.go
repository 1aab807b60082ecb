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
		{1 << 30, 0, leastGCPercent},
		{64 << 20, 256 << 20, 100}, // a quarter of the limit
		{64 << 20, 1 << 40, 200},
	} {
		if got := gcPercent(tt.live, tt.limit); got != tt.want {
			t.Errorf("%d bytes live, limit %d: %d %%, want %d", tt.live, tt.limit, got, tt.want)
		}
	}
}
