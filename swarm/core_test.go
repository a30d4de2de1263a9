package swarm

import (
	"errors"
	"net/netip"
	"slices"
	"testing"
	"time"

	"p2pcp/blocks"
)

func TestLingering(t *testing.T) {
	cases := []struct {
		name   string
		linger Linger
		shared bool
		self   string
		want   time.Duration
	}{
		{"auto, alone", Linger{}, false, "self", 0},
		{"auto, one of the two that stay long", Linger{}, true, "self", 10 * time.Second},
		{"background, alone", Linger{Mode: LingerBackground}, false, "self", 60 * time.Second},
		{"for 3 s", Linger{Mode: LingerFor, Idle: 3 * time.Second}, false, "self", 3 * time.Second},
		{"none", Linger{Mode: LingerNone}, true, "self", 0},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			r := completed(t, CoreConfig{Self: tc.self, Linger: tc.linger}, tc.shared)
			if got, err := r.doneAfter(); err != nil || got < tc.want || got > tc.want+100*time.Millisecond {
				t.Errorf("done after %v with %v, want %v", got, err, tc.want)
			}
		})
	}
}

func TestRequestsProlongLingering(t *testing.T) {
	r := completed(t, CoreConfig{Linger: Linger{Mode: LingerFor, Idle: time.Second}}, true)
	for range 5 {
		r.wait(900 * time.Millisecond)
		r.do(Event{Kind: Asked, Peer: 1, Index: 1, Length: 5})
		r.do(Event{Kind: Served, Peer: 1, Index: 1, Bytes: 5, Length: 5, OK: true})
	}
	if got, _ := r.doneAfter(); got < 900*time.Millisecond || got > 1100*time.Millisecond {
		t.Errorf("done %v after the last request", got)
	}
}

// One that asks for something every second keeps nobody for ever.
func TestAskingKeepsNobodyForEver(t *testing.T) {
	r := completed(t, CoreConfig{Self: "self"}, true)
	begin := r.now
	for r.c.phase != over && r.now-begin < time.Hour {
		r.wait(time.Second)
		r.do(Event{Kind: Asked, Peer: 1, Index: 1, Length: 5})
		r.do(Event{Kind: Served, Peer: 1, Index: 1, Bytes: 5, Length: 5, OK: true})
	}
	if stayed := r.now - begin; stayed < stayMost || stayed > stayFew+2*time.Second {
		t.Errorf("stayed for %v", stayed)
	}
}

func TestInterruptFinishesWhatIsBeingSent(t *testing.T) {
	for _, served := range []bool{true, false} {
		r := receiver(t, 9, CoreConfig{})
		r.up(1, "other", false, none...)
		r.do(Event{Kind: Asked, Peer: 1, Index: 0, Length: 5})
		if got := r.do(Event{Kind: Interrupt}); len(kinds(got, Done)) > 0 {
			t.Fatal("Done while a Block is being sent")
		}
		if got := r.do(Event{Kind: Asked, Peer: 1, Index: 0, Offset: 7}); len(kinds(got, Refuse)) != 1 {
			t.Errorf("a new Request is answered by %+v", got)
		}
		want := 2 * time.Second
		if served {
			want = 0
			r.do(Event{Kind: Served, Peer: 1, Index: 0, Bytes: 5, OK: true})
		}
		if got, err := r.doneAfter(); err != nil || got < want || got > want+tickTime {
			t.Errorf("served %v: done after %v with %v", served, got, err)
		}
	}
}

func TestEarlyEnds(t *testing.T) {
	cfg := CoreConfig{Wait: 5 * time.Second, Stall: 20 * time.Second}
	cases := []struct {
		name string
		make func() *rig
		want error
		at   time.Duration
	}{
		{"nobody", func() *rig { return newRig(t, cfg) }, ErrNobody, 5 * time.Second},
		{"no holder", func() *rig {
			r := receiver(t, 9, cfg)
			r.up(1, "other", false, 0, 1)
			r.do(Event{Kind: Verified, Peer: 1, Index: 1})
			return r
		}, ErrLost, 20 * time.Second},
		{"holder gives nothing", func() *rig {
			r := receiver(t, 9, cfg)
			r.up(1, "seed", true)
			return r
		}, ErrStalled, 20 * time.Second},
		{"withdrawn by the seed", func() *rig {
			r := receiver(t, 9, cfg)
			r.up(1, "seed", true)
			r.do(Event{Kind: PeerWithdraw, Peer: 1, Index: 4})
			return r
		}, ErrLost, 3 * time.Second},
		{"left alone", func() *rig {
			r := receiver(t, 9, cfg)
			r.up(1, "seed", true)
			r.do(Event{Kind: PeerDown, Peer: 1})
			return r
		}, ErrLost, 20 * time.Second},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			r := tc.make()
			if got, err := r.doneAfter(); !errors.Is(err, tc.want) || got < tc.at || got > tc.at+200*time.Millisecond {
				t.Errorf("done after %v with %v, want %v at %v", got, err, tc.want, tc.at)
			}
		})
	}
}

func TestThirdWrongBlockBans(t *testing.T) {
	r := receiver(t, 20, CoreConfig{})
	r.up(1, "liar", false)
	banned := false
	for k := 0; k < 3; k++ {
		ask := kinds(r.all, Ask)
		got := r.do(Event{Kind: Bad, Peer: 1, Index: ask[len(ask)-1].Index})
		if len(kinds(got, Reject)) != 1 {
			t.Fatalf("no Reject in %+v", got)
		}
		drop := kinds(got, Drop)
		banned = len(drop) == 1 && drop[0].Ban
		if banned != (k == 2) {
			t.Fatalf("wrong Block %d: banned %v", k+1, banned)
		}
	}
	if got := r.up(2, "liar", false); len(kinds(got, Drop)) != 1 {
		t.Errorf("a banned member comes back: %+v", got)
	}
}

