package port

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"
)

func hangUp(_ Kind, conn net.Conn) { _ = conn.Close() }

// serve runs a Port with routes for some swarms; stop ends it and checks how it ended.
func serve(t *testing.T, listen string, routes map[byte]func(Kind, net.Conn)) (p *Port, stop func()) {
	t.Helper()
	p, err := Listen(t.Context(), Config{Listen: listen})
	if err != nil {
		t.Fatal(err)
	}
	for n, accept := range routes {
		p.Route(swarm(n), accept)
	}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- p.Serve(ctx) }()
	return p, func() {
		t.Helper()
		cancel()
		if err := <-served; err != nil {
			t.Errorf("Serve: %v", err)
		}
	}
}

func TestDialReachesTheRoute(t *testing.T) {
	echo := func(kind Kind, conn net.Conn) {
		defer conn.Close()
		_, _ = conn.Write([]byte{byte(kind)})
		_, _ = io.Copy(conn, conn)
	}
	p, stop := serve(t, ":0", map[byte]func(Kind, net.Conn){1: echo, 2: hangUp})
	defer stop()
	for _, to := range loopbacks(t, p) {
		conn, err := Dial(t.Context(), to, swarm(1), Gossip)
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := conn.(*net.TCPConn); !ok {
			t.Errorf("a %T, want the plain connection", conn)
		}
		_, _ = conn.Write([]byte("abc"))
		var got [4]byte
		if _, err := io.ReadFull(conn, got[:]); err != nil || string(got[:]) != "\x02abc" {
			t.Errorf("%s: %q, %v", to, got, err)
		}
		conn.Close()
		if _, err := Dial(t.Context(), to, swarm(3), Session); !errors.Is(err, ErrSilent) {
			t.Errorf("%s with an unknown tag: %v", to, err)
		}
		wrong := swarm(1)
		wrong.Session[5] ^= 1
		if _, err := Dial(t.Context(), to, wrong, Session); !errors.Is(err, ErrSilent) {
			t.Errorf("%s with a wrong key: %v", to, err)
		}
	}
}

// impostor listens on loopback and treats each connection by talk.
func impostor(t *testing.T, talk func(net.Conn)) netip.AddrPort {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			talk(conn)
			conn.Close()
		}
	}()
	t.Cleanup(func() {
		ln.Close()
		<-done
	})
	return ln.Addr().(*net.TCPAddr).AddrPort()
}

func TestDialErrors(t *testing.T) {
	read1 := func(conn net.Conn) (m1 [size1]byte) {
		_, _ = io.ReadFull(conn, m1[:])
		return m1
	}
	s := swarm(1)
	for name, c := range map[string]struct {
		talk func(net.Conn)
		want error
	}{
		"closes at once":    {func(net.Conn) {}, ErrSilent},
		"closes after":      {func(c net.Conn) { read1(c) }, ErrSilent},
		"closes within":     {func(c net.Conn) { read1(c); _, _ = c.Write(make([]byte, 20)) }, ErrSilent},
		"resets":            {func(c net.Conn) { _ = c.(*net.TCPConn).SetLinger(0) }, ErrSilent},
		"reflects":          {func(c net.Conn) { m1 := read1(c); _, _ = c.Write(m1[:]) }, ErrSilent},
		"something else":    {func(c net.Conn) { _, _ = io.WriteString(c, "SSH-2.0-OpenSSH_9.9 with a long banner\r\n"); read1(c) }, ErrSilent},
		"another version":   {func(c net.Conn) { m2 := message2(&s, read1(c), 3, statusOtherVersion, nonce{}); _, _ = c.Write(m2[:]) }, ErrVersion},
		"version, no proof": {func(c net.Conn) { read1(c); _, _ = c.Write(append([]byte{3, 1}, make([]byte, 34)...)) }, ErrSilent},
	} {
		t.Run(name, func(t *testing.T) {
			to := impostor(t, c.talk)
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			conn, err := Dial(ctx, to, s, Session)
			if conn != nil || !errors.Is(err, c.want) {
				t.Errorf("%v, want %v", err, c.want)
			}
			for _, other := range []error{ErrSilent, ErrVersion} {
				if other != c.want && errors.Is(err, other) {
					t.Errorf("%v is %v too", err, other)
				}
			}
		})
	}
}

func TestDialNobodyAndCancel(t *testing.T) {
	p, err := Listen(t.Context(), Config{Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	to := p.Addr()
	p.Close()
	if _, err := Dial(t.Context(), to, swarm(1), Session); !errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, ErrSilent) {
		t.Errorf("nobody there: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	to = impostor(t, func(c net.Conn) {
		_, _ = io.ReadFull(c, make([]byte, size1))
		cancel()
		_, _ = io.Copy(io.Discard, c)
	})
	if _, err := Dial(ctx, to, swarm(1), Session); !errors.Is(err, context.Canceled) || errors.Is(err, ErrSilent) {
		t.Errorf("cancelled: %v", err)
	}
}

// A deadline of the dialing must not stay on the connection.
func TestDialLeavesNoDeadline(t *testing.T) {
	release := make(chan struct{})
	p, stop := serve(t, "127.0.0.1:0", map[byte]func(Kind, net.Conn){1: func(_ Kind, conn net.Conn) {
		<-release
		_, _ = conn.Write([]byte("late"))
		conn.Close()
	}})
	defer stop()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	conn, err := Dial(ctx, p.Addr(), swarm(1), Session)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	cancel()
	close(release)
	if late, err := io.ReadAll(conn); err != nil || string(late) != "late" {
		t.Errorf("%q, %v", late, err)
	}
}

func TestServeClosesAndJoins(t *testing.T) {
	inside, release := make(chan struct{}), make(chan struct{})
	p, err := Listen(t.Context(), Config{Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	p.Route(swarm(1), func(_ Kind, conn net.Conn) {
		close(inside)
		<-release
		conn.Close()
	})
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- p.Serve(ctx) }()
	conn, err := Dial(t.Context(), p.Addr(), swarm(1), Session)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	<-inside
	silent, err := net.Dial("tcp", p.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	cancel()
	if n, err := silent.Read(make([]byte, 1)); n != 0 || err == nil {
		t.Error("a half-open connection is not closed")
	}
	select {
	case <-served:
		t.Error("Serve ended before its acceptor")
	default:
	}
	close(release)
	if err := <-served; err != nil {
		t.Error(err)
	}
	again, err := Listen(t.Context(), Config{Listen: p.Addr().String()})
	if err != nil {
		t.Fatalf("the port is still held: %v", err)
	}
	again.Close()
}

func TestServeTellsOfALostSocket(t *testing.T) {
	p, err := Listen(t.Context(), Config{Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- p.Serve(t.Context()) }()
	p.Close()
	if err := <-served; !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
}

// memberlist's datagrams arrive, each in its own memory; nothing else does.
func TestServeDeliversGossipOnly(t *testing.T) {
	p, err := Listen(t.Context(), Config{Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	got := make(chan []byte, 10)
	p.Packets(func(b []byte, _ netip.AddrPort, _ time.Time) { got <- b })
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- p.Serve(ctx) }()
	conn, err := net.Dial("udp", p.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, m := range []string{"", "p", "nonsense", "\xF4first", "p2pc", "\xF4other"} {
		if _, err := conn.Write([]byte(m)); err != nil {
			t.Fatal(err)
		}
	}
	first, second := <-got, <-got
	if string(first) != "\xF4first" || string(second) != "\xF4other" {
		t.Errorf("delivered %q, %q", first, second)
	}
	cancel()
	if err := <-served; err != nil {
		t.Error(err)
	}
}
