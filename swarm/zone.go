package swarm

import (
	"net/netip"
	"time"

	"p2pcp/blocks"
)

// Zones: a link between two is dear, so each Block comes into a zone once and spreads inside. One member fetches it: those of a
// zone rank in another order for each Block, which all of them compute alike, and the first one's turn it is from when
// a receiver abroad holds it. What isn't at home after a turn is the next one's; towards a turn's end nobody begins to fetch, so that
// what is on its way arrives before the next one does. Views differ: so who is asked gives a Block to one member of
// a zone in turnMin.
const (
	turnMin   = 2 * time.Second
	turnNeeds = 4 // at least so many times as long as a Block is on its way
	turnEnd   = 2 // so many times that long before its end nobody begins; at least endMin
	endMin    = 400 * time.Millisecond
	turnLook  = 200 * time.Millisecond // between looks at whose turn it is
)

// zoning is what a Core knows of zones once it has met a peer of another; nil before.
type zoning struct {
	home   []uint16 // per Index: sessions of our zone whose peer holds it; a seed doesn't count other seeds
	locals int      // receivers' sessions of our zone
	given  []gift   // what went to other zones in the last turnMin, in order

	// a receiver's
	abroad   *blocks.Bitfield       // Blocks that only peers of other zones hold
	ours     *blocks.Bitfield       // of them, those that we may ask for
	before   []uint16               // per Index: members of our zone that rank before us
	turn     []uint16               // per Index: which rank's turn it is, modulo the zone's members
	since    []time.Duration        // per Index: when that turn began; in the future: not to be asked for until then
	mates    int                    // other members of our zone, receivers, one a source
	first    map[netip.Addr]*member // by source: its member that is ranked
	crowd    bool                   // we have met so many hosts that there are others
	many     bool                   // so it is, or we have just begun
	counting bool                   // many members are ranked at once: turns are decided anew at the end
	began    time.Duration          // when we met the first peer of another zone
	need     time.Duration          // how long a Block is on its way to us across zones, smoothed
	looked   time.Duration
}

// crosses tells whether p is of another zone.
func (c *Core) crosses(p *peer) bool { return p.zone != c.cfg.Zone }

// zoneUp takes a new session into account, before its Blocks.
func (c *Core) zoneUp(p *peer) {
	z := c.zones
	switch {
	case c.n == 0:
	case z == nil && c.crosses(p):
		c.beginZones()
	case z != nil && !c.crosses(p) && !p.seed:
		if z.locals++; z.locals == 1 {
			c.chooseAll()
		}
	}
}

// zoneDown takes a session that is down out of account.
func (c *Core) zoneDown(p *peer) {
	if z := c.zones; z != nil && !c.crosses(p) && !p.seed {
		if z.locals--; z.locals == 0 {
			c.chooseAll()
		}
	}
}

// peersZones begins to count if some peer is of another zone: the Header came after it.
func (c *Core) peersZones() {
	for _, p := range c.peers {
		if c.crosses(p) {
			c.beginZones()
			return
		}
	}
}

// beginZones begins to count: there is more than one zone.
func (c *Core) beginZones() {
	z := &zoning{home: make([]uint16, c.n), many: true, began: c.now}
	c.zones = z
	for _, p := range c.peers {
		if c.crosses(p) {
			continue
		}
		if !p.seed {
			z.locals++
		}
		for i, ok := p.have.Next(0); ok && c.countsHome(p); i, ok = p.have.Next(i + 1) {
			z.home[i]++
		}
	}
	if !c.cfg.Seed {
		z.first = map[netip.Addr]*member{}
		z.abroad, z.ours = blocks.NewBitfield(c.n), blocks.NewBitfield(c.n)
		z.before, z.turn, z.since = make([]uint16, c.n), make([]uint16, c.n), make([]time.Duration, c.n)
		for _, m := range c.members {
			c.rankMate(m, true)
		}
		for i := range blocks.Index(c.n) {
			c.pick.setRank(i, c.rarity(i))
			c.placeOf(i)
		}
	}
	c.chooseAll()
}

func (c *Core) chooseAll() {
	for i := range blocks.Index(c.n) {
		c.choose(i)
	}
}

// zoneHolds adds (d 1) or takes away (d -1) a holder of i.
func (c *Core) zoneHolds(p *peer, i blocks.Index, d uint16) {
	z := c.zones
	if z == nil {
		return
	}
	if c.countsHome(p) {
		z.home[i] += d
	}
	if !c.cfg.Seed {
		c.placeOf(i)
	}
}

