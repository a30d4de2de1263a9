package swarm

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"p2pcp/blocks"
)

// peer is what the core knows of a live Session's other side.
type peer struct {
	// What most looks need fills a line of the processor's cache: thousands of simulated nodes wait for memory alone.
	id      PeerID
	seed    bool
	overdue bool             // owes us something and is silent: gets nothing new, and its Requests may go elsewhere
	barren  bool             // it gave nothing for long, or was overdue, and has given nothing since
	have    *blocks.Bitfield // nil until the Header is known
	at      int              // its place in Core.peers; -1: it is down
	rate    float64          // bytes per second while it owed us something, smoothed; 0: unknown
	reqs    []request        // what it sends us, in the order in which it will answer
	said    time.Duration    // when it last announced a Block

	few [4]request // where reqs lies if that is enough

	delay    time.Duration // from a Request on an idle session to its first bytes, smoothed
	recent   uint64        // bytes since the last Tick
	moved    time.Duration // when it last gave us something, or began to owe us something
	progress time.Duration // when a Block last went either way
	gap      time.Duration // between Progress events of one Request, smoothed
	in, out  uint64        // content bytes
	zone     uint32
	open     bool // it has announced the whole Manifest
	shares   bool // it announced the last one that it did or didn't

	lingering bool          // it said in HELLO that it is complete
	sends     []sending     // what we send it
	allows    uint32        // its ANY: how many of our choice may be in flight to it
	offered   time.Duration // when we offered it a place last
	m         *member
	source    netip.Addr    // where it comes from; invalid: unknown
	up        time.Duration // since when
	gave      time.Duration // when it last gave a Block
	refusals  int           // since then
	silences  int           // how often it was overdue
	penalty   time.Duration // how long it stays out after having been overdue
	granting  time.Duration // a seed: when it last sent us something unasked
	waits     []await       // a seed: sent, not yet announced by it
	keeps     time.Duration // since when it has kept one, and announced nothing; 0: it doesn't
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
	for k := range c.peers {
		if c.ids[k] == id {
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
	c.pick = newPicker(n, c.rng)
	c.rows = c.pick.rows
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
		in = c.rows[i].flight == c.rows[i].late && c.wanted.Has(i) && !c.have.Has(i) && !c.claims.Has(i) && !c.placed && c.near(i)
	}
	if !c.pick.set(i, in) {
		return
	}
	for s := c.rows[i].holders; s != 0; {
		at := s.next()
		if !in {
			c.interest[at]--
			continue
		}
		c.interest[at]++
		c.woken.add(at)
	}
}

// avail is how many peers hold i, recv how many receivers of them.
func (c *Core) avail(i blocks.Index) uint16 { return c.rows[i].holders.count() }
func (c *Core) recv(i blocks.Index) uint16  { return (c.rows[i].holders &^ c.seeds).count() }

// holds adds (or takes away) a holder of i.
func (c *Core) holds(p *peer, i blocks.Index, yes bool) {
	c.rows[i].holders.put(p.at, yes)
	c.countHolder(p, i, yes)
}

// countHolder draws the conclusions.
func (c *Core) countHolder(p *peer, i blocks.Index, yes bool) {
	d := uint16(1)
	if !yes {
		d = ^uint16(0) // -1
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
	p := &peer{id: ev.Peer, at: -1, m: m, seed: ev.Seed, source: ev.Source, zone: ev.Zone, lingering: ev.Lingering, up: c.now, moved: c.now, progress: c.now}
	p.reqs = p.few[:0]
	if ev.Set != nil && ev.Set.Len() == c.n {
		p.have = ev.Set
	} else if c.n > 0 {
		p.have = blocks.NewBitfield(c.n)
	}
	if !c.admit(p) {
		return
	}
	c.reached, c.progress = true, max(c.progress, c.now)
	c.enlist(p)
	c.joined(p)
	c.zoneUp(p)
	if c.n == 0 {
		return
	}
	c.interest[p.at] = c.pick.common(p.have.Words()) // before holds: what a seed stops offering by it takes itself out again
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
	c.strike(p)
	c.zoneDown(p)
	if p.have != nil {
		for i, ok := p.have.Next(0); ok; i, ok = p.have.Next(i + 1) {
			c.countHolder(p, i, false)
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
			p.said = c.now
			if c.pick.has(i) {
				c.interest[p.at]++
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
		c.interest[p.at]--
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
func (c *Core) wake(p *peer) { c.woken.add(p.at) }

// enlist gives p its place among the peers.
func (c *Core) enlist(p *peer) {
	p.at = len(c.peers)
	c.peers, c.ids[p.at] = append(c.peers, p), p.id
	c.interest[p.at], c.busy[p.at] = 0, 0
	c.seeds.put(p.at, p.seed)
}

// strike takes it out: those behind it move up.
func (c *Core) strike(p *peer) {
	at := p.at
	c.peers = slices.Delete(c.peers, at, at+1)
	copy(c.ids[at:], c.ids[at+1:])
	for k, q := range c.peers[at:] {
		q.at = at + k
	}
	copy(c.interest[at:], c.interest[at+1:])
	copy(c.busy[at:], c.busy[at+1:])
	for _, s := range [...]*peerSet{&c.seeds, &c.owing, &c.moving, &c.sending, &c.offered} {
		s.remove(at)
	}
	for i := range c.rows {
		c.rows[i].holders.remove(at)
	}
	c.woken.remove(at)
	c.refused.remove(at)
	p.at = -1
}

func (c *Core) wakeAll() { c.all = true }
