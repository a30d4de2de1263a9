package swarm

import (
	"math"
	"time"
)

// simFlows is the network where packets are too many: each Block on its way is a flow. Every so often each link shares out its rate among
// its flows by their weights, what a flow can't use for the other link's sake to the others (weighted max-min fairness, one round of
// it each time). What comes takes acknowledgements of the other direction. Bytes arrive simLag later, which is the queue that TCP keeps.
type simFlows struct {
	s     *sim
	every time.Duration
	last  time.Duration // when rates were set last
	known int           // nodes that have links here
	lanes [simShards]simLane
}

// simLane is a shard's part: its nodes' links, and the flows that leave them. What the shards write lies apart, or their processors wait for
// each other; and what flows ask for at random is small.
type simLane struct {
	flows    []simFlow
	up, down simSide
	load     [simShards][]simLoad // what the flows would take of each shard's downlinks
}

// simSide is one direction of the links of a shard's nodes, in the order of those.
type simSide struct {
	level []float64 // bytes per second for each unit of weight
	scale []float64 // of that, what there is
	load  []simLoad
	links []simShare
}

const (
	simLag    = 15 * time.Millisecond
	simSteep  = 4                      // times its rate are the most that a link offers for a unit of weight: others limit its flows
	simRounds = 40                     // of sharing out, in the time that a Block takes alone
	simQuiet  = 800 * time.Millisecond // a receiver is told of what has come at least so often, or it takes the sender for dead
)

// simFlow is the first Block of a pipe's queue.
type simFlow struct {
	pipe     *simPipe
	xfer     *simXfer
	up, down int32 // which of the nodes of their shards
	to       int32 // the receiver's shard
	weight   float64
	rate     float64
	left     float64 // bytes to come
	mark     float64 // of them, when the receiver is told next
	missed   float64 // seconds of this round that were over when it began
	told     time.Duration
}

// simLoad is what flows would take of a link.
type simLoad struct {
	all  float64 // bytes per second
	free float64 // the weights of those that the other link leaves more
}

// simShare is one direction of a host's link.
type simShare struct {
	link  *simLink
	own   float64 // link.rate
	rate  float64 // of that, what acknowledgements leave
	sent  float64 // bytes that link doesn't know of yet
	spare float64 // bytes that it could have carried
}

func newFlows(s *sim) *simFlows {
	every := time.Duration(float64(s.cfg.blockSize) / s.cfg.rate / simRounds * float64(time.Second))
	return &simFlows{s: s, every: min(every, s.cfg.express)}
}

// grow makes room for the nodes that are new.
func (f *simFlows) grow() {
	for ; f.known < len(f.s.nodes); f.known++ {
		n := f.s.nodes[f.known]
		lane := &f.lanes[n.s.shard]
		lane.up.add(&n.up)
		lane.down.add(&n.down)
		for k := range f.lanes {
			f.lanes[k].load[n.s.shard] = append(f.lanes[k].load[n.s.shard], simLoad{})
		}
	}
}

func (d *simSide) add(l *simLink) {
	d.level, d.scale, d.load = append(d.level, l.rate), append(d.scale, 0), append(d.load, simLoad{})
	d.links = append(d.links, simShare{link: l, own: l.rate, rate: l.rate})
}

// count tells the links what flows have carried, and finds their rates anew.
func (f *simFlows) count() {
	for k := range f.lanes {
		for _, d := range [2]*simSide{&f.lanes[k].up, &f.lanes[k].down} {
			for j := range d.links {
				h := &d.links[j]
				h.link.sent += h.sent
				h.sent, h.own = 0, h.link.rate
			}
		}
	}
}

// begin makes the first Block of p's queue a flow since when, if there is one.
func (f *simFlows) begin(p *simPipe, when time.Duration) {
	if p.flow > 0 || len(p.queue) == 0 || p.closed {
		return
	}
	x, lane := p.queue[0], &f.lanes[p.from.s.shard]
	lane.flows = append(lane.flows, simFlow{
		pipe: p, xfer: x, up: int32(p.from.id / simShards), down: int32(p.to.id / simShards), to: int32(p.to.s.shard),
		weight: math.Sqrt(p.pace), left: float64(x.length), mark: p.mark(x, x.length), missed: (when - f.last).Seconds(), told: when,
	})
	p.flow = len(lane.flows)
	p.from.control += simFrames
}

// end takes p's flow away, and counts what it carried.
func (f *simFlows) end(p *simPipe, x *simXfer) {
	k, lane := p.flow-1, &f.lanes[p.from.s.shard]
	if k < 0 || lane.flows[k].xfer != x {
		return
	}
	x.sent = x.length - uint32(max(lane.flows[k].left, 0))
	p.from.sent += float64(x.sent)
	last := len(lane.flows) - 1
	lane.flows[k] = lane.flows[last]
	lane.flows[k].pipe.flow = k + 1
	lane.flows, p.flow = lane.flows[:last], 0
}

