package cmd

import (
	"net/netip"
	"sync"

	"p2pcp/gossip"
	"p2pcp/swarm"
)

// acquaintances are peers that we have had a session with and that the gossip may not know of, in the order in which we met them: one
// exchange of states with the first of them brings most others. Safe for concurrent use.
type acquaintances struct {
	mu   sync.Mutex
	list []swarm.Peer
}

func (s *acquaintances) met(p swarm.Peer) {
	if p.Addr.Port() == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list = append(s.list, p)
}

// next takes out who is in the view, and then the first other one, if any.
func (s *acquaintances) next(view []gossip.Event) (netip.AddrPort, bool) {
	known := make(map[string]bool, len(view))
	for _, e := range view {
		known[e.Member] = true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.list) > 0 {
		p := s.list[0]
		s.list = s.list[1:]
		if !known[p.Member] {
			return p.Addr, true
		}
	}
	return netip.AddrPort{}, false
}
