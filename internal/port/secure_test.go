package port

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"p2pcp/internal/bubble"
)

// secret makes the Secrets of an encrypted swarm that differ by n.
func secret(n byte) Secrets { return DeriveEncrypted(bytes.Repeat([]byte{n}, 16), [32]byte{n}) }

func TestEncryptedVectors(t *testing.T) {
	v, _, dialer, listener := sample(t)
	for _, form := range []string{"ticket", "file"} {
		s := DeriveEncrypted(v["secret/"+form], [32]byte(v["id"]))
		for name, got := range map[string][]byte{
			"tag": s.Tag[:], "session": s.Session[:], "gossip key": s.GossipKey[:], "label": []byte(s.Label),
		} {
			if want := v[name+"/"+form+" encrypted"]; !bytes.Equal(got, want) {
				t.Errorf("%s of a %s is %x, want %x", name, form, got, want)
			}
		}
	}
	s := DeriveEncrypted(v["secret/ticket"], [32]byte(v["id"]))
	m1 := message1(&s, version, Session, dialer)
	m2 := message2(&s, m1, version, statusGoOn, listener)
	m3 := message3(&s, m1, m2)
	g := greeted{Session, &s, m1, m2}
	theirs, ours := g.bindings(v["exporter value"])
	for name, got := range map[string][]byte{
		"message 1/encrypted": m1[:], "message 2/encrypted": m2[:], "message 3/encrypted": m3[:],
		"tls dial": theirs[:], "tls listen": ours[:],
	} {
		if !bytes.Equal(got, v[name]) {
			t.Errorf("%s is %x, want %x", name, got, v[name])
		}
	}
}

// serveSecret serves an encrypted swarm; what was let in comes out of the channel.
func serveSecret(t *testing.T) (to netip.AddrPort, in <-chan net.Conn) {
	t.Helper()
	came := make(chan net.Conn, 10)
	p, stop := serve(t, "127.0.0.1:0", nil)
	p.Route(secret(1), func(_ Kind, conn net.Conn) { came <- conn })
	t.Cleanup(func() {
		stop()
		for len(came) > 0 {
			(<-came).Close()
		}
	})
	return p.Addr(), came
}

func TestEncryptedConnection(t *testing.T) {
	to, in := serveSecret(t)
	for _, kind := range []Kind{Session, Observer, Gossip} {
		conn, err := Dial(t.Context(), to, secret(1), kind)
		if err != nil {
			t.Fatal(err)
		}
		theirs := <-in
		for _, c := range []net.Conn{conn, theirs} {
			below, private := c.(*secureConn)
			if private == (kind == Gossip) {
				t.Fatalf("kind %d is a %T", kind, c)
			}
			if private {
				if _, ok := below.NetConn().(*net.TCPConn); !ok {
					t.Errorf("below is a %T", below.NetConn())
				}
				if v := below.ConnectionState().Version; v != tls.VersionTLS13 {
					t.Errorf("TLS %#x", v)
				}
			}
		}
		// Much at once, and the end of one direction only.
		much := bytes.Repeat([]byte("0123456789abcdef"), 60_000)
		go func() {
			_, _ = conn.Write(much)
			_ = conn.(interface{ CloseWrite() error }).CloseWrite()
		}()
		got, err := io.ReadAll(theirs)
		if err != nil || !bytes.Equal(got, much) {
			t.Errorf("kind %d: %d bytes of %d, %v", kind, len(got), len(much), err)
		}
		if _, err := theirs.Write([]byte("late")); err != nil {
			t.Error(err)
		}
		late := make([]byte, 4)
		if _, err := io.ReadFull(conn, late); err != nil || string(late) != "late" {
			t.Errorf("kind %d: after its end the dialer reads %q, %v", kind, late, err)
		}
		conn.Close()
		theirs.Close()
	}
}

// Encrypted and plain swarms of one key never meet: that is what a ticket with its flag turned leads to.
func TestTurnedFlagFindsNobody(t *testing.T) {
	to, in := serveSecret(t)
	if _, err := Dial(t.Context(), to, swarm(1), Session); !errors.Is(err, ErrSilent) || errors.Is(err, ErrInsecure) {
		t.Errorf("a plain dialer: %v", err)
	}
	p, stop := serve(t, "127.0.0.1:0", map[byte]func(Kind, net.Conn){1: hangUp})
	defer stop()
	if _, err := Dial(t.Context(), p.Addr(), secret(1), Session); !errors.Is(err, ErrSilent) || errors.Is(err, ErrInsecure) {
		t.Errorf("a plain listener: %v", err)
	}
	if len(in) > 0 {
		t.Error("a plain dialer was let in")
	}
}

// One who knows the key and leaves out the flag: what it says is authentic, and refused all the same.
func TestFlagMustFitTheSwarm(t *testing.T) {
	encrypted, plain := secret(1), secret(1)
	plain.tls = nil
	for _, c := range []struct{ says, hears Secrets }{{plain, encrypted}, {encrypted, plain}} {
		m1 := message1(&c.says, version, Session, nonce{})
		conn := says(m1[:])
		if _, _, err := accept(conn, only(c.hears), nonce{}); !errors.Is(err, errRefused) || conn.out.Len() != 0 {
			t.Errorf("message 1: %v, %d bytes answered", err, conn.out.Len())
		}
		m1 = message1(&c.hears, version, Session, nonce{})
		m2 := message2(&c.says, m1, version, statusGoOn, nonce{})
		conn = says(m2[:])
		if err := handshake(conn, &c.hears, Session, nonce{}); err == nil || conn.out.Len() != size1 {
			t.Errorf("message 2: %v, said %d bytes", err, conn.out.Len())
		}
	}
}

