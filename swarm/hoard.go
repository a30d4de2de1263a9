package swarm

import "time"

// A seed's first copies are to spread: who keeps them to itself is given no more.
const (
	hoarder     = 4                // first copies unannounced from which on a source is sent no more
	awaitMost   = time.Second      // for a first copy to be announced
	unannounced = 2                // first copies that may take longer, before no more are sent there
	hoardTime   = 16 * time.Second // without an announcement, until it is accused: who is stopped or cut off for so long has no session
)

// hoards tells whether p's source keeps first copies to itself: what it is sent is not announced, and nobody else gets it from there. One
// that announced what it was sent last isn't taken for its neighbors behind the same address, which may be stopped or dead.
func (c *Core) hoards(p *peer) bool {
	if !p.source.IsValid() {
		return false
	}
	if t := c.standings[p.source]; t != nil && t.hoards >= hoarder {
		return true
	}
	late := 0
	for _, q := range c.peers {
		if q != p && (p.shares || q.source != p.source) {
			continue
		}
		for k := 0; k < len(q.waits) && c.now-q.waits[k].since > awaitMost; k++ {
			late++
		}
	}
	return late > unannounced
}

// kept counts a first copy that p didn't announce in time. It is accused once it has announced nothing for long, and is there all the same.
func (c *Core) kept(p *peer) {
	if p.shares = false; p.keeps == 0 {
		p.keeps = c.now
	}
	if t := c.standingOf(p.source); t != nil {
		t.hoards = min(t.hoards+1, 2*hoarder)
	}
}

// passedOn counts a first copy that p announced.
func (c *Core) passedOn(p *peer) {
	p.shares = true
	if t := c.standingOf(p.source); t != nil {
		t.hoards = max(t.hoards-1, 0)
	}
}

// accuseHoarder names a source that has kept as many first copies as one may, by a session that has announced nothing since.
func (c *Core) accuseHoarder(p *peer) {
	t := c.standings[p.source]
	if p.keeps > 0 && c.now-p.keeps > hoardTime && t != nil && t.hoards >= hoarder && !t.hoarded {
		t.hoarded = true
		c.accuse(p, "keeps first copies to itself")
	}
}
