package swarm

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"p2pcp/blocks"
)

// TestZoneOneRankASource: who comes by many names from one address, or is named there, has the turns of one.
func TestZoneOneRankASource(t *testing.T) {
	const n = 300
	mate, crowd := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.9")
	share := func(change func(r *rig)) int {
		r := receiver(t, n, CoreConfig{Self: "self", Zone: here})
		for k := range 4 {
			r.do(Event{Kind: MemberUp, Member: fmt.Sprint("named", k), Addr: netip.AddrPortFrom(crowd, 7700), Zone: here})
		}
		r.do(Event{Kind: PeerUp, Peer: 1, Member: "mate", Source: mate, Zone: here, Set: setOf(n, none...)})
		for k := range 8 {
			r.do(Event{Kind: PeerUp, Peer: PeerID(2 + k), Member: fmt.Sprint("crowd", k), Source: crowd, Zone: here, Set: setOf(n, none...)})
		}
		change(r)
		r.upIn(there, 100, "far", false)
		return len(r.fetchAll(100))
	}
	if got := share(func(*rig) {}); got < n/4 || got > n*5/12 {
		t.Errorf("beside a mate and a crowd it fetches %d of %d", got, n)
	}
	left := share(func(r *rig) {
		for k := range 8 {
			r.do(Event{Kind: PeerDown, Peer: PeerID(2 + k)})
			r.do(Event{Kind: MemberGone, Member: fmt.Sprint("crowd", k)})
		}
		for k := range 4 {
			r.do(Event{Kind: MemberGone, Member: fmt.Sprint("named", k)})
		}
	})
	if left < n*5/12 || left > n*7/12 {
		t.Errorf("beside a mate alone it fetches %d of %d", left, n)
	}
}

// TestZoneNamedOnesHaveNoTurn: who is only named takes turns in a swarm of many hosts alone, and gives its rank to who comes from there.
func TestZoneNamedOnesHaveNoTurn(t *testing.T) {
	const n = 300
	share := func(hosts int) int {
		r := receiver(t, n, CoreConfig{Self: "self", Zone: here})
		r.upIn(there, 100, "far", false, none...)
		for k := range 40 {
			r.do(Event{Kind: MemberUp, Member: fmt.Sprint("named", k), Addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 1, 0, byte(k)}), 7700), Zone: here})
		}
		for k := range hosts {
			r.do(Event{
				Kind: PeerUp, Peer: PeerID(1 + k), Member: fmt.Sprint("far", k), Source: netip.AddrFrom4([4]byte{10, 2, 0, byte(k)}),
				Zone: there, Set: setOf(n, none...),
			})
		}
		r.wait(time.Second)
		r.do(Event{Kind: PeerHave, Peer: 100, Spans: []blocks.Span{{First: 0, Count: n}}})
		return len(r.fetchAll(100))
	}
	if got := share(3); got != n-1 {
		t.Errorf("beside forty that nobody met it fetches %d of %d", got, n-1)
	}
	if got := share(defaultDegree); got > n/10 {
		t.Errorf("beside forty of a large swarm it fetches %d of %d", got, n-1)
	}
}

// TestZoneComerTakesTheRank: who names a member at another's address doesn't have that one's turns.
func TestZoneComerTakesTheRank(t *testing.T) {
	r := receiver(t, 40, CoreConfig{Self: "self", Zone: here})
	r.upIn(there, 100, "far", false, none...)
	at := netip.MustParseAddrPort("10.0.0.1:7700")
	r.c.zones.many = true
	for _, name := range []string{"fake", "mate", "other"} {
		r.do(Event{Kind: MemberUp, Member: name, Addr: at, Zone: here})
	}
	holds := func(want string) {
		t.Helper()
		if got := r.c.zones.first[at.Addr()].name; got != want {
			t.Errorf("%s has the rank, want %s", got, want)
		}
	}
	holds("fake")
	r.do(Event{Kind: PeerUp, Peer: 1, Member: "mate", Source: at.Addr(), Zone: here, Set: setOf(40, none...)})
	holds("mate")
	r.do(Event{Kind: PeerUp, Peer: 2, Member: "other", Source: at.Addr(), Zone: here, Set: setOf(40, none...)})
	holds("mate")
	r.do(Event{Kind: PeerDown, Peer: 1})
	r.do(Event{Kind: MemberGone, Member: "mate"})
	holds("other")
}

// TestZoneGiversHaveTurns: who has given a Block has turns of its own, whoever else comes from there; and is a host of its own.
func TestZoneGiversHaveTurns(t *testing.T) {
	const n = 300
	r := receiver(t, n, CoreConfig{Self: "self", Zone: here})
	at := netip.MustParseAddr("fd00::")
	for k := range blocks.Index(defaultDegree) {
		r.do(Event{Kind: PeerUp, Peer: PeerID(1 + k), Member: fmt.Sprint("mate", k), Source: at, Zone: here, Set: setOf(n, k+1)})
	}
	r.upIn(there, 100, "far", false)
	if got := r.c.zones.mates; got != 1 {
		t.Errorf("%d have turns who gave nothing", got)
	}
	for k := range blocks.Index(defaultDegree) {
		r.do(Event{Kind: Verified, Peer: PeerID(1 + k), Index: k + 1, Bytes: 128 << 10})
	}
	if got := r.c.zones.mates; got != defaultDegree {
		t.Errorf("%d have turns who gave something", got)
	}
	r.now += metMost
	r.c.zones.many = false
	if r.wait(turnLook + tickTime); !r.c.zones.many {
		t.Error("they aren't many hosts")
	}
	r.do(Event{Kind: PeerDown, Peer: 1})
	if r.wait(turnLook + tickTime); !r.c.zones.many {
		t.Error("they are few once one is down")
	}
}
