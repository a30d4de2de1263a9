package swarm

import (
	"net/netip"
	"testing"

	"p2pcp/blocks"
)

// simZones says in which zone each host is, and holds the links between zones: one for each two, of a host's rate each way.
type simZones struct {
	count int
	slow  float64 // how many times slower than a host's the links are; 0: as fast
	seed  uint32
	links map[[2]uint32]*simLink
}

func newZones(count int, seed uint32) *simZones {
	return &simZones{count: count, seed: seed, links: map[[2]uint32]*simLink{}}
}

// of is the zone of host id; host 0 is the seed.
func (z *simZones) of(id int) uint32 {
	switch {
	case z == nil:
		return 0
	case id == 0:
		return z.seed
	}
	return 1 + uint32(id-1)%uint32(z.count)
}

// link is the one between two hosts' zones; nil if they are of one zone.
func (z *simZones) link(from, to *simNode) *simLink {
	ends := [2]uint32{z.of(from.id), z.of(to.id)}
	if ends[0] == ends[1] {
		return nil
	}
	if z.links[ends] == nil {
		z.links[ends] = &simLink{rate: from.s.cfg.rate / max(z.slow, 1)}
	}
	return z.links[ends]
}

// tellLater gathers HAVEs for another zone, as the shell does; false if p is of ours.
func (p *simPipe) tellLater(spans []blocks.Span) bool {
	s := p.from.s
	if p.hops == 2 {
		return false
	}
	if len(p.later) == 0 {
		s.after(max(haveAcross-(s.now-p.told), 0), func() {
			p.tell(p.later)
			p.later, p.told = nil, s.now
		})
	}
	p.later = append(p.later, spans...)
	return true
}

// crossed is what crossed between all zones, and what came into the seed's zone, in copies of the content.
func (r *simRun) crossed() (all, back float64) {
	for ends, l := range r.cfg.zones.links {
		all += l.sent / r.fullBytes()
		if ends[1] == r.cfg.zones.seed {
			back += l.sent / r.fullBytes()
		}
	}
	return all, back
}

// mustCross holds what crossed, and the time, to their bounds.
func (r *simRun) mustCross(t *testing.T, res simResult, copies, ratio float64) {
	t.Helper()
	all, back := r.crossed()
	t.Logf("seed %d: makespan/limit %.4f seed copies %.4f waste %.4f crossed %.4f, back %.4f",
		res.Seed, res.Ratio, res.Copies, res.Waste, all, back)
	if all > copies || res.Ratio > ratio {
		t.Errorf("P2PCP_SIM_SEED=%d: crossed %.4f over %.2f, or makespan/limit %.4f over %.2f",
			res.Seed, all, copies, res.Ratio, ratio)
	}
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
				r.mustCross(t, res, c.copies, c.ratio)
			}
		})
	}
}

// TestSimZonesSharedAddresses: a Block comes into a zone once, too, where all of it is one IPv6 network, or four hosts are behind an address.
func TestSimZonesSharedAddresses(t *testing.T) {
	const zones = 2
	for name, at := range map[string]func(id int) netip.Addr{
		"a zone a /64": func(id int) netip.Addr {
			return netip.AddrFrom16([16]byte{0xfd, 7: byte(id % zones), 15: byte(id + 1)})
		},
		"four behind an address": func(id int) netip.Addr {
			return netip.AddrFrom4([4]byte{10, byte(id % zones), min(byte(id), 1), byte(max(id-1, 0) / (4 * zones))})
		},
	} {
		t.Run(name, func(t *testing.T) {
			eachSeed(t, 1, func(t *testing.T, seed uint64) {
				cfg := baseSim(8*zones, uint32(simEnv("BLOCKS", 1024)), seed)
				cfg.everyStep, cfg.at = 20011, at
				cfg.zones = newZones(zones, 1)
				r := newRun(t, cfg)
				res := r.finish(t)
				r.mustCross(t, res, 1.06, 1.30)
			})
		})
	}
}

// TestSimNetworks: where many hosts share few IPv6 networks, which might each be one host, they are as fast as others.
func TestSimNetworks(t *testing.T) {
	const networks = 3
	for _, c := range []struct {
		name          string
		n             int
		zones         bool
		copies, ratio float64
	}{
		{"48 receivers", 48, false, 0, 1.12},
		{"a zone each", 60, true, 2.15, 1.70},
	} {
		t.Run(c.name, func(t *testing.T) {
			eachSeed(t, 1, func(t *testing.T, seed uint64) {
				cfg := baseSim(c.n, uint32(simEnv("BLOCKS", 1024)), seed)
				cfg.everyStep = 20011
				cfg.at = func(id int) netip.Addr {
					return netip.AddrFrom16([16]byte{0xfd, 7: byte(id % networks), 15: byte(id + 1)})
				}
				if c.zones {
					cfg.zones = newZones(networks, 1)
				}
				r := newRun(t, cfg)
				res := r.finish(t)
				if c.zones {
					r.mustCross(t, res, c.copies, c.ratio)
				} else if t.Log(res); res.Ratio > c.ratio {
					t.Errorf("P2PCP_SIM_SEED=%d: %.3f of the limit, must be %.2f", seed, res.Ratio, c.ratio)
				}
			})
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
		}, 1.06, 16},
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
				r.mustCross(t, res, c.copies, c.ratio)
			})
		})
	}
}
