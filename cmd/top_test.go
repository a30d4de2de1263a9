package cmd

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"p2pcp/blocks"
	"p2pcp/internal/bubble"
	"p2pcp/seed"
	"p2pcp/swarm"
	"p2pcp/swarm/wire"

	"github.com/charmbracelet/lipgloss"
)

// TestStalledHosts: who gets nothing for a while is told apart from who is slow, and comes first.
func TestStalledHosts(t *testing.T) {
	s := sampleSurvey()
	s.members[3].report.Idle = 41_000 // n3, with peers
	s.members[5].report.Idle = 12_000 // n5, without
	s.members[2].report.Idle = 99_000 // n1 is complete
	m := mergeSurvey(blocks.Sum(nil), s)
	text := strings.Join(m.lines(fleetStyle{}), "\n")
	for _, want := range []string{"2 stalled  1 silent", "\nn3    stalled", "no block for 41s\n", "no block for 12s, no peer\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
	if m.Stalled != 2 || m.Silent != 1 || strings.Index(text, "\nn5 ") > strings.Index(text, "\nn4 ") {
		t.Errorf("%d stalled:\n%s", m.Stalled, text)
	}
}

// TestMemoryOfALiveView: who answers late stays as it was for a moment, then is silent with its last words, unless it was complete.
func TestMemoryOfALiveView(t *testing.T) {
	begin := time.Unix(1000, 0)
	m, whole := memory{}, sampleSurvey()
	m.complete(begin, &whole)
	look := func(after time.Duration) statusMessage {
		s := sampleSurvey()
		s.members, s.silent = s.members[:2], append(s.silent, silentMember{"n3-00000001", fakeAddr(13), false})
		m.complete(begin.Add(after), &s)
		out := mergeSurvey(blocks.Sum(nil), s)
		m.annotate(begin.Add(after), out.Hosts)
		return out
	}
	state := func(out statusMessage, host string) hostStatus {
		for _, h := range out.Hosts {
			if h.Host == host {
				return h
			}
		}
		t.Fatalf("%s is forgotten", host)
		return hostStatus{}
	}
	now := look(time.Second)
	if h := state(now, "n3"); h.State != "getting" || h.Done != 0.25 || h.DownRate != 0 {
		t.Errorf("%+v", h)
	}
	later := look(12 * time.Second)
	if h := state(later, "n3"); h.State != "silent" || h.Done != 0.25 || h.Note != "no answer for 12s" {
		t.Errorf("%+v", h)
	}
	if h := state(later, "n1"); h.State != "changed" {
		t.Errorf("%+v", h)
	}
	if later.Known != now.Known {
		t.Errorf("%d hosts, then %d", now.Known, later.Known)
	}
}

// TestTopIsNotHeldUp: a hundred hosts that hang don't delay a frame, and who answers late is there in the next.
func TestTopIsNotHeldUp(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		const n = 300
		f := fakeSwarm{slow: map[netip.AddrPort]time.Duration{}}
		for i := range n {
			f.put(i, (i+1)%n, (i*7+3)%n, (i*31+5)%n)
		}
		for i := 100; i < 200; i++ {
			f.slow[fakeAddr(i)] = time.Hour
		}
		c := crawler{look: f.look, content: &contentOnce{}, patience: topFrame}
		begin := time.Now()
		s, err := c.survey(t.Context(), []netip.AddrPort{fakeAddr(0)})
		if took := time.Since(begin); err != nil || took > topFrame+10*time.Millisecond || len(s.members) < 150 {
			t.Errorf("%v, %d members in %s", err, len(s.members), took)
		}
		time.Sleep(2 * surveyMember) // what was left behind ends by itself
	})
}

// TestTopSeesHostsComeAndGo: over connections that are kept, through a kill and the seed's own end.
func TestTopSeesHostsComeAndGo(t *testing.T) {
	l := newSandbox(t)
	l.big(48)
	ticket, source := l.seed("--limit", "32K", "big")
	g := l.start("get", ticket, "--listen", "127.0.0.1", "-o", "a")
	top := l.start("top", "--json", "--progress-interval", "1s", ticket)
	until := func(what, want string) {
		t.Helper()
		for range 60 {
			if strings.Contains(top.line(t), want) {
				return
			}
		}
		t.Fatalf("never %s", what)
	}
	until("getting", `"state":"getting"`)
	g.end(syscall.SIGKILL)
	until("lost", `"hosts_lost":1`)
	l.start("get", ticket, "--listen", "127.0.0.1", "-o", "a")
	until("getting again", `"state":"getting"`)
	source.end(syscall.SIGKILL)
	until("without the seed", `"seeds":[]`)
}

