package swarm

import (
	"slices"
	"time"

	"p2pcp/blocks"
	"p2pcp/swarm/wire"
)

// A HAVE waits for others: for as long as haveBlocks of them take to come, within these bounds, and no longer than until something
// else goes to the same peer. At 200 Mbit/s to 8 receivers three of four frames were HAVEs, each of one Block, and woke as many readers.
const (
	haveMin    = 3 * time.Millisecond
	haveMax    = 25 * time.Millisecond
	haveBlocks = 4
	haveAcross = 200 * time.Millisecond // between two HAVEs to another zone: each costs the link that is dear, and is acknowledged over it
)

// haveDelay is how long a HAVE waits where Blocks come so far apart.
func haveDelay(gap time.Duration) time.Duration { return min(max(haveBlocks*gap, haveMin), haveMax) }

// announce queues a HAVE to every session.
func (s *Swarm) announce(i blocks.Index) {
	now := time.Now()
	if !s.loop.held.IsZero() {
		s.loop.gap = smoothed(s.loop.gap, now.Sub(s.loop.held))
	}
	s.loop.held = now
	s.mu.Lock()
	defer s.mu.Unlock()
	s.have.Set(i)
	far := false
	for _, ss := range s.sessions {
		if !ss.live {
			continue // it learns all that was announced when it comes alive
		}
		far = far || ss.far()
		ss.mu.Lock()
		ss.fresh = append(ss.fresh, i)
		ss.mu.Unlock()
	}
	s.armFlush()
	if far && !s.loop.farArmed {
		s.loop.farArmed = true
		s.loop.farFlush.Reset(haveAcross - time.Since(s.loop.farTold))
	}
}

func (s *Swarm) armFlush() {
	if !s.loop.armed {
		s.loop.armed = true
		s.loop.flush.Reset(haveDelay(s.loop.gap))
	}
}

// flushHave sends the HAVEs that have gathered for our own zone, and the PEERS.
func (s *Swarm) flushHave() {
	s.loop.armed = false
	peers := s.loop.gossip
	s.loop.gossip = nil
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, ss := range s.sessions {
		if !ss.live {
			continue
		}
		if !ss.far() {
			ss.flush()
		}
		ss.tellPeers(peers)
	}
}

// flushFar sends the HAVEs that have gathered for other zones.
func (s *Swarm) flushFar() {
	s.loop.farArmed, s.loop.farTold = false, time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, ss := range s.sessions {
		if ss.far() {
			ss.flush()
		}
	}
}

// flushAll sends all that has gathered.
func (s *Swarm) flushAll() {
	s.flushHave()
	s.flushFar()
}

// tellAll announces what was withheld: once we are complete others are to know.
func (s *Swarm) tellAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	spans := s.have.Spans()
	for _, ss := range s.sessions {
		ss.mu.Lock()
		withheld := ss.withheld
		ss.withheld = false
		ss.mu.Unlock()
		if ss.live && withheld {
			pushHave(ss, spans)
		}
	}
}

// retell announces i to a peer that has it no longer, and may not have been told that we have it.
func (s *Swarm) retell(ss *session, i blocks.Index) {
	s.mu.Lock()
	held := s.have != nil && s.have.Has(i)
	s.mu.Unlock()
	ss.mu.Lock()
	withheld := ss.withheld
	ss.mu.Unlock()
	if held && withheld {
		pushHave(ss, []blocks.Span{{First: uint32(i), Count: 1}})
	}
}

// flush sends the HAVEs that have gathered.
func (ss *session) flush() {
	ss.mu.Lock()
	n := len(ss.control)
	if !ss.ended && !ss.parted {
		ss.tell()
	}
	told := len(ss.control) > n
	ss.mu.Unlock()
	if told {
		ss.signal()
	}
}

// tell moves the HAVEs that have gathered to the control frames; ss.mu is held. What an incomplete peer has announced itself is left
// out: it will not ask for it.
func (ss *session) tell() {
	if len(ss.fresh) == 0 {
		return
	}
	if a := ss.announced; a != nil && !ss.seed && a.Count() < a.Len() {
		n := len(ss.fresh)
		ss.fresh = slices.DeleteFunc(ss.fresh, a.Has)
		ss.withheld = ss.withheld || len(ss.fresh) < n
	}
	ss.control = appendHave(ss.control, spansOf(ss.fresh))
	ss.fresh = ss.fresh[:0]
}

// maxRuns keeps a HAVE frame below its limit: two uvarints of at most 5 bytes each.
const maxRuns = 64 << 10 / 10

// appendHave appends the spans, in as many frames as they need.
func appendHave(b []byte, spans []blocks.Span) []byte {
	for part := range slices.Chunk(spans, maxRuns) {
		b = wire.AppendHave(b, part)
	}
	return b
}

// pushHave queues the spans.
func pushHave(ss *session, spans []blocks.Span) {
	if len(spans) > 0 {
		ss.push(func(b []byte) []byte { return appendHave(b, spans) })
	}
}
