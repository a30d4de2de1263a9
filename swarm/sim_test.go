package swarm

import (
	"fmt"
	"math/bits"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"
)

// simEnv reads a number for larger or replayed simulations: P2PCP_SIM_N, P2PCP_SIM_BLOCKS,
// P2PCP_SIM_SEED, P2PCP_SIM_RUNS; of one run also KIB (of a
// Block), MBIT, HAVE (ms), PACKET (KiB), SPARSE (1: flows), DEGREE, FULLMESH, WIDTH, UPLOADS, DEPTH, TRACE (ms).
func simEnv(name string, otherwise int) int {
	if v, err := strconv.Atoi(os.Getenv("P2PCP_SIM_" + name)); err == nil {
		return v
	}
	return otherwise
}

// simConfig is what a run is made of.
type simConfig struct {
	receivers int
	blocks    uint32 // the Manifest's included
	manifest  uint32
	blockSize uint32
	rate      float64 // bytes per second each way: the payload of one plain TCP copy
	seed      uint64
	core      CoreConfig
	zones     *simZones               // nil: no labels
	at        func(id int) netip.Addr // where a host is
	everyStep int                     // check all invariants every so many steps
	spread    float64
	packet    uint32        // bytes that are queued at a time, and told as Progress
	arrivals  time.Duration // receivers start at random within it
	limit     time.Duration // virtual time at which a run has failed
	have      time.Duration // how long HAVEs gather
	heard     int           // members that a PEERS names at most; 0: all
	known     int           // members known from which on PEERS are left out; 0: never
	tick      time.Duration // between Ticks, if longer than the shell's
	express   time.Duration // that control messages take, past the queues; 0: they wait in them
}

func baseSim(n int, b uint32, seed uint64) simConfig {
	return simConfig{
		receivers: n, blocks: b, manifest: 1, blockSize: 128 << 10, rate: 25e6, seed: seed,
		spread: 0.5, arrivals: 20 * time.Millisecond, limit: 10 * time.Minute, everyStep: 1, packet: 32 << 10,
		have: 3 * time.Millisecond,
		at:   func(id int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, byte(id >> 8), byte(id)}) },
	}
}

// simRun is a swarm of one seed and receivers that reach it by its address.
type simRun struct {
	*sim
	seed *simNode
	recv []*simNode

	joined func(n *simNode) // a receiver that is about to start
	last   int              // the receiver that was found incomplete last
	begun  time.Time        // real time
}

func newRun(t testing.TB, cfg simConfig) *simRun {
	t.Helper()
	r := &simRun{begun: time.Now()}
	if cfg.express > 0 {
		roomy(t, cfg.receivers)
	}
	r.sim = newSim(cfg, func(format string, args ...any) {
		t.Helper()
		t.Fatalf("P2PCP_SIM_SEED=%d: %s", cfg.seed, fmt.Sprintf(format, args...))
	})
	r.seed = r.add(true)
	for range cfg.receivers {
		r.after(time.Duration(r.rng.Int64N(int64(cfg.arrivals)+1)), func() { r.together(func() { r.join() }) })
	}
	return r
}

// join starts a receiver that dials the seed, or any living member if that is gone.
func (r *simRun) join() *simNode {
	n := r.add(false)
	r.recv = append(r.recv, n)
	if r.joined != nil {
		r.joined(n)
	}
	var try func()
	try = func() {
		if !n.alive || len(n.order) > 0 {
			return
		}
		if !r.connect(n, r.seed) && !r.seed.alive {
			for _, o := range r.nodes {
				if o != n && r.connect(n, o) {
					break
				}
			}
		}
		r.after(500*time.Millisecond, func() { r.together(try) })
	}
	try()
	return n
}

// allComplete tells whether every living receiver has placed its content.
func (r *simRun) allComplete() bool {
	if len(r.recv) < r.cfg.receivers {
		return false
	}
	incomplete := func(n *simNode) bool { return n.alive && n.complete == 0 }
	if r.last >= len(r.recv) || !incomplete(r.recv[r.last]) {
		r.last = slices.IndexFunc(r.recv, incomplete)
	}
	if r.last < 0 {
		r.last = 0
		return true
	}
	return false
}

// fullBytes is the size of the content; bound the shortest time in which it can reach all.
func (r *simRun) fullBytes() (sum float64) {
	for i, ok := r.wanted.Next(0); ok; i, ok = r.wanted.Next(i + 1) {
		sum += float64(r.length(i))
	}
	return sum
}

func (r *simRun) bound() float64 {
	return r.fullBytes() / r.cfg.rate * (1 + float64(bits.Len(uint(r.cfg.receivers))-1)/float64(r.cfg.blocks))
}

func (r *simRun) finish(t testing.TB) simResult {
	t.Helper()
	r.run(r.allComplete)
	if !r.allComplete() {
		for _, n := range r.recv {
			if n.alive && n.complete == 0 {
				t.Logf("%s: %+v err %v", n.name, n.core.Stats(), n.err)
			}
		}
		t.Fatalf("P2PCP_SIM_SEED=%d: not complete at %v", r.cfg.seed, r.now)
	}
	return r.result()
}

// P2PCP_SIM_RUNS sets how many seed numbers, of larger sizes too.
func TestSimFlashCrowd(t *testing.T) {
	type size struct {
		n      int
		blocks uint32
	}
	sizes := []size{{8, 512}, {16, 512}}
	if simEnv("RUNS", 0) > 0 {
		sizes = []size{{8, 512}, {8, 2048}, {16, 512}, {16, 2048}}
	}
	const ratio, copies = 1.15, 1.15
	for _, size := range sizes {
		for k := range simEnv("RUNS", 1) {
			cfg := baseSim(size.n, size.blocks, uint64(simEnv("SEED", 1)+k))
			cfg.everyStep = 20011
			res := newRun(t, cfg).finish(t)
			t.Log(res)
			if res.Ratio > ratio || res.Copies > copies || res.Waste > 0.01 {
				t.Errorf("P2PCP_SIM_SEED=%d: makespan/limit over %.2f, or seed copies over %.2f, or waste over 1 %%: %v",
					cfg.seed, ratio, copies, res)
			}
		}
	}
}
