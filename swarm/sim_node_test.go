package swarm

import (
	"time"

	"p2pcp/blocks"
)

// perform does for a simulated host what the shell does.
func (n *simNode) perform(a Action) {
	s := n.s
	p := n.links[a.Peer]
	switch a.Kind {
	case Announce:
		n.announce(a.Index)
		return
	case Withdraw:
		for _, p := range n.order {
			p.tell(Event{Kind: PeerWithdraw, Index: a.Index})
		}
		return
	case Dial:
		n.dial(a.Member)
		return
	case Open:
		s.after(2*time.Millisecond, func() {
			n.step(Event{Kind: Opened, Set: s.wanted.Clone(), Claims: cloneSet(n.claims), Length: s.cfg.blockSize, Placed: n.placedIn})
			n.settleClaims()
		})
		return
	case Place:
		n.complete = s.now
		s.after(2*time.Millisecond, func() { n.step(Event{Kind: PlacedNow}) })
		return
	case Done:
		n.err, n.done = a.Err, true
		s.leave(n)
		return
	}
	if p == nil || p.closed {
		return
	}
	n.performOn(p, a)
}

func cloneSet(f *blocks.Bitfield) *blocks.Bitfield {
	if f == nil {
		return nil
	}
	return f.Clone()
}

// performOn does what concerns one session.
func (n *simNode) performOn(p *simPipe, a Action) {
	s := n.s
	switch a.Kind {
	case Ask:
		n.asks++
		if n.core.have.Has(a.Index) {
			s.fail("%v: %s asks for block %d that it holds", s.now, n.name, a.Index)
		}
		p.expected[a.Index] = true
		p.tell(Event{Kind: Asked, Index: a.Index, Length: s.length(a.Index)})
	case Any:
		p.tell(Event{Kind: PeerAny, Count: a.Count})
	case Grant:
		back, i := p.back, a.Index
		p.send(func() {
			back.expected[i] = true
			back.from.step(Event{Kind: Granted, Peer: back.peer, Index: i})
		})
		p.enqueue(a.Index, a.Offset)
	case Send:
		p.enqueue(a.Index, a.Offset)
	case Refuse:
		back, ev := p.back, Event{Kind: Refused, Peer: p.back.peer, Index: a.Index, Offset: a.Offset, Reason: a.Reason}
		p.send(func() { delete(back.expected, ev.Index); back.from.step(ev) })
	case Offer:
		p.tell(Event{Kind: Offered})
	case Cancel:
		if _, ok := p.expected[a.Index]; ok {
			p.expected[a.Index] = false
		}
		p.tell(Event{Kind: Cancelled, Index: a.Index, Offset: a.Offset})
	case StopSend:
		n.stopSend(p, a.Index)
	case Reject:
		to, i := p.to, a.Index
		p.send(func() { to.recheck(i) })
	case Drop:
		p.close()
	default:
		s.fail("action %d is unknown", a.Kind)
	}
}

// enqueue begins to send a Block.
func (p *simPipe) enqueue(i blocks.Index, offset uint32) {
	n := p.from
	x := &simXfer{index: i, offset: offset, length: n.s.length(i)}
	x.wrong = n.rotten[i] || (n.liar > 0 && n.s.rng.Float64() < n.liar)
	p.queue = append(p.queue, x)
	p.pump()
}

func (n *simNode) stopSend(p *simPipe, i blocks.Index) {
	for k, x := range p.queue {
		if x.index == i {
			p.queue = append(append([]*simXfer(nil), p.queue[:k]...), p.queue[k+1:]...)
			n.s.after(0, func() {
				n.step(Event{Kind: Served, Peer: p.peer, Index: i, Length: x.length, Bytes: x.sent})
			})
			return
		}
	}
}

// recheck hashes a Block of ours that was rejected.
func (n *simNode) recheck(i blocks.Index) {
	if n.rotten[i] {
		n.s.after(time.Millisecond, func() { n.step(Event{Kind: Unreadable, Index: i}) })
	}
}

// announce tells all sessions, a few milliseconds' worth at a time.
func (n *simNode) announce(i blocks.Index) {
	n.pending = append(n.pending, blocks.Span{First: uint32(i), Count: 1})
	if len(n.pending) > 1 {
		return
	}
	n.s.after(simHave, func() {
		spans := n.pending
		n.pending = nil
		for _, p := range n.order {
			if !p.tellLater(spans) {
				p.tell(Event{Kind: PeerHave, Spans: spans})
			}
		}
	})
}

func (n *simNode) dial(name string) {
	s := n.s
	s.after(time.Millisecond, func() {
		for _, o := range s.nodes {
			if o.name == name && s.connect(n, o) {
				return
			}
		}
		n.step(Event{Kind: DialFailed, Member: name})
	})
}

// settleClaims hashes what lies on the disk.
func (n *simNode) settleClaims() {
	if n.claims == nil {
		return
	}
	at := time.Duration(0)
	for _, span := range n.claims.Spans() {
		for k := range span.Count {
			i := blocks.Index(span.First + k)
			at += 200 * time.Microsecond
			kind := Released
			if n.truth.Has(i) {
				kind = Verified
			}
			n.s.after(at, func() { n.step(Event{Kind: kind, Index: i}) })
		}
	}
}

// leave ends a member in good order; kill without a word.
func (s *sim) leave(n *simNode) {
	if n.alive {
		n.ended = s.now
		s.kill(n)
		for _, o := range s.nodes {
			if o.alive {
				s.after(time.Duration(50+s.rng.IntN(100))*time.Millisecond, func() { o.step(Event{Kind: MemberGone, Member: n.name}) })
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
