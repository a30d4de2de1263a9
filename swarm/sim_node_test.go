package swarm

import (
	"fmt"
	"net/netip"
	"time"

	"p2pcp/blocks"
)

// simNode is a host with one member on it.
type simNode struct {
	s        *sim
	core     *Core
	alive    bool
	frozen   bool // takes and sends nothing more, without closing
	id       int
	heard    []simHeard
	links    []*simPipe // our outgoing pipe of session k+1; nil: closed
	started  time.Duration
	up, down simLink
	name     string
	order    []*simPipe // the live ones, in a fixed order
	nextPeer PeerID
	pending  []blocks.Index
	held     time.Duration         // when a Block was announced last
	gap      time.Duration         // between two of them, smoothed
	rotten   map[blocks.Index]bool // what lies wrong on our disk
	liar     float64               // share of Blocks sent wrong
	claims   *blocks.Bitfield
	truth    *blocks.Bitfield // of claims, those that are right
	placedIn bool

	complete, ended        time.Duration // PlacedNow was ordered; it left
	err                    error
	sent, received, wasted float64          // bytes of content
	control                float64          // bytes sent that aren't content
	messages               int              // of them, control messages
	most                   int              // sessions at a time
	idle                   [3]time.Duration // of the downlink: with the first Blocks, the middle, the last ones

	done bool
}

// add makes a host; seed hosts hold everything.
func (s *sim) add(seed bool) *simNode {
	id := len(s.nodes)
	n := &simNode{
		s: s.shared.shards[id%len(s.shared.shards)], id: id, alive: true, up: simLink{rate: s.cfg.rate}, down: simLink{rate: s.cfg.rate},
		rotten: map[blocks.Index]bool{}, started: s.now,
	}
	n.name = fmt.Sprintf("host%03d-%08x", n.id, s.rng.Uint32())
	cc := s.cfg.core
	cc.Self, cc.Seed, cc.RandSeed = n.name, seed, [2]uint64{s.cfg.seed, uint64(n.id)}
	cc.ID = blocks.Root{byte(s.cfg.seed)}
	cc.Zone = s.cfg.zones.of(n.id)
	if seed {
		cc.Blocks, cc.ManifestBlocks, cc.BlockSize = s.cfg.blocks, s.cfg.manifest, s.cfg.blockSize
		cc.Have = s.wanted.Clone()
	}
	n.core = NewCore(cc)
	s.nodes = append(s.nodes, n)
	s.byName[n.name] = n
	var tick func()
	tick = func() {
		if n.alive {
			n.step(Event{Kind: Tick})
			n.s.after(max(tickTime, s.cfg.tick), tick)
		}
	}
	n.s.after(time.Duration(s.rng.Int64N(int64(tickTime))), tick)
	return n
}

func (n *simNode) addr() netip.AddrPort {
	return netip.AddrPortFrom(n.s.cfg.at(n.id), 7700)
}

// slow gives a host a share of its rate.
func (n *simNode) slow(share float64) {
	n.up.rate *= share
	n.down.rate *= share
	if n.s.flows != nil {
		n.s.flows.count()
	}
}

// noteIdle counts how long the downlink had nothing to do before what comes now.
func (n *simNode) noteIdle(l *simLink) {
	gap := n.s.now - max(l.free, n.started)
	if gap <= 0 || n.complete > 0 || n.core.n == 0 {
		return
	}
	switch h := n.core.have.Count(); {
	case h < n.core.n/10:
		n.idle[0] += gap
	case h < n.core.n*97/100:
		n.idle[1] += gap
	default:
		n.idle[2] += gap
	}
}

// step feeds the core, does what it orders and checks it.
func (n *simNode) step(ev Event) {
	if !n.alive || n.frozen {
		return
	}
	s := n.s
	base := len(s.acts)
	s.acts = n.core.Step(s.now-n.started, ev, s.acts)
	todo := s.acts[base:] // what is ordered meanwhile comes behind it
	for k := range todo {
		n.perform(&todo[k])
	}
	s.acts = s.acts[:base]
	s.steps++
	if s.cfg.everyStep > 0 && s.steps%s.cfg.everyStep == 0 {
		if err := checkCore(n.core); err != nil {
			s.fail("%v: %s after event kind %d: %v", s.now, n.name, ev.Kind, err)
		}
	}
}

// connect makes a session between two hosts, unless there is one.
func (s *sim) connect(a, b *simNode) bool {
	if !a.alive || !b.alive || a == b || a.frozen || b.frozen || (s.cut != nil && s.cut(a, b)) {
		return false
	}
	for _, p := range a.order {
		if p.to == b {
			return true
		}
	}
	pa, pb := s.pipe(a, b), s.pipe(b, a)
	pa.back, pb.back, pa.there, pb.there = pb, pa, pb.peer, pa.peer
	setA, setB := a.announced(), b.announced()
	a.sessionUp(pa, setB)
	b.sessionUp(pb, setA)
	s.introduce(a, b)
	s.introduce(b, a)
	return true
}

