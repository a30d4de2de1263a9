package swarm

import (
	"net/netip"

	"p2pcp/blocks"
)

// What members say of themselves and of others isn't proven: any of them may use any name. So a wrong Block is held against a name at
// a source, and who names members that aren't there is believed less.

// badLimit is how many distinct wrong Blocks ban a suspect.
const badLimit = 3

// maxSuspects bounds what is remembered of them; beyond it a first wrong Block ends a session.
const maxSuspects = 4096

// suspect is whom a wrong Block is held against.
type suspect struct {
	name   string
	source netip.Addr
}

// record is what a suspect has done. Nil: nothing.
type record struct{ wrong []blocks.Index }

func (r *record) banned() bool { return r != nil && len(r.wrong) >= badLimit }

// sentBad counts a wrong Block; true if there have been too many different ones.
func (c *Core) sentBad(p *peer, i blocks.Index) bool {
	s := suspect{p.m.name, p.source}
	r := c.suspects[s]
	if r == nil {
		if len(c.suspects) >= maxSuspects {
			return true
		}
		r = &record{}
		c.suspects[s] = r
	}
	for _, w := range r.wrong {
		if w == i {
			return false
		}
	}
	r.wrong = append(r.wrong, i)
	return r.banned()
}

// teller is a source that names members, or the gossip. Nil is one that isn't known, and believed. At most as many as sources that had
// a session.
type teller struct {
	named   int // members that we know by it
	dialing int // Dials of them under way
	wrong   int // Dials of them in vain, less two for each that wasn't
}

const (
	maxTellers   = 1024
	trustedDials = maxDials / 2 // under way for one teller
	doubted      = 8            // vain dials from which on there is one at a time
)

func (t *teller) dialed(n int) {
	if t != nil {
		t.dialing += n
	}
}

func (t *teller) toldWrong() {
	if t != nil {
		t.wrong = min(t.wrong+1, 2*doubted)
	}
}

func (t *teller) toldRight() {
	if t != nil {
		t.wrong = max(t.wrong-2, 0)
	}
}

// believed tells whether another member of its naming may be dialled now: others' have to have their turn.
func (t *teller) believed() bool {
	return t == nil || t.dialing == 0 || (t.dialing < trustedDials && t.wrong < doubted)
}

// locate takes an address. What a member says itself counts more than hearsay, and neither replaces one that may work.
func (c *Core) locate(m *member, ev Event) {
	if !ev.Addr.IsValid() || ev.Addr.Port() == 0 {
		return
	}
	met := ev.Kind == PeerUp
	if !met && !m.met && !m.dialing {
		m.tellBy(c.tellerAt(ev.Source))
	}
	switch {
	case m.addr == ev.Addr:
	case !m.addr.IsValid(), m.fails > 0 && m.sessions == 0, met && !m.met, met && m.addr.Addr() == ev.Addr.Addr():
		m.addr = ev.Addr
	case !m.other.IsValid():
		m.other = ev.Addr
	}
	m.met = m.met || met
}

// tellBy makes t the one who told of m, unless another did of whom we think as well.
func (m *member) tellBy(t *teller) {
	if t == nil || t == m.teller || (m.teller != nil && m.teller.wrong <= t.wrong) {
		return
	}
	m.untell()
	t.named++
	m.teller = t
}

// untell takes a member that is forgotten off its teller's account.
func (m *member) untell() {
	if m.teller != nil {
		m.teller.named--
		m.teller = nil
	}
}

// tellerAt finds or makes the teller of a source.
func (c *Core) tellerAt(source netip.Addr) *teller {
	t := c.tellers[source]
	if t == nil && source.IsValid() && len(c.tellers) < maxTellers {
		t = &teller{}
		c.tellers[source] = t
	}
	return t
}

// toldAll tells whether a source has named as many members as one may.
func (c *Core) toldAll(source netip.Addr) bool {
	t := c.tellers[source]
	return t != nil && t.named >= maxMembers/2
}

// mayBury tells whether a member is believed to be gone: when we found that out ourselves, or the gossip did, or who told us of it.
func (c *Core) mayBury(m *member, ev Event) bool {
	return !ev.Source.IsValid() || (m.teller != nil && m.teller == c.tellers[ev.Source])
}

// sources lists where the sessions come from, in order of arrival but for removals.
func (c *Core) sources() []netip.Addr {
	list := make([]netip.Addr, len(c.peers))
	for k, p := range c.peers {
		list[k] = p.source
	}
	return list
}

// dropCrowder makes room for a session from source at the cost of one that has more; false if there is none.
func (c *Core) dropCrowder(source netip.Addr) bool {
	k := crowder(c.sources(), source)
	if k < 0 {
		return false
	}
	p := c.peers[k]
	c.order(Action{Kind: Drop, Peer: p.id, Text: "making room for others"})
	c.peerDown(p)
	return true
}

// fairShare is how many sessions a source may have before those are the first to go.
const fairShare = 2

// dropLoudest ends a session of the source that has most, if that has more than its share and isn't alone.
func (c *Core) dropLoudest() bool {
	list := c.sources()
	k := crowder(list, netip.IPv6Unspecified())
	if k < 0 || !c.crowds(list[k]) {
		return false
	}
	return c.dropCrowder(netip.IPv6Unspecified())
}

// crowds tells whether a source has more than its share while there are others.
func (c *Core) crowds(source netip.Addr) bool {
	own := 0
	for _, p := range c.peers {
		if p.source == source {
			own++
		}
	}
	return source.IsValid() && own > fairShare && own < len(c.peers)
}

// muteLimit is how often in a row a peer may be overdue without a byte. One that sends a byte now and then isn't told from a slow
// one, and is only asked more and more rarely.
const muteLimit = 3

// dropMute ends a session with one who never answers: it looks alive to all but those that ask it. It may come again, and is given up
// sooner then.
func (c *Core) dropMute() {
	for _, p := range c.peers {
		if p.m.mute >= muteLimit {
			p.m.mute--
			c.order(Action{Kind: Drop, Peer: p.id, Fault: true, Text: "never answers"})
			c.peerDown(p)
			return
		}
	}
}
