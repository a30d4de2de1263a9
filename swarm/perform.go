package swarm

import (
	"fmt"
	"slices"

	"p2pcp/blocks"
	"p2pcp/swarm/wire"
)

// before does what must be true when the core sees the Event.
func (s *Swarm) before(e Event) {
	if e.Kind != PeerUp {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if ss := s.sessions[e.Peer]; ss != nil {
		ss.setLive()
	}
}

// after does what follows an Event once the core has seen it.
func (s *Swarm) after(e Event) {
	if e.Kind == PeerUp && e.Addr.Port() != 0 {
		s.loop.gossip = append(s.loop.gossip, wire.Peer{Seed: e.Seed, Member: e.Member, Addr: e.Addr, Zone: e.Zone})
		s.armFlush()
	}
}

// perform carries out one Action. It never blocks.
func (s *Swarm) perform(a Action) {
	switch a.Kind {
	case Announce:
		s.announce(a.Index)
	case Withdraw:
		s.withdraw(a.Index)
	case Dial:
		s.spawn(func() { s.dialMember(a.Member, a.Addr) })
	case Open:
		s.spawn(s.open)
	case Place:
		s.tellAll()
		s.spawn(s.place)
	case Done:
		s.loop.done, s.loop.err = true, a.Err
	case Accuse:
		s.accuse(a)
	default:
		if a.Kind == Any && a.Count > 0 {
			s.flushAll() // else a seed would push what we hold and haven't said yet
		}
		ss := s.session(a.Peer)
		if ss == nil {
			return
		}
		switch {
		case a.Kind == Drop && a.Ban:
			s.blame(ss.suspect(), a.Text, outrage)
		case a.Kind == Drop && a.Fault:
			s.blame(ss.suspect(), a.Text, mishap)
		}
		ss.perform(a)
	}
}

// accuse names whom the core holds something against.
func (s *Swarm) accuse(a Action) {
	if a.Peer == 0 {
		s.blame(suspect{name: "gossip"}, a.Text, mishap)
	} else if ss := s.session(a.Peer); ss != nil {
		s.blame(ss.suspect(), a.Text, mishap)
	}
}

// session is the one with a peer; nil: there is none.
func (s *Swarm) session(id PeerID) *session {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sessions[id]
}

// perform carries out an Action that concerns one session.
func (ss *session) perform(a Action) {
	req := wire.Request{Index: a.Index, Offset: a.Offset, Length: a.Length}
	if c := ss.s.Content(); c != nil && a.Length == 0 {
		req.Length = c.BlockLen(a.Index) // the core asks for whole Blocks without knowing their length
	}
	switch a.Kind {
	case Ask:
		ss.await(a.Index, a.Offset)
		ss.push(func(b []byte) []byte { return req.Append(b) })
	case Any:
		ss.push(func(b []byte) []byte { return wire.AppendByte(b, wire.TAny, byte(min(a.Count, 255))) })
	case Grant:
		ss.push(func(b []byte) []byte { return wire.AppendIndex(b, wire.TGrant, a.Index) })
		ss.queueSend(req)
	case Send:
		ss.queueSend(req)
	case Refuse:
		ss.push(func(b []byte) []byte {
			return wire.Refuse{Index: a.Index, Offset: a.Offset, Reason: byte(a.Reason)}.Append(b)
		})
	case Offer:
		ss.push(func(b []byte) []byte { return wire.AppendEmpty(b, wire.TOffer) })
	case Cancel:
		ss.forget(a.Index, a.Offset)
		ss.push(func(b []byte) []byte { return wire.Cancel{Index: a.Index, Offset: a.Offset}.Append(b) })
	case StopSend:
		ss.stopSend(a.Index, a.Offset)
	case Reject:
		ss.push(func(b []byte) []byte { return wire.AppendIndex(b, wire.TReject, a.Index) })
	case Drop:
		ss.drop(a.Ban, a.Text)
	default:
		panic(fmt.Sprintf("swarm: action %d is not a session's", a.Kind))
	}
}

// withdraw takes a Block back from every session at once.
func (s *Swarm) withdraw(i blocks.Index) {
	s.flushAll()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.have.Clear(i)
	for _, ss := range s.sessions {
		ss.push(func(b []byte) []byte { return wire.AppendIndex(b, wire.TWithdraw, i) })
	}
}

// spansOf sorts list and joins it into runs; duplicates count once.
func spansOf(list []blocks.Index) []blocks.Span {
	slices.Sort(list)
	var spans []blocks.Span
	for _, i := range slices.Compact(list) {
		if n := len(spans); n > 0 && spans[n-1].First+spans[n-1].Count == uint32(i) {
			spans[n-1].Count++
			continue
		}
		spans = append(spans, blocks.Span{First: uint32(i), Count: 1})
	}
	return spans
}

// spansNotIn lists the members of f that g lacks (g nil: lacks all).
func spansNotIn(f, g *blocks.Bitfield) []blocks.Span {
	if g == nil {
		return f.Spans()
	}
	d := f.Clone()
	for _, s := range g.Spans() {
		d.ClearSpan(s)
	}
	return d.Spans()
}