// A bit of message 1 or 2 that is turned on its way ends the handshake: the flags are under the MACs.
func TestEncryptedHandshakeIsAuthentic(t *testing.T) {
	v, _, dialer, listener := sample(t)
	s := DeriveEncrypted(v["secret/ticket"], [32]byte(v["id"]))
	m1, m2, m3 := v["message 1/encrypted"], v["message 2/encrypted"], v["message 3/encrypted"]
	for _, bad := range flips(m1) {
		if _, _, err := accept(says(bad, m3), only(s), listener); err == nil {
			t.Errorf("message 1 %x is taken", bad)
		}
	}
	for _, bad := range flips(m2) {
		if err := handshake(says(bad), &s, Session, dialer); !errors.Is(err, ErrSilent) {
			t.Errorf("message 2 %x: %v", bad, err)
		}
	}
}

func TestStrippedTLS(t *testing.T) {
	// A dialer that goes on in plain isn't let in.
	to, in := serveSecret(t)
	conn, err := net.Dial("tcp", to.String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := Handshake(conn, secret(1), Session); err != nil {
		t.Fatal(err)
	}
	_, _ = conn.Write([]byte("\x00\x00\x00\x1d\x01 a HELLO that nobody may read in plain"))
	if answer, _ := io.ReadAll(conn); len(answer) > 7 { // TLS's alert
		t.Errorf("answered %q", answer)
	}
	// Nor does a dialer believe a listener that does.
	s := secret(1)
	stripped := impostor(t, func(c net.Conn) {
		if _, _, err := Accept(c, only(s)); err == nil {
			_, _ = c.Write([]byte("\x00\x00\x00\x1d\x01 a HELLO of the listener's"))
			_, _ = io.Copy(io.Discard, c)
		}
	})
	if _, err := Dial(t.Context(), stripped, s, Session); !errors.Is(err, ErrInsecure) || !errors.Is(err, ErrSilent) {
		t.Errorf("a plain listener: %v", err)
	}
	if len(in) > 0 {
		t.Error("a plain dialer was let in")
	}
}

// Old TLS is refused even by one who knows the key.
func TestOldTLS(t *testing.T) {
	to, in := serveSecret(t)
	old := secret(1)
	old.tls.MinVersion, old.tls.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
	if _, err := Dial(t.Context(), to, old, Session); !errors.Is(err, ErrInsecure) {
		t.Errorf("TLS 1.2: %v", err)
	}
	if len(in) > 0 {
		t.Error("TLS 1.2 was let in")
	}
}

// TLS has its time, and a Port that ends doesn't wait for it.
func TestTLSHasItsTime(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		g := newGate(8)
		g.route(secret(1), func(_ Kind, conn net.Conn) { t.Error("let in"); conn.Close() })
		l, end := open(g)
		conn := l.knock()
		start := time.Now()
		if err := Handshake(conn, secret(1), Session); err != nil {
			t.Fatal(err)
		}
		if rest, _ := io.ReadAll(conn); len(rest) > 0 || time.Since(start) != handshakeTime {
			t.Errorf("%q after %s", rest, time.Since(start))
		}
		conn = l.knock()
		if err := Handshake(conn, secret(1), Session); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if n := g.halfOpen(); n != 0 {
			t.Errorf("%d places taken by who knows the key", n)
		}
		start = time.Now()
		end()
		if time.Since(start) != 0 {
			t.Errorf("ended after %s", time.Since(start))
		}
	})
}

// After a write that was cut short nothing is sent any more: part of a record is out.
func TestSecureWriteCutShort(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		conn, theirs := shakenPipe(t)
		defer conn.Close()
		go func() { _, _ = io.CopyN(io.Discard, theirs.NetConn(), gatherSize+1000) }()
		_ = conn.SetWriteDeadline(time.Now().Add(time.Second))
		if n, err := conn.Write(make([]byte, 3*gatherSize)); n != gatherSize || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%d bytes out, %v", n, err)
		}
		_ = conn.SetWriteDeadline(time.Time{})
		if n, err := conn.Write(make([]byte, 10)); n != 0 || err == nil {
			t.Errorf("%d more, %v", n, err)
		}
	})
}

// Close says nothing, so that it never waits for who doesn't read.
func TestSecureCloseNeverWaits(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		conn, _ := shakenPipe(t)
		start := time.Now()
		if err := conn.Close(); err != nil || time.Since(start) != 0 {
			t.Errorf("closed after %s: %v", time.Since(start), err)
		}
	})
}

// shakenPipe is an encrypted connection over a pipe, which holds nothing back.
func shakenPipe(t *testing.T) (dialer, listener *secureConn) {
	t.Helper()
	ours, theirs := net.Pipe()
	t.Cleanup(func() { theirs.Close() })
	s, shaken := secret(1), make(chan net.Conn, 1)
	go func() {
		conn, err := shake(context.Background(), ours, &s, Session)
		if err != nil {
			t.Error(err)
		}
		shaken <- conn
	}()
	g, err := answer(theirs, only(s), newNonce())
	if err != nil {
		t.Fatal(err)
	}
	conn, err := g.acceptTLS(t.Context(), theirs)
	if err != nil {
		t.Fatal(err)
	}
	return (<-shaken).(*secureConn), conn.(*secureConn)
}
