package port

import (
	"bytes"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
)

// FuzzAccept: who doesn't say a right message 1 gets not a byte.
func FuzzAccept(f *testing.F) {
	v, s, _, listener := sample(f)
	for name, m := range v {
		if strings.HasPrefix(name, "message 1") {
			f.Add(slices.Concat(m, v[strings.Replace(name, "1", "3", 1)]))
		}
		f.Add(m)
	}
	f.Fuzz(func(t *testing.T, said []byte) {
		c := says(said)
		kind, _, err := accept(c, only(s), listener)
		known := false // one of the vectors' messages: nobody else can make one
		for name, m := range v {
			known = known || strings.HasPrefix(name, "message 1") && bytes.HasPrefix(said, m)
		}
		if c.out.Len() > 0 && (!known || c.out.Len() != size2) {
			t.Fatalf("%x is answered by %x", said, c.out.Bytes())
		}
		if err == nil && (!known || kind < Session || kind > Observer) {
			t.Fatalf("%x is accepted", said)
		}
	})
}

// FuzzHandshake: a dialer confirms only to who answered right.
func FuzzHandshake(f *testing.F) {
	v, s, dialer, _ := sample(f)
	for _, m := range v {
		f.Add(m)
	}
	good := v["message 2/session"]
	f.Fuzz(func(t *testing.T, said []byte) {
		c := says(said)
		err := handshake(c, &s, Session, dialer)
		if bytes.HasPrefix(said, good) {
			if err != nil || c.out.Len() != size1+size3 {
				t.Fatalf("%x: %v", said, err)
			}
		} else if !errors.Is(err, ErrSilent) || c.out.Len() != size1 {
			t.Fatalf("%x: %v, %d bytes said", said, err, c.out.Len())
		}
	})
}

// FuzzPing: only the swarm's own requests are answered.
func FuzzPing(f *testing.F) {
	v, s, _, _ := sample(f)
	for _, m := range v {
		f.Add(m)
	}
	from := netip.MustParseAddrPort("192.0.2.7:40000")
	f.Fuzz(func(t *testing.T, b []byte) {
		reply, ok := newEcho(only(s)).answer(b, from, time.Unix(0, 0))
		if ok != bytes.Equal(b, v["ping/request"]) || ok && !bytes.Equal(reply[:], v["ping/reply to 192.0.2.7:40000"]) {
			t.Fatalf("%x is answered by %v %x", b, ok, reply)
		}
		_, _, _, _ = parsePing(b, pingReply, only(s))
	})
}
