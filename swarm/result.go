package swarm

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"p2pcp/swarm/wire"
)

// Deliver gives r to a seed: one we have a session with, else the bootstrap addresses; it returns when a seed has taken it, or with
// ctx. From now on r is repeated to every seed that appears.
func (s *Swarm) Deliver(ctx context.Context, r wire.Result) error {
	s.mu.Lock()
	s.result = &r
	var seeds []*session
	for _, ss := range s.sessions {
		if ss.seed && ss.live {
			seeds = append(seeds, ss)
		}
	}
	s.mu.Unlock()
	for _, ss := range seeds {
		if ss.deliver(ctx, r) {
			return nil
		}
	}
	for _, a := range s.cfg.Bootstrap {
		if s.deliverTo(ctx, a, r) == nil {
			return nil
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return errNoSeed
}

var errNoSeed = errors.New("no seed took the result")

// deliver sends r on the session and waits for the ACK.
func (ss *session) deliver(ctx context.Context, r wire.Result) bool {
	ack := make(chan byte, 1)
	ss.mu.Lock()
	if ss.ended {
		ss.mu.Unlock()
		return false
	}
	ss.acks = append(ss.acks, ack)
	ss.mu.Unlock()
	ss.push(func(b []byte) []byte { return r.Append(b) })
	select {
	case v := <-ack:
		return v == 1
	case <-ctx.Done():
		return false
	}
}

// deliverTo dials addr as an observer and delivers r.
func (s *Swarm) deliverTo(ctx context.Context, addr netip.AddrPort, r wire.Result) error {
	o, err := Observe(ctx, s.cfg.Net, addr, s.cfg.Core.ID, s.cfg.Core.Self)
	if err != nil {
		return err
	}
	defer closeQuietly(o)
	return o.Deliver(ctx, r)
}

// takeResultFrom gives a RESULT to the Ledger: 1 if it was taken, 0 if we are no seed.
func (s *Swarm) takeResultFrom(from netip.Addr, r wire.Result) byte {
	if s.cfg.OnResult != nil && s.cfg.OnResult(from, r) {
		return 1
	}
	return 0
}

// voice is for what a connection has given RESULTs. A process has one host and one target.
type voice struct {
	heard        bool
	host, target string
}

// speaks tells whether member may give r: in its own name, and for one target.
func (v *voice) speaks(member string, r wire.Result) error {
	switch {
	case r.Member != member || !wire.MemberOf(member, r.Host):
		return fmt.Errorf("%w: RESULT in another's name: %q on %q", errProtocol, r.Member, r.Host)
	case v.heard && (r.Host != v.host || r.Target != v.target):
		return fmt.Errorf("%w: RESULT of a second target", errProtocol)
	}
	v.heard, v.host, v.target = true, r.Host, r.Target
	return nil
}

// takeResult takes a RESULT (at a seed) or the ACK of ours.
func (ss *session) takeResult(t wire.Type, p []byte) error {
	if t == wire.TAck {
		v, err := wire.ParseByte(p)
		if err != nil {
			return err
		}
		ss.mu.Lock()
		var waiting chan byte
		if len(ss.acks) > 0 {
			waiting, ss.acks = ss.acks[0], ss.acks[1:]
		}
		ss.mu.Unlock()
		if waiting != nil {
			waiting <- v
		}
		return nil
	}
	r, err := wire.ParseResult(p)
	if err != nil {
		return err
	}
	if err := ss.in.voice.speaks(ss.member, r); err != nil {
		return err
	}
	taken := ss.s.takeResultFrom(ss.source, r)
	ss.push(func(b []byte) []byte { return wire.AppendByte(b, wire.TAck, taken) })
	return nil
}