// introduce tells a of b's peers, and those of a.
func (s *sim) introduce(a, b *simNode) {
	if s.cfg.known > 0 && len(a.core.members) > s.cfg.known {
		return
	}
	told := append([]*simPipe(nil), b.order...)
	if s.cfg.heard > 0 && len(told) > s.cfg.heard {
		s.rng.Shuffle(len(told), func(i, j int) { told[i], told[j] = told[j], told[i] })
		told = told[:s.cfg.heard]
	}
	for _, p := range told {
		if c := p.to; c != a && (s.cfg.known == 0 || len(c.core.members) <= s.cfg.known) {
			b.control += 40
			b.messages++
			for _, of := range [2][2]*simNode{{a, c}, {c, a}} {
				of[0].s.after(5*time.Millisecond, func() { of[0].hearsOf(of[1]) })
			}
		}
	}
}

// hearsOf tells n of another member.
func (n *simNode) hearsOf(o *simNode) {
	n.step(Event{Kind: MemberUp, Member: o.name, Addr: o.addr(), Seed: o.core.cfg.Seed, Zone: o.core.cfg.Zone})
}

// announced is what the node's HELLO says: what its HAVEs have told so far, or are about to.
func (n *simNode) announced() *blocks.Bitfield {
	if n.core.n == 0 {
		return nil
	}
	n.control += float64(n.core.n / 8)
	return n.core.have.Clone()
}

func (n *simNode) sessionUp(p *simPipe, set *blocks.Bitfield) {
	cfg := n.s.cfg
	if set != nil {
		n.step(Event{Kind: HeaderKnown, Count: cfg.blocks, Bytes: cfg.manifest, Length: cfg.blockSize})
	}
	n.step(Event{
		Kind: PeerUp, Peer: p.peer, Member: p.to.name, Addr: p.to.addr(), Source: sourceOf(p.to.addr().Addr(), netip.Addr{}), Seed: p.to.core.cfg.Seed,
		Lingering: p.to.core.phase == staying, Set: set, Zone: p.to.core.cfg.Zone,
	})
	n.most = max(n.most, len(n.core.peers))
}

// takes receives bytes of a Block, like the shell: what nobody expects is discarded.
func (n *simNode) takes(p *simPipe, x *simXfer, told uint32) {
	size := told - x.came
	x.came = told
	n.received += float64(size)
	k := p.expects(x.index)
	ok := k >= 0 && !p.expected[k].cancelled
	if k >= 0 && told == x.length {
		p.unexpect(k)
	}
	if !ok {
		n.wasted += float64(size)
		return
	}
	if told < x.length {
		n.step(Event{Kind: Progress, Peer: p.peer, Index: x.index, Bytes: told})
		return
	}
	n.step(Event{Kind: Progress, Peer: p.peer, Index: x.index, Length: x.length, Bytes: x.length})
	if n.core.have.Has(x.index) {
		n.wasted += float64(x.length)
	}
	n.s.after(simVerify, func() {
		if x.wrong {
			n.step(Event{Kind: Bad, Peer: p.peer, Index: x.index})
			return
		}
		n.step(Event{Kind: Verified, Peer: p.peer, Index: x.index, Bytes: x.length})
	})
}

// expects finds the Request for i, or gives -1.
func (p *simPipe) expects(i blocks.Index) int {
	for k := range p.expected {
		if p.expected[k].index == i {
			return k
		}
	}
	return -1
}

// other is what from's core knows of the session; nil: nothing yet.
func (p *simPipe) other() *peer {
	if p.known == nil {
		p.known = p.from.core.session(p.peer)
	}
	return p.known
}

func (p *simPipe) unexpect(k int) { p.expected = append(p.expected[:k], p.expected[k+1:]...) }

func (p *simPipe) expect(i blocks.Index) {
	if k := p.expects(i); k >= 0 {
		p.expected[k].cancelled = false
		return
	}
	p.expected = append(p.expected, simExpected{index: i})
}

// leave ends a member in good order; kill without a word.
func (s *sim) leave(n *simNode) {
	if n.alive {
		n.ended = s.now
		s.kill(n)
		for _, o := range s.nodes {
			if o.alive && o.core.byName[n.name] != nil {
				o.s.after(time.Duration(50+s.rng.IntN(100))*time.Millisecond, func() { o.step(Event{Kind: MemberGone, Member: n.name}) })
			}
		}
	}
}

func (s *sim) kill(n *simNode) {
	for len(n.order) > 0 {
		n.order[0].close()
	}
	n.alive = false
}

// close ends the session for both sides.
func (p *simPipe) close() {
	for _, q := range [2]*simPipe{p, p.back} {
		if q.closed {
			continue
		}
		if len(q.queue) > 0 && q.flow > 0 {
			q.from.s.flows.end(q, q.queue[0])
		}
		q.closed, q.queue = true, nil
		q.from.links[q.peer-1] = nil
		for k, o := range q.from.order {
			if o == q {
				q.from.order = append(q.from.order[:k], q.from.order[k+1:]...)
				break
			}
		}
		q.from.s.after(200*time.Microsecond, func() { q.from.step(Event{Kind: PeerDown, Peer: q.peer}) })
	}
}

// length is the length of Block i: the last one is short, a lone Manifest Block small.
func (s *sim) length(i blocks.Index) uint32 {
	switch {
	case s.cfg.manifest == 1 && i == 0:
		return 4 << 10
	case uint32(i) == s.cfg.blocks-1:
		return s.cfg.blockSize/3 + 1
	default:
		return s.cfg.blockSize
	}
}
