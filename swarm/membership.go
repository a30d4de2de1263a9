package swarm

import (
	"net/netip"
	"time"
)

// member is a process in the swarm, met or heard of.
type member struct {
	name     string
	addr     netip.AddrPort // where it can be dialled; invalid or port 0: it can't
	seed     bool
	place    uint64 // where it stands on the rings
	near     int    // how many places next to us it has there
	zone     uint32
	mate     bool       // takes turns with us, it or another one of its source
	ranked   bool       // it: counted in zoning.before
	source   netip.Addr // where it came from, or is said to be; invalid: unknown, or it has given us a Block
	came     bool       // it was in session, as met, with an address of its own or without
	sessions int        // live
	complete bool
	banned   bool          // where it was last met: it isn't dialled any more, but may come from elsewhere
	gone     bool          // left or dead, says gossip
	doomed   bool          // says gossip too, and isn't believed until we can't reach it either
	dialing  bool          // a Dial was ordered and nothing came of it yet
	next     time.Duration // not dialled before
	backoff  time.Duration
	tried    time.Duration  // when the last Dial was ordered
	fails    int            // Dials in a row that nothing came of
	other    netip.AddrPort // told too: tried when addr fails
	met      bool           // it was in session
	teller   *standing      // who told us of it; nil: unknown
}

// Dialling.
const (
	backoffMin  = 200 * time.Millisecond
	backoffMax  = 5 * time.Second
	dialDelay   = 100 * time.Millisecond // the higher name of two waits so long for the lower one's dial
	dialPatient = 10 * time.Second       // after which a Dial that nothing came of is forgotten
	maxDials    = 16                     // under way
	maxMembers  = 16384                  // that we remember; as many as gossip does
	forgetFails = 3                      // Dials in vain before a member may be forgotten for another
	forgetLook  = 64                     // members looked at for one to forget
	settled     = 10 * time.Second       // a session that lasted so long clears the backoff
)

// memberOf finds or makes the Member that an Event names.
func (c *Core) memberOf(ev Event) *member {
	m := c.byName[ev.Member]
	fresh := m == nil
	if fresh {
		if len(c.members) >= maxMembers {
			c.forgetMember(true)
		}
		m = &member{name: ev.Member, place: rankOf(c.cfg.ID, ev.Member)}
		c.byName[m.name] = m
		c.members = append(c.members, m)
	}
	c.locate(m, ev)
	m.seed = m.seed || ev.Seed
	m.gone, m.doomed = false, false
	c.zoneOf(m, ev)
	if m.steady() {
		c.enter(m)
	}
	c.mateUp(m, ev, fresh)
	return m
}

func (c *Core) memberUp(ev Event) {
	if ev.Member == c.cfg.Self || ev.Member == "" {
		return
	}
	known := c.byName[ev.Member] != nil
	if !known && (c.toldAll(ev.Source) || (len(c.members) >= maxMembers && !c.forgetMember(false))) {
		return
	}
	m := c.memberOf(ev)
	if known {
		return // if its address is new: the next Tick dials
	}
	if c.crowded() {
		if m.near == 0 {
			return // a random one may be wanted at the next Tick
		}
	} else if c.cfg.Seed || m.name < c.cfg.Self {
		m.next = c.now + dialDelay
		return // not yet: a look through all members for each that is named would be worth a flood
	}
	c.dialMore()
}

func (c *Core) dialFailed(name string) {
	m := c.byName[name]
	if m == nil {
		return
	}
	if m.dialing && m.other.IsValid() {
		m.addr, m.other = m.other, m.addr
	}
	c.undial(m)
	if m.fails++; !m.steady() {
		c.leave(m)
	}
	c.nobodyThere(m.teller)
	m.retryLater(c.now)
	if m.doomed {
		c.bury(m)
	}
}

func (m *member) retryLater(now time.Duration) {
	m.backoff = min(max(2*m.backoff, backoffMin), backoffMax)
	m.next = max(m.next, now+m.backoff)
}

func (c *Core) undial(m *member) {
	if m.dialing {
		m.dialing = false
		c.dialing--
		m.teller.dialed(-1)
	}
}

// limit is how many sessions we take.
func (c *Core) limit() int { return min(max(c.cfg.FullMesh, c.degree()+c.degree()/4), maxPeers) }