// round moves what flows since the last one, and shares out the links anew. The shards do it side by side: first each for the flows that
// leave its nodes, then for its nodes, then again for the flows.
func (f *simFlows) round() {
	f.grow()
	f.s.each(f.ask)
	f.s.each(f.share)
	f.last = f.s.now
	f.s.shared.stopped = false // what is told goes to other shards
	f.s.each(f.move)
	f.s.shared.stopped = true
}

// ask adds up what flows would take.
func (f *simFlows) ask(s *sim) {
	lane := &f.lanes[s.shard]
	for k := range lane.flows {
		w := &lane.flows[k]
		from, to := &lane.up.load[w.up], &lane.load[w.to][w.down]
		up, down := lane.up.level[w.up], f.lanes[w.to].down.level[w.down]
		if up < down {
			w.rate = w.weight * up
			from.free += w.weight
		} else {
			w.rate = w.weight * down
			to.free += w.weight
		}
		from.all += w.rate
		to.all += w.rate
	}
}

// share sets what the links of a shard's nodes give.
func (f *simFlows) share(s *sim) {
	seconds := f.every.Seconds()
	lane := &f.lanes[s.shard]
	for j := range lane.up.links {
		down := &lane.down.load[j]
		for k := range f.lanes {
			l := &f.lanes[k].load[s.shard][j]
			down.all += l.all
			down.free += l.free
			*l = simLoad{}
		}
		out, in := lane.up.settle(j, seconds), lane.down.settle(j, seconds)
		u, d := &lane.up.links[j], &lane.down.links[j]
		u.sent += out
		d.sent += in
		u.rate, d.rate = u.own-in/seconds/simAcks, d.own-out/seconds/simAcks
	}
}

// move gives flows what is theirs.
func (f *simFlows) move(s *sim) {
	seconds := f.every.Seconds()
	lane := &f.lanes[s.shard]
	for k := 0; k < len(lane.flows); k++ {
		w := &lane.flows[k]
		w.left -= w.rate * min(lane.up.scale[w.up], f.lanes[w.to].down.scale[w.down]) * (seconds - w.missed)
		w.missed = 0
		if w.left > w.mark && f.last-w.told > simQuiet {
			f.tell(w)
		}
		for w.left <= w.mark {
			if !f.passed(w) {
				k-- // another one stands here
				break
			}
		}
	}
}

// settle tells how many bytes link j carries in a round, and sets the level for the next one. What it didn't carry of late it makes up
// for: its queue goes on while flows change.
func (d *simSide) settle(j int, seconds float64) float64 {
	h, load := &d.links[j], d.load[j]
	if load.all == 0 {
		d.level[j], h.spare = h.rate, 0
		return 0
	}
	most := h.rate*seconds + h.spare
	d.scale[j] = min(1, most/(load.all*seconds))
	carried := load.all * d.scale[j] * seconds
	h.spare = min(most-carried, h.rate*simQueued.Seconds())
	next := d.level[j] * h.rate / load.all
	if load.free > 0 {
		next = d.level[j] + (h.rate-load.all)/load.free
	}
	d.level[j] = min(max(next, d.level[j]/simSteep), simSteep*h.rate)
	d.load[j] = simLoad{}
	return carried
}

// passed tells the receiver, in time, what has come, and sets the next mark; or ends the flow, and tells
// that it is no more.
func (f *simFlows) passed(w *simFlow) bool {
	p, x := w.pipe, w.xfer
	f.tell(w)
	if w.left > 0 {
		w.mark = p.mark(x, uint32(w.left))
		return true
	}
	p.queue = p.queue[1:]
	f.end(p, x)
	p.from.s.after(0, func() { p.served(x) })
	f.begin(p, f.last)
	return false
}

// tell tells the receiver what has come.
func (f *simFlows) tell(w *simFlow) {
	p := w.pipe
	m := p.from.s.msg()
	m.pipe, m.x, m.hop, m.told = p, w.xfer, p.hops, w.xfer.length-uint32(max(w.left, 0))
	p.from.s.postTo(p.to, simPost{when: f.last + simLag, msg: m})
	w.told = f.last
}

// mark is how many bytes of x are left when the receiver is told next: with the first bytes, half of them, when it may ask for the next Block,
// and at the end.
func (p *simPipe) mark(x *simXfer, left uint32) float64 {
	switch {
	case left == x.length:
		return float64(left) * 15 / 16
	case left > x.length/2:
		return float64(x.length / 2)
	}
	if q := p.back.other(); q != nil && p.to.core.ahead(q) < left {
		return float64(p.to.core.ahead(q))
	}
	return 0
}

// served tells the sender that a Block has gone.
func (p *simPipe) served(x *simXfer) {
	if !p.closed {
		p.from.step(Event{Kind: Served, Peer: p.peer, Index: x.index, Offset: x.offset, Length: x.length, Bytes: x.length, OK: true})
	}
}
