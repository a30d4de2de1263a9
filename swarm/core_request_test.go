package swarm

import (
	"slices"
	"testing"
	"time"

	"p2pcp/blocks"
)

func TestNextRequestGoesOutAhead(t *testing.T) {
	r := receiver(t, 20, CoreConfig{})
	r.up(1, "other", false)
	asks := kinds(r.all, Ask)
	if len(asks) != 1 {
		t.Fatalf("%d Requests at first", len(asks))
	}
	for _, step := range []struct {
		bytes uint32
		want  int
	}{{64 << 10, 0}, {100 << 10, 1}, {110 << 10, 0}} {
		got := r.do(Event{Kind: Progress, Peer: 1, Index: asks[0].Index, Bytes: step.bytes})
		if n := len(kinds(got, Ask)); n != step.want {
			t.Errorf("at %d bytes: %d new Requests, want %d", step.bytes, n, step.want)
		}
	}
}

func TestSeedIsAskedLast(t *testing.T) {
	r := receiver(t, 20, CoreConfig{})
	if got := r.up(1, "seed", true); len(kinds(got, Ask)) != 0 || len(kinds(got, Any)) != 1 {
		t.Errorf("at first: %+v", got)
	}
	r.up(2, "whole", false)
	if n := len(kinds(r.wait(firstBytes), Ask)); n != 0 {
		t.Errorf("%d Requests to a seed while a complete receiver is there", n)
	}
	got := kinds(r.do(Event{Kind: Refused, Peer: 2, Index: kinds(r.all, Ask)[0].Index, Reason: Busy}), Ask)
	got = append(got, kinds(r.wait(tickTime), Ask)...)
	if len(got) != 1 || got[0].Peer != 1 {
		t.Errorf("while the complete one is busy: %+v", got)
	}
}

// Who says that it holds everything, and sends nothing, doesn't keep the seed from being asked.
func TestSeedIsAskedForWhatDoesNotCome(t *testing.T) {
	r := receiver(t, 20, CoreConfig{})
	r.up(1, "seed", true)
	r.up(2, "liar", false)
	got := kinds(r.wait(firstBytes+3*tickTime), Ask)
	if len(got) != 1 || got[0].Peer != 1 {
		t.Errorf("%+v", got)
	}
}

func TestGrantsAreDeclinedWhenUseless(t *testing.T) {
	r := receiver(t, 20, CoreConfig{})
	r.up(1, "seed", true)
	r.up(2, "other", false, 0, 7)
	if a := kinds(r.all, Ask); len(a) != 1 || a[0].Index != 7 {
		t.Fatalf("asked %+v", a)
	}
	for i, want := range map[blocks.Index]int{0: 1, 7: 1, 9: 0} { // held, in flight elsewhere, welcome
		if got := kinds(r.do(Event{Kind: Granted, Peer: 1, Index: i}), Cancel); len(got) != want {
			t.Errorf("Grant of %d: %+v", i, got)
		}
	}
}

func TestOverdueBlockIsAskedElsewhere(t *testing.T) {
	r := receiver(t, 3, CoreConfig{})
	r.up(1, "mute", false, 0, 1)
	r.up(2, "good", false, 0, 2)
	r.do(Event{Kind: Verified, Peer: 2, Index: 2})
	r.do(Event{Kind: PeerHave, Peer: 2, Spans: []blocks.Span{{First: 1, Count: 1}}})
	got := kinds(r.wait(2500*time.Millisecond), Ask)
	if len(got) != 1 || got[0].Peer != 2 || got[0].Index != 1 {
		t.Fatalf("a mute peer's Block: %+v", got)
	}
	end := r.do(Event{Kind: Verified, Peer: 2, Index: 1})
	if c := kinds(end, Cancel); len(c) != 1 || c[0].Peer != 1 {
		t.Errorf("the loser isn't cancelled: %+v", end)
	}
}

func TestSlowLastBlockIsAskedTwice(t *testing.T) {
	r := receiver(t, 6, CoreConfig{})
	r.up(1, "slow", false)
	r.up(2, "fast", false, 0)
	slow := kinds(r.all, Ask)[0].Index
	r.do(Event{Kind: PeerHave, Peer: 2, Spans: []blocks.Span{{First: 1, Count: 5}}})
	for k := 0; r.c.missing > 1; k++ {
		for _, p := range r.c.peers {
			if p.id == 2 && len(p.reqs) > 0 {
				r.do(Event{Kind: Verified, Peer: 2, Index: p.reqs[0].index, Bytes: 128 << 10})
			}
		}
		r.do(Event{Kind: Progress, Peer: 1, Index: slow, Bytes: uint32(1000 * (k + 1))})
		r.wait(tickTime)
		if k > 50 {
			t.Fatal("the fast one doesn't get on")
		}
	}
	got := kinds(r.wait(100*time.Millisecond), Ask)
	got = append(got, kinds(r.all, Ask)...)
	if !slices.ContainsFunc(got, func(a Action) bool { return a.Peer == 2 && a.Index == slow }) {
		t.Errorf("block %d at a slow peer isn't asked of the fast one", slow)
	}
}

