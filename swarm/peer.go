package swarm

import (
	"cmp"
	"net/netip"
	"time"

	"p2pcp/blocks"
)

// peer is what the core knows of a live Session's other side.
type peer struct {
	id        PeerID
	m         *member
	seed      bool
	source    netip.Addr // where it comes from; invalid: unknown
	zone      uint32
	lingering bool             // it said in HELLO that it is complete
	up        time.Duration    // since when
	have      *blocks.Bitfield // nil until the Header is known
	interest  uint32           // how many members of Core.pick it holds

	// What it sends us.
	reqs      []request     // in the order in which it will answer
	rate      float64       // bytes per second while it owed us something, smoothed; 0: unknown
	delay     time.Duration // from a Request on an idle session to its first bytes, smoothed
	gap       time.Duration // between Progress events of one Request, smoothed
	moved     time.Duration // when it last gave us something, or began to owe us something
	recent    uint64        // bytes since the last Tick
	overdue   bool          // owes us something and is silent: gets nothing new, and its Requests may go elsewhere
	barren    bool          // it gave nothing for long, or was overdue, and has given nothing since
	gave      time.Duration // when it last gave a Block
	said      time.Duration // when it last announced one
	refusals  int           // since then
	silences  int           // how often it was overdue
	penalty   time.Duration // how long it stays out after having been overdue
	busyUntil time.Duration // it refused; an Offer ends it
	granting  time.Duration // a seed: when it last sent us something unasked
	woken     bool          // is in Core.woken

	// What we send it.
	sends   []sending
	allows  uint32        // its ANY: how many of our choice may be in flight to it
	waits   []await       // a seed: sent, not yet announced by it
	shares  bool          // it announced the last one that it did or didn't
	keeps   time.Duration // since when it has kept one, and announced nothing; 0: it doesn't
	owed    bool          // is in Core.refused
	open    bool          // it has announced the whole Manifest
	offered time.Duration // when we offered it a place that it hasn't used yet; 0: none

	in, out  uint64        // content bytes
	progress time.Duration // when a Block last went either way
}

// owes tells whether the peer still has bytes to send us.
func (p *peer) owes() bool {
	for k := range p.reqs {
		if !p.reqs[k].arrived {
			return true
		}
	}
	return false
}

// grants counts what the peer sends us unasked and hasn't sent whole yet.
func (p *peer) grants() (n int) {
	for k := range p.reqs {
		if r := &p.reqs[k]; r.granted && !r.arrived {
			n++
		}
	}
	return n
}

// pushes tells whether the peer sends us something unasked, or something of it isn't verified yet.
func (p *peer) pushes() bool {
	for k := range p.reqs {
		if p.reqs[k].granted {
			return true
		}
	}
	return false
}

// session is the peer of a Session, nil if that is down.
func (c *Core) session(id PeerID) *peer {
	for k, other := range c.ids {
		if other == id {
			return c.peers[k]
		}
	}
	return nil
}

// header fixes the Index space.
func (c *Core) header(n, manifest, blockSize uint32) {
	n = min(n, blocks.MaxBlocks)
	c.n, c.manifest = n, min(manifest, n)
	c.cfg.BlockSize = cmp.Or(blockSize, c.cfg.BlockSize)
	c.widen()
	c.avail, c.recv = make([]uint16, n), make([]uint16, n)
	c.flight, c.late = make([]uint8, n), make([]uint8, n)
	c.pick = newPicker(n, c.rng)
	c.have, c.claims = blocks.NewBitfield(n), blocks.NewBitfield(n)
	for _, p := range c.peers {
		p.have = blocks.NewBitfield(n)
	}
	if c.cfg.Seed {
		if c.cfg.Have != nil {
			c.have = c.cfg.Have.Clone()
		}
		c.wanted, c.opened, c.placed = c.have.Clone(), true, true
		c.push = newPushState(n)
		for i := range n {
			c.choose(blocks.Index(i))
		}
		return
	}
	c.wanted = blocks.NewBitfield(n)
	c.wanted.SetSpan(blocks.Span{Count: c.manifest})
	c.missing = c.manifest
	for i := range c.manifest {
		c.choose(blocks.Index(i))
	}
	c.tellCredit()
	c.wakeAll()
	c.peersZones()
}

// choose decides anew whether i may be picked: by a receiver to be asked for, by a seed to be pushed.
func (c *Core) choose(i blocks.Index) {
	var in bool
	if c.cfg.Seed {
		in = c.have.Has(i) && (c.spread(i) == 0 || c.doubts(i)) && c.push.under[i] == 0
	} else {
		in = c.wanted.Has(i) && !c.have.Has(i) && !c.claims.Has(i) && c.flight[i] == c.late[i] && !c.placed && c.near(i)
	}
	if !c.pick.set(i, in) {
		return
	}
	for _, p := range c.peers {
		if !p.have.Has(i) {
			continue
		}
		if !in {
			p.interest--
			continue
		}
		p.interest++
		c.wake(p)
	}
}

