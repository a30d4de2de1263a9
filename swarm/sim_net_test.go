package swarm

import (
	"container/heap"
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"time"

	"p2pcp/blocks"
)

// The simulated network: virtual time, hosts with an uplink and a downlink, each a queue that serves what comes in order at
// its rate. A Session is an ordered pipe each way: it has a window of bytes under way that grows, at a pace drawn for it, while it
// limits the pipe, and is cut when a queue is too long. So pipes share a link unequally, as TCP does, and queues are tens of
// milliseconds long while links are busy. Control messages wait in the same queues. It runs in one goroutine and replays
// from a seed.

type simConfig struct {
	receivers int
	blocks    uint32 // the Manifest's included
	manifest  uint32
	blockSize uint32
	rate      float64 // bytes per second each way
	seed      uint64
	core      CoreConfig
	zones     simZones
	everyStep int // check all invariants every so many steps
	spread    float64
	arrivals  time.Duration // receivers start at random within it
	limit     time.Duration // virtual time at which a run has failed
}

const (
	simPacket  = 32 << 10               // bytes: what is queued at a time, and told as Progress
	simControl = 100                    // bytes of a control message with its headers
	simWire    = 100 * time.Microsecond // one way, without queues
	simHave    = 3 * time.Millisecond   // HAVE batching
	simVerify  = 300 * time.Microsecond // hash and write
	simQueued  = 30 * time.Millisecond  // a longer queue on a link cuts the window of who adds to it
)

type simItem struct {
	at  time.Duration
	seq uint64
	do  func()
}

type simQueue []simItem

func (q simQueue) Len() int { return len(q) }
func (q simQueue) Less(a, b int) bool {
	return q[a].at < q[b].at || (q[a].at == q[b].at && q[a].seq < q[b].seq)
}
func (q simQueue) Swap(a, b int) { q[a], q[b] = q[b], q[a] }
func (q *simQueue) Push(x any)   { *q = append(*q, x.(simItem)) }
func (q *simQueue) Pop() any {
	old := *q
	x := old[len(old)-1]
	old[len(old)-1] = simItem{}
	*q = old[:len(old)-1]
	return x
}

// simNode is a host with one member on it.
type simNode struct {
	s        *sim
	id       int
	name     string
	core     *Core
	alive    bool
	up, down float64             // bytes per second
	links    map[PeerID]*simPipe // our outgoing pipes, by our number of the session
	order    []*simPipe          // the same, in a fixed order
	nextPeer PeerID
	pending  []blocks.Span
	rotten   map[blocks.Index]bool // what lies wrong on our disk
	liar     float64               // share of Blocks sent wrong
	upFree   time.Duration         // when the uplink has sent all that is queued
	downFree time.Duration
	claims   *blocks.Bitfield
	truth    *blocks.Bitfield // of claims, those that are right
	placedIn bool
	frozen   bool // takes and sends nothing more, without closing

	started, complete, ended time.Duration // complete: PlacedNow ordered
	err                      error
	sent, received, wasted   float64
	asks                     int

	done bool
}

// simXfer is a Block on its way.
type simXfer struct {
	index          blocks.Index
	offset, length uint32
	sent           uint32 // given to the uplink
	wrong          bool
}

// simPipe is one direction of a Session.
type simPipe struct {
	from, to *simNode
	peer     PeerID // from's number of the session
	back     *simPipe
	window   float64       // bytes that may be under way
	pace     float64       // packets that the window grows by in a round trip
	cut      time.Duration // when it was last cut
	flight   int           // bytes that are under way
	queue    []*simXfer
	expected map[blocks.Index]bool // from's Requests to the other side; false: cancelled
	closed   bool
	later    []blocks.Span // HAVEs for another zone, not yet sent
	told     time.Duration // when they were sent last
}

type sim struct {
	cfg    simConfig
	rng    *rand.Rand
	now    time.Duration
	seq    uint64
	queue  simQueue
	nodes  []*simNode
	steps  int
	acts   []Action
	fail   func(format string, args ...any)
	wanted *blocks.Bitfield
}

