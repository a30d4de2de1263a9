package cmd

import (
	"context"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// threadsAfter lets a governor look at loads, in threads, each for as long as it asks, until d has passed.
func threadsAfter(g *governor, d time.Duration, load func(g *governor) float64) {
	for wait := briefly; d > 0; d -= wait {
		used := time.Duration(load(g) * float64(wait))
		wait = g.look(used, wait)
	}
}

// A process that fills its threads is given more at once, up to what there are; one that doesn't loses them after a while.
func TestGovernorThreads(t *testing.T) {
	full := func(g *governor) float64 { return float64(g.now) }
	constant := func(load float64) func(*governor) float64 { return func(*governor) float64 { return load } }
	for name, c := range map[string]struct {
		from, most int
		load       func(*governor) float64
		d          time.Duration
		want       int
	}{
		"hashes":                 {1, 8, full, 3 * briefly, 8},
		"hashes, six cores":      {1, 6, full, 3 * briefly, 6},
		"trickles":               {1, 8, constant(0.5), time.Minute, 1},
		"fills one":              {1, 8, constant(0.95), time.Minute, 2},
		"fills two":              {1, 8, constant(1.9), time.Minute, 4},
		"a system call beyond":   {1, 8, constant(1.2), time.Minute, 2},
		"has done, a moment ago": {8, 8, constant(0), calmTime / 2, 8},
		"has done":               {8, 8, constant(0), 10 * time.Second, 1},
		"has done, six cores":    {6, 6, constant(0), 10 * time.Second, 1},
		"needs a bit over half":  {8, 8, constant(2.5), time.Minute, 8},
		"is idle":                {1, 2, constant(0), time.Minute, 1},
	} {
		t.Run(name, func(t *testing.T) {
			g := &governor{most: c.most, now: c.from}
			threadsAfter(g, c.d, c.load)
			if g.now != c.want {
				t.Fatalf("%d threads, want %d", g.now, c.want)
			}
		})
	}
}

// Who is idle is looked at rarely, who works often.
func TestGovernorLooks(t *testing.T) {
	g := &governor{most: 2, now: 1}
	if wait := g.look(0, rarely); wait != rarely {
		t.Errorf("idle: the next look after %v", wait)
	}
	if wait := g.look(briefly, briefly); wait != briefly {
		t.Errorf("busy: the next look after %v", wait)
	}
}

// The runtime has as many threads as the process uses, from one to as many as there were.
func TestGovern(t *testing.T) {
	most := runtime.GOMAXPROCS(4)
	defer runtime.GOMAXPROCS(most)
	synctest.Test(t, func(t *testing.T) {
		var load atomic.Int64 // threads
		var used, at time.Duration
		start := time.Now()
		cpu := func() time.Duration {
			now := time.Since(start)
			used, at = used+time.Duration(load.Load())*(now-at), now
			return used
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		full := make(chan struct{})
		go func() { defer close(ended); govern(ctx, cpu, full) }()
		for _, c := range []struct {
			load int64
			want int
		}{{0, 1}, {1, 2}, {2, 4}, {4, 4}, {1, 2}, {0, 1}, {4, 4}} {
			load.Store(c.load)
			time.Sleep(3 * time.Second)
			synctest.Wait()
			if n := runtime.GOMAXPROCS(0); n != c.want {
				t.Errorf("%d threads at a load of %d, want %d", n, c.load, c.want)
			}
		}
		load.Store(0)
		time.Sleep(10 * time.Second)
		full <- struct{}{} // is about to fill them
		synctest.Wait()
		if n := runtime.GOMAXPROCS(0); n != 4 {
			t.Errorf("%d threads for who wants all", n)
		}
		stop()
		<-ended
	})
}

func TestCPUTime(t *testing.T) {
	before := cpuTime()
	for x := 1.0; cpuTime() < before+time.Millisecond; x++ {
		if x > 1e9 {
			t.Fatal("work takes no time")
		}
	}
}
