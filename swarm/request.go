package swarm

import (
	"time"

	"p2pcp/blocks"
)

// request is a Block that a peer owes us: asked for, or granted by it.
type request struct {
	asked   time.Duration
	index   blocks.Index
	bytes   uint32 // arrived so far
	length  uint32 // of the Block; the block size while it isn't known
	granted bool   // came unasked
	arrived bool   // whole; being verified
	idle    bool   // nothing else was owed when it was asked: its first bytes measure the delay
	late    bool   // counted in Core.late
}

func (r *request) left() uint32 { return r.length - min(r.bytes, r.length) }

// busyTime is how long a refusal keeps us from asking the peer again, if no Offer comes.
const busyTime = 500 * time.Millisecond

// fillWoken asks as much as it may of the peers that were woken: of seeds last, so that they get what nobody else can
// give. Where all are woken the order is turned at random, so that no peer is always first.
func (c *Core) fillWoken() {
	count := len(c.woken.order)
	if c.all {
		count = len(c.peers)
	}
	if c.fetches() && count > 0 && !c.sated {
		off := 0
		if c.all {
			off = c.rng.IntN(count)
		}
		for _, seeds := range [2]bool{false, true} {
			for k := range count {
				at := (k + off) % count
				if !c.all {
					at = int(c.woken.order[k])
				}
				if c.seeds.has(at) == seeds && c.now >= c.busy[at] {
					c.fill(c.peers[at])
				}
			}
		}
	}
	c.woken.clear()
	c.all = false
}

// fetches tells whether we ask for anything at all.
func (c *Core) fetches() bool {
	return !c.cfg.Seed && c.phase == fetching && !c.placed && c.n > 0
}

// fill keeps a Session busy: Depth Requests outstanding, and the next one on its way when the current one ends.
func (c *Core) fill(p *peer) {
	for !c.sated && !p.overdue && c.now >= c.busy[p.at] && c.room(p) && c.mayAsk() {
		if p.seed && !c.maySpend(p) {
			return
		}
		i, ok := c.next(p)
		if !ok {
			if i, ok = c.duplicate(p); !ok {
				return
			}
			c.dups++
		}
		c.ask(p, i)
	}
}

// room tells whether another Request may go to p now.
func (c *Core) room(p *peer) bool {
	if p.barren && len(p.reqs) > 0 {
		return false
	}
	all, long := 0, 0
	ahead := c.ahead(p)
	for k := range p.reqs {
		if r := &p.reqs[k]; !r.arrived {
			all++
			if r.left() > ahead {
				long++
			}
		}
	}
	depth := c.depth()
	return long < depth && all <= depth
}

// ahead is how many bytes before the end of a Block the next Request goes to p: what arrives within the delay.
func (c *Core) ahead(p *peer) uint32 {
	return max(c.cfg.Lookahead, uint32(min(p.rate*p.delay.Seconds(), float64(c.cfg.BlockSize))))
}

func (c *Core) ask(p *peer, i blocks.Index) {
	c.expect(p, i, false)
	c.order(Action{Kind: Ask, Peer: p.id, Index: i})
}

// expect adds a Request.
func (c *Core) expect(p *peer, i blocks.Index, granted bool) {
	idle := !p.owes()
	if idle {
		p.moved = c.now
	}
	late := p.barren // others may be asked for it at once
	p.reqs = append(p.reqs, request{index: i, asked: c.now, length: c.cfg.BlockSize, granted: granted, idle: idle, late: late})
	c.rows[i].flight++
	c.asks++
	c.owing.put(p.at, true)
	if late {
		c.rows[i].late++
	}
	c.choose(i)
}

// forget removes Request k of p, whatever became of it.
func (c *Core) forget(p *peer, k int) {
	r := p.reqs[k]
	p.reqs = append(p.reqs[:k], p.reqs[k+1:]...)
	c.rows[r.index].flight--
	c.asks--
	c.sated = false
	if r.late {
		c.rows[r.index].late--
	}
	c.choose(r.index)
	if p.at < 0 {
		return // it is down
	}
	c.owing.put(p.at, len(p.reqs) > 0)
	if p.overdue && !p.owes() {
		c.excuse(p)
	}
	c.wake(p)
}

// find is the place of the Request for i in p.reqs, or -1.
func (p *peer) find(i blocks.Index) int {
	for k := range p.reqs {
		if p.reqs[k].index == i {
			return k
		}
	}
	return -1
}

