package swarm

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"time"

	"p2pcp/internal/port"
)

const (
	dialTime     = 5 * time.Second
	bootstrapMin = 200 * time.Millisecond
	bootstrapMax = 2 * time.Second
	// bootstrapLook is how often we look whether a seed is to be found again.
	bootstrapLook = 500 * time.Millisecond
	// turnedAway is how long a bootstrap address is left alone whose member has no place for us: peers' peers are the way in.
	turnedAway = 10 * time.Second
	headStart  = 100 * time.Millisecond // of an address over the next one of its ticket
	// silentTime is how long every address that accepts TCP must have closed unanswered before a wrong key is inferred. One that
	// leaves a connection open and says nothing is stopped or busy: a p2pcp with another key closes.
	silentTime = 3 * time.Second
)

// dialMember dials for the core and runs the session. An address belongs to one process at a time: if another member answers
// there, or is known to be there, the one that was meant is gone.
func (s *Swarm) dialMember(member string, addr netip.AddrPort) {
	if other := s.memberAt(addr); other != "" && other != member {
		s.post(Event{Kind: MemberGone, Member: member})
		return
	}
	conn, err := s.dial(s.ctx, addr)
	var ss *session
	var g greeting
	if err == nil {
		ss, g, err = s.admit(conn, true)
	}
	if other := g.hello.Member; other != "" && other != member {
		s.post(Event{Kind: MemberGone, Member: member})
	}
	switch {
	case err == nil:
		err = s.attend(ss, g)
	case !errors.Is(err, errDuplicate):
		s.post(Event{Kind: DialFailed, Member: member})
	}
	s.cfg.Log.Debug("dialled session ended", "peer", member, "addr", addr.String(), "err", err)
}

// memberAt is the member of a session that can be dialled at addr; empty if there is none.
func (s *Swarm) memberAt(addr netip.AddrPort) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, ss := range s.byMember {
		if ss.addr == addr {
			return ss.member
		}
	}
	return ""
}

func (s *Swarm) dial(ctx context.Context, addr netip.AddrPort) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTime)
	defer cancel()
	return s.cfg.Net.Dial(ctx, addr, port.Session) // its errors name the address
}

// contact is what is known of a bootstrap address.
type contact struct {
	member string    // who answered there last
	next   time.Time // it turned us away: not before
}

// bootstrap races the addresses of the ticket until a session with a seed stands, and again whenever none is left: a
// restarted seed knows nobody, so it has to be found. Addresses that we have a session with are left out.
func (s *Swarm) bootstrap() {
	var silentSince time.Time
	wait := bootstrapMin
	for s.ctx.Err() == nil {
		addrs := s.unreached()
		if len(addrs) == 0 {
			wait = bootstrapMin
			if !s.sleep(bootstrapLook) {
				return
			}
			continue
		}
		conn, addr, err := s.race(addrs)
		if err == nil {
			silentSince = time.Time{}
			s.missed(nil)
			s.contact(conn, addr)
		} else if s.missed(err); s.hopeless(err, &silentSince) {
			return
		}
		if !s.sleep(wait) {
			return
		}
		wait = min(2*wait, bootstrapMax)
	}
}

