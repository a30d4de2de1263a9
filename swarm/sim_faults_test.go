package swarm

import (
	"errors"
	"testing"
	"time"

	"p2pcp/blocks"
)

// small is a swarm in which every invariant is checked after every step.
func small(n int, b uint32, seed uint64) simConfig {
	cfg := baseSim(n, b, seed)
	cfg.blockSize = 64 << 10
	cfg.limit = 3 * time.Minute
	return cfg
}

// eachSeed runs a scenario for several seed numbers, or for P2PCP_SIM_SEED alone.
func eachSeed(t *testing.T, n int, do func(t *testing.T, seed uint64)) {
	t.Helper()
	first, count := simEnv("SEED", 1), simEnv("RUNS", n)
	if testing.Short() {
		count = 1
	}
	for k := range count {
		do(t, uint64(first+k))
	}
}

// at runs do when the receivers hold a share of all their Blocks.
func (r *simRun) at(share float64, do func()) {
	var look func()
	look = func() {
		have, all := 0.0, float64(r.cfg.receivers)*float64(r.cfg.blocks)
		for _, n := range r.recv {
			if n.core.n > 0 {
				have += float64(n.core.have.Count())
			}
		}
		if have >= share*all {
			do()
			return
		}
		r.after(5*time.Millisecond, look)
	}
	look()
}

func TestSimReceiversKilled(t *testing.T) {
	eachSeed(t, 2, func(t *testing.T, seed uint64) {
		r := newRun(t, small(6, 64, seed))
		for _, share := range []float64{0.1, 0.4, 0.8} {
			r.at(share, func() { r.kill(r.recv[r.rng.IntN(len(r.recv))]) })
		}
		if res := r.finish(t); res.Ratio > 4 {
			t.Errorf("P2PCP_SIM_SEED=%d: makespan/limit %.2f", seed, res.Ratio)
		}
	})
}

func TestSimSessionsDropped(t *testing.T) {
	eachSeed(t, 2, func(t *testing.T, seed uint64) {
		r := newRun(t, small(5, 64, seed))
		var drop func()
		drop = func() {
			if n := r.nodes[r.rng.IntN(len(r.nodes))]; len(n.order) > 0 {
				n.order[r.rng.IntN(len(n.order))].close()
			}
			r.after(time.Duration(1+r.rng.IntN(20))*time.Millisecond, drop)
		}
		r.after(30*time.Millisecond, drop)
		r.finish(t)
	})
}

func TestSimLiarIsBanned(t *testing.T) {
	eachSeed(t, 2, func(t *testing.T, seed uint64) {
		cfg := small(5, 64, seed)
		r := newRun(t, cfg)
		r.after(21*time.Millisecond, func() { r.recv[2].liar = 1 })
		r.finish(t)
		for _, n := range r.recv {
			for _, m := range n.core.members {
				if m.banned && m.name != r.recv[2].name {
					t.Errorf("P2PCP_SIM_SEED=%d: %s banned %s, which is honest", seed, n.name, m.name)
				}
			}
		}
	})
}

func TestSimRottenBlockIsFetchedElsewhere(t *testing.T) {
	eachSeed(t, 2, func(t *testing.T, seed uint64) {
		r := newRun(t, small(5, 64, seed))
		r.at(0.3, func() {
			for i := range r.cfg.blocks {
				if n := r.recv[0]; n.core.have.Has(blocks.Index(i)) && i%2 == 1 {
					n.rotten[blocks.Index(i)] = true
				}
			}
		})
		r.finish(t)
	})
}

func TestSimLateJoinSparesTheSeed(t *testing.T) {
	eachSeed(t, 2, func(t *testing.T, seed uint64) {
		cfg := small(4, 96, seed)
		r := newRun(t, cfg)
		r.run(r.allComplete)
		out := r.seed.sent
		late := r.join()
		r.run(func() bool { return late.complete > 0 })
		if late.complete == 0 {
			t.Fatalf("P2PCP_SIM_SEED=%d: the late one isn't complete: %+v", seed, late.core.Stats())
		}
		if extra := (r.seed.sent - out) / r.fullBytes(); extra > 0.1 {
			t.Errorf("P2PCP_SIM_SEED=%d: the seed sent %.2f copies to a late receiver", seed, extra)
		}
	})
}

