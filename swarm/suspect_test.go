package swarm

import (
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"p2pcp/blocks"
	"p2pcp/internal/bubble"
	"p2pcp/swarm/wire"
)

// A ban is of a name at a source: who is honest and has the same name comes in.
func TestBanIsNotOfANameAlone(t *testing.T) {
	r := receiver(t, 20, CoreConfig{})
	liar, honest := hosts("a")[0], hosts("b")[0]
	up := func(id PeerID, from netip.Addr) []Action {
		return r.do(Event{Kind: PeerUp, Peer: id, Member: "victim", Source: from, Addr: netip.AddrPortFrom(from, 7), Set: setOf(20)})
	}
	up(1, liar)
	for i := range blocks.Index(badLimit) {
		r.do(Event{Kind: Bad, Peer: 1, Index: i + 1})
	}
	if len(kinds(up(2, liar), Drop)) != 1 {
		t.Error("the liar comes back")
	}
	if got := kinds(up(3, honest), Drop); len(got) != 0 {
		t.Errorf("the honest one is refused: %+v", got)
	}
	if m := r.c.byName["victim"]; m.banned || m.addr.Addr() != honest {
		t.Errorf("banned %v, dialled at %v", m.banned, m.addr)
	}
}

// Hearsay replaces no address that may work, and nobody is gone because someone else says so.
func TestHearsay(t *testing.T) {
	r := newRig(t, CoreConfig{Seed: true, Have: setOf(4), Blocks: 4, ManifestBlocks: 1, BlockSize: 128 << 10})
	right, wrong := netip.MustParseAddrPort("10.0.0.1:7"), netip.MustParseAddrPort("10.0.0.66:7")
	tell := func(addr netip.AddrPort, by string) {
		r.do(Event{Kind: MemberUp, Member: "m", Addr: addr, Source: hosts(by)[0]})
	}
	tell(right, "a")
	tell(wrong, "z")
	if m := r.c.byName["m"]; m.addr != right || m.other != wrong {
		t.Errorf("at %v, or %v", m.addr, m.other)
	}
	r.do(Event{Kind: MemberGone, Member: "m", Source: hosts("z")[0]})
	if r.c.byName["m"] == nil {
		t.Fatal("a stranger buried it")
	}
	r.do(Event{Kind: MemberGone, Member: "m", Source: hosts("a")[0]})
	if r.c.byName["m"] != nil {
		t.Error("who told of it may say that it is gone")
	}
	tell(right, "a")
	r.do(Event{Kind: MemberGone, Member: "m", Source: hearsay()})
	if r.c.byName["m"] == nil {
		t.Error("the gossip buried whom nobody has tried")
	}
	r.do(Event{Kind: DialFailed, Member: "m"})
	if r.c.byName["m"] != nil {
		t.Error("it can't be reached either, and is still there")
	}
	tell(wrong, "z")
	tell(right, "a")
	for r.c.byName["m"].addr != right {
		if r.now > time.Minute {
			t.Fatal("the wrong address was never given up")
		}
		for _, a := range kinds(r.wait(tickTime), Dial) {
			r.do(Event{Kind: DialFailed, Member: a.Member})
		}
	}
}

// Who names members that aren't there leaves dials to others, and is believed less.
func TestFakeMembersLeaveDials(t *testing.T) {
	r := newRig(t, CoreConfig{Seed: true, Have: setOf(4), Blocks: 4, ManifestBlocks: 1, BlockSize: 128 << 10})
	for k := range 2000 {
		addr := netip.AddrPortFrom(netip.AddrFrom4([4]byte{198, 18, byte(k >> 8), byte(k)}), 7)
		r.do(Event{Kind: MemberUp, Member: fmt.Sprint("fake", k), Addr: addr, Source: hosts("z")[0]})
	}
	r.wait(time.Second) // the fakes' dials hang
	if r.c.dialing > trustedDials {
		t.Errorf("%d dials for one teller", r.c.dialing)
	}
	for k := range 5 {
		r.do(Event{Kind: MemberUp, Member: fmt.Sprint("real", k), Addr: addrOfHost(k), Source: hosts("a")[0]})
	}
	dialed := map[string]bool{}
	for range 300 {
		for _, a := range kinds(r.wait(tickTime), Dial) {
			if dialed[a.Member] = true; a.Member[0] == 'f' {
				r.do(Event{Kind: DialFailed, Member: a.Member})
			}
		}
	}
	for k := range 5 {
		if !dialed[fmt.Sprint("real", k)] {
			t.Errorf("real%d was never dialled", k)
		}
	}
	if s := r.c.standings[hosts("z")[0]]; s.wrong < doubted {
		t.Errorf("%d vain dials are held against the teller", s.wrong)
	}
}

