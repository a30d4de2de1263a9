package swarm

import (
	"math"
	"math/rand/v2"
	"time"

	"p2pcp/blocks"
)

// The simulated network: virtual time, hosts with an uplink and a downlink, each a queue that serves what comes in order at
// its rate. A Session is an ordered pipe each way: it has a window of bytes under way that grows, at a pace drawn for it, while it
// limits the pipe, and is cut when a queue is too long. So pipes share a link unequally, as TCP does, and queues are tens of
// milliseconds long while links are busy. Control messages wait in the same queues. It runs in one goroutine and replays
// from a seed.

const (
	simWire    = 100 * time.Microsecond // one way, without queues
	simVerify  = 300 * time.Microsecond // hash and write
	simQueued  = 20 * time.Millisecond  // a longer queue on a link cuts the window of who adds to it; as the lab's
	simHeaders = 66                     // bytes of a packet's headers, where a control message needs one of its own
	simFrames  = 100                    // bytes of a Block's frames and Proof, about
	simAcks    = 200                    // bytes of content for a byte of acknowledgements
	simUnread  = 256 << 10              // bytes that a socket takes while nobody reads from it
)

// simLink is a queue that is emptied at its rate.
type simLink struct {
	rate float64       // bytes per second
	free time.Duration // when it will have passed on all that is queued
	sent float64       // bytes that it carried
}

// pass queues bytes, and tells when they have passed.
func (l *simLink) pass(now time.Duration, bytes uint32) time.Duration {
	l.sent += float64(bytes)
	l.free = max(l.free, now) + time.Duration(float64(bytes)/l.rate*float64(time.Second))
	return l.free
}

// simMsg is something under way: part of a Block, a control message, or anything else that will be done. It fills a line of the cache.
type simMsg struct {
	pipe  *simPipe      // nil: do
	x     *simXfer      // part of a Block; nil: control
	left  time.Duration // when it left
	bytes uint32        // on the wire
	size  uint32        // of them content
	told  uint32        // bytes of x that have arrived with this part
	hop   uint8         // of pipe.path; hops: it has arrived, beyond: its acknowledgement has
	kind  EventKind

	index blocks.Index
	a, b  uint32 // Offset and Length; or Count; or Reason
	more  any    // a PeerHave's []blocks.Span; func(): anything else
}

// simXfer is a Block on its way.
type simXfer struct {
	index          blocks.Index
	offset, length uint32
	sent           uint32 // given to the uplink
	came           uint32 // arrived, and counted
	wrong          bool
}

// simPipe is one direction of a Session.
type simPipe struct {
	path     [3]*simLink
	hops     uint8 // of path
	closed   bool
	peer     PeerID // from's number of the session
	there    PeerID // to's
	from, to *simNode
	back     *simPipe
	flow     int           // its place in simFlows, counted from 1; 0: none
	flight   int           // bytes that are under way
	unread   uint32        // of them, those in the socket of one that is frozen
	window   float64       // bytes that may be
	pace     float64       // packets that the window grows by in a round trip
	cut      time.Duration // when it was last cut
	busy     time.Duration // when the last of what was sent leaves the uplink
	queue    []*simXfer
	expected []simExpected // from's Requests to the other side, and its Grants
	known    *peer         // other, once looked up
	later    []blocks.Span // HAVEs for another zone, not yet sent
	told     time.Duration // when they were sent last
}

// simExpected is a Block that a node has asked for, or that was granted to it.
type simExpected struct {
	index     blocks.Index
	cancelled bool
}

type sim struct {
	cfg    simConfig
	rng    *rand.Rand
	now    time.Duration
	seq    uint64
	queue  *simQueue
	idle   []*simMsg // to be used again
	seen   int       // by glance
	flows  *simFlows // nil: packets
	nodes  []*simNode
	byName map[string]*simNode
	steps  int
	acts   []Action
	fail   func(format string, args ...any)
	wanted *blocks.Bitfield
	cut    func(a, b *simNode) bool // nothing passes between these two; nil: everything does

	shared *simShared
	shard  int                  // our number
	out    [simShards][]simPost // for the others
	turns  []simTurn
	due    []func()
}

func newSim(cfg simConfig, fail func(string, ...any)) *sim {
	s := newShard(cfg, 0, fail)
	s.byName, s.shared = map[string]*simNode{}, &simShared{shards: []*sim{s}, stopped: true}
	s.wanted = blocks.NewBitfield(cfg.blocks)
	s.wanted.SetSpan(blocks.Span{Count: cfg.blocks})
	if cfg.express > 0 {
		s.flows = newFlows(s)
		s.split()
	}
	return s
}

func (s *sim) post(when time.Duration, m *simMsg) {
	s.seq++
	s.queue.push(simEvent{when, s.seq, m})
}

func (s *sim) after(d time.Duration, do func()) {
	m := s.msg()
	m.more = do
	s.post(s.now+d, m)
}

