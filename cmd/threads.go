package cmd

import (
	"context"
	"runtime"
	"syscall"
	"time"
)

const (
	// briefly and rarely bound how often the governor looks: often while the process works, rarely while it waits.
	briefly = 20 * time.Millisecond
	rarely  = 320 * time.Millisecond

	// fullLoad is how much of its threads' time a process uses that is given more, slackLoad how much of half of them one that has
	// half taken away after calmTime. Between them nothing changes.
	fullLoad, slackLoad = 0.8, 0.6
	calmTime            = time.Second
)

// governor decides how many threads run goroutines at a time: as few as the process fills. Where Blocks trickle in over many sessions
// every wake-up would else wake a second thread to look for work that the first has done by then: with one thread 8 receivers at
// 200 Mbit/s need a twentieth to a tenth less CPU (docs/PERFORMANCE.md). Who hashes or has a fast link fills one, and is given
// twice as many until it doesn't fill them, within tens of milliseconds; who is about to hash much says so and has all at once.
type governor struct {
	most int           // threads: what the runtime chose, cores or GOMAXPROCS
	now  int           // threads: 1 to most
	calm time.Duration // since when half would have been enough
}

// look takes how much CPU the process used in the last wall of time, and returns how long to wait for the next look.
func (g *governor) look(used, wall time.Duration) time.Duration {
	load := used.Seconds() / wall.Seconds() // in threads
	g.calm += wall
	if g.now == 1 || load > slackLoad*float64(g.now/2) {
		g.calm = 0
	}
	switch {
	case load > fullLoad*float64(g.now):
		g.now = min(2*g.now, g.most)
	case g.calm >= calmTime:
		g.now, g.calm = g.now/2, 0
	}
	if load > 0.5 {
		return briefly
	}
	return min(2*wall, rarely)
}

// govern lets a governor set the runtime's number of threads until ctx ends; used is how much CPU the process has used so far, and who
// sends to full gets all threads. Who starts workers for all cores asks for runtime.NumCPU: GOMAXPROCS is what they will be given once
// they fill it.
func govern(ctx context.Context, used func() time.Duration, full <-chan struct{}) {
	g := governor{most: runtime.GOMAXPROCS(0), now: 1}
	if g.most == 1 {
		return
	}
	runtime.GOMAXPROCS(g.now)
	at, sum := time.Now(), used()
	for wait := briefly; ; {
		select {
		case <-ctx.Done():
			return
		case <-full:
			g.now, g.calm = g.most, 0
			runtime.GOMAXPROCS(g.now)
			continue
		case <-time.After(wait):
		}
		before, sumBefore, threads := at, sum, g.now
		at, sum = time.Now(), used()
		wait = g.look(sum-sumBefore, at.Sub(before))
		if g.now != threads {
			runtime.GOMAXPROCS(g.now)
		}
	}
}

// cpuTime is what this process has used so far, in user and in system mode.
func cpuTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u) // it can't fail
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
