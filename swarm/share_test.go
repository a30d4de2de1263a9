package swarm

import (
	"fmt"
	"io"
	"net/netip"
	"testing"
	"time"

	"p2pcp/swarm/wire"
)

func TestSourceOf(t *testing.T) {
	for _, c := range []struct {
		from, local, want string
		network           bool
	}{
		{"10.0.0.1", "10.0.0.2", "10.0.0.1", false},
		{"::ffff:10.0.0.1", "10.0.0.2", "10.0.0.1", false},
		{"2001:db8:1:2:3:4:5:6", "2001:db8:1:3::1", "2001:db8:1:2::%/64", true},
		{"2001:db8:1:2:3:4:5:6", "2001:db8:1:2::1", "2001:db8:1:2:3:4:5:6", false}, // our own network: a host
		{"2001:db8:1:2:3:4:5:6", "10.0.0.2", "2001:db8:1:2::%/64", true},
		{"2001:db8:1:2::", "::1", "2001:db8:1:2::%/64", true},
		{"2001:db8:1:2::", "2001:db8:1:2::1", "2001:db8:1:2::", false},
		{"::1", "::1", "::1", false},
		{"fe80::1%eth0", "fe80::2%eth0", "fe80::1", false},
		{"fd00:0:0:1:9::", "fd00:0:0:2::1", "fd00:0:0:1::%/64", true},
	} {
		from, want := netip.MustParseAddr(c.from), netip.MustParseAddr(c.want)
		got := sourceOf(from, netip.MustParseAddr(c.local))
		if got != want || isNetwork(got) != c.network {
			t.Errorf("%s seen from %s: %s (a network: %v), want %s", c.from, c.local, got, isNetwork(got), c.want)
		}
		neighbor := isOf(netip.MustParseAddr("2001:db8:1:2::77"), got)
		if !isOf(from, got) || isOf(netip.MustParseAddr("2001:db8:7::1"), got) || neighbor != (got == netip.MustParseAddr("2001:db8:1:2::%/64")) {
			t.Errorf("%s: who is of it isn't told", got)
		}
	}
	if sourceOf(netip.Addr{}, netip.Addr{}).IsValid() || isNetwork(netip.Addr{}) {
		t.Error("no address has a source")
	}
}

// hosts makes addresses of letters; a space is an unknown one.
func hosts(letters string) (list []netip.Addr) {
	for _, r := range letters {
		a := netip.Addr{}
		if r != ' ' {
			a = netip.AddrFrom4([4]byte{10, 0, 0, byte(r)})
		}
		list = append(list, a)
	}
	return list
}

func TestCrowder(t *testing.T) {
	for _, c := range []struct {
		held, comes string
		out         int
	}{
		{"abcd", "e", -1},   // nobody has more than one
		{"abcd", "a", -1},   // nor does who comes
		{"abca", "e", 3},    // the newest of a
		{"aabbb", "e", 4},   // the one with most
		{"aaabbb", "e", 5},  // as many: the newest
		{"aab", "b", -1},    // they would have as many as is taken from a
		{"aaab", "b", 2},    // fewer by two
		{"aaaa", "a", -1},   // only itself
		{"aaaa", " ", -1},   // unknown
		{"    ", "a", -1},   // nothing is known of who is there
		{" a a aa", "b", 6}, // some is
		{"", "a", -1},
	} {
		if got := crowder(hosts(c.held), hosts(c.comes)[0]); got != c.out {
			t.Errorf("%q, then %q: %d makes room, want %d", c.held, c.comes, got, c.out)
		}
	}
}

type noted struct{ closed bool }

func (n *noted) Close() error { n.closed = true; return nil }

var _ io.Closer = (*noted)(nil)

// However many come from one address, others have places.
func TestGuestsAreSharedOut(t *testing.T) {
	g := guests{max: 4}
	var crowd []*noted
	for range 10 {
		n := &noted{}
		if g.enter(hosts("a")[0], n) != nil {
			crowd = append(crowd, n)
		}
	}
	if len(crowd) != 4 {
		t.Fatalf("%d places", len(crowd))
	}
	one, two := g.enter(hosts("b")[0], &noted{}), g.enter(hosts("c")[0], &noted{})
	if one == nil || two == nil || !crowd[3].closed || !crowd[2].closed || crowd[0].closed {
		t.Error("the newest of the crowd make room")
	}
	if g.enter(hosts("d")[0], &noted{}) == nil || g.enter(hosts("e")[0], &noted{}) != nil || crowd[0].closed {
		t.Error("all have one: nobody makes room any more")
	}
	g.leave(one)
	if g.enter(hosts("e")[0], &noted{}) == nil {
		t.Error("a place that was given back isn't there")
	}
}

func TestRation(t *testing.T) {
	now := time.Unix(100, 0)
	r := ration{left: rationBurst, at: now}
	for range rationBurst {
		if r.spend(now, 1) != 0 {
			t.Fatal("a burst has to wait")
		}
	}
	if w := r.spend(now, rationRate); w != time.Second {
		t.Errorf("waits %v", w)
	}
	now = now.Add(time.Second)
	r.earn(10 * rationBytes)
	if w := r.spend(now, 10); w != 0 || r.rested(now) {
		t.Errorf("waits %v for what its content earned", w)
	}
	if !r.rested(now.Add(time.Minute)) {
		t.Error("it never rests")
	}
}

// A flood is blamed on its source, whatever names it has; the table of the blamed is bounded.
func TestBlameIsBounded(t *testing.T) {
	s := New(Config{})
	for k := range 10_000 {
		s.blame(suspect{fmt.Sprint("liar", k), hosts("a")[0]}, "a flood", breach)
		s.blame(suspect{"liar", netip.AddrFrom4([4]byte{10, 1, byte(k >> 8), byte(k)})}, "a flood", mishap)
	}
	if n := len(s.blamed); n > maxBlamed {
		t.Errorf("%d rows", n)
	}
	if len(s.blameRows()) > wire.MaxBlamed {
		t.Error("more rows than a REPORT has")
	}
	if len(s.banned) > maxBans || !s.isBanned(suspect{"another", hosts("a")[0]}) {
		t.Errorf("%d banned; their source is refused: %v", len(s.banned), s.isBanned(suspect{"another", hosts("a")[0]}))
	}
	if s.isBanned(suspect{"liar", netip.AddrFrom4([4]byte{10, 1, 0, 1})}) {
		t.Error("a mishap bans")
	}
}
