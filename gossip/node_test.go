package gossip

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"p2pcp/internal/bubble"
)

// inSwarm runs a test of n members in a bubble, and ends them: the bubble fails on a goroutine left.
func inSwarm(t *testing.T, n int, test func(s *swarm)) {
	bubble.Test(t, func(t *testing.T) {
		s := newSwarm(t)
		for i := range n {
			s.start(testConfig(i))
		}
		test(s)
	})
}

// newSwarm makes an empty swarm that ends with t.
func newSwarm(t *testing.T) *swarm {
	s := &swarm{t: t, net: newMemnet()}
	t.Cleanup(s.end)
	return s
}

// converged fails unless every place of some comes to see all others of some, as their Configs say, and nobody else. It may take
// some exchanges of states: gossip is random and now and then misses a member.
func (s *swarm) converged(some []*place) {
	s.t.Helper()
	for begin := time.Now(); ; time.Sleep(5 * time.Second) {
		err := disagreement(some)
		if err == nil {
			return
		}
		if time.Since(begin) > 4*time.Minute {
			s.t.Fatal(err)
		}
	}
}

// disagreement is nil if the places of some see and have heard of exactly each other.
func disagreement(some []*place) error {
	for _, p := range some {
		var want []Event
		for _, o := range some {
			if o != p {
				cfg := o.node.cfg
				want = append(want, Event{Kind: Up, Member: cfg.Member, Addr: cfg.Advertise, Meta: o.node.meta()})
			}
		}
		sortEvents(want)
		if got := p.node.Members(); fmt.Sprint(got) != fmt.Sprint(want) {
			return fmt.Errorf("%s sees %d of %d members\n got %v\nwant %v", p.node.cfg.Member, len(got), len(want), got, want)
		}
		for _, w := range want {
			if e, n := p.last(w.Member); e.Meta != w.Meta || e.Kind == Left || e.Kind == Dead {
				return fmt.Errorf("%s: last of %d events is %v, want %v", p.node.cfg.Member, n, e, w)
			}
		}
	}
	return nil
}

// most fails unless all places of some but one, which gossip may miss, have last heard kind of member.
func (s *swarm) most(some []*place, member string, kind EventKind) {
	s.t.Helper()
	missed := 0
	for _, p := range some {
		if e, _ := p.last(member); e.Kind != kind {
			missed++
			s.t.Logf("%s got %v", p.node.cfg.Member, e)
		}
	}
	if missed > 1 || missed == len(some) {
		s.t.Errorf("%d of %d didn't hear %v of %s", missed, len(some), kind, member)
	}
}

func TestMembersFindEachOther(t *testing.T) {
	for _, n := range []int{1, 2, 8, 32} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			inSwarm(t, n, func(s *swarm) {
				time.Sleep(20 * time.Second)
				s.converged(s.all)
			})
		})
	}
}

func TestStateChangeIsSeenByAll(t *testing.T) {
	inSwarm(t, 32, func(s *swarm) {
		time.Sleep(20 * time.Second)
		s.all[3].node.SetState(Complete)
		time.Sleep(2 * time.Second)
		s.most(append(s.all[:3:3], s.all[4:]...), memberName(3), Changed)
		s.converged(s.all)
	})
}

func TestManyStateChangesEndInTheLast(t *testing.T) {
	inSwarm(t, 8, func(s *swarm) {
		time.Sleep(10 * time.Second)
		for _, p := range s.all {
			for range 20 {
				p.node.SetState(Getting)
				p.node.SetState(Complete)
			}
		}
		time.Sleep(5 * time.Second)
		s.converged(s.all)
	})
}

func TestKilledMemberIsDeadWithinSeconds(t *testing.T) {
	for _, n := range []int{8, 32} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			inSwarm(t, n, func(s *swarm) {
				time.Sleep(20 * time.Second)
				victim := s.all[n-1]
				victim.host.attach(nil)
				time.Sleep(30 * time.Second)
				s.most(s.all[:n-1], memberName(n-1), Dead)
				s.converged(s.all[:n-1])
			})
		})
	}
}

func TestGracefulMemberHasLeftAtOnce(t *testing.T) {
	for _, n := range []int{2, 8, 32} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			inSwarm(t, n, func(s *swarm) {
				time.Sleep(20 * time.Second)
				begin := time.Now()
				s.all[n-1].stop()
				<-s.all[n-1].done
				if took := time.Since(begin); took > 1100*time.Millisecond {
					t.Errorf("leaving took %v", took)
				}
				time.Sleep(time.Second)
				s.most(s.all[:n-1], memberName(n-1), Left)
				s.converged(s.all[:n-1])
			})
		})
	}
}