// holds adds (or takes away) a holder of i.
func (c *Core) holds(p *peer, i blocks.Index, yes bool) {
	d := uint16(1)
	if !yes {
		d = ^uint16(0) // -1
	}
	c.avail[i] += d
	if !p.seed {
		c.recv[i] += d
	}
	c.zoneHolds(p, i, d)
	if !c.cfg.Seed {
		c.pick.setRank(i, c.rarity(i))
		return
	}
	c.choose(i)
}

func (c *Core) peerUp(ev Event) {
	if c.session(ev.Peer) != nil {
		return
	}
	m := c.memberOf(ev)
	c.undial(m) // whatever becomes of the session
	switch {
	case c.suspects[suspect{m.name, ev.Source}].banned():
		c.order(Action{Kind: Drop, Peer: ev.Peer, Ban: true, Text: "banned"})
		return
	case c.phase == draining:
		c.order(Action{Kind: Drop, Peer: ev.Peer, Text: "leaving"})
		return
	}
	m.banned = false // it was another one of that name
	p := &peer{id: ev.Peer, m: m, seed: ev.Seed, source: ev.Source, zone: ev.Zone, lingering: ev.Lingering, up: c.now, moved: c.now, progress: c.now}
	if ev.Set != nil && ev.Set.Len() == c.n {
		p.have = ev.Set
	} else if c.n > 0 {
		p.have = blocks.NewBitfield(c.n)
	}
	if !c.admit(p) {
		return
	}
	c.reached, c.progress = true, max(c.progress, c.now)
	c.ids = append(c.ids, p.id)
	c.peers = append(c.peers, p)
	c.joined(p)
	c.zoneUp(p)
	if c.n == 0 {
		return
	}
	p.interest = c.pick.common(p.have.Words()) // before holds: what a seed stops offering by it takes itself out again
	for i, ok := p.have.Next(0); ok; i, ok = p.have.Next(i + 1) {
		c.holds(p, i, true)
	}
	if p.seed && c.credit > 0 {
		c.order(Action{Kind: Any, Peer: p.id, Count: c.credit})
	}
	c.wake(p)
}

func (c *Core) peerDown(p *peer) {
	c.sated = false
	c.part(p)
	for k, q := range c.peers {
		if q == p {
			c.peers = append(c.peers[:k], c.peers[k+1:]...)
			c.ids = append(c.ids[:k], c.ids[k+1:]...)
			break
		}
	}
	c.zoneDown(p)
	if p.have != nil {
		for i, ok := p.have.Next(0); ok; i, ok = p.have.Next(i + 1) {
			c.holds(p, i, false)
		}
	}
	for len(p.reqs) > 0 {
		c.forget(p, 0)
	}
	c.stopServing(p)
}

func (c *Core) peerHave(p *peer, spans []blocks.Span) {
	if p.have == nil {
		return
	}
	for _, s := range spans {
		end := uint32(min(uint64(s.First)+uint64(s.Count), uint64(c.n)))
		for n := s.First; n < end; n++ {
			i := blocks.Index(n)
			if !p.have.Set(i) {
				continue
			}
			p.said, p.keeps = c.now, 0
			if c.pick.has(i) {
				p.interest++
			}
			c.fruit(i)
			c.announcedBy(p, i)
			c.holds(p, i, true)
		}
	}
	c.wake(p)
}

// peerLacks takes back that p holds i, and what we asked of it.
func (c *Core) peerLacks(p *peer, i blocks.Index) {
	if p.have == nil || !p.have.Has(i) {
		return
	}
	if c.pick.has(i) {
		p.interest--
	}
	p.have.Clear(i)
	c.holds(p, i, false)
	for k := range p.reqs {
		if p.reqs[k].index == i {
			c.order(Action{Kind: Cancel, Peer: p.id, Index: i})
			c.forget(p, k)
			break
		}
	}
}

// complete tells whether p needs nothing.
func (c *Core) complete(p *peer) bool { return p.seed || p.lingering || c.holdsAll(p) }

// holdsAll tells whether p has announced everything: that it says it is complete gives nobody a Block.
func (c *Core) holdsAll(p *peer) bool {
	if p.have == nil {
		return false
	}
	goal := c.n
	if c.opened {
		goal = c.wanted.Count()
	}
	return p.have.Count() >= goal
}

// wake marks that p may have room for a Request, and something new to give.
func (c *Core) wake(p *peer) {
	if !p.woken {
		p.woken = true
		c.woken = append(c.woken, p)
	}
}

func (c *Core) wakeAll() { c.all = true }
