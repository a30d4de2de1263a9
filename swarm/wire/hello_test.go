package wire

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"testing"
)

func TestPeersBeyondAFrame(t *testing.T) {
	var peers []Peer
	for k := range MaxPeers + 88 {
		peers = append(peers, Peer{Member: fmt.Sprintf("n-%08x", k), Addr: netip.MustParseAddrPort("10.0.0.1:7799")})
	}
	peers[5].Member = "two words"
	r := bytes.NewReader(AppendPeers(nil, peers))
	var got []Peer
	for r.Len() > 0 {
		_, p, err := ReadFrame(r, nil)
		if err != nil {
			t.Fatal(err)
		}
		some, err := ParsePeers(p)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, some...)
	}
	want := append(append([]Peer(nil), peers[:5]...), peers[6:]...)
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%d peers come back as %d", len(want), len(got))
	}
	if _, err := ParsePeers(append([]byte{0, 1, 4}, AppendPeers(nil, peers[:1])[HeadSize+3:]...)); !errors.Is(err, ErrProtocol) {
		t.Errorf("unknown flags of a peer: %v", err)
	}
	hello, err := ParseHello(Hello{Member: "m", Peers: peers}.Append(nil)[HeadSize:], nil)
	if err != nil || len(hello.Peers) != MaxPeers {
		t.Errorf("HELLO has %d peers, %v", len(hello.Peers), err)
	}
	if none := AppendPeers(nil, nil); len(none) != HeadSize+2 {
		t.Errorf("no peers: %x", none)
	}
}

func TestAddressesAreCanonical(t *testing.T) {
	for in, want := range map[string]string{
		"10.1.2.3:7700":         "10.1.2.3:7700",
		"[::ffff:10.1.2.3]:7":   "10.1.2.3:7",
		"[fe80::1%eth0]:65535":  "[fe80::1]:65535",
		"[2001:db8::1]:0":       "[2001:db8::1]:0",
		"[::ffff:0:0]:1":        "0.0.0.0:1",
		"[::]:7701":             "[::]:7701",
		"255.255.255.255:65535": "255.255.255.255:65535",
	} {
		d := decoder{p: appendAddr(nil, netip.MustParseAddrPort(in))}
		if got := d.addr(); got != netip.MustParseAddrPort(want) || d.end(THello) != nil {
			t.Errorf("%s comes back as %s, %v", in, got, d.end(THello))
		}
	}
	d := decoder{p: appendAddr(nil, netip.AddrPort{})}
	if got := d.addr(); got.Port() != 0 || d.end(THello) != nil {
		t.Errorf("no address comes back as %s", got)
	}
	mapped := append([]byte{6}, netip.MustParseAddr("::ffff:1.2.3.4").AsSlice()...)
	d = decoder{p: append(mapped, 0, 1)}
	if d.addr(); d.end(THello) == nil {
		t.Error("an IPv4 address of family 6 is read")
	}
}

func TestMemberNames(t *testing.T) {
	for name, want := range map[string]bool{
		"a": true, "node01-0badf00d": true, strings.Repeat("x", 80): true, "!~": true,
		"": false, strings.Repeat("x", 81): false, "a b": false, "a\x00": false, "a\n": false, "é": false, "\x7f": false,
	} {
		if ValidMember(name) != want {
			t.Errorf("ValidMember(%q) = %v", name, !want)
		}
		d := decoder{p: append([]byte{byte(len(name))}, name...)}
		if d.member(); (d.end(THello) == nil) != want {
			t.Errorf("member %q is parsed: %v", name, !want)
		}
	}
	for host, want := range map[string]string{
		"node01":                 "node01-0000beef",
		"my laptop\n":            "my-laptop--0000beef",
		"":                       "-0000beef",
		"büro":                   "b-ro-0000beef",
		strings.Repeat("n", 200): strings.Repeat("n", 71) + "-0000beef",
	} {
		if got := MemberName(host, 0xbeef); got != want || !ValidMember(got) {
			t.Errorf("MemberName(%q) = %q", host, got)
		}
	}
}

func TestHelloRefuses(t *testing.T) {
	frames := readVectors(t)
	change := func(name string, at int, to ...byte) []byte {
		p := bytes.Clone(frames[name][HeadSize:])
		copy(p[at:], to)
		return p
	}
	const header = 2 + 4 + 14 + 7 // where HELLO/seed's header flag lies
	for name, p := range map[string][]byte{
		"unknown flag":                change("HELLO/seed", 0, 0x80),
		"sixth flag":                  change("HELLO/seed", 1, 0x20),
		"member with a space":         change("HELLO/seed", 8, ' '),
		"address of family 5":         change("HELLO/seed", 20, 5),
		"header flag 2":               change("HELLO/seed", header, 2),
		"header of version 9":         change("HELLO/seed", header+1, 9),
		"form 3":                      change("HELLO/seed", header+65, 3),
		"bits without header":         change("HELLO/newcomer", 2+4+12+7+1, 1),
		"fewer bits than the header":  change("HELLO/receiver", 2+4+12+19+65+1, 0, 0, 0, 18),
		"padding that is not 0":       change("HELLO/receiver", 2+4+12+19+65+1+4+2, 0xff),
		"513 peers":                   change("HELLO/newcomer", 2+4+12+7+2, 2, 1),
		"peers that are not there":    change("HELLO/newcomer", 2+4+12+7+2, 0, 1),
		"member longer than the rest": change("HELLO/newcomer", 6, 255),
	} {
		if m, err := ParseHello(p, nil); !errors.Is(err, ErrProtocol) {
			t.Errorf("%s: %+v, %v", name, m, err)
		}
	}
}

func TestZoneOf(t *testing.T) {
	for label, want := range map[string]uint32{"": 0, "a": 0xe40c292c, "foobar": 0xbf9cf968} { // FNV's own vectors
		if got := ZoneOf(label); got != want {
			t.Errorf("%q: %#x, want %#x", label, got, want)
		}
	}
}
