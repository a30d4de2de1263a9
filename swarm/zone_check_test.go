package swarm

import (
	"fmt"
	"net/netip"

	"p2pcp/blocks"
)

// checkZones recomputes what the core keeps count of about zones, in the dumbest way.
func checkZones(c *Core) error {
	z := c.zones
	if z == nil {
		for _, p := range c.peers {
			if p.zone != c.cfg.Zone {
				return fmt.Errorf("peer %d is of zone %d, and zones aren't counted", p.id, p.zone)
			}
		}
		return nil
	}
	locals, mates := 0, 0
	for _, p := range c.peers {
		if p.zone == c.cfg.Zone && !p.seed {
			locals++
		}
	}
	if err := checkMates(c); err != nil {
		return err
	}
	for _, m := range c.members {
		if m.ranked {
			mates++
		}
	}
	if locals != z.locals || (!c.cfg.Seed && mates != z.mates) {
		return fmt.Errorf("locals %d, counted %d; mates %d, counted %d", z.locals, locals, z.mates, mates)
	}
	for i := range blocks.Index(c.n) {
		if err := checkZonesOf(c, i); err != nil {
			return fmt.Errorf("block %d: %w", i, err)
		}
	}
	return nil
}

// checkMates: one of those that take turns is ranked, of each source.
func checkMates(c *Core) error {
	if c.cfg.Seed {
		return nil
	}
	ranked := map[netip.Addr]int{}
	for _, m := range c.members {
		mate := m.zone == c.cfg.Zone && !m.seed && !m.gone && (m.came || c.zones.many)
		if m.mate && !mate || m.ranked && !m.mate || m.mate && !m.source.IsValid() && !m.ranked { // one that does nothing isn't waited for
			return fmt.Errorf("member %s: mate %v, ranked %v", m.name, m.mate, m.ranked)
		}
		if m.mate && m.source.IsValid() {
			ranked[m.source] += 0
		}
		if m.ranked && m.source.IsValid() {
			ranked[m.source]++
		}
	}
	for source, n := range ranked {
		if n != 1 || c.zones.first[source] == nil {
			return fmt.Errorf("%d ranked of %s", n, source)
		}
	}
	if len(ranked) != len(c.zones.first) {
		return fmt.Errorf("%d sources of mates, counted %d", len(c.zones.first), len(ranked))
	}
	return nil
}

func checkZonesOf(c *Core, i blocks.Index) error {
	z := c.zones
	home, abroad, before := uint16(0), false, uint16(0)
	for _, p := range c.peers {
		switch {
		case !p.have.Has(i):
		case p.zone == c.cfg.Zone && !p.overdue && !p.barren && (!c.cfg.Seed || !p.seed):
			home++
		default: // who gives nothing may as well be abroad
			abroad = true
		}
	}
	if home != z.home[i] {
		return fmt.Errorf("home %d, counted %d", z.home[i], home)
	}
	if c.cfg.Seed {
		return nil
	}
	for _, m := range c.members {
		if m.ranked && blockRank(rankOf(c.cfg.ID, m.name), uint32(i)) > blockRank(rankOf(c.cfg.ID, c.cfg.Self), uint32(i)) {
			before++
		}
	}
	abroad = abroad && home == 0
	switch {
	case before != z.before[i]:
		return fmt.Errorf("before %d, counted %d", z.before[i], before)
	case abroad != z.abroad.Has(i):
		return fmt.Errorf("abroad %v, found %v", z.abroad.Has(i), abroad)
	case z.ours.Has(i) && !abroad:
		return fmt.Errorf("ours, and not abroad")
	case home > 0 && c.rows[i].rank != home, abroad && c.rows[i].rank != 1, c.avail(i) == 0 && c.rows[i].rank != 0:
		return fmt.Errorf("rank %d of home %d, abroad %v", c.rows[i].rank, home, abroad)
	}
	return nil
}

// spreadAmong is how many receivers hold i, of those to whom a seed gives first copies.
func spreadAmong(c *Core, i blocks.Index, recv uint16) (n uint16) {
	locals := 0
	for _, p := range c.peers {
		if p.seed || p.zone != c.cfg.Zone {
			continue
		}
		locals++
		if p.have.Has(i) {
			n++
		}
	}
	if locals == 0 {
		return recv
	}
	return n
}
