package swarm

import (
	"slices"
	"time"

	"p2pcp/blocks"
)

// perform does for a simulated host what the shell does.
func (n *simNode) perform(a *Action) {
	s := n.s
	switch a.Kind {
	case Announce:
		if s.cfg.express > 0 {
			n.whisperAll(a.Index)
		} else {
			n.announce(a.Index)
		}
	case Withdraw:
		for _, p := range n.order {
			p.say(9, simMsg{kind: PeerWithdraw, index: a.Index})
		}
	case Dial:
		n.dial(a.Member)
	case Open:
		s.after(2*time.Millisecond, func() {
			n.step(Event{Kind: Opened, Set: s.wanted.Clone(), Claims: cloneSet(n.claims), Length: s.cfg.blockSize, Placed: n.placedIn})
			n.settleClaims()
		})
	case Place:
		n.tellAll()
		n.complete = s.now
		s.after(2*time.Millisecond, func() { n.step(Event{Kind: PlacedNow}) })
	case Done:
		n.err, n.done = a.Err, true
		s.together(func() { s.first().leave(n) })
	default:
		if k := int(a.Peer) - 1; k >= 0 && k < len(n.links) && n.links[k] != nil {
			n.performOn(n.links[k], a)
		}
	}
}

func cloneSet(f *blocks.Bitfield) *blocks.Bitfield {
	if f == nil {
		return nil
	}
	return f.Clone()
}

// performOn does what concerns one session. The messages are as long as their frames (PROTOCOL.md).
func (n *simNode) performOn(p *simPipe, a *Action) {
	s := n.s
	switch a.Kind {
	case Ask:
		if n.core.have.Has(a.Index) {
			s.fail("%v: %s asks for block %d that it holds", s.now, n.name, a.Index)
		}
		p.expect(a.Index)
		p.say(17, simMsg{kind: Asked, index: a.Index, b: s.length(a.Index)})
	case Any:
		p.say(6, simMsg{kind: PeerAny, a: a.Count})
	case Grant:
		p.say(9, simMsg{kind: Granted, index: a.Index})
		p.enqueue(a.Index, a.Offset)
	case Send:
		p.enqueue(a.Index, a.Offset)
	case Refuse:
		p.say(14, simMsg{kind: Refused, index: a.Index, a: a.Offset, b: uint32(a.Reason)})
	case Offer:
		p.say(5, simMsg{kind: Offered})
	case Cancel:
		if k := p.expects(a.Index); k >= 0 {
			p.expected[k].cancelled = true
		}
		p.say(13, simMsg{kind: Cancelled, index: a.Index, a: a.Offset})
	case StopSend:
		n.stopSend(p, a.Index)
	case Reject:
		p.say(9, simMsg{kind: Bad, index: a.Index})
	case Drop:
		s.together(p.close)
	case Accuse:
		s.fail("%s accuses %s, which is honest: %s", n.name, p.to.name, a.Text)
	default:
		s.fail("action %d is unknown", a.Kind)
	}
}

// hear takes a control message that came over p.
func (n *simNode) hear(p *simPipe, m *simMsg) {
	ev := Event{Kind: m.kind, Peer: p.peer, Index: m.index}
	switch m.kind {
	case Asked, Cancelled:
		ev.Offset, ev.Length = m.a, m.b
	case PeerAny:
		ev.Count = m.a
	case Granted:
		p.expect(m.index)
	case Refused:
		if k := p.expects(m.index); k >= 0 {
			p.unexpect(k)
		}
		ev.Offset, ev.Reason = m.a, RefuseReason(m.b)
	case PeerHave:
		ev.Spans = m.more.([]blocks.Span)
	case Bad:
		n.recheck(m.index)
		return
	}
	n.step(ev)
}

// enqueue begins to send a Block.
func (p *simPipe) enqueue(i blocks.Index, offset uint32) {
	n := p.from
	x := &simXfer{index: i, offset: offset, length: n.s.length(i)}
	x.wrong = (len(n.rotten) > 0 && n.rotten[i]) || (n.liar > 0 && n.s.rng.Float64() < n.liar)
	p.queue = append(p.queue, x)
	p.pump()
}

func (n *simNode) stopSend(p *simPipe, i blocks.Index) {
	for k, x := range p.queue {
		if x.index == i {
			p.queue = append(append([]*simXfer(nil), p.queue[:k]...), p.queue[k+1:]...)
			if n.s.flows != nil && k == 0 {
				n.s.turn(simTurn{pipe: p, end: x, when: n.s.now})
			}
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
	if n.held > 0 {
		n.gap = smoothed(n.gap, n.s.now-n.held)
	}
	n.held = n.s.now
	n.pending = append(n.pending, i)
	if len(n.pending) == 1 {
		n.s.after(max(n.s.cfg.have, haveDelay(n.gap)), n.flushHave)
	}
}

func (n *simNode) flushHave() {
	spans := spansOf(n.pending)
	for _, p := range n.order {
		fresh := spans
		if q := p.other(); q != nil && q.have != nil && slices.ContainsFunc(n.pending, q.have.Has) && !n.core.complete(q) {
			fresh = spansOf(slices.DeleteFunc(slices.Clone(n.pending), q.have.Has))
		}
		if len(fresh) > 0 && !p.tellLater(fresh) {
			p.tell(fresh)
		}
	}
	n.pending = n.pending[:0]
}

func haveBytes(spans []blocks.Span) uint32 { return uint32(5 + 3*len(spans)) }

// tellAll announces what was left out, all of it.
func (n *simNode) tellAll() {
	spans := n.core.have.Spans()
	for _, p := range n.order {
		p.tell(spans)
	}
}

// tell sends a HAVE.
func (p *simPipe) tell(spans []blocks.Span) {
	p.say(haveBytes(spans), simMsg{kind: PeerHave, more: spans})
}

func (n *simNode) dial(name string) {
	s := n.s
	s.after(time.Millisecond, func() {
		s.together(func() {
			if o := s.byName[name]; o == nil || !s.first().connect(n, o) {
				n.step(Event{Kind: DialFailed, Member: name})
			}
		})
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

// say sends a control message of so many bytes.
func (p *simPipe) say(bytes uint32, m simMsg) {
	c := p.from.s.msg()
	*c = m
	c.bytes = bytes
	p.count(bytes)
	if s := p.from.s; s.cfg.express > 0 { // less than simLag: a Grant comes before its Block
		c.pipe, c.hop = p, p.hops
		s.postTo(p.to, simPost{when: s.now + s.cfg.express, msg: c})
		return
	}
	p.send(c)
}

// count takes a control message into account, and where it doesn't wait in the queues what it adds to them.
func (p *simPipe) count(bytes uint32) {
	p.from.control += float64(bytes)
	p.from.messages++
	if s := p.from.s; s.cfg.express > 0 {
		p.from.up.pass(s.now, bytes)
	}
}
