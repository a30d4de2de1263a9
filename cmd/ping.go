package cmd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"time"

	"p2pcp/internal/port"
	"p2pcp/swarm"

	"github.com/spf13/cobra"
)

// pingTime bounds one address's TCP. A SYN that is lost once is sent again after a second.
const pingTime = 3 * time.Second

func newPingCmd(a *app) *cobra.Command {
	var f observerFlags
	c := &cobra.Command{
		Use:   "ping TICKET|-|@FILE",
		Short: "Try each address of a ticket, TCP and UDP",
		Long: "ping tries each address of a ticket from here: a connection with its handshake,\n" +
			"and a datagram there and back. It tells which of them work, and what a firewall\n" +
			"seems to block. Content goes by TCP; UDP only speeds up the news of members.",
		Example: "  p2pcp ping $T\n  p2pcp ping --join node7:7799 @ticket",
		Args:    wantArgs(1, 1, "a TICKET"),
		RunE: func(_ *cobra.Command, args []string) error {
			o, err := a.observed(args[0], &f)
			if err != nil {
				return err
			}
			return a.ping(o.pingAll(a.ctx))
		},
	}
	f.register(c)
	return c
}

// How a try went. The words are shown, and stable in JSON.
const (
	pingOK          = "ok"
	pingRefused     = "refused"     // the host says that nothing listens there
	pingFiltered    = "filtered"    // no answer at all
	pingUnreachable = "unreachable" // a router or this host says that there is no way
	pingSilent      = "silent"      // connected, but no handshake: another key, or another program
	pingVersion     = "version"     // p2pcp of another protocol version
	pingFailed      = "failed"      // anything else, told in a note
)

// pingRow is what was found at one address.
type pingRow struct {
	Type    string  `json:"message_type"` // address
	Address string  `json:"address"`
	TCP     string  `json:"tcp"`
	TCPms   float64 `json:"tcp_ms,omitempty"` // connect and handshake
	UDP     string  `json:"udp"`
	UDPms   float64 `json:"udp_ms,omitempty"` // there and back
	Seen    string  `json:"seen,omitempty"`   // our address as the other side sees it
	Member  string  `json:"member,omitempty"`
	Seed    bool    `json:"seed"`

	tcpErr, udpErr error
}

// pingAll tries all addresses at once.
func (o *observed) pingAll(ctx context.Context) []pingRow {
	rows := make([]pingRow, len(o.addrs))
	var tries sync.WaitGroup
	for i, addr := range o.addrs {
		r := &rows[i]
		r.Type, r.Address = "address", addr.String()
		tries.Go(func() { r.tryTCP(ctx, o, addr) })
		tries.Go(func() { r.tryUDP(ctx, o, addr) })
	}
	tries.Wait()
	return rows
}

// timedDialer notes how long connecting and shaking hands took.
type timedDialer struct {
	dialer
	took *time.Duration
}

// Dial implements swarm.Net.
func (d timedDialer) Dial(ctx context.Context, to netip.AddrPort, kind port.Kind) (net.Conn, error) {
	begin := time.Now()
	conn, err := d.dialer.Dial(ctx, to, kind)
	*d.took = time.Since(begin)
	return conn, err
}

func (r *pingRow) tryTCP(ctx context.Context, o *observed, addr netip.AddrPort) {
	ctx, cancel := context.WithTimeout(ctx, pingTime)
	defer cancel()
	var took time.Duration
	seen, err := swarm.Observe(ctx, timedDialer{dialer{o.secrets}, &took}, addr, o.ticket.ID, memberName())
	r.TCP, r.tcpErr = pingState(err), err
	if err == nil {
		r.TCPms, r.Member, r.Seed = milliseconds(took), seen.Member(), seen.Seed()
		_ = seen.Close()
	}
}

func (r *pingRow) tryUDP(ctx context.Context, o *observed, addr netip.AddrPort) {
	rtt, seen, err := port.Ping(ctx, addr, o.secrets)
	r.UDP, r.udpErr = pingState(err), err
	switch {
	case err == nil:
		r.UDPms, r.Seen = milliseconds(rtt), seen.String()
	case r.UDP == pingSilent:
		// Silence of a datagram says no more than that.
		r.UDP = pingFiltered
	}
}

func milliseconds(d time.Duration) float64 { return float64(d.Round(10*time.Microsecond)) / 1e6 }