// Sessions beyond the limit are taken from the source that has most, never from who alone comes from its address.
func TestSybilsMakeRoom(t *testing.T) {
	r := newRig(t, CoreConfig{Seed: true, Have: setOf(4), Blocks: 4, ManifestBlocks: 1, BlockSize: 128 << 10})
	up := func(id PeerID, name string, from netip.Addr) []Action {
		return r.do(Event{Kind: PeerUp, Peer: id, Member: name, Source: from, Set: setOf(4, none...)})
	}
	up(1, "first", hosts("a")[0])
	for k := range PeerID(60) {
		up(2+k, fmt.Sprint("sybil", k), hosts("z")[0])
	}
	for k := range PeerID(10) {
		if got := kinds(up(100+k, fmt.Sprint("honest", k), hosts("bcdefghijk")[k]), Drop); len(got) != 1 || got[0].Peer >= 100 || got[0].Peer == 1 {
			t.Errorf("honest%d: dropped %+v", k, got)
		}
	}
	if r.c.session(1) == nil {
		t.Error("the first one is gone")
	}
}

// Who has its places full of one source's names dials members at other addresses, beyond the neighbors on its rings. Where each session is of
// another source it doesn't.
func TestSybilsAreReplaced(t *testing.T) {
	const honest = 10
	for _, sybils := range []bool{true, false} {
		r := receiver(t, 20, CoreConfig{})
		for k := range honest {
			r.do(Event{Kind: MemberUp, Member: fmt.Sprint("honest", k), Addr: addrOfHost(k), Source: hosts("a")[0]})
		}
		r.do(Event{Kind: MemberUp, Member: "beside", Addr: netip.AddrPortFrom(hosts("z")[0], 9), Source: hosts("a")[0]})
		r.up(1, "seed", true)
		dialed := 0
		for id := range PeerID(100) {
			from := hosts("z")[0]
			if !sybils {
				from = addrOfHost(100 + int(id)).Addr()
			}
			r.do(Event{Kind: PeerUp, Peer: 2 + id, Member: fmt.Sprint("m", id), Source: from, Set: setOf(20, none...)})
			if id < 30 {
				continue
			}
			for _, a := range kinds(r.wait(tickTime), Dial) {
				if dialed++; a.Member == "beside" && r.c.byName["beside"].near == 0 {
					t.Error("one was dialled where those come from who had too many places")
				}
			}
		}
		if sybils != (dialed == trustedDials) {
			t.Errorf("sybils %v: %d dialled, at most %d may be", sybils, dialed, trustedDials)
		}
	}
}

// Hosts of one network aren't many members of one address.
func TestNetworkMakesRoom(t *testing.T) {
	net := netip.MustParseAddr("fd00::")
	for _, each := range []bool{true, false} {
		r := newRig(t, CoreConfig{Seed: true, Have: setOf(4), Blocks: 4, ManifestBlocks: 1, BlockSize: 128 << 10})
		for k := range 60 {
			at := netip.AddrPortFrom(net.Next(), 7)
			if each {
				at = netip.AddrPortFrom(netip.AddrFrom16([16]byte{0xfd, 15: byte(k)}), 7)
			}
			r.do(Event{Kind: PeerUp, Peer: PeerID(1 + k), Member: fmt.Sprint("m", k), Source: networkOf(net), Addr: at, Set: setOf(4, none...)})
		}
		r.wait(networkGrace + tickTime)
		for k, from := range hosts("bcdefghijk") {
			r.do(Event{Kind: PeerUp, Peer: PeerID(100 + k), Member: fmt.Sprint("other", k), Source: from, Set: setOf(4, none...)})
		}
		if accused := len(kinds(r.all, Accuse)); (accused > 0) == each {
			t.Errorf("each at an address of its own: %v, and %d accused", each, accused)
		}
	}
}

