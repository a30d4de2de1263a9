package swarm

import (
	"fmt"
	"time"

	"p2pcp/blocks"
)

// orphaned is a wanted Block that nobody in session holds, though a seed is: it must have been withdrawn.
type orphaned struct {
	index blocks.Index
	since time.Duration
	yes   bool
}

// lostTime is how long that may be so: time for others to announce it.
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
	if c.n == 0 || c.cfg.Seed {
		return
	}
	c.placed = true
	for c.pick.count() > 0 { // rotted meanwhile; nothing is fetched any more
		c.choose(blocks.Index(c.pick.order[0]))
	}
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
	if i, ok := c.withdrawn(); ok {
		c.end(fmt.Errorf("%w: block %d was withdrawn", ErrLost, i))
		return
	}
	if c.now-c.progress < c.cfg.Stall {
		return
	}
	if i, ok := c.orphan(); ok {
		c.end(fmt.Errorf("%w: block %d", ErrLost, i))
		return
	}
	c.end(ErrStalled)
}

// withdrawn finds a Block that has been an orphan too long while a seed was there to hold it.
func (c *Core) withdrawn() (blocks.Index, bool) {
	seed := false
	for _, p := range c.peers {
		seed = seed || p.seed
	}
	o := &c.lost
	if o.yes && (!seed || !c.pick.has(o.index) || c.avail(o.index) > 0) {
		o.yes = false
	}
	if !o.yes && seed && c.n > 0 && c.pick.start[1] > 0 { // rank 0 of the picker: no holder
		*o = orphaned{blocks.Index(c.pick.order[0]), c.now, true}
	}
	return o.index, o.yes && c.now-o.since >= lostTime
}

// orphan finds a wanted Block that nobody holds.
func (c *Core) orphan() (blocks.Index, bool) {
	if c.n == 0 {
		return 0, len(c.peers) == 0
	}
	for i, ok := c.wanted.Next(0); ok; i, ok = c.wanted.Next(i + 1) {
		if !c.have.Has(i) && !c.claims.Has(i) && c.avail(i) == 0 {
			return i, true
		}
	}
	return 0, false
}

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
	if !c.sentBad(p, i) {
		return
	}
	if m := p.m; !m.addr.IsValid() || !p.source.IsValid() || isOf(m.addr.Addr(), p.source) {
		m.banned = true
		c.leave(m)
	}
	c.order(Action{Kind: Drop, Peer: p.id, Ban: true, Text: "sent wrong blocks"})
	c.peerDown(p)
}
