package cmd

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"p2pcp/internal/bubble"
	"p2pcp/internal/port"
	"p2pcp/swarm"
	"p2pcp/swarm/wire"
)

// fakeSwarm answers surveys: who is at an address, after how long. Addresses without anybody refuse.
type fakeSwarm struct {
	at    map[netip.AddrPort]sighting
	slow  map[netip.AddrPort]time.Duration
	fails map[netip.AddrPort]error

	mu           sync.Mutex
	looks        map[netip.AddrPort]int
	now, highest int // looks at a time
}

func fakeAddr(n int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(n >> 8), byte(n)}), 7700)
}

func fakeMember(n int) string { return fmt.Sprintf("node%04d-%08x", n, n) }

func (f *fakeSwarm) put(n int, neighbors ...int) {
	s := sighting{addr: fakeAddr(n), member: fakeMember(n), report: wire.Report{Host: fmt.Sprintf("node%04d", n), Role: "get", State: "getting"}}
	for _, k := range neighbors {
		s.report.Members = append(s.report.Members, wire.ReportMember{Member: fakeMember(k), Addr: fakeAddr(k).String()})
	}
	if f.at == nil {
		f.at = map[netip.AddrPort]sighting{}
	}
	f.at[s.addr] = s
}

func (f *fakeSwarm) look(ctx context.Context, addr netip.AddrPort) (sighting, error) {
	f.mu.Lock()
	if f.looks == nil {
		f.looks = map[netip.AddrPort]int{}
	}
	f.looks[addr]++
	f.now++
	f.highest = max(f.highest, f.now)
	f.mu.Unlock()
	wait := 20 * time.Millisecond
	if d, ok := f.slow[addr]; ok {
		wait = d
	}
	sleep(ctx, wait)
	f.mu.Lock()
	f.now--
	f.mu.Unlock()
	if ctx.Err() != nil {
		return sighting{}, ctx.Err()
	}
	if err := f.fails[addr]; err != nil {
		return sighting{}, err
	}
	s, ok := f.at[addr]
	if !ok {
		return s, fmt.Errorf("connect: %w", syscall.ECONNREFUSED)
	}
	s.addr = addr
	return s, nil
}

func (f *fakeSwarm) survey(ctx context.Context, boot ...netip.AddrPort) (survey, error) {
	c := crawler{look: f.look, content: &contentOnce{}}
	return c.survey(ctx, boot)
}

// TestSurveyFindsEveryMember: each member knows only three others, and all are found, each asked once.
func TestSurveyFindsEveryMember(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		const n = 200
		var f fakeSwarm
		for i := range n {
			f.put(i, (i+1)%n, (i*7+3)%n, (i*31+5)%n)
		}
		begin := time.Now()
		s, err := f.survey(t.Context(), fakeAddr(0))
		if err != nil {
			t.Fatal(err)
		}
		if len(s.members) != n || len(s.silent) != 0 {
			t.Fatalf("%d members, %d silent", len(s.members), len(s.silent))
		}
		if !slices.IsSortedFunc(s.members, func(a, b sighting) int { return strings.Compare(a.member, b.member) }) {
			t.Error("not sorted")
		}
		for addr, k := range f.looks {
			if k != 1 {
				t.Errorf("%s was asked %d times", addr, k)
			}
		}
		if f.highest > surveyAtOnce || f.highest < surveyAtOnce/2 {
			t.Errorf("%d asked at a time", f.highest)
		}
		if d := time.Since(begin); d > time.Second {
			t.Errorf("took %s", d)
		}
	})
}

// TestSurveyIsNotHeldUp: neither by the ticket's other addresses nor by members that hang.
func TestSurveyIsNotHeldUp(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		f := fakeSwarm{slow: map[netip.AddrPort]time.Duration{fakeAddr(9): time.Hour, fakeAddr(2): time.Hour}}
		f.put(0, 1, 2, 3)
		f.put(1, 0)
		begin := time.Now()
		s, err := f.survey(t.Context(), fakeAddr(9), fakeAddr(0))
		if err != nil {
			t.Fatal(err)
		}
		if len(s.members) != 2 || len(s.silent) != 2 || s.silent[0].member != fakeMember(2) || s.silent[1].member != fakeMember(3) {
			t.Errorf("members %v, silent %v", s.members, s.silent)
		}
		if d := time.Since(begin); d > surveyMember+surveyGrace+time.Second {
			t.Errorf("took %s", d)
		}
		begin = time.Now()
		if _, err := f.survey(t.Context(), fakeAddr(9), fakeAddr(1)); err != nil {
			t.Fatal(err)
		}
		if d := time.Since(begin); d > surveyMember+surveyGrace+time.Second {
			t.Errorf("took %s", d)
		}
	})
}

