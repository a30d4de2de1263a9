package port

import (
	"bytes"
	"errors"
	"io"
	"net"
	"slices"
	"testing"
	"time"
)

// script is a connection whose other side says what was written down before, and hangs up.
type script struct {
	net.Conn
	in  *bytes.Reader
	out bytes.Buffer
}

func says(parts ...[]byte) *script { return &script{in: bytes.NewReader(slices.Concat(parts...))} }

func (c *script) Read(b []byte) (int, error)      { return c.in.Read(b) }
func (c *script) Write(b []byte) (int, error)     { return c.out.Write(b) }
func (c *script) SetDeadline(time.Time) error     { return nil }
func (c *script) SetReadDeadline(time.Time) error { return nil }

// Handshake is a dialer's handshake with a nonce of its own.
func Handshake(conn net.Conn, s Secrets, kind Kind) error {
	return handshake(conn, &s, kind, newNonce())
}

// handshake and accept are greet and answer without what is only for TLS; Accept draws its own nonce.
func handshake(conn net.Conn, s *Secrets, kind Kind, n nonce) error {
	_, err := greet(conn, s, kind, n)
	return err
}

func accept(conn net.Conn, find func([8]byte) (Secrets, bool), n nonce) (Kind, Secrets, error) {
	g, err := answer(conn, find, n)
	if err != nil {
		return 0, Secrets{}, err
	}
	return g.kind, *g.secrets, nil
}

func Accept(conn net.Conn, find func([8]byte) (Secrets, bool)) (Kind, Secrets, error) {
	return accept(conn, find, newNonce())
}

// flips gives every copy of m with one bit flipped.
func flips(m []byte) (all [][]byte) {
	for i := range 8 * len(m) {
		other := bytes.Clone(m)
		other[i/8] ^= 1 << (i % 8)
		all = append(all, other)
	}
	return all
}

func TestAcceptVectors(t *testing.T) {
	v, s, _, listener := sample(t)
	for name, want := range map[string]Kind{"session": Session, "gossip": Gossip, "observer": Observer} {
		c := says(v["message 1/"+name], v["message 3/"+name], []byte("frames"))
		kind, got, err := accept(c, only(s), listener)
		if err != nil || kind != want || got != s {
			t.Errorf("%s: kind %d, %v", name, kind, err)
		}
		if !bytes.Equal(c.out.Bytes(), v["message 2/"+name]) {
			t.Errorf("%s: answered %x", name, c.out.Bytes())
		}
		if rest, _ := io.ReadAll(c); string(rest) != "frames" {
			t.Errorf("%s: read beyond the handshake, %q is left", name, rest)
		}
	}
}

func TestHandshakeVectors(t *testing.T) {
	v, s, dialer, _ := sample(t)
	for name, kind := range map[string]Kind{"session": Session, "gossip": Gossip, "observer": Observer} {
		c := says(v["message 2/"+name], []byte("frames"))
		if err := handshake(c, &s, kind, dialer); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if want := slices.Concat(v["message 1/"+name], v["message 3/"+name]); !bytes.Equal(c.out.Bytes(), want) {
			t.Errorf("%s: said %x", name, c.out.Bytes())
		}
		if rest, _ := io.ReadAll(c); string(rest) != "frames" {
			t.Errorf("%s: read beyond the handshake, %q is left", name, rest)
		}
	}
}

func TestAcceptIsSilentUnlessMessage1IsRight(t *testing.T) {
	v, s, _, listener := sample(t)
	m1, m3 := v["message 1/session"], v["message 3/session"]
	silent := func(name string, c *script, find func([8]byte) (Secrets, bool)) {
		t.Helper()
		if _, _, err := accept(c, find, listener); err == nil || c.out.Len() != 0 {
			t.Errorf("%s: %v, %d bytes sent", name, err, c.out.Len())
		}
	}
	for k, bad := range flips(m1) {
		silent("bit "+string(rune('0'+k%8)), says(bad, m3), only(s))
	}
	for n := range len(m1) {
		silent("cut", says(m1[:n]), only(s))
	}
	silent("nothing known", says(m1, m3), func([8]byte) (Secrets, bool) { return Secrets{}, false })
	other := s
	other.Session[0] ^= 1
	silent("same tag, other key", says(m1, m3), only(other))
	silent("garbage", says(bytes.Repeat([]byte("GET / HTTP/1.1\r\n"), 9)), only(s))
	silent("message 2", says(v["message 2/session"], m1), only(s))

	flags := bytes.Clone(m1)
	flags[7] = 1
	mac := s.mac(dialPrefix, flags[:32])
	silent("flags", says(flags[:32], mac[:], m3), only(s))
	mac = s.mac(dialPrefix, []byte("P"), m1[1:32])
	silent("another magic", says([]byte("P"), m1[1:32], mac[:], m3), only(s))
	for _, kind := range []Kind{0, 4, 255} {
		odd := message1(&s, version, kind, nonce{})
		silent("unknown kind", says(odd[:], m3), only(s))
	}
}

