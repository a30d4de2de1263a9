package swarm

import (
	"fmt"
	"math/bits"
	"os"
	"strconv"
	"testing"
	"time"
)

// simEnv reads a number for larger or replayed simulations: P2PCP_SIM_N, P2PCP_SIM_BLOCKS,
// P2PCP_SIM_SEED, P2PCP_SIM_RUNS; of one run also KIB (of a Block), DEGREE, FULLMESH, WIDTH, UPLOADS, DEPTH.
func simEnv(name string, otherwise int) int {
	if v, err := strconv.Atoi(os.Getenv("P2PCP_SIM_" + name)); err == nil {
		return v
	}
	return otherwise
}

func baseSim(n int, b uint32, seed uint64) simConfig {
	return simConfig{
		receivers: n, blocks: b, manifest: 1, blockSize: 128 << 10, rate: 25e6, seed: seed,
		spread: 0.5, arrivals: 20 * time.Millisecond, limit: 10 * time.Minute, everyStep: 1,
	}
}

// simRun is a swarm of one seed and receivers that reach it by its address.
type simRun struct {
	*sim
	seed *simNode
	recv []*simNode
}

func newRun(t testing.TB, cfg simConfig) *simRun {
	t.Helper()
	r := &simRun{}
	r.sim = newSim(cfg, func(format string, args ...any) {
		t.Helper()
		t.Fatalf("P2PCP_SIM_SEED=%d: %s", cfg.seed, fmt.Sprintf(format, args...))
	})
	r.seed = r.add(true)
	for range cfg.receivers {
		r.after(time.Duration(r.rng.Int64N(int64(cfg.arrivals)+1)), func() { r.join() })
	}
	return r
}

// join starts a receiver that dials the seed, or any living member if that is gone.
func (r *simRun) join() *simNode {
	n := r.add(false)
	r.recv = append(r.recv, n)
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
		r.after(500*time.Millisecond, try)
	}
	try()
	return n
}

// allComplete tells whether every living receiver has placed its content.
func (r *simRun) allComplete() bool {
	if len(r.recv) < r.cfg.receivers {
		return false
	}
	for _, n := range r.recv {
		if n.alive && n.complete == 0 {
			return false
		}
	}
	return true
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

// result is what a run came to.
type result struct {
	ratio  float64 // makespan / bound
	copies float64 // bytes that left the seed / content
	waste  float64 // bytes that arrived for nothing / bytes that arrived
	first  float64 // first completion / bound
}

func (r *simRun) result() result {
	last, first := time.Duration(0), time.Hour
	var got, wasted float64
	for _, n := range r.recv {
		if n.complete > 0 {
			last, first = max(last, n.complete), min(first, n.complete)
		}
		got += n.received
		wasted += n.wasted
	}
	return result{
		ratio: last.Seconds() / r.bound(), copies: r.seed.sent / r.fullBytes(), waste: wasted / got,
		first: first.Seconds() / r.bound(),
	}
}

func (r *simRun) finish(t testing.TB) result {
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
			r := newRun(t, cfg)
			res := r.finish(t)
			t.Logf("N=%d B=%d seed %d: makespan/limit %.4f (first %.4f) seed copies %.4f waste %.4f (%d steps)",
				size.n, size.blocks, cfg.seed, res.ratio, res.first, res.copies, res.waste, r.steps)
			if res.ratio > ratio || res.copies > copies || res.waste > 0.01 {
				t.Errorf("P2PCP_SIM_SEED=%d: makespan/limit %.4f over %.2f, or seed copies %.4f over %.2f, or waste %.4f over 1 %%",
					cfg.seed, res.ratio, ratio, res.copies, copies, res.waste)
			}
		}
	}
}

// TestSimOne is `make sim`: one run of any size, its figures printed.
func TestSimOne(t *testing.T) {
	n := simEnv("N", 0)
	if n == 0 {
		t.Skip("P2PCP_SIM_N isn't set")
	}
	cfg := baseSim(n, uint32(simEnv("BLOCKS", 1024)), uint64(simEnv("SEED", 1)))
	cfg.everyStep = 20011
	cfg.blockSize = uint32(simEnv("KIB", 128)) << 10
	cfg.core = CoreConfig{
		Degree: simEnv("DEGREE", 0), FullMesh: simEnv("FULLMESH", 0), Width: simEnv("WIDTH", 0), Uploads: simEnv("UPLOADS", 0),
		Depth: simEnv("DEPTH", 0),
	}
	r := newRun(t, cfg)
	res := r.finish(t)
	t.Logf("N=%d B=%d seed %d: makespan/limit %.4f (first %.4f) seed copies %.4f waste %.4f (%d steps)",
		n, cfg.blocks, cfg.seed, res.ratio, res.first, res.copies, res.waste, r.steps)
}
