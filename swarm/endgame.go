package swarm

import (
	"time"

	"p2pcp/blocks"
)

// A peer that owes us bytes and sends none for overdueMin, or overdueGaps times its usual pause if that is longer, is overdue.
const (
	overdueMin  = 1 * time.Second
	overdueNew  = 2 * time.Second // before it ever sent anything
	overdueMax  = 10 * time.Second
	overdueGaps = 4
	penaltyMin  = 1 * time.Second // out after having been overdue for nothing; doubles
	penaltyMax  = 30 * time.Second
	crawlMin    = 1500 * time.Millisecond // from a Request on, before its peer is called crawling
	crawlFactor = 16                      // how much longer it would need for the rest than another for all of the Block
)

// Duplicates: the last Blocks are asked for twice where the first source is slower by slowFactor and would take at least
// slowMin. At most one Block in dupShare is, but for those that some peer has let down already: its next source may do the same. How fast a
// source is shows after slowAfter: by what comes within its first Tick nearly all look slow (16 receivers of 1 MiB got 1.5 to 3 % twice).
const (
	slowFactor = 2
	slowMin    = 60 * time.Millisecond
	slowAfter  = 250 * time.Millisecond
	// slowManifest is slowMin for a small Manifest, which all ask the seed for at once.
	slowManifest = 500 * time.Millisecond
	dupShare     = 100
)

// measure smooths the peers' rates, over about half a second of Ticks.
func (c *Core) measure() {
	past := max(c.now-c.measured, tickTime) // a busy process gets Ticks late, then two at once
	c.measured, c.sated = c.now, false
	c.findSlow()
	all := 0.0
	for s := c.owing | c.moving; s != 0; {
		p := c.peers[s.next()]
		if p.recent == 0 && !p.owes() {
			continue
		}
		rate := float64(p.recent) / past.Seconds()
		all += rate
		if p.rate == 0 {
			p.rate = rate
		} else {
			p.rate += (rate - p.rate) / 10
		}
		p.recent = 0
	}
	c.moving = 0
	if c.cfg.Seed {
		c.outflow(past)
		return
	}
	c.inflow()
	c.findLag(all, past)
}

// inflow adds up what comes from receivers, and notes the most that ever came from all.
func (c *Core) inflow() {
	all := 0.0
	c.shared = 0
	for s := c.owing; s != 0; {
		p := c.peers[s.next()]
		if !p.owes() {
			continue
		}
		all += p.rate
		if !p.seed {
			c.shared += p.rate
		}
	}
	c.most = max(c.most, all)
}

// tickTime is how far Ticks are apart.
const tickTime = 50 * time.Millisecond

// findOverdue looks for peers that owe us something and are silent: what they owe may be asked of others. It isn't
// cancelled: who finishes first wins.
func (c *Core) findOverdue() {
	for s := c.owing; s != 0; {
		p := c.peers[s.next()]
		switch {
		case p.overdue || !p.owes():
			continue
		case c.crawls(p):
			c.crawled(p)
		case c.now-p.moved < p.patience():
			continue
		default:
			c.silent(p)
		}
		c.setOverdue(p, true)
		for k := range p.reqs {
			if r := &p.reqs[k]; !r.arrived && !r.late {
				r.late = true
				c.rows[r.index].late++
				c.choose(r.index)
			}
		}
		c.wakeAll()
	}
}

// patience is how long p may be silent.
func (p *peer) patience() time.Duration {
	if p.gap == 0 {
		return overdueNew
	}
	return min(max(overdueGaps*p.gap, overdueMin), overdueMax)
}

// crawls tells whether p sends, but so slowly that it keeps its Block from us: for long, with far to go, and far slower than
// another peer would be. Without this a byte now and then would hold a Block for ever.
func (c *Core) crawls(p *peer) bool {
	for k := range p.reqs {
		r := &p.reqs[k]
		age := c.now - r.asked
		if r.arrived || age < crawlMin {
			continue
		}
		need := time.Hour
		if r.bytes > 0 {
			need = time.Duration(min(float64(age)*float64(r.left())/float64(r.bytes), float64(time.Hour)))
		}
		for _, q := range c.peers {
			if q != p && !q.overdue && q.have.Has(r.index) && crawlFactor*c.expected(q, r.length) < need {
				return true
			}
		}
		return false // the others wait for this one
	}
	return false
}

// punctual ends that p is overdue: it moves again.
func (c *Core) punctual(p *peer) {
	if !p.overdue || c.crawls(p) {
		return
	}
	c.setOverdue(p, false)
	for k := range p.reqs {
		if r := &p.reqs[k]; r.late {
			r.late = false
			c.rows[r.index].late--
			c.choose(r.index)
		}
	}
	c.wake(p)
}

// excuse ends that p is overdue because it owes nothing any more; it is left alone for a while.
func (c *Core) excuse(p *peer) {
	c.setOverdue(p, false)
	p.penalty = min(max(2*p.penalty, penaltyMin), penaltyMax)
	c.busy[p.at] = c.now + p.penalty
}

// duplicate finds, when nothing is left to be asked for, the Block in flight that p would bring soonest before its
// present source.
func (c *Core) duplicate(p *peer) (blocks.Index, bool) {
	if c.pick.atLeast(1) > 0 || (!c.opened && c.manifest > smallManifest) || c.crosses(p) {
		return 0, false
	}
	spent := c.dups >= c.wanted.Count()/dupShare+1
	need := c.expected(p, c.cfg.BlockSize) + p.delay
	worst := max(slowFactor*need, slowMin)
	if !c.opened {
		worst = max(worst, slowManifest)
	}
	var found blocks.Index
	ok := false
	for _, q := range c.peers {
		if q == p || c.now-q.up < slowAfter {
			continue
		}
		ahead := uint32(0)
		for k := range q.reqs {
			r := &q.reqs[k]
			if r.arrived {
				continue
			}
			ahead += r.left()
			late := c.rows[r.index].late
			if r.late || c.rows[r.index].flight-late > 1 || (spent && late == 0) || !p.have.Has(r.index) || p.find(r.index) >= 0 {
				continue
			}
			if t := max(c.expected(q, ahead), c.now-q.moved); t > worst {
				worst, found, ok = t, r.index, true
			}
		}
	}
	return found, ok
}

// expected is how long p needs for so many bytes: at the rate of all, if its own isn't known.
func (c *Core) expected(p *peer, bytes uint32) time.Duration {
	rate := p.rate
	if rate <= 0 {
		n := 0
		for _, q := range c.peers {
			if q.rate > 0 {
				rate += q.rate
				n++
			}
		}
		if n == 0 {
			return time.Hour
		}
		rate /= float64(n)
	}
	return time.Duration(min(float64(bytes)/rate, 3600) * float64(time.Second))
}