func TestSimSlowReceiver(t *testing.T) {
	eachSeed(t, 2, func(t *testing.T, seed uint64) {
		cfg := small(6, 192, seed)
		cfg.everyStep = 41
		r := newRun(t, cfg)
		slow := (*simNode)(nil)
		r.after(21*time.Millisecond, func() {
			slow = r.recv[3]
			slow.slow(1.0 / 20)
		})
		fast := func() bool {
			if len(r.recv) < r.cfg.receivers {
				return false
			}
			for _, n := range r.recv {
				if n != slow && n.complete == 0 {
					return false
				}
			}
			return true
		}
		r.run(fast)
		if ratio := r.now.Seconds() / r.bound(); ratio > 1.6 {
			t.Errorf("P2PCP_SIM_SEED=%d: a slow receiver holds the others up: %.2f", seed, ratio)
		}
		r.finish(t)
	})
}

func TestSimSeedDiesAfterOneCopy(t *testing.T) {
	eachSeed(t, 2, func(t *testing.T, seed uint64) {
		r := newRun(t, small(5, 96, seed))
		var look func()
		look = func() {
			for i := range r.cfg.blocks {
				held := false
				for _, n := range r.recv {
					held = held || (n.core.n > 0 && n.core.have.Has(blocks.Index(i)))
				}
				if !held {
					r.after(time.Millisecond, look)
					return
				}
			}
			r.kill(r.seed)
		}
		r.after(50*time.Millisecond, look)
		r.finish(t)
	})
}

func TestSimFrozenPeer(t *testing.T) {
	eachSeed(t, 2, func(t *testing.T, seed uint64) {
		r := newRun(t, small(5, 96, seed))
		r.at(0.4, func() {
			r.recv[1].frozen = true
			r.cfg.receivers--
			r.recv = append(r.recv[:1], r.recv[2:]...)
		})
		res := r.finish(t)
		if over := (res.Ratio - 1) * r.bound(); over > 4 {
			t.Errorf("P2PCP_SIM_SEED=%d: a frozen peer cost %.1f s", seed, over)
		}
	})
}

// TestSimHalfFrozen: once the sockets of those that are stopped are full, the seed's first copies go to the others.
func TestSimHalfFrozen(t *testing.T) {
	eachSeed(t, 4, func(t *testing.T, seed uint64) {
		cfg := small(8, 1024, seed)
		cfg.everyStep = 41
		r := newRun(t, cfg)
		r.at(0.5, func() {
			for _, n := range r.recv[:4] {
				n.frozen = true
			}
			r.cfg.receivers, r.recv = 4, r.recv[4:]
		})
		res := r.finish(t)
		if over := (res.Ratio - 1) * r.bound(); over > 2 {
			t.Errorf("P2PCP_SIM_SEED=%d: half of the receivers are frozen, and the others take %.1f s longer", seed, over)
		}
	})
}

func TestSimResumeFetchesOnlyWhatDiffers(t *testing.T) {
	eachSeed(t, 2, func(t *testing.T, seed uint64) {
		cfg := small(0, 128, seed)
		r := newRun(t, cfg)
		n := r.add(false)
		r.recv = append(r.recv, n)
		n.claims = r.wanted.Clone()
		n.claims.Clear(0)
		n.truth = n.claims.Clone()
		n.truth.Clear(77)
		r.connect(n, r.seed)
		r.run(func() bool { return n.complete > 0 })
		if got := n.received / float64(r.cfg.blockSize); n.complete == 0 || got > 2 {
			t.Errorf("P2PCP_SIM_SEED=%d: complete at %v, received %.1f blocks", seed, n.complete, got)
		}
	})
}

func TestSimUnchangedServesWhatItHashed(t *testing.T) {
	r := newRun(t, small(0, 128, 1))
	r.cfg.core.Linger = Linger{Mode: LingerFor, Idle: time.Minute}
	n := r.add(false)
	n.placedIn, n.claims = true, r.wanted.Clone()
	n.claims.Clear(0)
	n.truth = n.claims.Clone()
	n.truth.Clear(5)
	r.connect(n, r.seed)
	r.run(func() bool { return r.now > time.Second })
	if n.received > float64(2*r.cfg.blockSize) || n.core.phase != staying {
		t.Fatalf("received %.0f bytes, phase %d", n.received, n.core.phase)
	}
	out := r.seed.sent
	r.cfg.receivers = 1
	r.join()
	r.finish(t)
	if extra := r.seed.sent - out; extra > 8*float64(r.cfg.blockSize) {
		t.Errorf("the seed sent %.0f bytes though an unchanged receiver has all but one block", extra)
	}
}