func TestAcceptChecksMessage3(t *testing.T) {
	v, s, _, listener := sample(t)
	m1, m2, m3 := v["message 1/session"], v["message 2/session"], v["message 3/session"]
	bad := flips(m3)
	for n := range len(m3) {
		bad = append(bad, m3[:n])
	}
	bad = append(bad, m1, m2, m1[32:], m2[20:], v["message 3/gossip"], make([]byte, 16))
	for _, last := range bad {
		c := says(m1, last)
		if _, _, err := accept(c, only(s), listener); err == nil || !bytes.Equal(c.out.Bytes(), m2) {
			t.Errorf("message 3 %x: %v, answered %x", last, err, c.out.Bytes())
		}
	}
}

func TestReplayedMessage1GetsNoFurther(t *testing.T) {
	v, s, _, _ := sample(t)
	c := says(v["message 1/session"], v["message 3/session"])
	if _, _, err := Accept(c, only(s)); !errors.Is(err, errRefused) {
		t.Errorf("a recorded handshake is accepted: %v", err)
	}
	if c.out.Len() != size2 || bytes.Equal(c.out.Bytes(), v["message 2/session"]) {
		t.Errorf("answered %x", c.out.Bytes())
	}
}

func TestDialerBelievesOnlyTheRightMessage2(t *testing.T) {
	v, s, dialer, listener := sample(t)
	m1, m2 := v["message 1/session"], v["message 2/session"]
	bad := flips(m2)
	for n := range len(m2) {
		bad = append(bad, m2[:n])
	}
	other := s
	other.Session[31] ^= 0x80
	wrong := message2(&other, [size1]byte(m1), version, statusGoOn, listener)
	bad = append(bad, wrong[:], m1, v["message 2/gossip"], v["message 2/version 2"], bytes.Repeat([]byte("HTTP/1.1 400 Bad"), 4))
	for _, answer := range bad {
		c := says(answer)
		if err := handshake(c, &s, Session, dialer); !errors.Is(err, ErrSilent) || errors.Is(err, ErrVersion) {
			t.Errorf("message 2 %x: %v", answer, err)
		}
		if !bytes.Equal(c.out.Bytes(), m1) {
			t.Errorf("message 2 %x: said %x", answer, c.out.Bytes())
		}
	}
}

// What either side says must not be taken from it by the same side elsewhere.
func TestReflectedMessages(t *testing.T) {
	v, s, dialer, _ := sample(t)
	m1, m2 := v["message 1/session"], v["message 2/session"]
	c := says(m1)
	if err := handshake(c, &s, Session, dialer); !errors.Is(err, ErrSilent) {
		t.Errorf("a dialer takes its own message: %v", err)
	}
	// A listener's MAC in the place of a dialer's: the first 32 bytes are a right message 1, the MAC is over the same bytes.
	mac := s.mac(listenPrefix, m1[:32])
	c = says(m1[:32], mac[:])
	if _, _, err := accept(c, only(s), nonce{}); err == nil || c.out.Len() != 0 {
		t.Error("a listener takes a MAC made by a listener")
	}
	mac = s.mac(dialPrefix, m1, m2[:20])
	c = says(m2[:20], mac[:])
	if err := handshake(c, &s, Session, dialer); !errors.Is(err, ErrSilent) {
		t.Errorf("a dialer takes a MAC made by a dialer: %v", err)
	}
	mac = s.mac(listenPrefix, m1, m2)
	c = says(m1, mac[:])
	if _, _, err := accept(c, only(s), nonce(v["nonce/listener"])); err == nil {
		t.Error("a listener takes its own kind of MAC as confirmation")
	}
}

func TestOtherVersion(t *testing.T) {
	v, s, dialer, listener := sample(t)
	c := says(v["message 1/version 2"], make([]byte, 16))
	_, _, err := accept(c, only(s), listener)
	var other *VersionError
	if !errors.As(err, &other) || other.Theirs != 2 || other.Ours != version {
		t.Errorf("listener: %v", err)
	}
	if !bytes.Equal(c.out.Bytes(), v["message 2/version 2"]) {
		t.Errorf("answered %x", c.out.Bytes())
	}

	m1 := message1(&s, version, Session, dialer)
	for _, status := range []uint8{statusGoOn, statusOtherVersion} {
		m2 := message2(&s, m1, 7, status, listener)
		c = says(m2[:])
		err = handshake(c, &s, Session, dialer)
		if !errors.As(err, &other) || other.Theirs != 7 || !errors.Is(err, ErrVersion) || errors.Is(err, ErrSilent) {
			t.Errorf("dialer: %v", err)
		}
		if c.out.Len() != size1 {
			t.Errorf("dialer goes on, %d bytes", c.out.Len())
		}
	}
	for _, status := range []uint8{statusOtherVersion, 2} {
		m2 := message2(&s, m1, version, status, listener)
		c = says(m2[:])
		if err = handshake(c, &s, Session, dialer); err == nil || errors.Is(err, ErrVersion) || c.out.Len() != size1 {
			t.Errorf("status %d of our version: %v", status, err)
		}
	}
}