func newSim(cfg simConfig, fail func(string, ...any)) *sim {
	s := &sim{cfg: cfg, rng: rand.New(rand.NewPCG(cfg.seed, 7)), fail: fail}
	s.wanted = blocks.NewBitfield(cfg.blocks)
	s.wanted.SetSpan(blocks.Span{Count: cfg.blocks})
	return s
}

func (s *sim) after(d time.Duration, do func()) {
	s.seq++
	heap.Push(&s.queue, simItem{s.now + d, s.seq, do})
}

// add makes a host; seed hosts hold everything.
func (s *sim) add(seed bool) *simNode {
	n := &simNode{
		s: s, id: len(s.nodes), alive: true, up: s.cfg.rate, down: s.cfg.rate,
		links: map[PeerID]*simPipe{}, rotten: map[blocks.Index]bool{}, started: s.now,
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
	var tick func()
	tick = func() {
		if n.alive {
			n.step(Event{Kind: Tick})
			s.after(tickTime, tick)
		}
	}
	s.after(time.Duration(s.rng.Int64N(int64(tickTime))), tick)
	return n
}

func (n *simNode) addr() netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(n.id >> 8), byte(n.id)}), 7700)
}

// step feeds the core, does what it orders and checks it.
func (n *simNode) step(ev Event) {
	if !n.alive || n.frozen {
		return
	}
	s := n.s
	base := len(s.acts)
	s.acts = n.core.Step(s.now-n.started, ev, s.acts)
	todo := append([]Action(nil), s.acts[base:]...)
	s.acts = s.acts[:base]
	for _, a := range todo {
		n.perform(a)
	}
	s.steps++
	if s.cfg.everyStep > 0 && s.steps%s.cfg.everyStep == 0 {
		if err := checkCore(n.core); err != nil {
			s.fail("%v: %s after event kind %d: %v", s.now, n.name, ev.Kind, err)
		}
	}
}

// connect makes a session between two hosts, unless there is one.
func (s *sim) connect(a, b *simNode) bool {
	if !a.alive || !b.alive || a == b || a.frozen || b.frozen {
		return false
	}
	for _, p := range a.order {
		if p.to == b {
			return true
		}
	}
	pa, pb := s.pipe(a, b), s.pipe(b, a)
	pa.back, pb.back = pb, pa
	setA, setB := a.announced(), b.announced()
	a.sessionUp(pa, setB)
	b.sessionUp(pb, setA)
	s.introduce(a, b)
	s.introduce(b, a)
	return true
}

// introduce tells a of b's peers, and those of a.
func (s *sim) introduce(a, b *simNode) {
	for _, p := range append([]*simPipe(nil), b.order...) {
		if c := p.to; c != a {
			s.after(5*time.Millisecond, func() {
				a.step(Event{Kind: MemberUp, Member: c.name, Addr: c.addr(), Seed: c.core.cfg.Seed, Zone: c.core.cfg.Zone})
				c.step(Event{Kind: MemberUp, Member: a.name, Addr: a.addr(), Seed: a.core.cfg.Seed, Zone: a.core.cfg.Zone})
			})
		}
	}
}

func (s *sim) pipe(from, to *simNode) *simPipe {
	from.nextPeer++
	p := &simPipe{
		from: from, to: to, peer: from.nextPeer, window: 2 * simPacket, pace: math.Exp(s.rng.NormFloat64() * s.cfg.spread),
		expected: map[blocks.Index]bool{},
	}
	from.links[p.peer] = p
	from.order = append(from.order, p)
	return p
}

// announced is what the node's HELLO says: what its HAVEs have told so far, or are about to.
func (n *simNode) announced() *blocks.Bitfield {
	if n.core.n == 0 {
		return nil
	}
	return n.core.have.Clone()
}

func (n *simNode) sessionUp(p *simPipe, set *blocks.Bitfield) {
	cfg := n.s.cfg
	if set != nil {
		n.step(Event{Kind: HeaderKnown, Count: cfg.blocks, Bytes: cfg.manifest, Length: cfg.blockSize})
	}
	n.step(Event{
		Kind: PeerUp, Peer: p.peer, Member: p.to.name, Addr: p.to.addr(), Seed: p.to.core.cfg.Seed,
		Lingering: p.to.core.phase == staying, Set: set, Zone: p.to.core.cfg.Zone,
	})
}

