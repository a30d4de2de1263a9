package swarm

import (
	"net/netip"
	"time"
)

// Who of our zone is counted on: what they hold is at home, and it is their turn to fetch from abroad.

// countsHome tells whether what p holds is at home. To a seed other seeds are nothing: it spreads first copies. Who is overdue may
// never give what it has.
func (c *Core) countsHome(p *peer) bool {
	return !c.crosses(p) && !p.overdue && !p.barren && !(c.cfg.Seed && p.seed)
}

// setOverdue marks p overdue, or not any more: barren it is then until it gives something.
func (c *Core) setOverdue(p *peer, overdue bool) {
	c.setGiving(p, overdue, p.barren || overdue)
}

// A peer that has refused barrenAfter times, and given nothing for barrenTime, is taken for one that never will.
const (
	barrenAfter = 3
	barrenTime  = 7 * busyTime / 2 // between two refusals: at one of them, not by chance at the next
)

// gaveNothing counts a refusal. What p says it has would keep its zone from fetching it from abroad; without zones it keeps nobody from
// anything, and who has large Blocks for many may well refuse for so long.
func (c *Core) gaveNothing(p *peer) {
	if c.zones == nil {
		return
	}
	if p.refusals++; p.refusals >= barrenAfter && !p.barren && c.now-max(p.gave, p.up) > barrenTime {
		c.setGiving(p, p.overdue, true)
	}
}

// gaveOne takes that p gives what it has.
func (c *Core) gaveOne(p *peer) {
	if p.gave, p.refusals = c.now, 0; p.barren {
		c.setGiving(p, p.overdue, false)
	}
	c.proved(p.m)
}

// proved takes that m has given a Block: whoever else comes from where it does, it takes turns of its own.
func (c *Core) proved(m *member) {
	if m.source.IsValid() {
		mate := m.mate
		c.rankMate(m, false)
		m.source = netip.Addr{}
		c.rankMate(m, mate)
	}
}

// setGiving changes what we think of p, and so what counts as being at home.
func (c *Core) setGiving(p *peer, overdue, barren bool) {
	z := c.zones
	was := c.countsHome(p)
	c.sated = false
	if p.overdue, p.barren = overdue, barren; !c.crosses(p) {
		c.rankMate(p.m, !barren) // nor is it its turn to fetch anything
	}
	if z == nil || was == c.countsHome(p) {
		return
	}
	d := uint16(1)
	if was {
		d = ^uint16(0) // -1
	}
	for i, ok := p.have.Next(0); ok; i, ok = p.have.Next(i + 1) {
		z.home[i] += d
		c.pick.setRank(i, c.rarity(i))
		c.placeOf(i)
	}
}

// idleMate is how long a member of our zone may announce nothing, while we get Blocks, before it isn't waited for.
const (
	idleMate = time.Second
	gotSome  = 16                     // Blocks of the content that we have then
	metMost  = 500 * time.Millisecond // after which all are in session, where there are few
)

// rankMates has those of our zone take their turns who do something. An honest one that is idle misses nothing: what it asks for
// abroad it is given all the same, if nobody else was.
func (c *Core) rankMates() {
	c.countHosts()
	if c.have.Count() < c.manifest+gotSome {
		return
	}
	for _, p := range c.peers {
		if !c.crosses(p) && !p.seed {
			c.rankMate(p.m, !p.barren && c.now-max(p.up, p.said) < idleMate)
		}
	}
}

// mateUp takes that a member was named, or came.
func (c *Core) mateUp(m *member, ev Event, fresh bool) {
	came, mate, source := ev.Kind == PeerUp, m.mate, hostOf(m.addr.Addr())
	if came && ev.Source.IsValid() && !isOf(source, ev.Source) { // else it is a host of that network, each of which has its turns
		source = ev.Source
	}
	if came && !m.came || (fresh || came) && m.source != source {
		c.rankMate(m, false)
		m.source, m.came = source, m.came || came
	}
	c.rankMate(m, mate || fresh || came)
}

// mateDown takes that a session with m ended: where everybody has one with everybody m is leaving or dead.
func (c *Core) mateDown(m *member) {
	if m.sessions == 0 && !c.crowded() {
		c.rankMate(m, false)
	}
}

// rankMate takes a member among those of our zone that take turns, or out of them. Of those that come from one source, or are said to be
// there, and have given us nothing, only one has a rank, or whoever calls itself by many names would have most turns: the first one, but
// one that came before those that were only named. And of these none has, as long as we don't know many hosts: where there are few, all
// come. Who has given something isn't made up: a source may be a network of hosts.
func (c *Core) rankMate(m *member, in bool) {
	z := c.zones
	if z == nil || c.cfg.Seed {
		return
	}
	if in = in && !m.gone && !m.seed && m.zone == c.cfg.Zone && (m.came || z.many); in == m.mate {
		return
	}
	m.mate = in
	if !m.source.IsValid() {
		c.rank(m, in)
		return
	}
	switch first := z.first[m.source]; {
	case in && first == nil:
		c.rankFirst(m)
	case in && m.came && !first.came:
		c.rank(first, false)
		c.rankFirst(m)
	case !in && first == m:
		c.rank(m, false)
		delete(z.first, m.source)
		c.succeed(m.source)
	}
}

// succeed gives the rank of a source to another of its members, one that came if there is one.
func (c *Core) succeed(source netip.Addr) {
	var next *member
	for _, m := range c.members {
		if m.mate && m.source == source && (next == nil || m.came && !next.came) {
			next = m
		}
	}
	if next != nil {
		c.rankFirst(next)
	}
}

// rankFirst gives m the rank of its source.
func (c *Core) rankFirst(m *member) {
	c.zones.first[m.source] = m
	c.rank(m, true)
}

// countHosts decides whether members that were only named take turns too: if so many hosts were in session that there are more than that,
// from then on. At the start nobody has met the others yet.
func (c *Core) countHosts() {
	z := c.zones
	if z.crowd {
		return
	}
	hosts, unknown := map[netip.Addr]bool{}, 0
	for _, p := range c.peers {
		if p.m.source.IsValid() {
			hosts[p.m.source] = true
		} else {
			unknown++
		}
	}
	z.crowd = len(hosts)+unknown >= c.cfg.Degree
	many := z.crowd || c.now-z.began < metMost
	if many == z.many {
		return
	}
	z.many, z.counting = many, true
	for _, m := range c.members {
		if !m.came {
			c.rankMate(m, many)
		}
	}
	z.counting = false
	c.turnsAnew()
}

// rank counts a member in, or out.
func (c *Core) rank(m *member, in bool) {
	z := c.zones
	m.ranked = in
	d := 1
	if !in {
		d = -1
	}
	z.mates += d
	for i := range c.n {
		if blockRank(m.place, i) > blockRank(c.mesh.self, i) {
			z.before[i] += uint16(d)
		}
	}
	if !z.counting {
		c.turnsAnew()
	}
}

// turnsAnew decides which Blocks' turns are ours.
func (c *Core) turnsAnew() {
	z := c.zones
	for i, ok := z.abroad.Next(0); ok; i, ok = z.abroad.Next(i + 1) {
		c.takeTurn(i)
	}
}