// Only who is at an address that we were told counts as a seed.
func TestClaimedSeedIsNone(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		g, n := newGoods(t, 20), newMemNet()
		p := newNode(t, n, g, 1, knows(0)).start()
		time.Sleep(time.Millisecond)
		q := dialPuppet(p, g, 66, fullSeed)
		synctest.Wait()
		if p.only().seed || len(p.unreached()) != 1 {
			t.Error("a member is a seed because it says so")
		}
		if err := p.Deliver(t.Context(), someResult); err == nil {
			t.Error("it took the result")
		}
		part(p, q)
	})
}

// A seed that dialled us from an address that we don't know is dialled at the one that we do.
func TestSeedWithAnotherAddress(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		g, n := newGoods(t, 20), newMemNet()
		p := newNode(t, n, g, 1, knows(0))
		p.start()
		time.Sleep(time.Millisecond)
		as := func(h *wire.Hello) { fullSeed(h); h.Member = "host000-00000000" }
		q := dialPuppet(p, g, 66, as)
		synctest.Wait()
		p.contacted(addrOfHost(0), "host000-00000000", nil) // it had answered there before
		came := puppetAt(t, n, g, 0, as)
		right := <-came
		synctest.Wait()
		p.mu.Lock()
		if ss := p.byMember["host000-00000000"]; ss == nil || !ss.seed || len(p.sessions) != 1 {
			t.Errorf("%+v of %d sessions", ss, len(p.sessions))
		}
		p.mu.Unlock()
		q.ended()
		part(p, right)
	})
}

// A first copy that its receiver calls wrong goes to somebody else at once; a few that aren't announced are no hoard, many are.
func TestRejectedFirstCopyIsPushedAnew(t *testing.T) {
	r := newRig(t, CoreConfig{Seed: true, Have: setOf(40), Blocks: 40, ManifestBlocks: 1, BlockSize: 128 << 10})
	for k, from := range hosts("ab") {
		r.do(Event{Kind: PeerUp, Peer: PeerID(k + 1), Member: fmt.Sprint("m", k), Source: from, Set: setOf(40, 0)})
	}
	granted := kinds(r.do(Event{Kind: PeerAny, Peer: 1, Count: 1}), Grant)
	i := granted[0].Index
	r.do(Event{Kind: Served, Peer: 1, Index: i, OK: true})
	r.do(Event{Kind: PeerAny, Peer: 1})
	var again []Action
	again = append(again, kinds(r.do(Event{Kind: Rejected, Peer: 1, Index: i}), Grant)...)
	again = append(again, kinds(r.do(Event{Kind: PeerAny, Peer: 2, Count: 39}), Grant)...)
	for len(again) < 39 && r.now < time.Minute {
		last := again[len(again)-1]
		r.do(Event{Kind: PeerHave, Peer: 2, Spans: []blocks.Span{{First: uint32(last.Index), Count: 1}}})
		again = append(again, kinds(r.do(Event{Kind: Served, Peer: 2, Index: last.Index, OK: true}), Grant)...)
		r.wait(tickTime)
	}
	found := false
	for _, a := range again {
		found = found || a.Index == i
	}
	if !found || r.now > awaitTime {
		t.Errorf("block %d was pushed again: %v, at %v", i, found, r.now)
	}
	p := r.c.session(1)
	for k := range 3 {
		p.waits = append(p.waits, await{index: blocks.Index(k), since: r.now - awaitMost - 1})
		if hoards := r.c.hoards(p); hoards != (k >= unannounced) {
			t.Errorf("%d unannounced: hoards %v", k+1, hoards)
		}
	}
}

// Who has more addresses than are remembered isn't believed the more for it.
func TestLatecomersAreOne(t *testing.T) {
	r := receiver(t, 20, CoreConfig{})
	from := func(k int) netip.Addr { return netip.AddrFrom4([4]byte{10, 9, byte(k >> 8), byte(k)}) }
	for k := range 2 * maxStandings {
		r.do(Event{Kind: MemberUp, Member: fmt.Sprint("fake", k), Addr: addrOfHost(k), Source: from(k)})
	}
	if n := len(r.c.standings); n != maxStandings {
		t.Errorf("%d are remembered", n)
	}
	if got := r.c.standingOf(from(2*maxStandings - 1)); got != r.c.standingOf(from(2*maxStandings-2)) || got.named == 0 {
		t.Errorf("latecomers have %+v", got)
	}
}
