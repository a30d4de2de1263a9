package swarm

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"p2pcp/blocks"
)

// Grants keep others from being asked, so they are taken up to the credit, and of seeds.
func TestGrantsBeyondCreditAreDeclined(t *testing.T) {
	for _, seed := range []bool{true, false} {
		r := receiver(t, 100, CoreConfig{})
		r.up(1, "liar", seed, 0)
		want := 0
		if seed {
			want = seedCredit
		}
		declined := 0
		for i := blocks.Index(1); i < 100; i++ {
			declined += len(kinds(r.do(Event{Kind: Granted, Peer: 1, Index: i}), Cancel))
		}
		if got := 99 - declined; got != want {
			t.Errorf("seed %v: %d Grants were taken, want %d", seed, got, want)
		}
	}
}

// What a seed has sent whole doesn't count against its credit while it is being verified and written: the next Grant may come first.
func TestArrivedGrantsLeaveTheCredit(t *testing.T) {
	r := receiver(t, 100, CoreConfig{BlockSize: 1000})
	r.up(1, "seed", true, 0)
	for i := blocks.Index(1); i < 20; i++ {
		if got := kinds(r.do(Event{Kind: Granted, Peer: 1, Index: i}), Cancel); len(got) != 0 {
			t.Fatalf("Grant %d is declined: %+v", i, got)
		}
		r.wait(grantPause)
		if got := kinds(r.do(Event{Kind: Progress, Peer: 1, Index: i, Length: 1000, Bytes: 1000}), Ask); len(got) != 0 {
			t.Fatalf("a seed that grants is asked: %+v", got)
		}
	}
}

// A byte now and then is no progress that keeps a Block from others.
func TestCrawlingPeersDoNotHoldBlocks(t *testing.T) {
	const liars = 20
	r := receiver(t, 40, CoreConfig{})
	for k := range PeerID(liars) {
		r.up(2+k, fmt.Sprintf("liar%d", k), false)
	}
	r.up(1, "good", false)
	for begin := r.now; r.c.missing > 0; {
		if r.now-begin > 30*time.Second {
			t.Fatalf("%d blocks are missing", r.c.missing)
		}
		r.wait(tickTime)
		for _, p := range append([]*peer(nil), r.c.peers...) {
			if len(p.reqs) == 0 {
				continue
			}
			q := p.reqs[0]
			switch {
			case p.id == 1:
				r.do(Event{Kind: Progress, Peer: 1, Index: q.index, Bytes: 128 << 10, Length: 128 << 10})
				r.do(Event{Kind: Verified, Peer: 1, Index: q.index, Bytes: 128 << 10})
			case r.now%(800*time.Millisecond) == 0:
				r.do(Event{Kind: Progress, Peer: p.id, Index: q.index, Bytes: q.bytes + 1, Length: 128 << 10})
			}
		}
	}
}

// Slow peers among slow ones are left in peace.
func TestSlowIsNotCrawling(t *testing.T) {
	r := receiver(t, 3, CoreConfig{})
	r.up(1, "a", false, 0, 1, 2)
	r.up(2, "b", false, 0, 1, 2)
	for k := range uint32(200) {
		r.wait(tickTime)
		for _, p := range r.c.peers {
			r.do(Event{Kind: Progress, Peer: p.id, Index: p.reqs[0].index, Bytes: (k + 1) * 100, Length: 128 << 10})
		}
	}
	for _, p := range r.c.peers {
		if p.overdue {
			t.Errorf("%s is overdue", p.m.name)
		}
	}
}

// Whoever invents members, or names for itself, fills no memory.
func TestMembersAreBounded(t *testing.T) {
	r := newRig(t, CoreConfig{Seed: true, Have: setOf(4), Blocks: 4, ManifestBlocks: 1, BlockSize: 128 << 10})
	addr := netip.MustParseAddrPort("192.0.2.1:9")
	for k := range 2 * maxMembers {
		r.c.Step(r.now, Event{Kind: MemberUp, Member: fmt.Sprint("fake", k), Addr: addr}, nil)
	}
	if n := len(r.c.members); n != maxMembers {
		t.Errorf("%d members", n)
	}
	for k := range PeerID(100) {
		r.c.Step(r.now, Event{Kind: PeerUp, Peer: k + 1, Member: fmt.Sprint("real", k), Set: setOf(4, none...)}, nil)
		r.c.Step(r.now, Event{Kind: PeerDown, Peer: k + 1}, nil)
	}
	if n := len(r.c.members); n > maxMembers {
		t.Errorf("%d members after sessions", n)
	}
	r.up(1000, "last", false, none...)
	if r.c.byName["last"] == nil {
		t.Error("who comes isn't known")
	}
}

// A member that couldn't be reached makes room.
func TestUnreachableMemberIsForgotten(t *testing.T) {
	r := newRig(t, CoreConfig{Seed: true, Have: setOf(4), Blocks: 4, ManifestBlocks: 1, BlockSize: 128 << 10})
	addr := netip.MustParseAddrPort("192.0.2.1:9")
	for k := range maxMembers {
		r.c.Step(r.now, Event{Kind: MemberUp, Member: fmt.Sprint("fake", k), Addr: addr}, nil)
	}
	r.c.Step(r.now, Event{Kind: MemberUp, Member: "early", Addr: addr}, nil)
	if r.c.byName["early"] != nil {
		t.Error("one that may yet be reached was forgotten")
	}
	for k := range maxMembers {
		for range forgetFails {
			r.c.dialFailed(fmt.Sprint("fake", k))
		}
	}
	r.c.Step(r.now, Event{Kind: MemberUp, Member: "new", Addr: addr}, nil)
	if r.c.byName["new"] == nil {
		t.Error("a new member isn't taken")
	}
}
