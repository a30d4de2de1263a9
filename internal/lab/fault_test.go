//go:build linux

package lab

import (
	"net/netip"
	"strings"
	"testing"
)

// TestLabFaults: each fault stops what it should, nothing else, and is over when it is undone.
func TestLabFaults(t *testing.T) {
	l := makeLab(t, Config{Hosts: 4, Scratch: 8 << 20})
	a, b, c, d := l.Host(1), l.Host(2), l.Host(3), l.Host(4)
	for _, h := range l.Hosts() {
		sink(t, h)
	}
	program := self(t)
	reaches := func(from *Host, to netip.Addr) bool {
		cmd := from.Command(t.Context(), "timeout", "1", program, "lab:source", netip.AddrPortFrom(to, 7777).String(), "1")
		cmd.Env = append(cmd.Env, "GORACE=atexit_sleep_ms=0") // the race detector's second of sleep at exit is the whole second there is
		return cmd.Run() == nil
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	want := func(what string, from *Host, to netip.Addr, yes bool) {
		t.Helper()
		got := reaches(from, to)
		for range 9 { // a busy machine may take longer than a second
			if got || !yes {
				break
			}
			got = reaches(from, to)
		}
		if got != yes {
			t.Errorf("%s: %s reaches %v: %v, want %v", what, from.Name(), to, !yes, yes)
		}
	}

	must(l.Cut(c, d))
	want("cut", a, b.Addr(), true)
	want("cut", c, d.Addr(), true)
	want("cut", a, c.Addr(), false)
	want("cut", d, b.Addr6(), false)
	must(l.Heal(c, d))
	want("healed", a, c.Addr(), true)

	must(a.OnlyPort(7778))
	want("another port is open", b, a.Addr(), false)
	want("another port is open", a, b.Addr6(), true)
	must(a.LetIn())
	must(a.OnlyPort(7777))
	want("the port is open", b, a.Addr6(), true)
	must(a.LetIn())
	must(a.Lose(1))
	want("all is lost", b, a.Addr(), false)
	must(a.LetIn())
	want("let in", b, a.Addr(), true)

	must(l.NAT(d))
	want("NAT", d, a.Addr(), true)
	want("NAT", a, d.Addr(), false)

	must(b.Only6())
	want("IPv6 only", a, b.Addr(), false)
	want("IPv6 only", a, b.Addr6(), true)

	before := output(t, c, "ip", "-br", "addr")
	must(c.Bridges())
	if now := output(t, c, "ip", "-br", "addr"); !strings.Contains(now, "172.17.0.1") || strings.Contains(before, "172.17.0.1") {
		t.Errorf("addresses were\n%s\nand are\n%s", before, now)
	}
	want("bridges", a, c.Addr(), true)
}
