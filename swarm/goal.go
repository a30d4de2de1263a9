package swarm

import (
	"fmt"
	"time"

	"p2pcp/blocks"
)

// withdrawn is a wanted Block that a seed took back and that nobody holds.
type withdrawn struct {
	index blocks.Index
	since time.Duration
}

// lostTime is how long a withdrawn Block may be without a holder: time for others to announce it.
const lostTime = 3 * time.Second

// open begins the content: what is wanted is known. Claims are held back until they are settled.
func (c *Core) open(ev Event) {
	if c.opened || c.n == 0 || ev.Set == nil || ev.Set.Len() != c.n {
		return
	}
	c.opened, c.progress = true, c.now
	if c.phase == opening {
		c.phase = fetching
	}
	c.wanted, c.placed = ev.Set, ev.Placed
	if ev.Claims != nil && ev.Claims.Len() == c.n {
		c.claims = ev.Claims
		for i, ok := c.claims.Next(0); ok; i, ok = c.claims.Next(i + 1) {
			if c.have.Has(i) || !c.wanted.Has(i) {
				c.claims.Clear(i)
			}
		}
	}
	c.missing = 0
	for i, ok := c.wanted.Next(0); ok; i, ok = c.wanted.Next(i + 1) {
		if !c.have.Has(i) {
			c.missing++
		}
		c.choose(i)
	}
	if c.placed && c.phase == fetching {
		c.beginStay()
	}
	c.tellCredit()
	c.wakeAll()
}

// released settles a claim: what is on our disk is not Block i.
func (c *Core) released(i blocks.Index) {
	if c.n == 0 || !c.claims.Clear(i) {
		return
	}
	c.progress = c.now
	c.choose(i)
	c.tellCredit()
}

// completed orders what follows when all that is wanted is held: Open after the Manifest, Place after the content.
func (c *Core) completed() {
	if c.cfg.Seed || c.phase != fetching || c.placed || c.n == 0 || c.missing > 0 {
		return
	}
	c.progress = c.now
	if !c.opened {
		c.phase = opening
		c.order(Action{Kind: Open})
		return
	}
	c.phase = placing
	c.tellCredit()
	c.order(Action{Kind: Place})
}

func (c *Core) placedNow() {
	c.placed = true
	if c.phase == placing {
		c.beginStay()
	}
}

// giveUp ends a receiver that can't be completed: nobody was reached, a Block is lost, nothing moves.
func (c *Core) giveUp() {
	if c.cfg.Seed || c.phase != fetching || c.placed {
		return
	}
	if !c.reached {
		if c.now >= c.cfg.Wait {
			c.end(ErrNobody)
		}
		return
	}
	kept := c.gone[:0]
	for _, w := range c.gone {
		if c.have.Has(w.index) || c.avail[w.index] > 0 || c.flight[w.index] > 0 || c.claims.Has(w.index) {
			continue
		}
		if c.now-w.since >= lostTime {
			c.end(fmt.Errorf("%w: block %d was withdrawn", ErrLost, w.index))
			return
		}
		kept = append(kept, w)
	}
	c.gone = kept
	if c.now-c.progress < c.cfg.Stall {
		return
	}
	if i, ok := c.orphan(); ok {
		c.end(fmt.Errorf("%w: block %d", ErrLost, i))
		return
	}
	c.end(ErrStalled)
}

// orphan finds a wanted Block that nobody holds.
func (c *Core) orphan() (blocks.Index, bool) {
	if c.n == 0 {
		return 0, len(c.peers) == 0
	}
	for i, ok := c.wanted.Next(0); ok; i, ok = c.wanted.Next(i + 1) {
		if !c.have.Has(i) && !c.claims.Has(i) && c.avail[i] == 0 {
			return i, true
		}
	}
	return 0, false
}

// badLimit is how many distinct wrong Blocks ban a Member.
const badLimit = 3

// bad takes that p sent wrong bytes for i: it is told, and asked for others only.
func (c *Core) bad(p *peer, i blocks.Index) {
	if uint32(i) >= c.n {
		return
	}
	c.order(Action{Kind: Reject, Peer: p.id, Index: i})
	if k := p.find(i); k >= 0 {
		c.forget(p, k)
	}
	c.peerLacks(p, i)
	if !p.m.sentBad(i) {
		return
	}
	p.m.banned = true
	c.order(Action{Kind: Drop, Peer: p.id, Ban: true, Text: "sent wrong blocks"})
	c.peerDown(p)
}
