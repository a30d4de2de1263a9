package swarm

import (
	"math"
	"time"
)

// simFlows is the network where packets are too many: each Block on its way is a flow. Every so often each link shares out its rate among
// its flows by their weights, what a flow can't use for the other link's sake to the others (weighted max-min fairness, one round of
// it each time). What comes takes acknowledgements of the other direction. Bytes arrive simLag later, which is the queue that TCP keeps.
type simFlows struct {
	s        *sim
	every    time.Duration
	last     time.Duration // when rates were set last
	lanes    [simShards]simLane
	up, down []simShare // by node
}

// simLane has the flows that leave a shard's nodes.
type simLane struct {
	flows []simFlow
	load  []simLoad // of each node's downlink
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
	up, down int32
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
	rate  float64
	level float64 // bytes per second for each unit of weight
	simLoad
	scale float64 // of that, what there is
	spare float64 // bytes that it could have carried
}

func newFlows(s *sim) *simFlows {
	every := time.Duration(float64(s.cfg.blockSize) / s.cfg.rate / simRounds * float64(time.Second))
	return &simFlows{s: s, every: min(every, s.cfg.express)}
}

// grow makes room for the nodes that are new.
func (f *simFlows) grow() {
	for len(f.up) < len(f.s.nodes) {
		n := f.s.nodes[len(f.up)]
		f.up = append(f.up, simShare{rate: n.up.rate, level: n.up.rate})
		f.down = append(f.down, simShare{rate: n.down.rate, level: n.down.rate})
		for k := range f.lanes {
			f.lanes[k].load = append(f.lanes[k].load, simLoad{})
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
		pipe: p, xfer: x, up: int32(p.from.id), down: int32(p.to.id), weight: math.Sqrt(p.pace), left: float64(x.length), mark: p.mark(x, x.length),
		missed: (when - f.last).Seconds(), told: when,
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
		up, down, to := &f.up[w.up], &f.down[w.down], &lane.load[w.down]
		if up.level < down.level {
			w.rate = w.weight * up.level
			up.free += w.weight
		} else {
			w.rate = w.weight * down.level
			to.free += w.weight
		}
		up.all += w.rate
		to.all += w.rate
	}
}

// share sets what the links of a shard's nodes give.
func (f *simFlows) share(s *sim) {
	seconds := f.every.Seconds()
	for id := s.shard; id < len(f.up); id += simShards {
		n, up, down := f.s.nodes[id], &f.up[id], &f.down[id]
		for k := range f.lanes {
			l := &f.lanes[k].load[id]
			down.all += l.all
			down.free += l.free
			*l = simLoad{}
		}
		out, in := up.settle(seconds), down.settle(seconds)
		n.up.sent += out
		n.down.sent += in
		up.rate, down.rate = n.up.rate-in/seconds/simAcks, n.down.rate-out/seconds/simAcks
	}
}

// move gives flows what is theirs.
func (f *simFlows) move(s *sim) {
	seconds := f.every.Seconds()
	lane := &f.lanes[s.shard]
	for k := 0; k < len(lane.flows); k++ {
		w := &lane.flows[k]
		w.left -= w.rate * min(f.up[w.up].scale, f.down[w.down].scale) * (seconds - w.missed)
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

// settle tells how many bytes the link carries in a round, and sets the level for the next one. What it didn't carry of late it makes up
// for: its queue goes on while flows change.
func (h *simShare) settle(seconds float64) float64 {
	if h.all == 0 {
		h.level, h.spare = h.rate, 0
		return 0
	}
	most := h.rate*seconds + h.spare
	h.scale = min(1, most/(h.all*seconds))
	carried := h.all * h.scale * seconds
	h.spare = min(most-carried, h.rate*simQueued.Seconds())
	next := h.level * h.rate / h.all
	if h.free > 0 {
		next = h.level + (h.rate-h.all)/h.free
	}
	h.level = min(max(next, h.level/simSteep), simSteep*h.rate)
	h.simLoad = simLoad{}
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
