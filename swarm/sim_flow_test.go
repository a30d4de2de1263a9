package swarm

import (
	"math"
	"time"
)

// simFlows is the network where packets are too many: each Block on its way is a flow. Every so often each link shares out its rate among
// its flows by their weights, what a flow can't use for the other link's sake to the others (weighted max-min fairness, one round of
// it each time). Bytes arrive simLag later, which is the queue that TCP keeps.
type simFlows struct {
	s        *sim
	every    time.Duration
	last     time.Duration // when rates were set last
	flows    []simFlow
	up, down []simShare // by node
}

const (
	simLag    = 15 * time.Millisecond
	simSteep  = 16 // times its rate are the most that a link offers for a unit of weight: others limit its flows
	simRounds = 32 // of sharing out, in the time that a Block takes alone
	simAcked  = 1 - 1.0/simAcks
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

// simShare is one direction of a host's link.
type simShare struct {
	rate  float64
	level float64 // bytes per second for each unit of weight
	load  float64 // what its flows would take at that
	scale float64 // of that, what there is
	spare float64 // bytes that it could have carried
}

func newFlows(s *sim) *simFlows {
	every := time.Duration(float64(s.cfg.blockSize) / s.cfg.rate / simRounds * float64(time.Second))
	return &simFlows{s: s, every: min(every, s.cfg.express)}
}

// begin makes the first Block of p's queue a flow since when, if there is one.
func (f *simFlows) begin(p *simPipe, when time.Duration) {
	if p.flow > 0 || len(p.queue) == 0 || p.closed {
		return
	}
	for len(f.up) < len(f.s.nodes) {
		n := f.s.nodes[len(f.up)]
		f.up = append(f.up, simShare{rate: n.up.rate * simAcked, level: n.up.rate})
		f.down = append(f.down, simShare{rate: n.down.rate * simAcked, level: n.down.rate})
	}
	x := p.queue[0]
	f.flows = append(f.flows, simFlow{
		pipe: p, xfer: x, up: int32(p.from.id), down: int32(p.to.id), weight: math.Sqrt(p.pace), left: float64(x.length), mark: p.mark(x, x.length),
		missed: (when - f.last).Seconds(), told: when,
	})
	p.flow = len(f.flows)
	p.from.control += simFrames
}

// end takes p's flow away, and counts what it carried.
func (f *simFlows) end(p *simPipe, x *simXfer) {
	k := p.flow - 1
	if k < 0 || f.flows[k].xfer != x {
		return
	}
	x.sent = x.length - uint32(max(f.flows[k].left, 0))
	p.from.sent += float64(x.sent)
	last := len(f.flows) - 1
	f.flows[k] = f.flows[last]
	f.flows[k].pipe.flow = k + 1
	f.flows, p.flow = f.flows[:last], 0
}

// round moves what flows since the last one, and shares out the links anew.
func (f *simFlows) round() {
	for k := range f.flows {
		w := &f.flows[k]
		up, down := &f.up[w.up], &f.down[w.down]
		w.rate = w.weight * min(up.level, down.level)
		up.load += w.rate
		down.load += w.rate
	}
	seconds := f.every.Seconds()
	for id, n := range f.s.nodes[:len(f.up)] {
		n.up.sent += f.up[id].settle(seconds)
		n.down.sent += f.down[id].settle(seconds)
	}
	f.last = f.s.now
	for k := 0; k < len(f.flows); k++ {
		w := &f.flows[k]
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
	if h.load == 0 {
		h.level, h.spare = h.rate, 0
		return 0
	}
	most := h.rate*seconds + h.spare
	h.scale = min(1, most/(h.load*seconds))
	carried := h.load * h.scale * seconds
	h.spare = min(most-carried, h.rate*simQueued.Seconds())
	h.level = min(h.level*h.rate/h.load, simSteep*h.rate)
	h.load = 0
	return carried
}

// passed tells the receiver, in time, what has come, and sets the next mark; or ends the flow, and tells
// that it is no more.
func (f *simFlows) passed(w *simFlow) bool {
	p, s, x := w.pipe, f.s, w.xfer
	f.tell(w)
	if w.left > 0 {
		w.mark = p.mark(x, uint32(w.left))
		return true
	}
	p.queue = p.queue[1:]
	f.end(p, x)
	p.from.s.after(0, func() { p.served(x) })
	f.begin(p, s.now)
	return false
}

// tell tells the receiver what has come.
func (f *simFlows) tell(w *simFlow) {
	p, m := w.pipe, f.s.msg()
	m.pipe, m.x, m.hop, m.told = p, w.xfer, p.hops, w.xfer.length-uint32(max(w.left, 0))
	p.to.s.post(f.s.now+simLag, m)
	w.told = f.s.now
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
