package swarm

import "time"

// What no honest member does, or not so often, is held against whoever does it: it is named, at -v and in status, and its session goes
// on, for each of these may be ill luck in the end.
const (
	deniedMost  = 4    // Blocks that it announced, and said it doesn't hold when it was asked
	crawlRate   = 1024 // bytes a second, with crawlGap between them: what stalls for once isn't accused
	crawlGap    = 500 * time.Millisecond
	crowdedMost = 3   // sessions of its source that made room for others
	unmetMost   = 256 // members of its naming, none of whom was ever met
)

func (c *Core) accuse(p *peer, text string) {
	c.order(Action{Kind: Accuse, Peer: p.id, Text: text})
}

// denied notes that p doesn't hold what it has announced and not withdrawn.
func (c *Core) denied(p *peer) {
	r := c.recordOf(p)
	if r == nil {
		return
	}
	if r.denied++; r.denied == deniedMost {
		c.accuse(p, "announces what it doesn't hold")
		c.setGiving(p, p.overdue, true)
	}
}

// crawled notes that p keeps a Block from us by a byte now and then.
func (c *Core) crawled(p *peer) {
	slow := false
	for k := range p.reqs {
		q := &p.reqs[k]
		slow = slow || (!q.arrived && q.bytes > 0 && float64(q.bytes) < crawlRate*(c.now-q.asked).Seconds())
	}
	if r := c.recordOf(p); slow && p.gap > crawlGap && r != nil && !r.crawled {
		r.crawled = true
		c.accuse(p, "sends next to nothing of what it is asked for")
	}
}

// silent notes that p, asked for what it says it has, was overdue again and has never given a byte.
func (c *Core) silent(p *peer) {
	if p.silences++; p.silences == 2 && p.in == 0 {
		c.accuse(p, "never answers")
	}
}

// madeRoom notes that p's session ends because its source has more of them than others.
func (c *Core) madeRoom(p *peer) {
	if t := c.standingOf(p.source); t != nil && c.oneHost(p) {
		if t.crowded++; t.crowded == crowdedMost {
			c.accuse(p, "many members of one address: they make room for others")
		}
	}
}

// oneHost tells whether the members that come from where p does may be of one host: an IPv6 source may be a network, whose hosts say where
// each of them is.
func (c *Core) oneHost(p *peer) bool {
	if !isNetwork(p.source) {
		return true
	}
	own := 0
	for _, q := range c.peers {
		if at := q.m.addr; q.source == p.source && at.IsValid() && at.Addr() == p.m.addr.Addr() {
			own++
		}
	}
	return own > fairShare
}

// nobodyThere notes that another member of t's naming can't be reached.
func (c *Core) nobodyThere(t *standing) {
	t.toldWrong()
	if t == nil || t.accused || t.wrong < doubted || t.named < unmetMost {
		return
	}
	if t == c.standings[hearsay()] { // which names the others too
		t.accused = true
		c.order(Action{Kind: Accuse, Text: "it names members that aren't there: somebody made them up, or can't be reached"})
		return
	}
	if t.right {
		return
	}
	for _, p := range c.peers {
		if c.standings[p.source] == t {
			t.accused = true
			c.accuse(p, "names members that aren't there")
			return
		}
	}
}
