package swarm

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"p2pcp/internal/port"
)

const (
	dialTime     = 5 * time.Second
	bootstrapMin = 200 * time.Millisecond
	bootstrapMax = 2 * time.Second
	// silentTime is how long every address that accepts TCP must have closed unanswered before a wrong key is inferred.
	silentTime = 3 * time.Second
)

// dialMember dials for the core and runs the session.
func (s *Swarm) dialMember(member string, addr netip.AddrPort) {
	conn, err := s.dial(s.ctx, addr)
	if err == nil {
		err = s.serve(conn, true)
		if errors.Is(err, errDuplicate) {
			return
		}
	}
	if err == nil || errors.Is(err, errBye) {
		return
	}
	s.cfg.Log.Debug("dial", "peer", member, "addr", addr.String(), "err", err)
	s.post(Event{Kind: DialFailed, Member: member})
}

func (s *Swarm) dial(ctx context.Context, addr netip.AddrPort) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTime)
	defer cancel()
	conn, err := s.cfg.Net.Dial(ctx, addr, port.Session)
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w", addr, err)
	}
	return conn, nil
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
			if !s.sleep(500 * time.Millisecond) {
				return
			}
			continue
		}
		conn, err := s.race(addrs)
		if err == nil {
			silentSince = time.Time{}
			err = s.serve(conn, true)
			s.cfg.Log.Debug("bootstrap session ended", "err", err)
		} else if s.hopeless(err, &silentSince) {
			return
		}
		if !s.sleep(wait) {
			return
		}
		wait = min(2*wait, bootstrapMax)
	}
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
	if !errors.Is(err, port.ErrSilent) {
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

// race dials all addresses at once; the first handshake wins. The error is the most telling one: another version, then
// silence, then any other.
func (s *Swarm) race(addrs []netip.AddrPort) (net.Conn, error) {
	ctx, cancel := context.WithCancel(s.ctx)
	defer cancel()
	type outcome struct {
		conn net.Conn
		err  error
	}
	results := make(chan outcome, len(addrs))
	n := 0
	for _, a := range addrs {
		if s.spawn(func() { c, err := s.dial(ctx, a); results <- outcome{c, err} }) {
			n++
		}
	}
	var worst error
	for ; n > 0; n-- {
		r := <-results
		if r.err == nil {
			s.spawn(func() { closeRest(results, n-1, func(o outcome) net.Conn { return o.conn }) })
			return r.conn, nil
		}
		if worst == nil || weight(r.err) > weight(worst) {
			worst = r.err
		}
	}
	if worst == nil {
		worst = s.ctx.Err()
	}
	return nil, worst
}

// closeRest closes the connections of a race's other n runners.
func closeRest[T any](results <-chan T, n int, conn func(T) net.Conn) {
	for ; n > 0; n-- {
		if c := conn(<-results); c != nil {
			closeQuietly(c)
		}
	}
}

// weight orders errors by how much they tell.
func weight(err error) int {
	switch {
	case errors.Is(err, port.ErrVersion):
		return 2
	case errors.Is(err, port.ErrSilent):
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
		if !reached[a] {
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
