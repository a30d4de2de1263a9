package swarm

import (
	"net/netip"
	"time"

	"p2pcp/blocks"
)

// What members say of themselves and of others isn't proven: any of them may use any name. So a wrong Block is held against a name at
// a source, and who names members that aren't there is believed less.

// badLimit is how many distinct wrong Blocks ban a suspect.
const badLimit = 3

// maxSuspects bounds what is remembered of them; beyond it a first wrong Block ends a session.
const maxSuspects = maxMembers

// suspect is whom a wrong Block is held against.
type suspect struct {
	name   string
	source netip.Addr
}

// record is what a suspect has done. Nil: nothing.
type record struct {
	wrong   []blocks.Index
	given   uint32 // Blocks that it was sent whole
	denied  int    // Blocks announced that it doesn't hold
	crawled bool   // it was accused of sending next to nothing
}

func (r *record) banned() bool { return r != nil && len(r.wrong) >= badLimit }

// recordOf finds or makes p's; nil: there are too many.
func (c *Core) recordOf(p *peer) *record {
	s := suspect{p.m.name, p.source}
	r := c.suspects[s]
	if r == nil && len(c.suspects) < maxSuspects {
		r = &record{}
		c.suspects[s] = r
	}
	return r
}

// sentBad counts a wrong Block; true if there have been too many different ones.
func (c *Core) sentBad(p *peer, i blocks.Index) bool {
	r := c.recordOf(p)
	if r == nil {
		return true
	}
	for _, w := range r.wrong {
		if w == i {
			return false
		}
	}
	r.wrong = append(r.wrong, i)
	return r.banned()
}

// servedTo counts a Block that was sent whole.
func (c *Core) servedTo(p *peer) {
	if r := c.recordOf(p); r != nil {
		r.given++
	}
}

// greedy tells whether p asks for more than a member can need, or for what it says it has, or whether its source would be sent Blocks
// on several sessions while others are sent some too: each address has one share of our link.
func (c *Core) greedy(p *peer, i blocks.Index) bool {
	r := c.suspects[suspect{p.m.name, p.source}]
	return p.have.Has(i) || (r != nil && r.given > c.n+c.n/8+64) || c.hogs(p)
}

// paysBack is how many times more than it gave us a member may have been sent that is served beside others of its source.
const paysBack = 4

// proven tells whether p passes on what it is sent, or gives back. A source may be a network of hosts, and one that does counts for itself.
func (p *peer) proven() bool { return p.shares || (p.in > 0 && paysBack*p.in >= p.out) }

// hogs tells whether another session of p's source is being sent something, and one of another source too.
func (c *Core) hogs(p *peer) bool {
	if !p.source.IsValid() || len(p.sends) > 0 || p.proven() {
		return false
	}
	own, others := false, false
	for s := c.sending; s != 0; {
		q := c.peers[s.next()]
		own = own || q.source == p.source
		others = others || q.source != p.source
	}
	return own && others
}

// standing is what we think of a source, or of the gossip. Nil is one that isn't known, and believed.
type standing struct {
	named   int // members that we know by it
	dialing int // Dials of them under way
	wrong   int // Dials of them in vain, less two for each that wasn't
	hoards  int // first copies that it didn't announce, less those that it did

	crowded        int  // its sessions that made room for others
	hoarded        bool // it was accused of keeping first copies
	right, accused bool // a member of its naming was met; it was accused of naming none that is there
}

const (
	maxStandings = 1024
	trustedDials = maxDials / 2 // under way for one teller
	doubted      = 8            // vain dials from which on there is one at a time
)

// hearsay stands for the gossip where a source is asked for: nobody comes from there.
func hearsay() netip.Addr { return netip.IPv6Unspecified() }

func (t *standing) dialed(n int) {
	if t != nil {
		t.dialing += n
	}
}

func (t *standing) toldWrong() {
	if t != nil {
		t.wrong = min(t.wrong+1, 2*doubted)
	}
}

func (t *standing) toldRight() {
	if t != nil {
		t.wrong, t.right = max(t.wrong-2, 0), true
	}
}

// believed tells whether another member of its naming may be dialled now: others' have to have their turn.
func (t *standing) believed() bool {
	return t == nil || t.dialing == 0 || (t.dialing < trustedDials && t.wrong < doubted)
}

