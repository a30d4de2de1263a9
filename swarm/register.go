package swarm

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"p2pcp/blocks"
	"p2pcp/swarm/wire"
)

// register makes the session, unless one to this member stands already. Of two that were dialled crosswise the one
// whose dialer has the lower name stays; of two by the same dialer the newer. One that comes from another host, when it can't have been dialled crosswise any
// more, never replaces: every member knows the others' names. Who isn't taken is told why.
func (s *Swarm) register(g greeting, dialed bool) (*session, error) {
	h := g.hello
	ss := &session{
		s: s, conn: g.conn, member: h.Member, addr: h.Listen, source: addrOf(g.conn.RemoteAddr()).Addr().Unmap(), counted: sourceOfConn(g.conn),
		zone: h.Zone, dialed: dialed, since: time.Now(), told: g.told, gone: make(chan struct{}), wake: make(chan struct{}, 1),
		awaited: map[slot]bool{}, trees: map[wire.Tree]chan wire.Nodes{}, known: map[string]netip.AddrPort{},
	}
	if ss.addr.Addr().IsUnspecified() {
		ss.addr = netip.AddrPortFrom(ss.source, ss.addr.Port())
	}
	vouched := s.vouched(ss.source)
	ss.seed, ss.claims = h.Seed && vouched, h.Seed && !vouched
	ss.out.frame = minFrame
	ss.announced = announcedBy(h)
	ss.headless = g.told == nil && h.Header == nil
	ss.known[h.Member] = ss.addr
	for _, p := range g.named {
		ss.known[p.Member] = netip.AddrPort{}
	}
	ss.hears(h.Peers)
	reason, err := s.enter(ss)
	if err != nil {
		_ = g.conn.SetWriteDeadline(time.Now().Add(byeTime))
		_, _ = g.conn.Write(wire.AppendByte(nil, wire.TBye, reason))
		return nil, err
	}
	s.met.Store(true)
	return ss, nil
}

// enter puts the session among the others, or says why not, with the reason for BYE.
func (s *Swarm) enter(ss *session) (byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.isBanned(ss.suspect()):
		return wire.ByeBanned, errBanned
	case ss.headless && s.content != nil:
		return wire.ByeLeaving, errHeadless
	case len(s.sessions) >= maxSessions:
		old := s.crowder(ss.counted)
		if old == nil {
			return wire.ByeFull, errFull
		}
		old.close(errCrowded)
	}
	for _, old := range s.sessions {
		if old.member != ss.member || !old.stands() {
			continue
		}
		if old.claims && ss.seed {
			old.close(errReplaced) // the seed from one of its addresses that we know, at last; or another one had taken its name
			continue
		}
		crosswise := old.dialed != ss.dialed
		if old.source != ss.source && (!crosswise || time.Since(old.since) > dialTime) {
			continue // a namesake from elsewhere: which of them is the right one can't be told
		}
		if crosswise && s.keeps(old) {
			return wire.ByeDuplicate, errDuplicate
		}
		old.close(errReplaced)
	}
	s.nextPeer++
	ss.id, ss.ration = s.nextPeer, s.rationOf(ss.counted)
	ss.fed = s.feeder(ss.member)
	s.sessions[ss.id] = ss
	if old := s.byMember[ss.member]; old == nil || !old.stands() || !s.vouched(old.source) {
		s.byMember[ss.member] = ss
	}
	return 0, nil
}

// crowder is the session that makes room for one from source when there are too many; s.mu is held. Nil: none does.
func (s *Swarm) crowder(source netip.Addr) *session {
	all := make([]*session, 0, len(s.sessions))
	for _, ss := range s.sessions {
		if ss.stands() {
			all = append(all, ss)
		}
	}
	slices.SortFunc(all, func(a, b *session) int { return cmp.Compare(a.id, b.id) })
	held := make([]netip.Addr, len(all))
	for k, ss := range all {
		held[k] = ss.counted
	}
	if k := crowder(held, source); k >= 0 {
		return all[k]
	}
	return nil
}

// suspect is whom the session's misdeeds are held against.
func (ss *session) suspect() suspect { return suspect{ss.member, hostOf(ss.source)} }

// keeps tells whether ss is the one that stays of two crosswise dialled sessions.
func (s *Swarm) keeps(ss *session) bool {
	return ss.dialed == (s.cfg.Core.Self < ss.member)
}

// stands tells whether the session is not about to end.
func (ss *session) stands() bool {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	return !ss.ended && !ss.leaving
}

func (s *Swarm) unregister(ss *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sessions, ss.id)
	if s.byMember[ss.member] != ss {
		return
	}
	delete(s.byMember, ss.member)
	for _, o := range s.sessions {
		if o.member == ss.member {
			s.byMember[ss.member] = o
		}
	}
}

// announcedBy is the Bitfield of a HELLO over the whole Index space; nil without a Header.
func announcedBy(h wire.Hello) *blocks.Bitfield {
	if h.Header == nil {
		return nil
	}
	switch h.Form {
	case wire.Raw:
		return h.Bits.Clone()
	case wire.Every:
		all := blocks.NewBitfield(h.Header.Blocks)
		all.SetSpan(blocks.Span{Count: h.Header.Blocks})
		return all
	default:
		return blocks.NewBitfield(h.Header.Blocks)
	}
}