// adapt moves the window by what a packet that left then met.
func (p *simPipe) adapt(left time.Duration) {
	switch now := p.from.s.now; {
	case max(p.from.upFree, p.to.downFree, p.zoneFree())-now > simQueued:
		if left > p.cut {
			p.window, p.cut = max(0.7*p.window, simPacket), now
		}
	case float64(p.flight+simPacket) > p.window:
		p.window += p.pace * simPacket * simPacket / p.window
	}
}

// transmit queues bytes on the sender's uplink, then on the receiver's downlink.
func (p *simPipe) transmit(bytes uint32, do func()) {
	s := p.from.s
	size := float64(bytes) * float64(time.Second)
	p.from.upFree = max(p.from.upFree, s.now) + time.Duration(size/p.from.up)
	s.after(p.from.upFree-s.now+simWire+p.zoneQueue(bytes), func() {
		p.to.downFree = max(p.to.downFree, s.now) + time.Duration(size/p.to.down)
		s.after(p.to.downFree-s.now, do)
	})
}

// send delivers a control message to the other side.
func (p *simPipe) send(do func()) {
	p.transmit(simControl, func() {
		if !p.closed && p.from.alive && p.to.alive {
			do()
		}
	})
}

// pump puts as much of the queued Blocks under way as the window allows. Served comes with a Block's last byte.
func (p *simPipe) pump() {
	s := p.from.s
	for len(p.queue) > 0 && !p.closed && (p.flight == 0 || float64(p.flight+simPacket) <= p.window) {
		x := p.queue[0]
		size := min(simPacket, x.length-x.sent)
		x.sent += size
		p.flight += int(size)
		p.from.sent += float64(size)
		left := s.now
		told, whole := x.sent, x.sent == x.length
		p.transmit(size, func() { p.arrive(x, size, told, whole, left) })
		if whole {
			p.queue = p.queue[1:]
			p.from.s.after(0, func() {
				if !p.closed {
					p.from.step(Event{Kind: Served, Peer: p.peer, Index: x.index, Offset: x.offset, Length: x.length, Bytes: x.length, OK: true})
				}
			})
		}
	}
}

// arrive gives the other side bytes of a Block; their acknowledgement waits in the queues of the way back.
func (p *simPipe) arrive(x *simXfer, size, told uint32, whole bool, left time.Duration) {
	if p.closed || !p.to.alive {
		return
	}
	s := p.from.s
	s.after(max(p.to.upFree, p.from.downFree, s.now)-s.now+simWire, func() {
		p.adapt(left)
		p.flight -= int(size)
		p.pump()
	})
	p.to.takes(p.back, x, told, size, whole)
}

// tell sends an Event over the pipe.
func (p *simPipe) tell(ev Event) {
	ev.Peer = p.back.peer
	p.send(func() { p.to.step(ev) })
}

// close ends the session for both sides.
func (p *simPipe) close() {
	for _, q := range [2]*simPipe{p, p.back} {
		if q.closed {
			continue
		}
		q.closed = true
		q.queue = nil
		delete(q.from.links, q.peer)
		for k, o := range q.from.order {
			if o == q {
				q.from.order = append(q.from.order[:k], q.from.order[k+1:]...)
				break
			}
		}
		q.from.s.after(200*time.Microsecond, func() { q.from.step(Event{Kind: PeerDown, Peer: q.peer}) })
	}
}

// takes receives bytes of a Block, like the shell: what nobody expects is discarded.
func (n *simNode) takes(p *simPipe, x *simXfer, told, size uint32, whole bool) {
	d := float64(size)
	n.received += d
	ok := p.expected[x.index]
	if whole {
		delete(p.expected, x.index)
	}
	if !ok {
		n.wasted += d
		return
	}
	if !whole {
		n.step(Event{Kind: Progress, Peer: p.peer, Index: x.index, Bytes: uint32(told)})
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

// run goes on until it is over or out of time.
func (s *sim) run(over func() bool) {
	for s.now < s.cfg.limit && len(s.queue) > 0 && !over() {
		it := heap.Pop(&s.queue).(simItem)
		s.now = it.at
		it.do()
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