// locate takes an address. What a member says itself counts more than hearsay, and neither replaces one that may work.
func (c *Core) locate(m *member, ev Event) {
	if !ev.Addr.IsValid() || ev.Addr.Port() == 0 {
		return
	}
	met := ev.Kind == PeerUp
	if !met && !m.met && !m.dialing {
		m.tellBy(c.standingOf(ev.Source))
	}
	switch {
	case m.addr == ev.Addr:
	case !m.addr.IsValid(), m.fails > 0 && m.sessions == 0, met && (!m.met || m.banned), met && m.addr.Addr() == ev.Addr.Addr():
		m.addr = ev.Addr
	case !m.other.IsValid():
		m.other = ev.Addr
	}
	m.met = m.met || met
}

// tellBy makes t the one who told of m, unless another did of whom we think as well.
func (m *member) tellBy(t *standing) {
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

// standingOf finds or makes the teller of a source. Those that come when there are too many are one: whoever has a network's addresses could use
// them up, and be believed from then on.
func (c *Core) standingOf(source netip.Addr) *standing {
	t := c.standings[source]
	if t != nil || !source.IsValid() {
		return t
	}
	if len(c.standings) >= maxStandings {
		return &c.latecomers
	}
	t = &standing{}
	c.standings[source] = t
	return t
}

// toldAll tells whether a source has named as many members as one may.
func (c *Core) toldAll(source netip.Addr) bool {
	t := c.standingOf(source)
	return t != nil && t.named >= maxMembers/2
}

// mayBury tells whether a member is believed to be gone: when we found that out ourselves, or who told us of it says so. The gossip is
// believed too, but for members that somebody else told us of and that we haven't tried: it may be slander, and is remembered.
func (c *Core) mayBury(m *member, ev Event) bool {
	switch {
	case !ev.Source.IsValid():
		return true
	case ev.Source == hearsay() && (m.teller == nil || m.met || m.fails > 0):
		return true
	case ev.Source == hearsay() && m.teller != c.standings[ev.Source]:
		m.doomed = true
		return false
	default:
		return m.teller != nil && m.teller == c.standings[ev.Source]
	}
}

// networkGrace is how long a member of an IPv6 network has to prove that it is another host than its neighbors. (Without, sessions came and
// went at the start: simulated, 48 receivers in three networks took 1.11 instead of 1.08, and 2.2 while none could.)
const networkGrace = 2 * time.Second

// sources lists where the sessions come from that may be one host's, in order of arrival but for removals.
func (c *Core) sources() []netip.Addr {
	list := make([]netip.Addr, len(c.peers))
	for k, p := range c.peers {
		if !p.proven() && (!isNetwork(p.source) || c.now-p.up > networkGrace) {
			list[k] = p.source
		}
	}
	return list
}

// dropCrowder makes room for a session from source at the cost of one that has more; false if there is none.
func (c *Core) dropCrowder(source netip.Addr) bool {
	k := crowder(c.sources(), source)
	if k < 0 {
		return false
	}
	c.dropForOthers(c.peers[k])
	return true
}

func (c *Core) dropForOthers(p *peer) {
	c.madeRoom(p)
	c.order(Action{Kind: Drop, Peer: p.id, Text: "making room for others"})
	c.peerDown(p)
}

// fairShare is how many sessions a source may have before those are the first to go.
const fairShare = 2

// dropLoudest ends a session of the source that has most, if that has more than its share and isn't alone.
func (c *Core) dropLoudest() bool {
	k := crowder(c.sources(), hearsay())
	if k < 0 || !c.crowds(c.peers[k].source) {
		return false
	}
	c.dropForOthers(c.peers[k])
	return true
}

// crowds tells whether a source has more than its share while there are others.
func (c *Core) crowds(source netip.Addr) bool {
	own := 0
	for _, s := range c.sources() {
		if s == source {
			own++
		}
	}
	return source.IsValid() && own > fairShare && own < len(c.peers)
}

// muteTime is how long a peer may send nothing of what it owes us while others do. One that sends a byte now and then isn't told from
// a slow one, and is only asked more and more rarely.
const muteTime = 5 * time.Second

// dropMute ends a session with one who never answers: it looks alive to all but those that ask it.
func (c *Core) dropMute() {
	for s := c.owing; s != 0; {
		p := c.peers[s.next()]
		if p.owes() && c.now-p.moved > muteTime && c.now-c.progress < overdueMin {
			c.order(Action{Kind: Drop, Peer: p.id, Fault: true, Text: "never answers"})
			c.peerDown(p)
			return
		}
	}
}