func TestUploadCapRefusesAndOffers(t *testing.T) {
	r := receiver(t, 9, CoreConfig{Uploads: 2})
	for id := PeerID(1); id <= 4; id++ {
		r.up(id, "peer"+string(rune('0'+id)), false, none...)
	}
	sent, refused := 0, 0
	for id := PeerID(1); id <= 4; id++ {
		got := r.do(Event{Kind: Asked, Peer: id, Index: 0, Length: 5})
		sent += len(kinds(got, Send))
		for _, a := range kinds(got, Refuse) {
			if a.Reason == Busy {
				refused++
			}
		}
	}
	if sent != 2 || refused != 2 {
		t.Fatalf("%d sent, %d refused", sent, refused)
	}
	got := kinds(r.do(Event{Kind: Served, Peer: 1, Index: 0, Bytes: 5, OK: true}), Offer)
	if len(got) != 1 || got[0].Peer != 3 {
		t.Errorf("offers after one was served: %+v, want one to peer 3", got)
	}
	if got := r.do(Event{Kind: Asked, Peer: 3, Index: 5}); len(kinds(got, Refuse)) != 1 || kinds(got, Refuse)[0].Reason != NotHeld {
		t.Errorf("a Block that isn't held: %+v", got)
	}
}

func TestDialling(t *testing.T) {
	at := func(k byte) netip.AddrPort { return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, k}), 7700) }
	r := receiver(t, 9, CoreConfig{Self: "m"})
	if got := kinds(r.do(Event{Kind: MemberUp, Member: "z", Addr: at(1)}), Dial); len(got) != 1 || got[0].Addr != at(1) {
		t.Fatalf("the lower name dials at once: %+v", got)
	}
	if got := kinds(r.do(Event{Kind: MemberUp, Member: "a", Addr: at(2)}), Dial); len(got) != 0 {
		t.Fatalf("the higher name dials at once: %+v", got)
	}
	if got := kinds(r.wait(200*time.Millisecond), Dial); len(got) != 1 || got[0].Member != "a" {
		t.Fatalf("and a little later: %+v", got)
	}
	var pauses []time.Duration
	for range 7 {
		r.do(Event{Kind: DialFailed, Member: "z"})
		begin := r.now
		for len(kinds(r.wait(tickTime), Dial)) == 0 {
			if r.now-begin > time.Minute {
				t.Fatal("never dialled again")
			}
		}
		pauses = append(pauses, r.now-begin)
	}
	if !slices.IsSorted(pauses) || pauses[0] > 300*time.Millisecond || pauses[6] != 5*time.Second {
		t.Errorf("pauses %v, want 200 ms doubling to 5 s", pauses)
	}
	r.do(Event{Kind: MemberGone, Member: "z"})
	for _, a := range kinds(r.wait(10*time.Second), Dial) {
		if a.Member == "z" {
			t.Errorf("dials %s after it has gone", a.Member)
		}
	}
}

func TestHostileEventsAreHarmless(t *testing.T) {
	r := receiver(t, 9, CoreConfig{})
	r.up(1, "evil", false, none...)
	const far = blocks.Index(1 << 30)
	for _, ev := range []Event{
		{Kind: PeerHave, Spans: []blocks.Span{{First: 5, Count: 1 << 31}, {First: 1 << 31, Count: 1 << 31}}},
		{Kind: PeerWithdraw, Index: far},
		{Kind: Asked, Index: far, Length: 1 << 31},
		{Kind: PeerAny, Count: 1 << 31},
		{Kind: Granted, Index: far},
		{Kind: Granted, Index: 3},
		{Kind: Refused, Index: far, Reason: Withdrawn},
		{Kind: Refused, Index: 3, Reason: NotHeld},
		{Kind: Refused, Index: 3, Reason: 9},
		{Kind: Offered},
		{Kind: Cancelled, Index: far},
		{Kind: Progress, Index: far, Bytes: 5},
		{Kind: Verified, Index: far},
		{Kind: Bad, Index: far},
		{Kind: Served, Index: far},
		{Kind: Released, Index: far},
		{Kind: Unreadable, Index: far},
		{Kind: PeerUp, Peer: 2, Member: "twin", Set: setOf(7)},
		{Kind: PeerDown, Peer: 99},
		{Kind: MemberGone, Member: "ghost"},
		{Kind: DialFailed, Member: "ghost"},
	} {
		if ev.Peer == 0 {
			ev.Peer = 1
		}
		r.do(ev)
	}
	// The same before anything is known.
	fresh := newRig(t, CoreConfig{})
	fresh.do(Event{Kind: PeerUp, Peer: 1, Member: "early"})
	for k := PeerDown; k <= HeaderKnown; k++ {
		if k != PeerDown && k != Interrupt {
			fresh.do(Event{Kind: k, Peer: 1, Index: 3, Spans: []blocks.Span{{Count: 4}}})
		}
	}
	fresh.c.Stats()
}

func TestStats(t *testing.T) {
	r := receiver(t, 9, CoreConfig{})
	r.up(1, "seed", true)
	r.up(2, "other", false, 0, 1, 2)
	r.do(Event{Kind: PeerWithdraw, Peer: 1, Index: 2})
	s := r.c.Stats()
	if s.Members != 3 || s.Receivers != 2 || s.Sessions != 2 || s.Have != 1 || s.Wanted != 9 || s.RarestCopies != 1 || s.Lingering {
		t.Errorf("%+v", s)
	}
	if len(s.Peers) != 2 || s.Peers[1].Member != "other" || s.Peers[1].Have != 3 || !s.Peers[0].Seed {
		t.Errorf("rows %+v", s.Peers)
	}
}
