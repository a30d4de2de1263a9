package swarm

import (
	"cmp"
	"time"

	"p2pcp/blocks"
)

// pushState is a seed's: first copies leave it unasked, each to one receiver, and spread from there.
type pushState struct {
	under []uint8       // per Index: sessions to which it is being sent, or was sent and isn't announced yet
	fruit time.Duration // when a Block that we never sent last came to one receiver from another
	doubt bool
	given uint64  // bytes sent since the last Tick
	rate  float64 // of them, per second, smoothed
}

// await is a Block that was sent and that its receiver hasn't announced yet.
type await struct {
	index blocks.Index
	since time.Duration
}

const (
	// awaitTime is how long a receiver has to announce what it was sent (or declined, having it from elsewhere) before it is
	// sent again.
	awaitTime = 3 * time.Second
	minWidth  = 4  // narrower leaves the link idle between Blocks: measured, 2 costs 13 %
	maxWidth  = 16 // wider only makes each flow thinner; simulated, 8 costs 1.5 % where receivers' links are full of other flows
)

func newPushState(n uint32) pushState { return pushState{under: make([]uint8, n)} }

// spareGrants is how many more Blocks may leave unasked now: in all one for each receiver that gave credit and passes on what it is given.
// What is on its way to others, or for too long, isn't counted: four hosts that were stopped once held up a seed until they were back.
func (c *Core) spareGrants() int {
	width, grants := 0, 0
	most := max(c.slowBlock(min(c.atOnce(), maxWidth)), awaitMost)
	for _, p := range c.peers {
		if c.hoards(p) {
			continue
		}
		if p.allows > 0 {
			width++
		}
		for k := range p.sends {
			if s := &p.sends[k]; s.granted && c.now-s.since < most {
				grants++
			}
		}
	}
	width = min(max(width, minWidth), maxWidth)
	return cmp.Or(c.cfg.Width, width) - grants
}

// grantMore sends first copies: the least-sent Block that no receiver holds or is being sent, to the session with the
// fewest in flight, then to the emptiest receiver.
func (c *Core) grantMore() {
	if !c.firstCopies() || c.phase == draining {
		return
	}
	for range c.spareGrants() {
		if c.full() {
			return
		}
		first, early := c.pick.below(c.manifest)
		p := c.neediest(early)
		if p == nil {
			return
		}
		i, ok := first, early
		if p.open {
			i, ok = c.pick.any()
		}
		if !ok || !c.mayPush(p, i) {
			return
		}
		c.send(p, sending{index: i, granted: true})
		c.order(Action{Kind: Grant, Peer: p.id, Index: i})
	}
}

// neediest is the receiver that the next first copy goes to, nil if none can take one. Those that don't have the whole Manifest
// can only take Blocks of it.
func (c *Core) neediest(manifest bool) *peer {
	var best *peer
	for _, p := range c.peers {
		if p.seed || uint32(p.granted()) >= p.allows || (!p.open && !manifest) || c.hogs(p) || c.hoards(p) {
			continue
		}
		if best != nil && c.crosses(p) != c.crosses(best) {
			if c.crosses(best) {
				best = p
			}
			continue
		}
		if best == nil || len(p.sends) < len(best.sends) ||
			(len(p.sends) == len(best.sends) && p.have.Count() < best.have.Count()) {
			best = p
		}
	}
	return best
}

// granted counts what is on its way to p unasked.
func (p *peer) granted() (n int) {
	for k := range p.sends {
		if p.sends[k].granted {
			n++
		}
	}
	return n
}

// begin marks that s is on its way to p.
func (u *pushState) begin(c *Core, s sending) {
	u.under[s.index]++
	c.choose(s.index)
}

// end counts a copy, whole or not: one that couldn't be sent isn't tried again at once either.
func (u *pushState) end(c *Core, p *peer, s sending) {
	c.pick.setRank(s.index, c.rows[s.index].rank+1)
	if p.have.Has(s.index) {
		u.release(c, s.index)
		return
	}
	p.waits = append(p.waits, await{s.index, c.now})
}

func (u *pushState) release(c *Core, i blocks.Index) {
	u.under[i]--
	c.choose(i)
}

// lost forgets what p was sent: if nobody else holds it, it is pushed again.
func (u *pushState) lost(c *Core, p *peer) {
	for _, s := range p.sends {
		u.release(c, s.index)
	}
	for _, w := range p.waits {
		u.release(c, w.index)
	}
	p.waits = nil
}

// announcedBy ends the wait for p's HAVE of i, and notices when p has the whole Manifest.
func (c *Core) announcedBy(p *peer, i blocks.Index) {
	if !c.cfg.Seed {
		return
	}
	p.keeps = 0
	if !p.open && uint32(i) < c.manifest {
		p.open = c.hasManifest(p)
	}
	if p.unwait(i) {
		c.passedOn(p)
		c.push.under[i]-- // holds chooses anew
	}
}

// rejected ends the wait for p's HAVE of i: it won't come, and somebody else may be sent it.
func (c *Core) rejected(p *peer, i blocks.Index) {
	if p.unwait(i) {
		c.kept(p)
		c.push.release(c, i)
	}
}

// unwait takes i off what p was sent and hasn't announced; false if it isn't there.
func (p *peer) unwait(i blocks.Index) bool {
	for k, w := range p.waits {
		if w.index == i {
			p.waits = append(p.waits[:k], p.waits[k+1:]...)
			return true
		}
	}
	return false
}

// hasManifest tells whether p has announced the whole Manifest.
func (c *Core) hasManifest(p *peer) bool {
	for i := range c.manifest {
		if !p.have.Has(blocks.Index(i)) {
			return false
		}
	}
	return true
}

// forgetPushes gives up waiting for a HAVE.
func (c *Core) forgetPushes() {
	if !c.cfg.Seed {
		return
	}
	c.doubtMore()
	for _, p := range c.peers {
		for len(p.waits) > 0 && c.now-p.waits[0].since > awaitTime {
			i := p.waits[0].index
			p.waits = p.waits[1:]
			c.kept(p)
			c.push.release(c, i)
		}
		c.accuseHoarder(p)
	}
}
