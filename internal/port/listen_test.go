package port

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

func TestSplitListen(t *testing.T) {
	for in, want := range map[string]struct {
		host   string
		number uint16
		named  bool
	}{
		"":                {"", 0, false},
		":7700":           {"", 7700, true},
		"7700":            {"", 7700, true},
		":0":              {"", 0, true},
		"host":            {"host", 0, false},
		"host.example:80": {"host.example", 80, true},
		"10.0.0.1":        {"10.0.0.1", 0, false},
		"10.0.0.1:65535":  {"10.0.0.1", 65535, true},
		"::1":             {"::1", 0, false},
		"[::1]":           {"::1", 0, false},
		"[::1]:9":         {"::1", 9, true},
		"fe80::1%eth0":    {"fe80::1%eth0", 0, false},
	} {
		host, number, named, err := SplitListen(in)
		if err != nil || host != want.host || number != want.number || named != want.named {
			t.Errorf("%q: %q %d %v %v", in, host, number, named, err)
		}
	}
	for _, in := range []string{":", "host:", "host:x", ":65536", "99999", ":-1", "a:b:c", "[::1]:", "[::1]x:1"} {
		if _, _, _, err := SplitListen(in); err == nil {
			t.Errorf("%q is taken", in)
		}
	}
}

func TestResolve(t *testing.T) {
	for host, want := range map[string]place{
		"": {}, "::": {}, "0.0.0.0": {"4", "0.0.0.0"}, "127.0.0.1": {"4", "127.0.0.1"}, "::1": {"6", "::1"},
		"::ffff:127.0.0.1": {"4", "127.0.0.1"},
	} {
		if got, err := resolve(t.Context(), host); err != nil || got != want {
			t.Errorf("%q: %+v, %v", host, got, err)
		}
	}
}

// 192.0.2.0/24 is for documentation: no host has it.
func TestListenElsewhere(t *testing.T) {
	at7700 := "cannot listen on 192.0.2.1:7700: " + syscall.EADDRNOTAVAIL.Error()
	for listen, want := range map[string]string{
		"192.0.2.1:7700":    at7700,
		"192.0.2.1":         at7700,
		"host.invalid:7700": `cannot listen on "host.invalid": lookup host.invalid`,
	} {
		_, err := Listen(t.Context(), Config{Listen: listen})
		if !errors.Is(err, ErrListen) || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: %v", listen, err)
		}
	}
}