func TestSimWithdrawnBlockEndsReceivers(t *testing.T) {
	eachSeed(t, 2, func(t *testing.T, seed uint64) {
		cfg := small(4, 96, seed)
		r := newRun(t, cfg)
		gone := blocks.Index(50)
		r.after(22*time.Millisecond, func() {
			r.seed.rotten[gone] = true
			r.seed.step(Event{Kind: Unreadable, Index: gone})
		})
		r.run(func() bool {
			n := 0
			for _, v := range r.recv {
				if v.done {
					n++
				}
			}
			return n == 4
		})
		for _, v := range r.recv {
			if v.complete == 0 && (!errors.Is(v.err, ErrLost) || v.ended > 8*time.Second) {
				t.Errorf("P2PCP_SIM_SEED=%d: %s: complete %v, ended at %v with %v", seed, v.name, v.complete, v.ended, v.err)
			}
		}
	})
}

func TestSimTwoSeeds(t *testing.T) {
	eachSeed(t, 2, func(t *testing.T, seed uint64) {
		r := newRun(t, small(4, 96, seed))
		second := r.add(true)
		var meet func()
		meet = func() {
			for _, n := range r.recv {
				r.connect(n, second)
			}
			if len(r.recv) < r.cfg.receivers {
				r.after(5*time.Millisecond, meet)
			}
		}
		meet()
		res := r.finish(t)
		if copies := res.Copies + second.sent/r.fullBytes(); copies > 1.8 {
			t.Errorf("P2PCP_SIM_SEED=%d: two seeds sent %.2f copies", seed, copies)
		}
	})
}

func TestSimLargeManifest(t *testing.T) {
	eachSeed(t, 2, func(t *testing.T, seed uint64) {
		cfg := small(5, 80, seed)
		cfg.manifest = 25
		if res := newRun(t, cfg).finish(t); res.Copies > 1.3 {
			t.Errorf("P2PCP_SIM_SEED=%d: seed copies %.2f", seed, res.Copies)
		}
	})
}

func TestSimUploadCap(t *testing.T) {
	eachSeed(t, 2, func(t *testing.T, seed uint64) {
		cfg := small(8, 64, seed)
		cfg.core.Uploads = 3
		if res := newRun(t, cfg).finish(t); res.Ratio > 3 {
			t.Errorf("P2PCP_SIM_SEED=%d: makespan/limit %.2f", seed, res.Ratio)
		}
	})
}

func TestSimLimitedDegree(t *testing.T) {
	eachSeed(t, 2, func(t *testing.T, seed uint64) {
		cfg := small(simEnv("N", 40), 48, seed)
		cfg.core.Degree, cfg.core.FullMesh = 8, 10
		cfg.everyStep = 101
		r := newRun(t, cfg)
		res := r.finish(t)
		for _, n := range r.nodes {
			if len(n.order) > 10 {
				t.Errorf("P2PCP_SIM_SEED=%d: %s has %d sessions", seed, n.name, len(n.order))
			}
		}
		if res.Ratio > 5 {
			t.Errorf("P2PCP_SIM_SEED=%d: makespan/limit %.2f, seed copies %.2f", seed, res.Ratio, res.Copies)
		}
	})
}

func TestSimReplays(t *testing.T) {
	run := func() (simResult, int) {
		cfg := small(6, 96, 3)
		cfg.everyStep = 0
		r := newRun(t, cfg)
		r.at(0.5, func() { r.kill(r.recv[0]) })
		res := r.finish(t)
		res.Seconds = 0
		return res, r.steps
	}
	a, n := run()
	b, m := run()
	if a != b || n != m {
		t.Errorf("one seed number, two runs: %+v in %d steps, %+v in %d", a, n, b, m)
	}
}

func TestSimEverybodyLeaves(t *testing.T) {
	r := newRun(t, small(6, 96, 1))
	r.finish(t)
	r.run(func() bool {
		for _, n := range r.recv {
			if !n.done {
				return false
			}
		}
		return true
	})
	short := 0
	for _, n := range r.recv {
		stayed := n.ended - n.complete
		if !n.done || n.err != nil || stayed > 13*time.Second {
			t.Errorf("%s: done %v, err %v, stayed %v", n.name, n.done, n.err, stayed)
		}
		if stayed < 5*time.Second {
			short++
		}
	}
	if short != 4 {
		t.Errorf("%d of 6 left after a second, want all but 2", short)
	}
	if r.seed.done {
		t.Error("the seed ended by itself")
	}
}