// msg is an empty message.
func (s *sim) msg() *simMsg {
	last := len(s.idle) - 1
	if last < 0 {
		return &simMsg{}
	}
	m := s.idle[last]
	s.idle = s.idle[:last]
	*m = simMsg{}
	return m
}

// run goes on until it is over or out of time.
func (s *sim) run(over func() bool) {
	if s.flows != nil {
		s.runShards(over)
		return
	}
	for k := 0; s.now < s.cfg.limit && s.queue.count > 0; k++ {
		if k%64 == 0 && over() {
			return
		}
		e, _ := s.queue.before(math.MaxInt64)
		s.now = e.at
		s.glance()
		s.happen(e.msg)
	}
}

// happen does what a message's moment brings: the next link, its arrival, or its acknowledgement.
func (s *sim) happen(m *simMsg) {
	switch p := m.pipe; {
	case p == nil:
		m.more.(func())()
	case s.cut != nil && s.cut(p.from, p.to):
	case m.hop < p.hops:
		l := p.path[m.hop]
		if m.hop++; m.hop == p.hops {
			p.to.noteIdle(l)
			s.post(l.pass(s.now, m.bytes), m)
			return
		}
		s.post(l.pass(s.now, m.bytes)+simWire, m)
		return
	case m.x == nil:
		if !p.closed && p.from.alive && p.to.alive {
			p.to.hear(p.back, m)
		}
	case m.hop == p.hops:
		if p.arrive(m) {
			return // it goes back as its acknowledgement
		}
	default:
		p.acknowledged(m)
	}
	s.idle = append(s.idle, m)
}

func (s *sim) pipe(from, to *simNode) *simPipe {
	from.nextPeer++
	p := &simPipe{
		from: from, to: to, peer: from.nextPeer, window: 2 * float64(s.cfg.packet), pace: math.Exp(s.rng.NormFloat64() * s.cfg.spread),
		path: [3]*simLink{&from.up, &to.down}, hops: 2,
	}
	if l := s.cfg.zones.link(from, to); l != nil {
		p.path, p.hops = [3]*simLink{&from.up, l, &to.down}, 3
	}
	from.links = append(from.links, p) // links[peer-1]
	from.order = append(from.order, p)
	return p
}

// send puts a message under way; those of a pipe that are still queued take one along without headers of its own.
func (p *simPipe) send(m *simMsg) {
	s := p.from.s
	if m.x == nil && s.now >= p.busy {
		m.bytes += simHeaders
	}
	m.pipe, m.hop = p, 1
	p.busy = p.from.up.pass(s.now, m.bytes)
	s.post(p.busy+simWire, m)
}

// adapt moves the window by what a packet that left then met.
func (p *simPipe) adapt(left time.Duration) {
	s := p.from.s
	packet := float64(s.cfg.packet)
	longest := time.Duration(0)
	for _, l := range p.path[:p.hops] {
		longest = max(longest, l.free)
	}
	switch {
	case longest-s.now > simQueued:
		if left > p.cut {
			p.window, p.cut = max(0.7*p.window, packet), s.now
		}
	case float64(p.flight)+packet > p.window:
		p.window += p.pace * packet * packet / p.window
	}
}

// pump puts as much of the queued Blocks under way as the window allows. Served comes with a Block's last byte.
func (p *simPipe) pump() {
	s := p.from.s
	if s.flows != nil {
		s.turn(simTurn{pipe: p, when: s.now})
		return
	}
	for len(p.queue) > 0 && !p.closed && (p.flight == 0 || float64(p.flight)+float64(s.cfg.packet) <= p.window) {
		x := p.queue[0]
		m := s.msg()
		m.x, m.left, m.size = x, s.now, min(s.cfg.packet, x.length-x.sent)
		m.bytes = m.size
		if x.sent == 0 {
			m.bytes += simFrames
			p.from.control += simFrames
		}
		x.sent += m.size
		m.told = x.sent
		p.flight += int(m.size)
		p.from.sent += float64(m.size)
		p.send(m)
		if x.sent == x.length {
			p.queue = p.queue[1:]
			s.after(0, func() { p.served(x) })
		}
	}
}

// arrive gives the other side bytes of a Block; their acknowledgement, m again, waits in the queues of the way back.
func (p *simPipe) arrive(m *simMsg) bool {
	if p.closed || !p.to.alive {
		return false
	}
	s := p.from.s
	if s.flows != nil {
		p.to.takes(p.back, m.x, m.told)
		return false
	}
	if p.to.frozen {
		if p.unread += m.size; p.unread > simUnread {
			return false
		}
	}
	back := s.now
	for k, l := range p.back.path[:p.back.hops] {
		if k == int(p.back.hops)-1 {
			p.from.noteIdle(l)
		}
		back = max(back, l.pass(s.now, m.bytes/simAcks))
	}
	m.hop++
	s.post(back+simWire, m)
	p.to.takes(p.back, m.x, m.told)
	return true
}

func (p *simPipe) acknowledged(m *simMsg) {
	if p.closed {
		return
	}
	p.adapt(m.left)
	p.flight -= int(m.size)
	p.pump()
}
