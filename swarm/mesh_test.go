package swarm

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"
)

// checkMesh compares the rings with what a look at all members gives.
func checkMesh(c *Core) error {
	near := map[*member]int{}
	for k, r := range c.mesh.rings {
		var next, prev *member
		for _, m := range c.members {
			if !m.steady() || (k%zoneRings > 0 && m.zone != c.cfg.Zone) {
				continue
			}
			d := onRing(m.place, k) - onRing(c.mesh.self, k)
			if next == nil || d < onRing(next.place, k)-onRing(c.mesh.self, k) {
				next = m
			}
			if prev == nil || -d < onRing(c.mesh.self, k)-onRing(prev.place, k) {
				prev = m
			}
		}
		if next != r.next || prev != r.prev {
			return fmt.Errorf("ring %d: next %p prev %p, should be %p %p", k, r.next, r.prev, next, prev)
		}
		for _, m := range [2]*member{next, prev} {
			if m != nil {
				near[m]++
			}
		}
	}
	for _, m := range c.members {
		if m.near != near[m] {
			return fmt.Errorf("%s is near %d times, counted %d", m.name, m.near, near[m])
		}
	}
	return nil
}

func TestRingsFollowTheMembers(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	c := NewCore(CoreConfig{Self: "me", Degree: 6, FullMesh: 4, Zone: 1})
	now := time.Duration(0)
	for step := range 2000 {
		now += 10 * time.Millisecond
		name := fmt.Sprintf("m%02d", rng.IntN(40))
		ev := Event{Kind: MemberUp, Member: name, Addr: netip.MustParseAddrPort("10.0.0.9:7700"), Zone: 1 + rng.Uint32N(2)}
		switch rng.IntN(4) {
		case 0:
			ev.Kind = MemberGone
		case 1:
			ev.Kind = DialFailed
		}
		c.Step(now, ev, nil)
		if err := checkMesh(c); err != nil {
			t.Fatalf("step %d, %s of kind %d: %v", step, name, ev.Kind, err)
		}
	}
	if len(c.members) < 10 {
		t.Fatalf("only %d members left to check", len(c.members))
	}
}

// TestMeshHasNoCliques: whom a member met first doesn't decide whom it talks to.
func TestMeshHasNoCliques(t *testing.T) {
	cfg := small(60, 256, 1)
	cfg.core.Degree, cfg.core.FullMesh, cfg.everyStep = 8, 10, 0
	r := newRun(t, cfg)
	r.run(func() bool { return r.now > 600*time.Millisecond })
	early, all := 0, 0
	for k, n := range r.nodes {
		if len(n.order) < 6 || len(n.order) > 10 {
			t.Errorf("%s has %d sessions, wants 8", n.name, len(n.order))
		}
		for _, p := range n.order {
			if k < 15 {
				all++
				if p.to.id < 15 {
					early++
				}
			}
		}
		if err := checkMesh(n.core); err != nil {
			t.Errorf("%s: %v", n.name, err)
		}
	}
	if share := float64(early) / float64(all); share > 0.45 { // a quarter by chance
		t.Errorf("%.2f of the first quarter's sessions are among themselves", share)
	}
}

// TestMeshKeepsZonesTogether: nobody is left with strangers, nor without a way to each of them.
func TestMeshKeepsZonesTogether(t *testing.T) {
	cfg := small(60, 256, 1)
	cfg.zones = newZones(3, 1)
	cfg.core.Degree, cfg.core.FullMesh, cfg.everyStep = 12, 12, 0
	r := newRun(t, cfg)
	r.run(func() bool { return r.now > 800*time.Millisecond })
	for _, n := range r.recv {
		home := 0
		for _, p := range n.order {
			if cfg.zones.of(p.to.id) == cfg.zones.of(n.id) {
				home++
			}
		}
		if far := len(n.order) - home; home < 4 || far < 1 {
			t.Errorf("%s has %d sessions at home and %d elsewhere", n.name, home, far)
		}
		if err := checkMesh(n.core); err != nil {
			t.Errorf("%s: %v", n.name, err)
		}
	}
}

// TestDialsEnd: a Dial is over once its session has come, even if we have no place for it by then, or after a while. Those that are under way
// count against those that may be, so that one that never ended would cost a session for good.
func TestDialsEnd(t *testing.T) {
	r := newRig(t, CoreConfig{Blocks: 64, ManifestBlocks: 1, FullMesh: 4, Degree: 4})
	for k := range 12 {
		r.do(Event{Kind: MemberUp, Member: fmt.Sprint("m", k), Addr: netip.MustParseAddrPort("10.0.0.9:7700")})
	}
	r.wait(time.Second)
	dialled := kinds(r.all, Dial)
	for k := range r.c.limit() {
		r.up(PeerID(100+k), fmt.Sprint("came", k), false)
	}
	for k, a := range dialled[1:] {
		r.up(PeerID(1+k), a.Member, false)
	}
	if got := kinds(r.all, Drop); len(got) == 0 {
		t.Error("nobody found us full")
	}
	if r.c.dialing != 1 {
		t.Errorf("%d dials are under way, want the one that nothing came of", r.c.dialing)
	}
	r.wait(dialPatient + 2*time.Second)
	for _, m := range r.c.members {
		if m.dialing && r.now-m.tried > dialPatient+time.Second {
			t.Errorf("the dial of %v is under way at %v", m.tried, r.now)
		}
	}
}
