package swarm

import "slices"

// Beyond FullMesh members the sessions form a random regular graph: Degree/2 rings, on each of which the members stand in another
// order, drawn by hash, and everyone talks to its two neighbors. Whom one met first doesn't matter: sessions made in order of arrival
// leave cliques, between which Blocks pass slowly (simulated: 32 members in two of them took 1.6 times the limit, on rings 1.06). What
// the rings leave free below Degree is filled up at random.
type mesh struct {
	self  uint64 // our place
	rings []ring
}

// ring is what we know of one order of the members. A distance is how far it is up to a neighbor, round the circle of 2^64.
type ring struct {
	next, prev         *member
	nextDist, prevDist uint64
}

// zoneRings says which rings are for members of all zones, one in so many; the others are a zone's own. While all were for all chance left
// some with two sessions at home: simulated, three zones of 64 took 2.0 to 4.0 times the limit. One in two 1.23, one in four 1.5 to 1.7,
// for too few can fetch what it is their turn to.
const zoneRings = 2

// newMesh makes the rings for so many sessions.
func newMesh(c *Core) mesh {
	m := mesh{self: rankOf(c.cfg.ID, c.cfg.Self), rings: make([]ring, c.degree()/2)}
	for k := range m.rings {
		m.rings[k] = emptyRing()
	}
	return m
}

func emptyRing() ring { return ring{nextDist: ^uint64(0), prevDist: ^uint64(0)} }

// widen adds the rings that are wanted now that the block size is known.
func (c *Core) widen() {
	for k := len(c.mesh.rings); k < c.degree()/2; k++ {
		c.mesh.rings = append(c.mesh.rings, emptyRing())
		for _, m := range c.members {
			if m.steady() && c.shares(m, k) {
				c.mesh.rings[k].enter(m, onRing(m.place, k)-onRing(c.mesh.self, k))
			}
		}
	}
}

// onRing is where a member stands on ring k.
func onRing(place uint64, k int) uint64 {
	h := place + uint64(k+1)*0x9e3779b97f4a7c15
	h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
	h = (h ^ h>>27) * 0x94d049bb133111eb
	return h ^ h>>31
}

// enter puts a member into its rings.
func (c *Core) enter(m *member) {
	for k := range c.mesh.rings {
		if c.shares(m, k) {
			c.mesh.rings[k].enter(m, onRing(m.place, k)-onRing(c.mesh.self, k))
		}
	}
}

// shares tells whether m stands on our ring k.
func (c *Core) shares(m *member, k int) bool { return k%zoneRings == 0 || m.zone == c.cfg.Zone }

func (r *ring) enter(m *member, dist uint64) {
	if r.next != m && dist <= r.nextDist {
		r.next.strange()
		r.next, r.nextDist = m, dist
		m.near++
	}
	if r.prev != m && -dist <= r.prevDist {
		r.prev.strange()
		r.prev, r.prevDist = m, -dist
		m.near++
	}
}

// strange takes a member out of one place next to us.
func (m *member) strange() {
	if m != nil {
		m.near--
	}
}

// leave takes a member out, and finds who is next to us then.
func (c *Core) leave(m *member) {
	if m.near == 0 {
		return
	}
	for k := range c.mesh.rings {
		r := &c.mesh.rings[k]
		if r.next != m && r.prev != m {
			continue
		}
		r.next.strange()
		r.prev.strange()
		*r = emptyRing()
		for _, o := range c.members {
			if o != m && o.steady() && c.shares(o, k) {
				r.enter(o, onRing(o.place, k)-onRing(c.mesh.self, k))
			}
		}
	}
}

// steady tells whether a member can be a neighbor on the rings.
func (m *member) steady() bool { return !m.banned && !m.gone && m.fails < forgetFails }

// crowded tells whether there are too many members for all to talk to all.
func (c *Core) crowded() bool { return len(c.members) >= c.cfg.FullMesh }

// degree is how many sessions are wanted among many members. Where few Blocks are on their way at a time more of them don't make flows
// thinner, and more peers have what is wanted: simulated, 10,000 receivers of 256 Blocks of 4 MiB take 1.148 instead of 1.158.
func (c *Core) degree() int {
	if c.n > 0 && c.atOnce() < c.cfg.Degree {
		return c.cfg.Degree + c.cfg.Degree/4
	}
	return c.cfg.Degree
}

// stranger is a random session that the rings don't ask for, nil if there is none: one that carries nothing, if possible.
func (c *Core) stranger() *peer {
	var found *peer
	off := 0
	if len(c.peers) > 0 {
		off = c.rng.IntN(len(c.peers))
	}
	for k := range c.peers {
		p := c.peers[(k+off)%len(c.peers)]
		if p.m.near > 0 || (p.seed && !c.opened) {
			continue
		}
		if len(p.sends) == 0 && !p.owes() {
			return p
		}
		if found == nil {
			found = p
		}
	}
	return found
}

// trim ends, one a Tick, sessions beyond Degree that the rings don't ask for.
func (c *Core) trim() {
	if most := c.degree(); !c.crowded() || len(c.peers) <= most+most/16 {
		return
	}
	switch {
	case !c.dropLoudest():
		c.dropStranger()
	case c.seeks():
		c.dialOther()
	}
}

// dialOther dials a member at an address that no session comes from, for the place of one whose source had more than its share. Who only
// waits to be dialled by those whose places that source fills too has next to nobody else: 6 receivers that 60 such names of one host came
// to took 7 to 8 s instead of 5 in one run of four, because of one that had sessions with two of them.
func (c *Core) dialOther() {
	c.dialSome(min(1, maxDials-c.dialing), func(m *member) bool {
		return !slices.ContainsFunc(c.peers, func(p *peer) bool { return isOf(m.addr.Addr(), p.source) })
	})
}

// dropStranger makes room for another session; false if the rings ask for all of them.
func (c *Core) dropStranger() bool {
	p := c.stranger()
	if p == nil {
		return false
	}
	c.order(Action{Kind: Drop, Peer: p.id, Text: "making room"})
	c.peerDown(p)
	return true
}

// dialNear dials the neighbors on the rings that aren't in session, and tells how many it did.
func (c *Core) dialNear(want int) int {
	done := 0
	for k := range c.mesh.rings {
		r := &c.mesh.rings[k]
		for _, m := range [2]*member{r.next, r.prev} {
			if done < want && m != nil && c.dialable(m) {
				c.dial(m)
				done++
			}
		}
	}
	return done
}