// placeOf decides anew whether i is at home or abroad.
func (c *Core) placeOf(i blocks.Index) {
	z := c.zones
	abroad := z.home[i] == 0 && c.avail(i) > 0
	if abroad && z.abroad.Set(i) {
		z.turn[i], z.since[i] = 0, c.now
	} else if !abroad {
		z.abroad.Clear(i)
	}
	c.takeTurn(i)
	c.choose(i)
}

// rarity is how many peers hold i of those that we would ask for it: at home, if any does.
func (c *Core) rarity(i blocks.Index) uint16 {
	if z := c.zones; z != nil && c.avail(i) > 0 {
		return max(z.home[i], 1)
	}
	return c.avail(i)
}

// spread is how many receivers hold i of those among whom a seed spreads first copies: at home, if there are any.
func (c *Core) spread(i blocks.Index) uint16 {
	if z := c.zones; z != nil && z.locals > 0 {
		return z.home[i]
	}
	return c.recv(i)
}

// near tells whether i may be asked for at all: at home, or abroad in our turn. A small Manifest anybody asks of anybody.
func (c *Core) near(i blocks.Index) bool {
	z := c.zones
	return z == nil || !z.abroad.Has(i) || z.ours.Has(i) || c.smallStart(i)
}

// turnTime is how long a turn is, and how long of it one may begin.
func (z *zoning) turnTime() (whole, begin time.Duration) {
	whole = max(turnMin, turnNeeds*z.need)
	return whole, whole - max(turnEnd*z.need, endMin)
}

// crossed takes that a Block has come across.
func (c *Core) crossed(p *peer, r *request) {
	if z := c.zones; z != nil && c.crosses(p) {
		z.need = smoothed(z.need, c.now-r.asked)
	}
}

// takeTurn decides anew whether it is our turn to fetch i.
func (c *Core) takeTurn(i blocks.Index) {
	z := c.zones
	age := c.now - z.since[i]
	_, begin := z.turnTime()
	ranks := z.turn[i] > 0 || z.before[i] == 0 // those that rank first may be many, and none of them there
	own := z.abroad.Has(i) && age >= 0 && ranks &&
		(z.mates == 0 || c.recv(i) == 0 || age < begin)
	if own && z.ours.Set(i) || !own && z.ours.Clear(i) {
		c.choose(i)
	}
}

// takeTurns goes on to the next turn where one is over. What only seeds hold isn't waited for: they push it.
func (c *Core) takeTurns() {
	z := c.zones
	if z == nil {
		return
	}
	for len(z.given) > 0 && c.now-z.given[0].since >= turnMin {
		z.given = z.given[1:]
	}
	if !c.fetches() || c.now-z.looked < turnLook {
		return
	}
	z.looked = c.now
	c.rankMates()
	whole, _ := z.turnTime()
	for i, ok := z.abroad.Next(0); ok; i, ok = z.abroad.Next(i + 1) {
		switch {
		case c.have.Has(i):
			continue
		case c.recv(i) == 0:
			z.since[i] = max(z.since[i], c.now)
		case c.now-z.since[i] >= whole:
			z.turn[i]++
			z.since[i] = c.now + time.Duration(blockRank(0, uint32(i))%uint64(turnMin/4)) // not all at once
		}
		c.takeTurn(i)
	}
}

// elsewhere takes that another member of our zone is being given i.
func (c *Core) elsewhere(i blocks.Index) {
	if z := c.zones; z != nil && !c.cfg.Seed {
		z.since[i] = c.now + turnMin/2
		c.takeTurn(i)
	}
}

// zoneOf takes the zone that an Event tells of a member: a session's counts more than what others say.
func (c *Core) zoneOf(m *member, ev Event) {
	if m.zone == ev.Zone || (ev.Kind != PeerUp && m.sessions > 0) {
		return
	}
	c.leave(m) // its rings are others now
	m.zone = ev.Zone
}

// blockRank mixes a member's number with a Block's.
func blockRank(member uint64, i uint32) uint64 {
	h := member ^ (uint64(i)+1)*0x9e3779b97f4a7c15
	h = (h ^ h>>33) * 0xff51afd7ed558ccd
	h = (h ^ h>>33) * 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}