// pingState puts an error into one of the words. What the socket says comes first: it is wrapped into silence.
func pingState(err error) string {
	var timeout net.Error
	switch {
	case err == nil:
		return pingOK
	case errors.Is(err, port.ErrVersion):
		return pingVersion
	case errors.Is(err, syscall.ECONNREFUSED):
		return pingRefused
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EACCES),
		errors.Is(err, syscall.EPERM), errors.Is(err, syscall.EADDRNOTAVAIL):
		return pingUnreachable
	case errors.Is(err, port.ErrSilent):
		return pingSilent
	case errors.As(err, &timeout) && timeout.Timeout(), errors.Is(err, context.DeadlineExceeded):
		return pingFiltered
	}
	return pingFailed
}

// ping prints what was found, hints, and decides the exit code.
func (a *app) ping(rows []pingRow) error {
	if err := context.Cause(a.ctx); err != nil {
		return err
	}
	if a.json {
		for _, r := range rows {
			if err := a.result("", r); err != nil {
				return err
			}
		}
	} else if err := a.result(strings.Join(pingTable(rows), "\n"), nil); err != nil {
		return err
	}
	return a.pingVerdict(rows)
}

// pingTable is a line for each address.
func pingTable(rows []pingRow) []string {
	cells := [][]string{{"ADDRESS", "TCP", "UDP", "SEEN-AS", "MEMBER"}}
	state := func(word string, ms float64) string {
		if word == pingOK {
			return fmt.Sprintf("ok %.1fms", ms)
		}
		return word
	}
	for _, r := range rows {
		member := "-"
		if r.Member != "" {
			member = quoteName(r.Member)
		}
		if r.Seed {
			member += " (seed)"
		}
		seen := "-"
		if r.Seen != "" {
			seen = r.Seen
		}
		cells = append(cells, []string{r.Address, state(r.TCP, r.TCPms), state(r.UDP, r.UDPms), seen, member})
	}
	return alignColumns(cells)
}

// alignColumns pads cells of ASCII to columns, two spaces apart.
func alignColumns(cells [][]string) []string {
	widths := make([]int, len(cells[0]))
	for _, row := range cells {
		for i, s := range row {
			widths[i] = max(widths[i], len(s))
		}
	}
	lines := make([]string, len(cells))
	for n, row := range cells {
		var b strings.Builder
		for i, s := range row {
			b.WriteString(s + strings.Repeat(" ", widths[i]-len(s)+2))
		}
		lines[n] = strings.TrimRight(b.String(), " ")
	}
	return lines
}

// pingVerdict is nil if an address works by TCP, and else the error that tells most. UDP that is blocked is only noted.
func (a *app) pingVerdict(rows []pingRow) error {
	works := false
	for _, r := range rows {
		works = works || r.TCP == pingOK
	}
	if works {
		for _, r := range rows {
			switch {
			case r.TCP == pingOK && r.UDP == pingFiltered:
				a.note("%s: a firewall blocks UDP on the way there or back: the swarm works without, but notices slower who comes and goes", r.Address)
			case r.TCP == pingOK && r.UDP != pingOK:
				a.note("%s: UDP doesn't work (%v): the swarm works without, but notices slower who comes and goes", r.Address, r.udpErr)
			case r.TCP != pingOK:
				a.note("%s: %s", r.Address, r.trouble())
			}
		}
		return nil
	}
	var worst error
	for _, r := range rows {
		worst = tellsMore(worst, r.tcpErr)
		a.note("%s: %s", r.Address, r.trouble())
	}
	if worst = nobody(worst); !errors.Is(worst, swarm.ErrNobody) {
		return fmt.Errorf("no address works: %w", worst)
	}
	return exitf(exitNobody, "let TCP and UDP of that port in on the seed's host, or name another member with --join", "no address works from here")
}

// trouble says what the way TCP failed means.
func (r *pingRow) trouble() string {
	_, number, _ := strings.Cut(r.Address[strings.LastIndexByte(r.Address, ']')+1:], ":")
	switch {
	case r.TCP == pingRefused:
		return "TCP is refused: nothing listens on port " + number + " there (any more), or a firewall rejects it"
	case r.TCP == pingFiltered && r.UDP == pingOK:
		return "UDP passes and TCP gets no answer: a firewall drops TCP to port " + number
	case r.TCP == pingFiltered:
		return "no answer: the host is off or not reachable from here, or a firewall drops port " + number
	case r.TCP == pingUnreachable:
		return "no way there from this host: another network, or a firewall rejects it"
	case r.TCP == pingSilent:
		return "TCP connects, and the other side hangs up or says nothing right: another ticket or key, or another program on port " + number
	case r.TCP == pingVersion:
		return "p2pcp of another protocol version"
	}
	return fmt.Sprint("TCP failed: ", r.tcpErr)
}