// admit makes room for a new session, or drops it.
func (c *Core) admit(p *peer) bool {
	if len(c.peers) < c.limit() || c.dropUseless() || c.dropCrowder(p.source) {
		return true
	}
	if p.m.near > 0 && !c.crowds(p.source) && c.dropStranger() {
		return true
	}
	c.order(Action{Kind: Drop, Peer: p.id, Text: "full"})
	return false
}

// dropUseless ends a session between two that are complete, when there are more than Degree.
func (c *Core) dropUseless() bool {
	if len(c.peers) <= c.degree() || !c.satisfied() {
		return false
	}
	for _, p := range c.peers {
		if c.complete(p) && len(p.sends) == 0 {
			c.order(Action{Kind: Drop, Peer: p.id, Text: "both complete"})
			c.peerDown(p)
			return true
		}
	}
	return false
}

// satisfied tells whether we need nothing from anybody.
func (c *Core) satisfied() bool {
	return c.cfg.Seed || (c.opened && (c.missing == 0 || c.placed))
}

// joined enters a new session into its member's record.
func (c *Core) joined(p *peer) {
	m := p.m
	m.sessions++
	m.fails = 0
	m.teller.toldRight()
	c.enter(m)
	m.complete = c.complete(p)
	p.open = c.cfg.Seed && p.have != nil && c.hasManifest(p)
}

// part takes a session that is down out of its member's record.
func (c *Core) part(p *peer) {
	m := p.m
	m.sessions--
	m.complete = c.complete(p)
	if c.now-p.up > settled {
		m.backoff = 0
	}
	m.retryLater(c.now)
	c.mateDown(m)
	if m.gone && m.sessions == 0 && !m.banned {
		c.removeMember(m)
	}
}

// dialMore dials whom we lack: everybody up to FullMesh members, beyond that our neighbors on the rings, and random ones until there
// are Degree sessions. As long as the Manifest is incomplete a seed's session is wanted in any case. Who needs nothing dials only those that do.
func (c *Core) dialMore() {
	if !c.seeks() || len(c.members) == 0 {
		return
	}
	want := maxDials - c.dialing
	if c.crowded() {
		want -= c.dialNear(want)
		want = min(want, c.degree()-len(c.peers)-c.dialing)
		if c.wantsSeed() {
			c.dialSome(1, func(m *member) bool { return m.seed })
		}
	}
	c.dialSome(want, func(*member) bool { return true })
}

// seeks tells whether we would have more sessions.
func (c *Core) seeks() bool { return c.phase != draining && (c.cfg.Seed || !c.satisfied()) }

// wantsSeed tells whether the Manifest is incomplete and no seed is there or on its way.
func (c *Core) wantsSeed() bool {
	if c.opened || c.phase != fetching {
		return false
	}
	for _, m := range c.members {
		if m.seed && (m.sessions > 0 || m.dialing) {
			return false
		}
	}
	return true
}

// forgetDials gives up Dials that nothing came of: whoever has too many under way dials nobody else.
func (c *Core) forgetDials() {
	if c.dialing == 0 || c.now < c.swept+time.Second {
		return
	}
	c.swept = c.now
	for _, m := range c.members {
		if m.dialing && c.now-m.tried > dialPatient {
			c.undial(m)
			c.nobodyThere(m.teller)
		}
	}
}

// dialSome dials up to want of those members that may be dialled, from a random one on.
func (c *Core) dialSome(want int, those func(*member) bool) {
	if want <= 0 {
		return
	}
	off := c.rng.IntN(len(c.members))
	for k := range c.members {
		m := c.members[(k+off)%len(c.members)]
		if !c.dialable(m) || c.tooFar(m) || !those(m) {
			continue
		}
		c.dial(m)
		if want--; want == 0 {
			return
		}
	}
}

func (c *Core) dial(m *member) {
	m.dialing, m.tried = true, c.now
	c.dialing++
	m.teller.dialed(1)
	c.order(Action{Kind: Dial, Member: m.name, Addr: m.addr})
}

func (c *Core) dialable(m *member) bool {
	switch {
	case m.sessions > 0, m.dialing, m.banned, m.gone, c.now < m.next:
		return false
	case !m.addr.IsValid(), m.addr.Port() == 0:
		return false
	case c.cfg.Seed && (m.seed || m.complete):
		return false
	}
	return m.teller.believed()
}
