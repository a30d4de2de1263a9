package cmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"

	"p2pcp/internal/port"
	"p2pcp/seed"
)

func TestPingState(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{nil, pingOK},
		{fmt.Errorf("connect: %w", &net.OpError{Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}), pingRefused},
		{fmt.Errorf("ping: %w", fmt.Errorf("%w: %w", port.ErrSilent, syscall.ECONNREFUSED)), pingRefused},
		{fmt.Errorf("connect: %w", syscall.EHOSTUNREACH), pingUnreachable},
		{fmt.Errorf("connect: %w", &net.OpError{Err: os.ErrDeadlineExceeded}), pingFiltered},
		{fmt.Errorf("connect: %w", context.DeadlineExceeded), pingFiltered},
		{fmt.Errorf("%w: %w", port.ErrSilent, os.ErrDeadlineExceeded), pingSilent},
		{&port.VersionError{Ours: 1, Theirs: 2}, pingVersion},
		{errors.New("else"), pingFailed},
	} {
		if got := pingState(c.err); got != c.want {
			t.Errorf("%v is %s, want %s", c.err, got, c.want)
		}
	}
}

func TestPingVerdict(t *testing.T) {
	refused := fmt.Errorf("connect: %w", syscall.ECONNREFUSED)
	silent := fmt.Errorf("shake hands: %w", port.ErrSilent)
	version := &port.VersionError{Ours: 1, Theirs: 2}
	ok := pingRow{Address: "10.0.0.1:7700", TCP: pingOK, TCPms: 0.26, UDP: pingOK, UDPms: 1.04, Seen: "10.0.0.9:5000", Member: "n1-00000001", Seed: true}
	row := func(tcp string, err error, udp string) pingRow {
		return pingRow{Address: "[fd00::2]:7701", TCP: tcp, tcpErr: err, UDP: udp, udpErr: refused}
	}
	for _, c := range []struct {
		name string
		rows []pingRow
		code int
		note string // in stderr
	}{
		{"all is well", []pingRow{ok}, exitOK, ""},
		{"one of two", []pingRow{row(pingRefused, refused, pingRefused), ok}, exitOK, "nothing listens on port 7701"},
		{"UDP dropped", []pingRow{{Address: "10.0.0.1:1", TCP: pingOK, UDP: pingFiltered}}, exitOK, "a firewall blocks UDP"},
		{"UDP refused", []pingRow{{Address: "10.0.0.1:1", TCP: pingOK, UDP: pingRefused, udpErr: refused}}, exitOK, "UDP doesn't work (connect: connection refused)"},
		{"refused", []pingRow{row(pingRefused, refused, pingRefused)}, exitNobody, "nothing listens"},
		{"TCP dropped", []pingRow{row(pingFiltered, context.DeadlineExceeded, pingOK)}, exitNobody, "a firewall drops TCP to port 7701"},
		{"off", []pingRow{row(pingFiltered, context.DeadlineExceeded, pingFiltered)}, exitNobody, "no answer"},
		{"no way", []pingRow{row(pingUnreachable, syscall.ENETUNREACH, pingUnreachable)}, exitNobody, "no way there"},
		{"wrong key", []pingRow{row(pingRefused, refused, pingRefused), row(pingSilent, silent, pingFiltered)}, exitAuth, "another ticket or key"},
		{"version", []pingRow{row(pingVersion, version, pingFiltered)}, exitFailure, "another protocol version"},
		{"odd", []pingRow{row(pingFailed, errors.New("odd"), pingFiltered)}, exitNobody, "TCP failed: odd"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, _, errs := newTestApp(t)
			err := a.ping(c.rows)
			code := exitOK
			if err != nil {
				code = classify(err).code
			}
			if code != c.code {
				t.Errorf("code %d (%v), want %d", code, err, c.code)
			}
			if !strings.Contains(errs(), c.note) || (c.note == "") != (errs() == "") {
				t.Errorf("stderr %q, want %q", errs(), c.note)
			}
		})
	}
}

func TestPingTable(t *testing.T) {
	got := strings.Join(pingTable([]pingRow{
		{Address: "10.0.0.1:7700", TCP: pingOK, TCPms: 0.26, UDP: pingOK, UDPms: 1.04, Seen: "10.0.0.9:5000", Member: "n1-00000001", Seed: true},
		{Address: "[fd00::2]:7700", TCP: pingRefused, UDP: pingFiltered},
		{Address: "10.0.0.3:7700", TCP: pingOK, TCPms: 2999.9, UDP: pingRefused, Member: "n2-00000002"},
	}), "\n")
	want := `ADDRESS         TCP          UDP       SEEN-AS        MEMBER
10.0.0.1:7700   ok 0.3ms     ok 1.0ms  10.0.0.9:5000  n1-00000001 (seed)
[fd00::2]:7700  refused      filtered  -              -
10.0.0.3:7700   ok 2999.9ms  refused   -              n2-00000002`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestPingASeed(t *testing.T) {
	l := newSandbox(t)
	l.write("file", "abc")
	ticket, _ := l.seed("file")
	parsed, err := seed.ParseTicket(ticket)
	if err != nil {
		t.Fatal(err)
	}
	var m pingRow
	if err := json.Unmarshal([]byte(l.ok("ping", "--json", ticket)), &m); err != nil {
		t.Fatal(err)
	}
	if m.TCP != pingOK || m.UDP != pingOK || m.TCPms <= 0 || m.UDPms <= 0 || !m.Seed || m.Address != parsed.Addrs[0].String() || !strings.HasPrefix(m.Seen, "127.0.0.1:") {
		t.Errorf("%+v", m)
	}
	parsed.Addrs = append(parsed.Addrs, closedPort(t))
	out, errs, code := l.run("ping", parsed.String())
	if code != 0 || len(strings.Split(out, " refused  ")) != 3 || !strings.Contains(errs, "nothing listens on port") {
		t.Errorf("exit %d\n%s%s", code, out, errs)
	}
}