// TestSurveyDistrusts: a member that names many addresses, itself, and nonsense.
func TestSurveyDistrusts(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		var f fakeSwarm
		f.put(0)
		liar := f.at[fakeAddr(0)]
		for i := range 3 * surveyAddrs {
			liar.report.Members = append(liar.report.Members, wire.ReportMember{Member: fmt.Sprintf("ghost-%08x", i), Addr: fakeAddr(i + 1).String()})
		}
		for i := range 50 {
			liar.report.Members = append(liar.report.Members, wire.ReportMember{Member: "ghost-00000000", Addr: fakeAddr(60000 - i).String()})
		}
		for _, addr := range []string{"", "x", "10.0.0.1", "10.0.0.1:0", liar.addr.String()} {
			liar.report.Members = append(liar.report.Members, wire.ReportMember{Member: liar.member, Addr: addr}, wire.ReportMember{Addr: addr})
		}
		f.at[fakeAddr(0)] = liar
		s, err := f.survey(t.Context(), fakeAddr(0))
		if err != nil || len(s.members) != 1 {
			t.Fatal(s.members, err)
		}
		if len(f.looks) > surveyAddrs {
			t.Errorf("%d addresses dialed", len(f.looks))
		}
		for _, addr := range []netip.AddrPort{fakeAddr(60000), fakeAddr(59990)} {
			if f.looks[addr] > 0 {
				t.Errorf("%s dialed: too many addresses of one member", addr)
			}
		}
	})
}

// TestSurveyTriesOtherAddresses: one member is named at a dead and at a living address.
func TestSurveyTriesOtherAddresses(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		var f fakeSwarm
		f.put(0, 1)
		f.put(1)
		s0 := f.at[fakeAddr(0)]
		s0.report.Members = []wire.ReportMember{{Member: fakeMember(1), Addr: fakeAddr(77).String()}, {Member: fakeMember(1), Addr: fakeAddr(1).String()}}
		f.at[fakeAddr(0)] = s0
		s, err := f.survey(t.Context(), fakeAddr(0))
		if err != nil || len(s.members) != 2 || len(s.silent) != 0 {
			t.Fatal(s, err)
		}
	})
}

// TestSurveyOfNobody: the error says most of why.
func TestSurveyOfNobody(t *testing.T) {
	silent, version := fmt.Errorf("x: %w", port.ErrSilent), &port.VersionError{Ours: 1, Theirs: 2}
	for _, c := range []struct {
		name string
		errs []error
		want error
		code int
	}{
		{"refused", []error{nil, nil}, swarm.ErrNobody, exitNobody},
		{"one silent", []error{nil, silent, nil}, port.ErrSilent, exitAuth},
		{"another version", []error{version, nil}, port.ErrVersion, exitFailure},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				f := fakeSwarm{fails: map[netip.AddrPort]error{}}
				var boot []netip.AddrPort
				for i, err := range c.errs {
					boot = append(boot, fakeAddr(i))
					f.fails[fakeAddr(i)] = err
				}
				_, err := f.survey(t.Context(), boot...)
				if !errors.Is(err, c.want) || classify(err).code != c.code {
					t.Errorf("got %v, code %d", err, classify(err).code)
				}
			})
		})
	}
}

// TestSurveyEndsWithContext: at once, with its cause.
func TestSurveyEndsWithContext(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		f := fakeSwarm{slow: map[netip.AddrPort]time.Duration{fakeAddr(0): time.Hour}}
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(errInterrupted) })
		begin := time.Now()
		if _, err := f.survey(ctx, fakeAddr(0)); !errors.Is(err, errInterrupted) {
			t.Errorf("got %v", err)
		}
		if d := time.Since(begin); d != time.Second {
			t.Errorf("took %s", d)
		}
	})
}
