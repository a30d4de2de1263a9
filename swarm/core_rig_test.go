package swarm

import (
	"testing"
	"time"

	"p2pcp/blocks"
)

// rig drives one core by hand.
type rig struct {
	t   *testing.T
	c   *Core
	now time.Duration
	all []Action // everything that was ordered
}

func newRig(t *testing.T, cfg CoreConfig) *rig {
	t.Helper()
	if cfg.Self == "" {
		cfg.Self = "self"
	}
	return &rig{t: t, c: NewCore(cfg)}
}

// do steps one Event, checks the core, and returns what was ordered.
func (r *rig) do(ev Event) []Action {
	r.t.Helper()
	got := r.c.Step(r.now, ev, nil)
	if err := checkCore(r.c); err != nil {
		r.t.Fatalf("after event kind %d: %v", ev.Kind, err)
	}
	r.all = append(r.all, got...)
	return got
}

// wait lets time pass, with Ticks.
func (r *rig) wait(d time.Duration) (got []Action) {
	r.t.Helper()
	for end := r.now + d; r.now < end; {
		r.now += tickTime
		got = append(got, r.do(Event{Kind: Tick})...)
	}
	return got
}

func (r *rig) up(id PeerID, name string, seed bool, held ...blocks.Index) []Action {
	r.t.Helper()
	return r.do(Event{Kind: PeerUp, Peer: id, Member: name, Seed: seed, Set: setOf(r.c.n, held...)})
}

// setOf is a set of n possible Blocks; without members listed it is full.
func setOf(n uint32, held ...blocks.Index) *blocks.Bitfield {
	f := blocks.NewBitfield(n)
	if held == nil {
		f.SetSpan(blocks.Span{Count: n})
	}
	for _, i := range held {
		f.Set(i)
	}
	return f
}

var none = []blocks.Index{} // for up: holds nothing

func kinds(as []Action, k ActionKind) (got []Action) {
	for _, a := range as {
		if a.Kind == k {
			got = append(got, a)
		}
	}
	return got
}

// receiver is a core that has the Manifest (Block 0) and lacks the other n-1 Blocks.
func receiver(t *testing.T, n uint32, cfg CoreConfig) *rig {
	t.Helper()
	cfg.Blocks, cfg.ManifestBlocks, cfg.BlockSize = n, 1, 128<<10
	r := newRig(t, cfg)
	r.do(Event{Kind: Verified, Index: 0})
	r.do(Event{Kind: Opened, Set: setOf(n)})
	return r
}

// completed is a receiver that has placed everything while a peer was incomplete (shared), or not.
func completed(t *testing.T, cfg CoreConfig, shared bool) *rig {
	t.Helper()
	r := receiver(t, 3, cfg)
	if shared {
		r.up(1, "other", false, none...)
	}
	r.do(Event{Kind: Verified, Index: 1})
	if got := r.do(Event{Kind: Verified, Index: 2}); len(kinds(got, Place)) != 1 {
		t.Fatalf("no Place in %+v", got)
	}
	r.do(Event{Kind: PlacedNow})
	return r
}

func (r *rig) doneAfter() (time.Duration, error) {
	r.t.Helper()
	begin := r.now
	for {
		if d := kinds(r.all, Done); len(d) > 0 {
			return r.now - begin, d[0].Err
		}
		if r.now-begin > 5*time.Minute {
			return -1, nil
		}
		r.wait(tickTime)
	}
}
