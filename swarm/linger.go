package swarm

import (
	"time"

	"p2pcp/blocks"
)

// Linger says how long a complete receiver stays (idle is time without a Request).
type Linger struct {
	Mode LingerMode
	Idle time.Duration // for LingerFor
}

// LingerMode is a policy of staying.
type LingerMode uint8

// Modes of lingering.
const (
	LingerAuto       LingerMode = iota // foreground: leave at once, after 1 s or 10 s idle, by who else is there
	LingerBackground                   // until 60 s idle
	LingerFor                          // until Idle
	LingerNone
)

// Lingering, by the policy: who is complete stays where others may still need it.
const (
	stayLong   = 10 * time.Second // idle: the few that a launcher's next batch finds
	stayShort  = 1 * time.Second  // idle: the others
	stayMost   = 30 * time.Second // the others, whatever is asked of them
	stayFew    = 60 * time.Second // the few, whatever is asked of them, or twice as long as they took themselves: a member could keep them for ever
	stayBehind = 60 * time.Second // idle, in the background
	stayCount  = 2                // at least so many stay long, and
	stayShare  = 8                // one in so many of the receivers seen
)

// lingering is the state of staying.
type lingering struct {
	since  time.Duration // when it began
	asked  time.Duration // when we were last asked for something, or ended sending it
	shared bool          // another receiver was incomplete while we were here
	until  time.Duration // draining: Done at the latest
}

// beginStay begins lingering.
func (c *Core) beginStay() {
	c.phase = staying
	c.stay.since, c.stay.asked = c.now, max(c.stay.asked, c.now)
	for _, p := range c.peers {
		for len(p.reqs) > 0 {
			c.order(Action{Kind: Cancel, Peer: p.id, Index: p.reqs[0].index})
			c.forget(p, 0)
		}
	}
	c.noteShared()
	c.lingered()
}

// noteShared remembers who is complete, and whether another receiver ever was not.
func (c *Core) noteShared() {
	for _, p := range c.peers {
		p.m.complete = c.complete(p)
		c.stay.shared = c.stay.shared || !p.m.complete
	}
}

// lingered ends staying when its time is over.
func (c *Core) lingered() {
	c.noteShared()
	if c.phase != staying || c.cfg.Seed {
		return
	}
	idle := c.now - c.stay.asked
	if c.uploads > 0 {
		idle = 0
	}
	switch l := c.cfg.Linger; l.Mode {
	case LingerNone:
	case LingerFor:
		if idle < l.Idle {
			return
		}
	case LingerBackground:
		if idle < stayBehind {
			return
		}
	default:
		if c.stay.shared && c.staysOn(idle) {
			return
		}
	}
	c.drain()
}

// staysOn tells whether `auto` keeps us: some complete receivers, chosen alike by everybody, stay long.
func (c *Core) staysOn(idle time.Duration) bool {
	receivers, above := 1, 0
	for _, m := range c.members {
		if m.seed {
			continue
		}
		receivers++
		if m.sessions > 0 && m.complete && m.place > c.mesh.self {
			above++
		}
	}
	if above < max(stayCount, receivers/stayShare) {
		return idle < stayLong && c.now-c.stay.since < max(stayFew, 2*c.stay.since)
	}
	return idle < stayShort && c.now-c.stay.since < stayMost
}

// rankOf orders members differently in every swarm: FNV-1a over ID and name, mixed so that the last bytes count.
func rankOf(id blocks.Root, name string) uint64 {
	h := uint64(14695981039346656037)
	for _, b := range id {
		h = (h ^ uint64(b)) * 1099511628211
	}
	for k := range len(name) {
		h = (h ^ uint64(name[k])) * 1099511628211
	}
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	return h ^ h>>33
}

// drain begins to leave: what is being sent is finished, nothing new is begun.
func (c *Core) drain() {
	if c.phase == draining {
		return
	}
	c.phase = draining
	c.stay.until = c.now + drainTime
	c.tellCredit()
	for _, p := range c.peers {
		for len(p.reqs) > 0 {
			c.order(Action{Kind: Cancel, Peer: p.id, Index: p.reqs[0].index})
			c.forget(p, 0)
		}
	}
}

// drained ends it all once nothing is being sent any more, or too slowly.
func (c *Core) drained() {
	if c.phase == draining && (c.uploads == 0 || c.now >= c.stay.until) {
		c.end(nil)
	}
}
