package port

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"
)

// middle is somebody in between without the key: it relays the handshake to the listener as it is and ends TLS on both sides by
// its own certificate. meddle then has what both say in the clear.
type middle struct {
	to     netip.AddrPort
	meddle func(dialer, listener *tls.Conn)
	relay  func(m []byte) // sees messages 1, 2 and 3 on their way; nil: looks on
}

// between serves one connection.
func (m middle) between(conn net.Conn) {
	up, err := net.Dial("tcp", m.to.String())
	if err != nil {
		return
	}
	defer up.Close()
	for _, deadline := range []net.Conn{conn, up} {
		_ = deadline.SetDeadline(time.Now().Add(10 * time.Second))
	}
	for _, hop := range []struct {
		from, to net.Conn
		size     int
	}{{conn, up, size1}, {up, conn, size2}, {conn, up, size3}} {
		b := make([]byte, hop.size)
		if _, err := io.ReadFull(hop.from, b); err != nil {
			return
		}
		if m.relay != nil {
			m.relay(b)
		}
		_, _ = hop.to.Write(b)
	}
	own := newTLS()
	toDialer, toListener := tls.Server(conn, own), tls.Client(up, own)
	if toDialer.Handshake() == nil && toListener.Handshake() == nil {
		m.meddle(toDialer, toListener)
	}
}

// ear keeps what came in the clear. Safe for concurrent use.
type ear struct {
	mu sync.Mutex
	b  []byte
}

func (e *ear) Write(b []byte) (int, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.b = append(e.b, b...)
	return len(b), nil
}

func (e *ear) all() []byte {
	e.mu.Lock()
	defer e.mu.Unlock()
	return bytes.Clone(e.b)
}

// A man in the middle without the key learns nothing and passes for nobody, whatever it makes of the MACs that it gets.
func TestManInTheMiddle(t *testing.T) {
	to, in := serveSecret(t)
	for name, meddle := range map[string]func(dialer, listener *tls.Conn, heard *ear){
		"relays all": func(dialer, listener *tls.Conn, heard *ear) {
			var both sync.WaitGroup
			both.Go(func() { _, _ = io.Copy(listener, io.TeeReader(dialer, heard)); _ = listener.CloseWrite() })
			_, _ = io.Copy(dialer, listener)
			_ = dialer.CloseWrite()
			both.Wait()
		},
		"reflects the dialer's": func(dialer, _ *tls.Conn, heard *ear) {
			b := make([]byte, macSize)
			_, _ = io.ReadFull(io.TeeReader(dialer, heard), b)
			_, _ = dialer.Write(b)
			_, _ = io.Copy(heard, dialer)
		},
		"makes one up": func(dialer, listener *tls.Conn, heard *ear) {
			_, _ = dialer.Write(make([]byte, macSize))
			_, _ = listener.Write(make([]byte, macSize))
			_, _ = io.Copy(heard, dialer)
			_, _ = io.Copy(heard, listener)
		},
		"is silent": func(dialer, _ *tls.Conn, _ *ear) { _ = dialer.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			var heard ear
			proxy := impostor(t, middle{to: to, meddle: func(d, l *tls.Conn) { meddle(d, l, &heard) }}.between)
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			conn, err := Dial(ctx, proxy, secret(1), Session)
			if !errors.Is(err, ErrInsecure) || conn != nil {
				t.Errorf("the dialer is content: %v", err)
			}
			if all := heard.all(); len(all) > macSize {
				t.Errorf("heard %x: more than a MAC", all)
			}
		})
	}
	if len(in) > 0 {
		t.Error("the listener let somebody in")
	}
}

// What goes through a relay that leaves TLS alone is fine; that is also the proof that this one could relay.
func TestRelayThatLooksOn(t *testing.T) {
	to, in := serveSecret(t)
	proxy := impostor(t, func(conn net.Conn) {
		up, err := net.Dial("tcp", to.String())
		if err != nil {
			return
		}
		defer up.Close()
		go func() { _, _ = io.Copy(up, conn); up.Close() }()
		_, _ = io.Copy(conn, up)
	})
	conn, err := Dial(t.Context(), proxy, secret(1), Session)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	(<-in).Close()
}

// Downgrades: a flag that is turned on its way, in message 1 or 2.
func TestManInTheMiddleTurnsTheFlag(t *testing.T) {
	to, in := serveSecret(t)
	for name, turn := range map[string]func(m []byte){
		"message 1": func(m []byte) {
			if len(m) == size1 {
				m[7] &^= flagTLS
			}
		},
		"message 2": func(m []byte) {
			if len(m) == size2 {
				m[3] &^= flagTLS
			}
		},
	} {
		proxy := impostor(t, middle{to: to, relay: turn, meddle: func(_, _ *tls.Conn) {}}.between)
		if _, err := Dial(t.Context(), proxy, secret(1), Session); !errors.Is(err, ErrSilent) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if len(in) > 0 {
		t.Error("the listener let somebody in")
	}
}

// TLS of one handshake isn't taken for another's, of another kind: two connections of one dialer are crossed after message 3.
func TestCrossedConnections(t *testing.T) {
	to, in := serveSecret(t)
	type pair struct{ conn, up net.Conn }
	shaken := make(chan pair)
	var crossed sync.WaitGroup
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer crossed.Wait()
	defer ln.Close()
	crossed.Go(func() {
		for range 2 {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			up, err := net.Dial("tcp", to.String())
			if err != nil {
				return
			}
			for _, hop := range []struct {
				from, to net.Conn
				size     int64
			}{{conn, up, size1}, {up, conn, size2}, {conn, up, size3}} {
				_, _ = io.CopyN(hop.to, hop.from, hop.size)
			}
			crossed.Go(func() { shaken <- pair{conn, up} })
		}
	})
	crossed.Go(func() {
		a, b := <-shaken, <-shaken
		for _, p := range []pair{{a.conn, b.up}, {b.conn, a.up}} {
			crossed.Go(func() { _, _ = io.Copy(p.up, p.conn); p.up.Close() })
			crossed.Go(func() { _, _ = io.Copy(p.conn, p.up); p.conn.Close() })
		}
	})
	var dials sync.WaitGroup
	for _, kind := range []Kind{Session, Observer} {
		dials.Go(func() {
			if conn, err := Dial(t.Context(), ln.Addr().(*net.TCPAddr).AddrPort(), secret(1), kind); !errors.Is(err, ErrInsecure) {
				t.Errorf("kind %d: %v %v", kind, conn, err)
			}
		})
	}
	dials.Wait()
	if len(in) > 0 {
		t.Error("the listener let somebody in")
	}
}