func TestListenBindsOneNumberTwice(t *testing.T) {
	for _, listen := range []string{"", "127.0.0.1", ":0", "127.0.0.1:0"} {
		p, err := Listen(t.Context(), Config{Listen: listen})
		if err != nil {
			t.Fatal(err)
		}
		number := p.Addr().Port()
		if udp := p.udp.(*net.UDPConn).LocalAddr().(*net.UDPAddr).AddrPort(); udp.Port() != number {
			t.Errorf("%q: tcp %d, udp %d", listen, number, udp.Port())
		}
		if inRange := number >= RangeFirst && number <= RangeLast; inRange != (listen == "" || listen == "127.0.0.1") {
			t.Errorf("%q: port %d", listen, number)
		}
		if p.Addr().Addr().IsUnspecified() != (listen == "" || listen == ":0") {
			t.Errorf("%q: bound to %s", listen, p.Addr())
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		if err := p.Close(); err != nil {
			t.Error("second close:", err)
		}
	}
}

func TestNumbersInOrder(t *testing.T) {
	up, down := slices.Collect(numbers(RangeFirst, RangeLast, false)), slices.Collect(numbers(RangeFirst, RangeLast, true))
	if len(up) != 100 || up[0] != 7700 || up[99] != 7799 || !slices.IsSorted(up) {
		t.Error("upward:", up)
	}
	slices.Reverse(down)
	if !slices.Equal(up, down) {
		t.Error("downward:", down)
	}
}

func TestRangeFromBothEnds(t *testing.T) {
	low, err := Listen(t.Context(), Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer low.Close()
	top, err := Listen(t.Context(), Config{FromTop: true})
	if err != nil {
		t.Fatal(err)
	}
	defer top.Close()
	next, err := Listen(t.Context(), Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer next.Close()
	l, n, h := low.Addr().Port(), next.Addr().Port(), top.Addr().Port()
	if l == n || n == h || h <= l {
		t.Errorf("ports %d, %d from below, %d from the top", l, n, h)
	}
}

func TestTakenPorts(t *testing.T) {
	at := place{"4", "127.0.0.1"}
	for _, protocol := range []string{"tcp", "udp"} {
		tcp, udp, err := at.bindAny(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		number := tcp.Addr().(*net.TCPAddr).AddrPort().Port()
		if protocol == "tcp" {
			udp.Close()
			defer tcp.Close()
		} else {
			tcp.Close()
			defer udp.Close()
		}
		_, err = Listen(t.Context(), Config{Listen: "127.0.0.1:" + strconv.Itoa(int(number))})
		var taken *TakenError
		if !errors.Is(err, ErrTaken) || !errors.As(err, &taken) || *taken != (TakenError{protocol, number, number}) {
			t.Errorf("%s %d: %v", protocol, number, err)
		}
		if protocol == "udp" { // what was bound first is given back
			ln, err := net.Listen("tcp4", "127.0.0.1:"+strconv.Itoa(int(number)))
			if err != nil {
				t.Fatal(err)
			}
			ln.Close()
		}
		if _, _, err = at.bindRange(t.Context(), number, number, false); !errors.Is(err, ErrTaken) {
			t.Errorf("a range of taken ports: %v", err)
		}
		for _, fromTop := range []bool{false, true} {
			tcp, udp, err := at.bindRange(t.Context(), number-2, number+2, fromTop)
			if err != nil {
				t.Fatal(err)
			}
			if got := tcp.Addr().(*net.TCPAddr).AddrPort().Port(); got == number || got < number-2 || got > number+2 {
				t.Errorf("%d instead of a neighbor of %d", got, number)
			}
			tcp.Close()
			udp.Close()
		}
	}
}

func TestListenErrors(t *testing.T) {
	for _, listen := range []string{"192.0.2.77:0", "host:x"} {
		if _, err := Listen(t.Context(), Config{Listen: listen}); err == nil || errors.Is(err, ErrTaken) {
			t.Errorf("%s: %v", listen, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if p, err := Listen(ctx, Config{Listen: "nowhere.invalid"}); err == nil {
		p.Close()
		t.Error("a name is looked up after the end")
	}
}

func TestWriteTo(t *testing.T) {
	both, err := Listen(t.Context(), Config{Listen: ":0"})
	if err != nil {
		t.Fatal(err)
	}
	defer both.Close()
	four, err := Listen(t.Context(), Config{Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	defer four.Close()
	writeTo(t, both, loopbacks(t, both))
	writeTo(t, four, []netip.AddrPort{four.Addr()})
}

// writeTo sends from p to a socket on each of the addresses, in both forms of an IPv4 address.
func writeTo(t *testing.T, p *Port, all []netip.AddrPort) {
	t.Helper()
	for _, to := range all {
		conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(to.Addr(), 0)))
		if err != nil {
			t.Fatal(err)
		}
		target := conn.LocalAddr().(*net.UDPAddr).AddrPort()
		mapped := netip.AddrPortFrom(netip.AddrFrom16(target.Addr().As16()), target.Port())
		for _, a := range []netip.AddrPort{target, mapped} {
			if err := p.WriteTo([]byte("x"), a); err != nil {
				t.Errorf("%s: %v", a, err)
			}
			_, from, err := conn.ReadFromUDPAddrPort(make([]byte, 9))
			if err != nil || from.Port() != p.Addr().Port() {
				t.Errorf("%s: from %s, %v", a, from, err)
			}
		}
		conn.Close()
	}
}