// peerUp is the Event of a session that passed HELLO.
func peerUp(ss *session, h wire.Hello) Event {
	return Event{
		Kind: PeerUp, Peer: ss.id, Member: ss.member, Addr: ss.addr, Source: ss.counted, Seed: ss.seed,
		Lingering: h.Lingering, Set: announcedBy(h), Zone: ss.zone,
	}
}

// setLive marks that the core knows the session; s.mu is held. What changed since our HELLO was made is told: HAVE and WITHDRAW,
// PEERS, and to a seed how we stand.
func (ss *session) setLive() {
	s := ss.s
	if s.have != nil {
		pushHave(ss, spansNotIn(s.have, ss.told))
	}
	if ss.told != nil {
		for _, span := range spansNotIn(ss.told, s.have) {
			for n := range span.Count {
				ss.push(func(b []byte) []byte { return wire.AppendIndex(b, wire.TWithdraw, blocks.Index(span.First+n)) })
			}
		}
	}
	ss.live, ss.told = true, nil
	ss.tellPeers(s.peersLocked())
	if r := s.result; r != nil && ss.seed {
		ss.mu.Lock()
		ss.acks = append(ss.acks, make(chan byte, 1)) // nobody waits for this one
		ss.mu.Unlock()
		ss.push(func(b []byte) []byte { return r.Append(b) })
	}
}

// peersLocked lists the members that we have sessions with; s.mu is held.
func (s *Swarm) peersLocked() []wire.Peer {
	var list []wire.Peer
	for _, ss := range s.byMember {
		if ss.addr.Port() != 0 && len(list) < wire.MaxPeers {
			list = append(list, wire.Peer{Seed: ss.seed, Member: ss.member, Addr: ss.addr, Zone: ss.zone})
		}
	}
	return list
}

// peersFor lists those whom a member should be told of when it comes.
func (s *Swarm) peersFor(member string) []wire.Peer {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.DeleteFunc(s.peersLocked(), func(p wire.Peer) bool { return p.Member == member || s.introduced(p, member) })
}

// introTime is how long a receiver leaves it to a seed to name members to each other. In short transfers that saves most of PEERS; a
// seed may have lost one of the two meanwhile.
const introTime = 10 * time.Second

// introduced tells whether a seed has named to us both p, where we would say that it is, and the other member, which came lately: it had
// sessions with both, and names each to the other. Without this all receivers tell all others of each new one. s.mu is held.
func (s *Swarm) introduced(p wire.Peer, other string) bool {
	if ss := s.byMember[other]; s.cfg.Core.Seed || ss != nil && time.Since(ss.since) > introTime {
		return false // a seed leaves it to no other, else two leave it to each other
	}
	for _, ss := range s.sessions {
		if ss.seed && ss.known[p.Member] == p.Addr && ss.known[other].IsValid() {
			return true
		}
	}
	return false
}

// introduceAll has the next flush name those in session to each other, but whom a seed names.
func (s *Swarm) introduceAll() {
	s.mu.Lock()
	s.loop.gossip = append(s.loop.gossip, s.peersLocked()...)
	s.mu.Unlock()
	s.armFlush()
}

// tellPeers queues PEERS with those that this peer doesn't know of, or says to be elsewhere; s.mu is held.
func (ss *session) tellPeers(peers []wire.Peer) {
	var fresh []wire.Peer
	for _, p := range peers {
		at, ok := ss.known[p.Member]
		elsewhere := at.IsValid() && at != p.Addr
		if p.Member != ss.member && (!ok || elsewhere) && !ss.s.introduced(p, ss.member) {
			ss.known[p.Member] = netip.AddrPort{}
			fresh = append(fresh, p)
		}
	}
	if len(fresh) > 0 {
		ss.push(func(b []byte) []byte { return wire.AppendPeers(b, fresh) })
	}
}

// hears notes whom this peer named, for it isn't told of them.
func (ss *session) hears(peers []wire.Peer) {
	ss.s.mu.Lock()
	defer ss.s.mu.Unlock()
	for _, p := range peers {
		switch {
		case p.Gone:
			delete(ss.known, p.Member)
		case len(ss.known) < 2*wire.MaxPeers:
			ss.known[p.Member] = p.Addr
		}
	}
}

// learnPeers gives the core the members that a peer at source knows; from is nil if it turned us away.
func (s *Swarm) learnPeers(from *session, source netip.Addr, peers []wire.Peer) {
	if from != nil {
		if from.in.named += len(peers); from.in.named > maxNamed {
			return
		}
	}
	for _, p := range peers {
		switch {
		case p.Member == s.cfg.Core.Self || p.Addr.Port() == 0:
		case p.Gone:
			s.post(Event{Kind: MemberGone, Member: p.Member, Source: source})
		default:
			s.post(Event{
				Kind: MemberUp, Member: p.Member, Addr: p.Addr, Source: source, Seed: p.Seed && s.vouched(p.Addr.Addr()), Zone: p.Zone,
			})
		}
	}
}
