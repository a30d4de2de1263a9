package cmd

import (
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"syscall"
	"testing"
	"time"

	"p2pcp/blocks"
	"p2pcp/internal/port"
	"p2pcp/seed"
	"p2pcp/swarm"
)

// TestTopOfHundreds prints how long a look at P2PCP_TOP_N members takes, over real connections, the first time and then over those that
// are kept, and what CPU it costs, the members' share included. They only wait here: it is the looking that is measured, and the test
// fails only where members are never all there.
func TestTopOfHundreds(t *testing.T) {
	n, err := strconv.Atoi(os.Getenv("P2PCP_TOP_N"))
	if err != nil {
		t.Skip("P2PCP_TOP_N says how many")
	}
	ticket := seed.Ticket{ID: blocks.Sum(nil), Key: seed.NewKey()}
	for i := range n {
		m, err := newMember(t.Context(), memberConfig{
			id: ticket.ID, secrets: port.Derive(ticket.Key, ticket.ID), listen: fmt.Sprintf("127.9.%d.%d", i/250, 1+i%250),
			swarm: swarm.Config{Core: swarm.CoreConfig{Wait: time.Hour}},
		})
		if err != nil {
			t.Fatal(err)
		}
		ticket.Addrs = append(ticket.Addrs, netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 9, byte(i / 250), byte(1 + i%250)}), m.port.Addr().Port()))
		go func() { _ = m.run(t.Context()) }()
	}
	c := newCrawler(&observed{ticket: ticket, secrets: port.Derive(ticket.Key, ticket.ID)})
	c.patience = topFrame
	defer c.keep.close()
	most := 0
	for range 6 {
		begin, used := time.Now(), cpuSeconds(t)
		s, err := c.survey(t.Context(), ticket.Addrs)
		if err != nil {
			t.Fatal(err)
		}
		most = max(most, len(s.members)) // a machine that is busy with other things may miss a frame
		m := mergeSurvey(ticket.ID, s)
		lines := m.lines(fleetStyle{width: 79, lines: 23})
		t.Logf("%d members in %.3f s, %.3f s of CPU; %d lines", len(s.members), time.Since(begin).Seconds(), cpuSeconds(t)-used, len(lines))
		<-time.After(time.Second)
	}
	if most != n {
		t.Errorf("%d members of %d", most, n)
	}
}

// cpuSeconds is what this process has used.
func cpuSeconds(t *testing.T) float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return (time.Duration(u.Utime.Nano()) + time.Duration(u.Stime.Nano())).Seconds()
}