// granted takes that p, a seed, sends us i unasked. What we have, don't want yet or get from elsewhere is declined, and so is what
// goes beyond the credit: a Grant keeps others from being asked for the Block.
func (c *Core) granted(p *peer, i blocks.Index) {
	if uint32(i) >= c.n {
		return
	}
	p.granting = c.now
	if k := p.find(i); k >= 0 {
		p.reqs[k].granted = true // it crossed our Request, and answers it
		return
	}
	useless := !c.fetches() || !c.wanted.Has(i) || c.have.Has(i) || c.claims.Has(i) || c.rows[i].flight > c.rows[i].late
	if useless || !p.seed || p.grants() >= seedCredit {
		c.order(Action{Kind: Cancel, Peer: p.id, Index: i})
		return
	}
	c.expect(p, i, true)
}

func (c *Core) wasRefused(p *peer, ev Event) {
	k := p.find(ev.Index)
	if ev.Reason != Elsewhere && ev.Reason != Withdrawn {
		c.gaveNothing(p)
	}
	switch {
	case ev.Reason == Busy:
		c.busy[p.at] = c.now + busyTime
	case ev.Reason == Elsewhere:
		c.elsewhere(ev.Index)
	case ev.Reason == Withdrawn || k >= 0:
		if k >= 0 {
			c.forget(p, k)
			if ev.Reason == NotHeld {
				c.denied(p)
			}
		}
		c.peerLacks(p, ev.Index)
		return
	}
	if k >= 0 {
		c.forget(p, k)
	}
}

func (c *Core) progressed(p *peer, ev Event) {
	k := p.find(ev.Index)
	if k < 0 {
		return
	}
	c.sated = false
	r := &p.reqs[k]
	if ev.Length > 0 {
		r.length = ev.Length
	}
	if ev.Bytes <= r.bytes {
		return
	}
	c.moved(p, r, ev.Bytes-r.bytes)
	r.bytes = ev.Bytes
	if ev.Length > 0 && ev.Bytes >= ev.Length {
		r.arrived = true
	}
	if r.left() <= c.ahead(p) {
		c.wake(p)
		if c.crosses(p) {
			c.wakeFar()
		}
	}
}

// moved counts bytes that arrived from p for r.
func (c *Core) moved(p *peer, r *request, bytes uint32) {
	switch {
	case r.bytes > 0:
		p.gap = smoothed(p.gap, c.now-p.moved)
	case r.idle:
		p.delay = smoothed(p.delay, c.now-r.asked)
	}
	p.recent += uint64(bytes)
	c.moving.put(p.at, true)
	p.in += uint64(bytes)
	p.moved, p.progress, c.progress = c.now, c.now, c.now
	c.punctual(p)
}

// smoothed is a moving average over about eight values.
func smoothed(old, next time.Duration) time.Duration {
	if old == 0 {
		return next
	}
	return old + (next-old)/8
}

// verified takes a Block that is held from now on, wherever it came from.
func (c *Core) verified(ev Event) {
	i := ev.Index
	if uint32(i) >= c.n {
		return
	}
	c.progress = c.now
	c.claims.Clear(i)
	fresh := c.have.Set(i)
	if fresh && c.wanted.Has(i) && c.missing > 0 {
		c.missing--
	}
	if p := c.session(ev.Peer); p != nil {
		c.delivered(p, i, ev.Bytes)
	}
	if !fresh {
		return
	}
	c.choose(i)
	c.cancelOthers(i)
	if c.missing == 0 {
		c.tellCredit() // taken back before the HAVE of the last Manifest Block, which would start Grants that we can't keep yet
	}
	c.order(Action{Kind: Announce, Index: i})
	c.tellCredit() // given after the HAVE of the last claim, or what we hold would be granted
}

// delivered ends p's Request for i, of so many bytes (0: unknown), well.
func (c *Core) delivered(p *peer, i blocks.Index, bytes uint32) {
	if k := p.find(i); k >= 0 {
		if r := &p.reqs[k]; bytes > r.bytes {
			c.moved(p, r, bytes-r.bytes)
		}
		c.crossed(p, &p.reqs[k])
		c.forget(p, k)
	}
	if p.seed {
		p.granting = c.now
	}
	p.penalty = 0
	c.gaveOne(p)
}

// cancelOthers takes back what other peers still owe us of a Block that we hold.
func (c *Core) cancelOthers(i blocks.Index) {
	if c.rows[i].flight == 0 {
		return
	}
	for _, p := range c.peers {
		if k := p.find(i); k >= 0 {
			c.order(Action{Kind: Cancel, Peer: p.id, Index: i})
			c.forget(p, k)
		}
	}
}
