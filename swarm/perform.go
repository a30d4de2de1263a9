package swarm

import (
	"fmt"
	"slices"
	"time"

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
		s.spawn(s.place)
	case Done:
		s.loop.done, s.loop.err = true, a.Err
	default:
		if a.Kind == Any && a.Count > 0 {
			s.flushAll() // else a seed would push what we hold and haven't said yet
		}
		s.mu.Lock()
		ss := s.sessions[a.Peer]
		if a.Kind == Drop && a.Ban && ss != nil {
			s.banned[ss.member] = true
		}
		s.mu.Unlock()
		if ss != nil {
			ss.perform(a)
		}
	}
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

// announce queues a HAVE to every session.
func (s *Swarm) announce(i blocks.Index) {
	s.mu.Lock()
	s.have.Set(i)
	s.mu.Unlock()
	s.loop.pending = append(s.loop.pending, i)
	s.armFlush()
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

func (s *Swarm) armFlush() {
	if !s.loop.armed {
		s.loop.armed = true
		s.loop.flush.Reset(haveDelay)
	}
}

// flushHave sends the HAVEs and PEERS that have gathered, HAVEs to our own zone; for others they gather on.
func (s *Swarm) flushHave() {
	s.loop.armed = false
	fresh := len(s.loop.far)
	s.loop.far = append(s.loop.far, s.loop.pending...)
	spans, peers := spansOf(s.loop.pending), s.loop.gossip
	s.loop.pending, s.loop.gossip = s.loop.pending[:0], nil
	if len(spans) == 0 && len(peers) == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	far := false
	for _, ss := range s.sessions {
		if !ss.live {
			continue // it learns all that was announced when it comes alive
		}
		if ss.zone != s.cfg.Core.Zone {
			far = true
		} else {
			pushHave(ss, spans)
		}
		ss.tellPeers(peers)
	}
	switch {
	case !far:
		s.loop.far = s.loop.far[:0]
	case fresh == 0:
		s.loop.farFlush.Reset(haveAcross - time.Since(s.loop.farTold))
	}
}

// flushFar sends the HAVEs that have gathered for other zones.
func (s *Swarm) flushFar() {
	if len(s.loop.far) == 0 {
		return
	}
	spans := spansOf(s.loop.far)
	s.loop.far, s.loop.farTold = s.loop.far[:0], time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, ss := range s.sessions {
		if ss.live && ss.zone != s.cfg.Core.Zone {
			pushHave(ss, spans)
		}
	}
}

// flushAll sends all that has gathered.
func (s *Swarm) flushAll() {
	s.flushHave()
	s.flushFar()
}

// maxRuns keeps a HAVE frame below its limit: two uvarints of at most 5 bytes each.
const maxRuns = 64 << 10 / 10

// pushHave queues the spans, in as many frames as they need.
func pushHave(ss *session, spans []blocks.Span) {
	for part := range slices.Chunk(spans, maxRuns) {
		ss.push(func(b []byte) []byte { return wire.AppendHave(b, part) })
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