// By its first Tick nearly every source looks slow.
func TestNewSourceIsNotCalledSlow(t *testing.T) {
	r := receiver(t, 6, CoreConfig{})
	r.up(1, "slow", false)
	r.up(2, "fast", false, 0, 1, 2, 3, 4, 5)
	slow := kinds(r.all, Ask)[0].Index
	for p := r.c.peers[1]; len(p.reqs) > 0; {
		r.do(Event{Kind: Verified, Peer: 2, Index: p.reqs[0].index, Bytes: 128 << 10})
	}
	if r.c.missing != 1 {
		t.Fatalf("%d blocks are missing", r.c.missing)
	}
	var began time.Duration
	for k := 1; k < 20 && began == 0; k++ {
		r.do(Event{Kind: Progress, Peer: 1, Index: slow, Bytes: uint32(1000 * k)})
		if slices.ContainsFunc(r.wait(tickTime), func(a Action) bool { return a.Kind == Ask && a.Peer == 2 && a.Index == slow }) {
			began = r.c.now
		}
	}
	if began < slowAfter || began > slowAfter+3*tickTime {
		t.Errorf("asked of another after %v", began)
	}
}

func seedRig(t *testing.T, n uint32, cfg CoreConfig) *rig {
	t.Helper()
	cfg.Seed, cfg.Blocks, cfg.ManifestBlocks, cfg.BlockSize, cfg.Have = true, n, 1, 128<<10, setOf(n)
	return newRig(t, cfg)
}

func TestSeedPushesEachBlockOnce(t *testing.T) {
	r := seedRig(t, 40, CoreConfig{})
	for id := PeerID(1); id <= 5; id++ {
		r.up(id, "peer"+string(rune('0'+id)), false, 0)
		r.do(Event{Kind: PeerAny, Peer: id, Count: 4})
	}
	sent := map[blocks.Index]int{}
	for k := 0; k < len(kinds(r.all, Grant)); k++ {
		g := kinds(r.all, Grant)[k]
		sent[g.Index]++
		flying := 0
		for _, p := range r.c.peers {
			flying += p.granted()
			if k > 5 && p.granted() > 1 { // the first ones came before the others were there
				t.Errorf("%d Blocks under way to one of five receivers", p.granted())
			}
		}
		if left := 39 - len(sent); flying < min(5, left) {
			t.Errorf("%d Blocks under way", flying)
		}
		r.do(Event{Kind: Served, Peer: g.Peer, Index: g.Index, Bytes: 128 << 10, OK: true})
		r.do(Event{Kind: PeerHave, Peer: g.Peer, Spans: []blocks.Span{{First: uint32(g.Index), Count: 1}}})
	}
	for i := blocks.Index(1); i < 40; i++ {
		if sent[i] != 1 {
			t.Errorf("block %d sent %d times", i, sent[i])
		}
	}
	first := kinds(r.all, Grant)[0]
	before := len(r.all)
	r.do(Event{Kind: PeerDown, Peer: first.Peer})
	again := kinds(r.all[before:], Grant)
	if len(again) == 0 {
		t.Error("nothing is pushed again though the only holder of some Blocks left")
	}
}

func TestSeedPushesTheManifestFirst(t *testing.T) {
	r := seedRig(t, 40, CoreConfig{})
	r.up(1, "new", false, none...)
	got := kinds(r.do(Event{Kind: PeerAny, Peer: 1, Count: 4}), Grant)
	if len(got) != 1 || got[0].Index != 0 {
		t.Fatalf("before the Manifest is announced: %+v", got)
	}
	r.do(Event{Kind: Served, Peer: 1, Index: 0, Bytes: 100, OK: true})
	if got := kinds(r.do(Event{Kind: PeerHave, Peer: 1, Spans: []blocks.Span{{First: 0, Count: 1}}}), Grant); len(got) != 4 {
		t.Errorf("after it: %+v", got)
	}
}

func TestCreditWaitsForOpening(t *testing.T) {
	r := newRig(t, CoreConfig{Blocks: 9, ManifestBlocks: 1})
	r.up(1, "seed", true)
	got := r.do(Event{Kind: Verified, Peer: 1, Index: 0})
	stop := slices.IndexFunc(got, func(a Action) bool { return a.Kind == Any && a.Count == 0 })
	have := slices.IndexFunc(got, func(a Action) bool { return a.Kind == Announce })
	if stop < 0 || stop > have || len(kinds(got, Open)) != 1 {
		t.Fatalf("Any 0 must come before the HAVE of the last Manifest Block: %+v", got)
	}
	claims := setOf(9, 3, 4)
	if got := r.do(Event{Kind: Opened, Set: setOf(9), Claims: claims}); len(kinds(got, Any)) != 0 {
		t.Errorf("credit while claims are open: %+v", got)
	}
	r.do(Event{Kind: Verified, Index: 3})
	if got := kinds(r.do(Event{Kind: Released, Index: 4}), Any); len(got) != 1 || got[0].Count == 0 {
		t.Errorf("no credit once claims are settled: %+v", got)
	}
}
