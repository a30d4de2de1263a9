package swarm

import "time"

// What we take of a seed.
const (
	seedCredit    = 4                      // Blocks that it may send us unasked at a time
	fullShare     = 0.7                    // of the most that ever came, when receivers alone fill our link
	grantPause    = 100 * time.Millisecond // after its last Grant before we ask it ourselves
	firstBytes    = 500 * time.Millisecond // for the first bytes of one who never sent any
	firstGrant    = 500 * time.Millisecond // the same for one that hasn't granted yet
	smallManifest = 2                      // Manifest Blocks up to which everyone asks a seed at once: the round trips saved outweigh the bytes
)

// maySpend tells whether a seed may be asked. Its uplink is for first copies: it comes last. While it sends unasked it isn't
// asked, nor while a complete receiver is free, nor while a receiver that could give us something is idle, nor while receivers
// fill our link.
func (c *Core) maySpend(p *peer) bool {
	if !c.opened && c.manifest <= smallManifest {
		return true
	}
	if c.relayed(p) {
		return false
	}
	if c.credit > 0 {
		pause := grantPause
		if p.granting == 0 {
			pause = firstGrant
		}
		if p.pushes() || c.now < max(p.granting, p.up)+pause {
			return false
		}
	}
	if c.shared > 0 && c.shared >= fullShare*c.most {
		return false
	}
	for _, q := range c.peers {
		if q.seed || q.overdue || c.now < c.busy[q.at] || (c.crosses(q) && !c.crosses(p)) {
			continue
		}
		if q.rate == 0 && q.owes() && c.now-q.moved > firstBytes {
			continue // it says that it holds something
		}
		if c.holdsAll(q) || (c.interest[q.at] > 0 && !q.owes()) {
			return false
		}
	}
	return true
}

// tellCredit tells the seeds how many Blocks of their choice we can take: none while the Manifest is complete but not open, or
// while what is on our disk isn't known.
func (c *Core) tellCredit() {
	credit := uint32(0)
	if c.fetches() && c.missing > 0 && c.claims.Count() == 0 {
		credit = seedCredit
	}
	if credit == c.credit {
		return
	}
	c.credit = credit
	for _, p := range c.peers {
		if p.seed {
			c.order(Action{Kind: Any, Peer: p.id, Count: credit})
		}
	}
}