// TestKeeper: one connection serves many looks, and a dead one is replaced.
func TestKeeper(t *testing.T) {
	l := newSandbox(t)
	l.write("file", "abc")
	ticket, source := l.seed("file")
	parsed, err := seed.ParseTicket(ticket)
	if err != nil {
		t.Fatal(err)
	}
	a, _, _ := newTestApp(t)
	o, err := a.observed(ticket, &observerFlags{})
	if err != nil {
		t.Fatal(err)
	}
	c := newCrawler(o)
	c.patience = time.Minute
	defer c.keep.close()
	dialed, dial := 0, c.keep.dial
	c.keep.dial = func(ctx context.Context, addr netip.AddrPort) (o *swarm.Observer, err error) {
		dialed++
		return dial(ctx, addr)
	}
	look := func() (wire.Report, error) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel() // mustn't end the kept one
		s, err := c.look(ctx, parsed.Addrs[0])
		return s.report, err
	}
	for range 3 {
		if r, err := look(); err != nil || r.Role != "seed" {
			t.Errorf("%+v, %v", r, err)
		}
	}
	if dialed != 1 {
		t.Errorf("dialed %d times", dialed)
	}
	_ = c.keep.open[parsed.Addrs[0]].Close()
	if r, err := look(); err != nil || r.Role != "seed" || dialed != 2 {
		t.Errorf("%+v, %v, dialed %d times", r, err, dialed)
	}
	source.end(syscall.SIGKILL)
	if _, err := look(); err == nil || os.IsTimeout(err) {
		t.Errorf("%v", err)
	}
}

// TestTopOf500In80Columns: the figures stand whole where a name is long, and what needs attention comes first.
func TestTopOf500In80Columns(t *testing.T) {
	var rows []wire.LedgerRow
	s := survey{}
	for i := range 500 {
		host := fmt.Sprintf("node%03d", i)
		r := wire.LedgerRow{Member: fakeMember(i), Host: host, Source: "10.0.0.1", Target: "/t", State: "changed", Millis: 9000}
		switch {
		case i == 77:
			r.State, r.Code, r.Reason = "failed", exitLocal, "not enough space"
		case i%9 == 0:
			r.State = "begun"
			rep := wire.Report{Host: host, Role: "get", State: "getting", Blocks: 1000, BlocksHave: uint32(i), DownRate: 1 << 28, Sessions: 9}
			if i%45 == 0 {
				rep.Idle, rep.DownRate = 41_000, 0
			}
			s.members = append(s.members, sighting{addr: fakeAddr(i), member: fakeMember(i), report: rep})
		}
		rows = append(rows, r)
	}
	s.members = append(s.members, sighting{addr: fakeAddr(999), member: "seed-00000000", report: wire.Report{Host: "seed", Role: "seed", Bytes: 1 << 30, Ledger: rows}})
	m := mergeSurvey(blocks.Sum(nil), s)
	m.Name = "checkpoint-2026-11-21-step-120000.safetensors"
	lines := m.lines(fleetStyle{width: 79, lines: 23, utf8: true})
	text := strings.Join(lines, "\n")
	if len(lines) > 23 || !strings.HasPrefix(text, "checkpo~ 1.0 GiB  443/500 hosts done  56 under way  12 stalled  1 failed  ") {
		t.Errorf("%d lines:\n%s", len(lines), text)
	}
	for i, want := range map[int]string{4: "node077  failed ", 5: "node000  stalled  0% ", 6: "node045  stalled  4% ", 21: "and 40 more under way or failed", 22: "node[001-008,"} {
		if !strings.HasPrefix(lines[i], want) {
			t.Errorf("line %d isn't %q:\n%s", i, want, text)
		}
	}
	if !strings.HasSuffix(lines[22], "~ (443) changed, slowest 9.0s") {
		t.Error(lines[22])
	}
	for _, line := range lines {
		if lipgloss.Width(line) > 79 {
			t.Errorf("too wide: %s", line)
		}
	}
}
