package cmd

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"p2pcp/seed"
	"p2pcp/swarm"
)

func TestOnPort(t *testing.T) {
	for listen, want := range map[string]string{
		"": ":7701", "127.0.0.1": "127.0.0.1:7701", ":9": ":9", "10.0.0.1:9": "10.0.0.1:9", "9": "9",
		"::1": "[::1]:7701", "[::1]": "[::1]:7701", "[::1]:9": "[::1]:9", "host": "host:7701",
	} {
		if got := onPort(listen, 7701); got != want {
			t.Errorf("%q: %q, want %q", listen, got, want)
		}
	}
}

// --join comes first, addresses are as they are written, and no address at all is a usage error.
func TestBootstrapAddrs(t *testing.T) {
	t.Parallel()
	at := netip.MustParseAddrPort("10.0.0.1:7700")
	got, err := bootstrap{resolve: resolveAll}.find(t.Context(), seed.Ticket{Addrs: []netip.AddrPort{at}}, []string{"10.0.0.2:1", "[::ffff:10.0.0.3]:2", "[2001:db8::1]:3"})
	if want := "[10.0.0.2:1 10.0.0.3:2 [2001:db8::1]:3 10.0.0.1:7700]"; err != nil || fmt.Sprint(got) != want {
		t.Errorf("%v %v, want %s", got, err, want)
	}
	if got, err := resolveAll(t.Context(), []string{"localhost:5"}); err != nil || len(got) == 0 || !got[0].Addr().IsLoopback() || got[0].Port() != 5 {
		t.Errorf("localhost: %v %v", got, err)
	}
	if _, err := (bootstrap{resolve: resolveAll}).find(t.Context(), seed.Ticket{}, nil); codeOf(err) != exitUsage {
		t.Errorf("nowhere: %v", err)
	}
	if _, err := resolveAll(t.Context(), []string{"host.invalid:5"}); codeOf(err) != exitNobody {
		t.Errorf("an unknown host: %v", err)
	}
}

// What is put into tickets can be dialed by others, and is there once.
func TestOwnAddrs(t *testing.T) {
	for _, only4 := range []bool{true, false} {
		list := ownAddrs(only4)
		seen := map[netip.Addr]bool{}
		for _, a := range list {
			if seen[a] || a.IsUnspecified() || a.IsLinkLocalUnicast() || only4 && !a.Is4() || a.IsLoopback() && len(list) > 1 {
				t.Errorf("%v (IPv4 only: %v)", list, only4)
			}
			seen[a] = true
		}
		if len(list) == 0 || len(list) > maxAddrs {
			t.Errorf("%d addresses", len(list))
		}
	}
}

func TestIdleWatch(t *testing.T) {
	begun := time.Unix(1000, 0)
	w := idleWatch{since: begun}
	for _, c := range []struct {
		at, want time.Duration
		sent     uint64
	}{{0, 0, 0}, {5 * time.Second, 5 * time.Second, 0}, {6 * time.Second, 0, 10}, {9 * time.Second, 3 * time.Second, 10}, {10 * time.Second, 0, 11}} {
		if got := w.look(begun.Add(c.at), c.sent); got != c.want {
			t.Errorf("at %s: idle for %s, want %s", c.at, got, c.want)
		}
	}
}

// A receiver that isn't in session any more keeps how far it was; one that nobody knows is forgotten.
func TestRowRates(t *testing.T) {
	var r rowRates
	now := time.Unix(1000, 0)
	peer := func(name string, have uint32) swarm.PeerStats {
		return swarm.PeerStats{Member: name, Have: have, Wanted: 100}
	}
	see := func(after time.Duration, peers ...swarm.PeerStats) {
		r.update(now.Add(after), swarm.Snapshot{CoreStats: swarm.CoreStats{Peers: peers}}, 1000)
	}
	r.begin("a", now)
	see(0, peer("a", 10), peer("b", 0), peer("full", 100))
	see(time.Second, peer("a", 20), peer("b", 50), peer("full", 100))
	if p := r.of("a"); p.done != 0.2 || p.rate < 90 || p.rate > 110 || !p.begun.Equal(now) {
		t.Errorf("a: %+v", p)
	}
	joining := r.forget(map[string]bool{"a": true})
	if len(joining) != 1 || joining["b"].done != 0.5 {
		t.Errorf("joining: %+v", joining)
	}
	see(2 * time.Second)
	if p := r.of("a"); p.done != 0.2 || p.rate != 0 || !p.met.Equal(now.Add(time.Second)) {
		t.Errorf("a, gone: %+v", p)
	}
	if gone := r.forget(map[string]bool{"a": true}); len(gone) != 0 || len(r.last) != 1 {
		t.Errorf("remembered: %+v %+v", gone, r.last)
	}
}
