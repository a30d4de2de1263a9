package cmd

import (
	"net/netip"
	"testing"

	"p2pcp/gossip"
	"p2pcp/swarm"
)

func TestAcquaintancesAreJoinedOnceAndInOrder(t *testing.T) {
	addr := netip.MustParseAddrPort
	var s acquaintances
	s.met(swarm.Peer{Member: "seed", Addr: addr("10.0.0.1:1")})
	s.met(swarm.Peer{Member: "mute", Addr: addr("10.0.0.2:0")})
	s.met(swarm.Peer{Member: "b", Addr: addr("10.0.0.3:1")})
	s.met(swarm.Peer{Member: "c", Addr: addr("10.0.0.4:1")})
	if a, ok := s.next(nil); !ok || a != addr("10.0.0.1:1") {
		t.Fatalf("first: %v %v", a, ok)
	}
	if a, ok := s.next([]gossip.Event{{Member: "seed"}, {Member: "b"}}); !ok || a != addr("10.0.0.4:1") {
		t.Fatalf("b is known, c isn't: %v %v", a, ok)
	}
	if a, ok := s.next(nil); ok {
		t.Fatalf("nobody is left, and %v came", a)
	}
}