func TestLeavingAloneTakesNoTime(t *testing.T) {
	inSwarm(t, 1, func(s *swarm) {
		time.Sleep(time.Second)
		begin := time.Now()
		s.all[0].stop()
		<-s.all[0].done
		if took := time.Since(begin); took > 10*time.Millisecond {
			t.Errorf("leaving took %v", took)
		}
	})
}

func TestMemberWithAnotherKeyIsNeverSeen(t *testing.T) {
	inSwarm(t, 4, func(s *swarm) {
		cfg := testConfig(7)
		cfg.Key[5]++
		other := s.start(cfg)
		cfg = testConfig(9)
		cfg.Label += "x"
		label := s.start(cfg)
		cfg = testConfig(11)
		cfg.Meta.Swarm[0]++
		swarm := s.start(cfg)
		time.Sleep(90 * time.Second)
		s.converged(s.all[:4])
		for _, p := range []*place{other, label, swarm} {
			if got := p.node.Members(); len(got) != 0 || len(p.heard()) != 0 {
				t.Errorf("%s sees %v, %v", p.node.cfg.Member, got, p.heard())
			}
		}
		if _, n := s.all[0].last(memberName(7)); n != 0 {
			t.Error("the seed saw the member with another key")
		}
	})
}

func TestMembersBeyondTheCapAreRefused(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		s := newSwarm(t)
		for i := range 12 {
			cfg := testConfig(i)
			if i == 0 {
				cfg.MaxMembers = 4
			}
			s.start(cfg)
			time.Sleep(time.Second)
		}
		time.Sleep(time.Minute)
		if got := s.all[0].node.Members(); len(got) != 4 {
			t.Errorf("member with a cap of 4 sees %d", len(got))
		}
		if got := s.all[5].node.Members(); len(got) < 4 {
			t.Errorf("member without cap sees %d", len(got))
		}
	})
}

func TestJoinRetriesUntilSomebodyIsThere(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		s := newSwarm(t)
		s.start(testConfig(1))
		time.Sleep(time.Minute)
		if d := s.net.dialed(); d < 12 || d > 40 {
			t.Errorf("%d dials in a minute of nobody there", d)
		}
		s.start(testConfig(0))
		time.Sleep(6 * time.Second)
		s.converged(s.all)
	})
}

func TestAloneAgainJoinsAgain(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		s := newSwarm(t)
		seed := s.start(testConfig(0))
		s.start(testConfig(1))
		time.Sleep(5 * time.Second)
		s.converged(s.all)
		seed.stop()
		<-seed.done
		time.Sleep(time.Minute)
		cfg := testConfig(0)
		cfg.Member += "-again"
		s.all = s.all[1:]
		s.start(cfg)
		time.Sleep(12 * time.Second)
		s.converged(s.all)
	})
}

// TestHalvesFindEachOtherAgain cuts the net in two for so long that each half forgets the other, then heals it: one session across,
// whose address is given to Join, is enough.
func TestHalvesFindEachOtherAgain(t *testing.T) {
	inSwarm(t, 8, func(s *swarm) {
		s.all[1].node.Join([]netip.AddrPort{memberAddr(6)})
		time.Sleep(20 * time.Second)
		far := func(a netip.AddrPort) bool {
			return slices.ContainsFunc(s.all[4:], func(p *place) bool { return p.host.addr == a })
		}
		s.net.cut(func(a, b netip.AddrPort) bool { return far(a) != far(b) })
		time.Sleep(3 * time.Minute)
		s.converged(s.all[:4])
		s.converged(s.all[4:])
		s.net.cut(nil)
		s.all[1].node.Join([]netip.AddrPort{memberAddr(6)})
		time.Sleep(120 * time.Second)
		if err := disagreement(s.all); err != nil {
			t.Error(err)
		}
		t.Log(`RELIABILITY {"kind":"fault","name":"a partition for so long that the gossip forgets the other half (3 minutes)","result":"one session across brings both halves together within 2 minutes","test":"TestHalvesFindEachOtherAgain"}`)
	})
}

func TestWithoutDatagramsTheSwarmGoesOn(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		s := newSwarm(t)
		s.net.noUDP = true
		for i := range 8 {
			s.start(testConfig(i))
		}
		time.Sleep(5 * time.Minute)
		s.converged(s.all)
		for _, p := range s.all {
			for _, e := range p.heard() {
				if e.Kind == Dead {
					t.Fatalf("%s took %s for dead", p.node.cfg.Member, e.Member)
				}
			}
		}
	})
}
