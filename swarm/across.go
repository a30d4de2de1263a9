package swarm

import (
	"math/bits"
	"time"

	"p2pcp/blocks"
)

const (
	acrossFew  = 32  // Blocks on their way into a zone, shared out among its members: more only wait in the link's queue
	acrossMost = 128 // the same for who is behind: a member more for every acrossLag that wait for it
	acrossLag  = 2
	acrossLook = 256 // Blocks among which the one that waits longest is picked
)

// gift is a Block that we gave, or are giving, to a member of another zone.
type gift struct {
	index blocks.Index
	zone  uint32
	to    PeerID
	since time.Duration
}

func (c *Core) smallStart(i blocks.Index) bool {
	return !c.opened && c.manifest <= smallManifest && uint32(i) < c.manifest
}

// mayGive tells whether i may go to p: across zones to one member in turnMin.
func (c *Core) mayGive(p *peer, i blocks.Index) bool {
	if c.zones == nil || !c.crosses(p) || (c.manifest <= smallManifest && uint32(i) < c.manifest) {
		return true
	}
	for _, g := range c.zones.given {
		if g.index == i && g.zone == p.zone && g.to != p.id && c.now-g.since < turnMin && c.session(g.to) != nil {
			return false
		}
	}
	return true
}

// gives remembers that i goes to p.
func (c *Core) gives(p *peer, i blocks.Index) {
	if c.zones != nil && c.crosses(p) {
		c.zones.given = append(c.zones.given, gift{i, p.zone, p.id, c.now})
	}
}

// mayPush tells whether a seed may send i unasked to p: across zones only what nobody has yet.
func (c *Core) mayPush(p *peer, i blocks.Index) bool { return !c.crosses(p) || c.recv(i) == 0 }

// next picks what p is asked for.
func (c *Core) next(p *peer) (blocks.Index, bool) {
	if c.zones == nil || !c.crosses(p) || c.smallStart(0) {
		return c.pick.from(p.have.Words(), c.interest[p.at])
	}
	return c.nextAcross(p)
}

// nextAcross picks, among some Blocks that only other zones hold, the one that has waited longest: turns are timed.
func (c *Core) nextAcross(p *peer) (found blocks.Index, ok bool) {
	z := c.zones
	under, zone := c.across(), z.mates+1
	if z.ours.Count() == 0 || under >= max(acrossMost/zone, 2) {
		return 0, false
	}
	ours, held, words := z.ours.Words(), p.have.Words(), c.pick.words
	first := c.rng.IntN(len(words))
	seen := 0
	for k := range words {
		w := (first + k) % len(words)
		for b := ours[w] & held[w] & words[w]; b != 0; b &= b - 1 {
			i := blocks.Index(64*w + bits.TrailingZeros64(b))
			if !ok || z.since[i] < z.since[found] {
				found, ok = i, true
			}
			seen++
		}
		if seen >= acrossLook {
			break
		}
	}
	return found, ok && under < max(acrossFew/zone, 1)+seen/acrossLag
}

// across counts what is on its way to us from other zones, but for what is about to end.
func (c *Core) across() (n int) {
	for _, p := range c.peers {
		if !c.crosses(p) {
			continue
		}
		ahead := c.ahead(p)
		for k := range p.reqs {
			if r := &p.reqs[k]; !r.arrived && r.left() > ahead {
				n++
			}
		}
	}
	return n
}

// wakeFar wakes the peers of other zones: they share a number of Requests. From a random one on, so that none is always first.
func (c *Core) wakeFar() {
	off := c.rng.IntN(len(c.peers))
	for k := range c.peers {
		if p := c.peers[(k+off)%len(c.peers)]; c.crosses(p) {
			c.wake(p)
		}
	}
}

// relayed tells whether there are receivers in a seed's zone, of another than ours: they get it from the seed, and we from them.
func (c *Core) relayed(p *peer) bool {
	if !c.crosses(p) {
		return false
	}
	for _, q := range c.peers {
		if q.zone == p.zone && !q.seed && !q.overdue {
			return true
		}
	}
	return false
}

// tooFar tells whether m isn't dialled: in a swarm too large for a full mesh most sessions are for our own zone.
func (c *Core) tooFar(m *member) bool {
	if m.zone == c.cfg.Zone || !c.crowded() {
		return false
	}
	far := 0
	for _, p := range c.peers {
		if c.crosses(p) {
			far++
		}
	}
	return far >= c.cfg.Degree/4
}
