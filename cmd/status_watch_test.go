package cmd

import (
	"context"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"p2pcp/internal/bubble"
)

// TestWatch looks each second on a terminal, bears a swarm that is away for a while, and ends with the interrupt; the last
// frame stays.
func TestWatch(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		a, out, errs := newTestApp(t)
		a.term = terminal{live: true, size: func() (int, int) { return 200, 24 }}
		a.screen.size = a.term.size
		var f fakeSwarm
		f.put(1)
		looks := 0
		begin := time.Now()
		look := func(ctx context.Context, addr netip.AddrPort) (sighting, error) {
			switch looks++; looks {
			case 3, 4:
				return sighting{}, os.ErrDeadlineExceeded
			case 6:
				a.cancel(exitSilently(exitInterrupt, errInterrupted))
			}
			return f.look(ctx, addr)
		}
		r := statusRun{
			app: a, flags: &statusFlags{watch: true}, swarm: &observed{addrs: []netip.AddrPort{fakeAddr(1)}},
			crawler: &crawler{look: look, content: &contentOnce{}},
		}
		if err := r.watch(); classify(err).code != exitInterrupt {
			t.Errorf("got %v", err)
		}
		if looks != 6 || time.Since(begin) < 5*watchPeriod || time.Since(begin) > 5*watchPeriod+time.Second {
			t.Errorf("%d looks in %s", looks, time.Since(begin))
		}
		if n := strings.Count(errs(), "node0001"); n != 4 { // three frames, and the last one once more
			t.Errorf("drawn %d times: %q", n, errs())
		}
		if !strings.HasSuffix(errs(), "no peer\n") || out() != "" {
			t.Errorf("stderr %q, stdout %q", errs(), out())
		}
	})
}

// TestWatchInALog prints a line each interval, and gives up when nobody answers any more.
func TestWatchInALog(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		a, out, errs := newTestApp(t)
		a.interval = 10 * time.Second
		var f fakeSwarm
		f.put(1)
		looks := 0
		r := statusRun{
			app: a, flags: &statusFlags{watch: true}, swarm: &observed{addrs: []netip.AddrPort{fakeAddr(1)}},
			crawler: &crawler{content: &contentOnce{}, look: func(ctx context.Context, addr netip.AddrPort) (sighting, error) {
				if looks++; looks > 3 {
					return sighting{}, os.ErrDeadlineExceeded
				}
				return f.look(ctx, addr)
			}},
		}
		begin := time.Now()
		if err := r.watch(); classify(err).code != exitNobody {
			t.Errorf("got %v", err)
		}
		if d := time.Since(begin); d < 20*time.Second+watchPatience || d > 45*time.Second+watchPatience {
			t.Errorf("gave up after %s", d)
		}
		if n := strings.Count(out(), "\n"); n != 3 || !strings.HasPrefix(out(), "status time=") || errs() != "" {
			t.Errorf("stdout %q, stderr %q", out(), errs())
		}
	})
}
