package fleet

import (
	"context"
	"testing"
	"time"

	"p2pcp/internal/bubble"
)

// TestYield: whose program has come waits for the others', but not for long: the own time's half, two seconds, the end.
func TestYield(t *testing.T) {
	for _, c := range []struct {
		name                    string
		took, other, stop, want time.Duration
	}{
		{"the other's comes", 10 * time.Second, time.Second, time.Hour, time.Second},
		{"the other's doesn't come", time.Second, time.Hour, time.Hour, time.Second / 2},
		{"neither do long ones", time.Minute, time.Hour, time.Hour, maxYield},
		{"it is stopped", time.Minute, time.Hour, time.Second, time.Second},
		{"the other's is there", time.Minute, 0, time.Hour, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), c.stop)
				defer cancel()
				var s sends
				own, other := s.begin(), s.begin()
				own()
				own() // once more is nothing
				if c.other == 0 {
					other()
				} else {
					time.AfterFunc(c.other, other)
				}
				begun := time.Now()
				s.yield(ctx, c.took)
				if got := time.Since(begun); got != c.want {
					t.Errorf("it waited %s, not %s", got, c.want)
				}
			})
		})
	}
}