// missed remembers why nobody answered at the bootstrap addresses; nil: somebody did.
func (s *Swarm) missed(err error) {
	if s.ctx.Err() != nil {
		return // that is why
	}
	if err != nil {
		s.cfg.Log.Info("nobody answers", "err", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unmet = err
}

// Unmet is why nobody answered at the bootstrap addresses the last time that all were tried; nil where somebody did.
func (s *Swarm) Unmet() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.unmet
}

// contact begins a session with who answered at a bootstrap address.
func (s *Swarm) contact(conn net.Conn, addr netip.AddrPort) {
	ss, g, err := s.admit(conn, true)
	s.contacted(addr, g.hello.Member, err)
	if err != nil {
		s.cfg.Log.Debug("bootstrap", "addr", addr.String(), "err", err)
		return
	}
	ok := s.spawn(func() {
		err := s.attend(ss, g)
		s.contacted(addr, ss.member, err)
		s.cfg.Log.Debug("bootstrap session ended", "addr", addr.String(), "err", err)
	})
	if !ok {
		s.unregister(ss)
		closeQuietly(conn)
	}
}

// contacted remembers who answered at addr, and whether we were turned away.
func (s *Swarm) contacted(addr netip.AddrPort, member string, err error) {
	c := contact{member: member}
	if errors.Is(err, errFull) || errors.Is(err, errBanned) {
		c.next = time.Now().Add(turnedAway)
	}
	s.mu.Lock()
	s.contacts[addr] = c
	s.mu.Unlock()
}

// hopeless ends Run if err says that trying again can't help: another version, or silence for silentTime.
func (s *Swarm) hopeless(err error, since *time.Time) bool {
	if s.met.Load() {
		return false
	}
	if errors.Is(err, port.ErrVersion) {
		s.fail(err)
		return true
	}
	if !hungUp(err) {
		*since = time.Time{}
		return false
	}
	if since.IsZero() {
		*since = time.Now()
	}
	if time.Since(*since) < silentTime {
		return false
	}
	s.fail(err)
	return true
}

// race dials the addresses, each headStart after the one before, so that a host which several lead to is reached by the same
// one every time (the Ledger tells hosts apart by the address they come from); the first handshake wins. The error is the most telling one: another version, then
// silence, then any other.
func (s *Swarm) race(addrs []netip.AddrPort) (net.Conn, netip.AddrPort, error) {
	ctx, cancel := context.WithCancel(s.ctx)
	defer cancel()
	type outcome struct {
		conn net.Conn
		addr netip.AddrPort
		err  error
	}
	results := make(chan outcome, len(addrs))
	n := 0
	for i, a := range addrs {
		wait := time.Duration(i) * headStart
		if s.spawn(func() {
			c, err := s.dialAfter(ctx, wait, a)
			results <- outcome{c, a, err}
		}) {
			n++
		}
	}
	var first outcome
	for ; n > 0; n-- {
		r := <-results
		switch {
		case r.err == nil && first.conn == nil:
			first = r
			cancel() // the others end soon
		case r.err == nil:
			closeQuietly(r.conn)
		case first.conn == nil && (first.err == nil || weight(r.err) > weight(first.err)):
			first = r
		}
	}
	if first.conn == nil && first.err == nil {
		first.err = context.Canceled // Run ended before a dial began
	}
	return first.conn, first.addr, first.err
}

// dialAfter dials after a wait.
func (s *Swarm) dialAfter(ctx context.Context, wait time.Duration, addr netip.AddrPort) (net.Conn, error) {
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-t.C:
		return s.dial(ctx, addr)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// hungUp tells whether the other side closed without an answer.
func hungUp(err error) bool {
	return errors.Is(err, port.ErrSilent) && !errors.Is(err, os.ErrDeadlineExceeded)
}

// weight orders errors by how much they tell.
func weight(err error) int {
	switch {
	case errors.Is(err, port.ErrVersion):
		return 2
	case hungUp(err):
		return 1
	default:
		return 0
	}
}

// unreached are the bootstrap addresses worth dialling: none while a session with a seed stands.
func (s *Swarm) unreached() []netip.AddrPort {
	s.mu.Lock()
	defer s.mu.Unlock()
	reached := map[netip.AddrPort]bool{}
	for _, ss := range s.sessions {
		if ss.seed {
			return nil
		}
		reached[ss.addr], reached[addrOf(ss.conn.RemoteAddr())] = true, true
	}
	var list []netip.AddrPort
	for _, a := range s.cfg.Bootstrap {
		c := s.contacts[a]
		other := s.byMember[c.member] // a seed that dialled us from another of its addresses is dialled at the one that we know
		if !reached[a] && (other == nil || other.claims) && c.member != s.cfg.Core.Self && !time.Now().Before(c.next) {
			list = append(list, a)
		}
	}
	return list
}

// sleep waits; false if Run ends meanwhile.
func (s *Swarm) sleep(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-s.ctx.Done():
		return false
	}
}
