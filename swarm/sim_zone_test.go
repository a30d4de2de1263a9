package swarm

import (
	"testing"
	"time"

	"p2pcp/blocks"
)

// simZones says in which zone each host is, and holds the links between zones: one for each two, of a host's rate each way.
type simZones struct {
	count int     // 0: no labels
	slow  float64 // how many times slower than a host's the links are; 0: as fast
	seed  uint32
	free  map[[2]uint32]time.Duration // when a link's one direction has sent all that is queued
	bytes map[[2]uint32]float64       // what it carried
}

func newZones(count int, seed uint32) simZones {
	return simZones{count: count, seed: seed, free: map[[2]uint32]time.Duration{}, bytes: map[[2]uint32]float64{}}
}

// of is the zone of host id; host 0 is the seed.
func (z simZones) of(id int) uint32 {
	switch {
	case z.count == 0:
		return 0
	case id == 0:
		return z.seed
	}
	return 1 + uint32(id-1)%uint32(z.count)
}

// zoneFree is when the link that p crosses is free.
func (p *simPipe) zoneFree() time.Duration {
	z := p.from.s.cfg.zones
	return z.free[[2]uint32{z.of(p.from.id), z.of(p.to.id)}]
}

// zoneQueue puts bytes that have left the uplink on the link between the zones, and tells how much longer they take by it.
func (p *simPipe) zoneQueue(bytes uint32) time.Duration {
	s := p.from.s
	link := [2]uint32{s.cfg.zones.of(p.from.id), s.cfg.zones.of(p.to.id)}
	if link[0] == link[1] {
		return 0
	}
	begin := p.from.upFree + simWire
	end := max(s.cfg.zones.free[link], begin) + time.Duration(float64(bytes)*float64(time.Second)/s.cfg.rate*max(s.cfg.zones.slow, 1))
	s.cfg.zones.free[link] = end
	s.cfg.zones.bytes[link] += float64(bytes)
	return end - begin
}

// tellLater gathers HAVEs for another zone, as the shell does; false if p is of ours.
func (p *simPipe) tellLater(spans []blocks.Span) bool {
	s := p.from.s
	if z := s.cfg.zones; z.of(p.from.id) == z.of(p.to.id) {
		return false
	}
	if len(p.later) == 0 {
		s.after(max(haveAcross-(s.now-p.told), 0), func() {
			p.tell(Event{Kind: PeerHave, Spans: p.later})
			p.later, p.told = nil, s.now
		})
	}
	p.later = append(p.later, spans...)
	return true
}

// crossed is what crossed between all zones, and what came into the seed's zone, in copies of the content.
func (r *simRun) crossed() (all, back float64) {
	for link, n := range r.cfg.zones.bytes {
		all += n / r.fullBytes()
		if link[1] == r.cfg.zones.seed {
			back += n / r.fullBytes()
		}
	}
	return all, back
}

func TestSimZones(t *testing.T) {
	for _, c := range []struct {
		name          string
		zones         int
		seed          uint32 // its zone
		copies, ratio float64
	}{
		{"two, the seed in one", 2, 1, 1.03, 1.25},
		{"three, the seed in one", 3, 1, 2.06, 1.30},
		{"two, the seed in none of them", 2, 0, 2.06, 1.30},
	} {
		t.Run(c.name, func(t *testing.T) {
			for k := range simEnv("RUNS", 1) {
				cfg := baseSim(simEnv("N", 8*c.zones), uint32(simEnv("BLOCKS", 1024)), uint64(simEnv("SEED", 1)+k))
				cfg.everyStep = 20011
				cfg.zones = newZones(c.zones, c.seed)
				r := newRun(t, cfg)
				res := r.finish(t)
				all, back := r.crossed()
				t.Logf("seed %d: makespan/limit %.4f seed copies %.4f waste %.4f crossed %.4f, back %.4f",
					cfg.seed, res.ratio, res.copies, res.waste, all, back)
				if all > c.copies || res.ratio > c.ratio {
					t.Errorf("P2PCP_SIM_SEED=%d: crossed %.4f over %.2f, or makespan/limit %.4f over %.2f",
						cfg.seed, all, c.copies, res.ratio, c.ratio)
				}
			}
		})
	}
}

// TestSimZonesFaults: what may go wrong costs time, and few bytes across.
func TestSimZonesFaults(t *testing.T) {
	for _, c := range []struct {
		name          string
		change        func(cfg *simConfig)
		during        func(r *simRun)
		copies, ratio float64
	}{
		{"two of the far ones are killed at half", nil, func(r *simRun) {
			r.at(0.5, func() { r.kill(r.recv[1]); r.kill(r.recv[3]) })
		}, 1.10, 2.5},
		{"a far one falls silent at half", nil, func(r *simRun) {
			r.at(0.5, func() { r.recv[1].frozen, r.recv[1].complete = true, 1 })
		}, 1.06, 12},
		{"the seed dies when one copy is out", nil, func(r *simRun) {
			r.at(0.97, func() { r.kill(r.seed) })
		}, 1.06, 2.5},
		{"links of a fifth of the rate", func(cfg *simConfig) { cfg.zones.slow = 5 }, nil, 1.06, 6},
		{"sessions with a few only", func(cfg *simConfig) { cfg.core.Degree, cfg.core.FullMesh = 8, 8 }, nil, 1.3, 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			eachSeed(t, 1, func(t *testing.T, seed uint64) {
				cfg := small(simEnv("N", 16), uint32(simEnv("BLOCKS", 256)), seed)
				cfg.everyStep = 211
				cfg.zones = newZones(2, 1)
				if c.change != nil {
					c.change(&cfg)
				}
				r := newRun(t, cfg)
				if c.during != nil {
					c.during(r)
				}
				res := r.finish(t)
				for _, n := range r.recv {
					if n.err != nil {
						t.Errorf("P2PCP_SIM_SEED=%d: %s: %v", seed, n.name, n.err)
					}
				}
				all, back := r.crossed()
				t.Logf("seed %d: makespan/limit %.4f seed copies %.4f waste %.4f crossed %.4f, back %.4f",
					seed, res.ratio, res.copies, res.waste, all, back)
				if all > c.copies || res.ratio > c.ratio {
					t.Errorf("P2PCP_SIM_SEED=%d: crossed %.4f over %.2f, or makespan/limit %.4f over %.2f",
						seed, all, c.copies, res.ratio, c.ratio)
				}
			})
		})
	}
}
