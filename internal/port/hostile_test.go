package port

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"runtime"
	"testing"
	"time"
)

// from dials to from an address of loopback, as another host would.
func from(t *testing.T, source string, to netip.AddrPort) net.Conn {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(source)}}
	conn, err := d.DialContext(t.Context(), "tcp", to.String())
	if err != nil {
		t.Skipf("%s is no address of this system's loopback: %v", source, err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// hears is all that the other side says until it closes.
func hears(t *testing.T, conn net.Conn) []byte {
	t.Helper()
	_ = conn.SetReadDeadline(time.Now().Add(2 * handshakeTime))
	got, err := io.ReadAll(conn)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("it isn't closed")
	}
	return got
}

// Who doesn't know the secret hears nothing, whatever he says, and one who replays a first message hears a second one.
func TestStrangersHearNothing(t *testing.T) {
	p, stop := serve(t, "127.0.0.1:0", map[byte]func(Kind, net.Conn){1: hangUp})
	t.Cleanup(stop)
	noise := rand.New(rand.NewPCG(1, 2))
	garbage := func(n int) []byte {
		b := make([]byte, n)
		for k := range b {
			b[k] = byte(noise.Uint32())
		}
		return b
	}
	s, other := swarm(1), swarm(2)
	bit := s
	bit.Session[31] ^= 1
	sameFile := Derive(bytes.Repeat([]byte{1}, 16), [32]byte{9}) // the same key, another ID
	sameTag := other
	sameTag.Tag = s.Tag
	first := func(s *Secrets) []byte { m := message1(s, version, Session, newNonce()); return m[:] }
	replayed := first(&s)
	for name, c := range map[string]struct {
		says  []byte
		hears int
	}{
		"nothing":                      {nil, 0},
		"a scanner's probe":            {[]byte("GET / HTTP/1.0\r\n\r\n"), 0},
		"a TLS hello":                  {append([]byte{22, 3, 1, 2, 0, 1, 0, 1, 252}, garbage(508)...), 0},
		"garbage":                      {garbage(4096), 0},
		"garbage behind the magic":     {append([]byte(magic), garbage(4092)...), 0},
		"a frame of 4 GiB":             {append([]byte{0xff, 0xff, 0xff, 0xff, 1}, garbage(4096)...), 0},
		"another swarm":                {first(&other), 0},
		"another swarm with the tag":   {first(&sameTag), 0},
		"a key one bit off":            {first(&bit), 0},
		"the same key and another ID":  {first(&sameFile), 0},
		"a first message cut":          {replayed[:47], 0},
		"a replayed first message":     {replayed, size2},
		"the same one again":           {append(bytes.Clone(replayed), replayed...), size2},
		"a first message and a guess":  {append(bytes.Clone(replayed), garbage(size3)...), size2},
		"a first one and many guesses": {append(bytes.Clone(replayed), garbage(4096)...), size2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn := from(t, "127.0.0.1", p.Addr())
			_, _ = conn.Write(c.says)
			if half, ok := conn.(*net.TCPConn); ok {
				_ = half.CloseWrite()
			}
			got := hears(t, conn)
			if len(got) > c.hears {
				t.Errorf("heard %d bytes: %x", len(got), got)
			}
			t.Logf(`RELIABILITY {"kind":"attack","name":"a stranger sends %s","result":"hears %d bytes","test":"TestStrangersHearNothing"}`, name, len(got))
		})
	}
}

// What the listener says is of no use to a stranger who listens: its second message, sent back as a first or third, gets nothing.
func TestReflectedSecondMessage(t *testing.T) {
	p, stop := serve(t, "127.0.0.1:0", map[byte]func(Kind, net.Conn){1: func(_ Kind, conn net.Conn) {
		_, _ = conn.Write([]byte("content"))
		_ = conn.Close()
	}})
	defer stop()
	s := swarm(1)
	m1 := message1(&s, version, Session, newNonce())
	one := from(t, "127.0.0.1", p.Addr())
	_, _ = one.Write(m1[:])
	var m2 [size2]byte
	if _, err := io.ReadFull(one, m2[:]); err != nil {
		t.Fatal(err)
	}
	for _, says := range [][]byte{m2[:], m2[20:], append(append([]byte(magic), m2[:]...), m2[:]...), m1[32:]} {
		conn := from(t, "127.0.0.1", p.Addr())
		_, _ = conn.Write(says)
		_ = conn.(*net.TCPConn).CloseWrite()
		if got := hears(t, conn); len(got) > 0 {
			t.Errorf("%x was answered by %x", says, got)
		}
	}
	_, _ = one.Write(m2[20:]) // its MAC as the third
	if got := hears(t, one); len(got) > 0 {
		t.Errorf("heard %q", got)
	}
}

// Datagrams that aren't right are answered by none.
func TestStrangersDatagrams(t *testing.T) {
	p, stop := serve(t, "127.0.0.1:0", map[byte]func(Kind, net.Conn){1: hangUp})
	defer stop()
	conn, err := net.Dial("udp", p.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, b := range [][]byte{{}, {gossipByte}, []byte("p"), make([]byte, 64), bytes.Repeat([]byte("p2pc"), 16), make([]byte, 60000)} {
		_, _ = conn.Write(b)
	}
	if _, _, err := Ping(t.Context(), p.Addr(), swarm(1)); err != nil { // behind them all: they have been read
		t.Fatal(err)
	}
	_ = conn.SetReadDeadline(time.Now())
	if n, err := conn.Read(make([]byte, 100)); err == nil {
		t.Errorf("%d bytes came back", n)
	}
}

// A thousand that connect and say nothing, or half of a handshake, cost little memory, and keep nobody from another address out.
func TestThousandHalfOpenKeepNobodyOut(t *testing.T) {
	p, stop := serve(t, "127.0.0.1:0", map[byte]func(Kind, net.Conn){1: hangUp})
	defer stop()
	heap := func() int64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc + m.StackInuse)
	}
	before := heap()
	s := swarm(1)
	first := message1(&s, version, Session, newNonce())
	for k := range 1000 {
		conn := from(t, "127.0.0.1", p.Addr())
		_, _ = conn.Write(first[:k%(size1+1)])
	}
	honest := from(t, "127.0.0.2", p.Addr())
	ctx, cancel := context.WithTimeout(t.Context(), handshakeTime)
	defer cancel()
	if _, err := shake(ctx, honest, &s, Session); err != nil {
		t.Errorf("an honest dialer is kept out: %v", err)
	}
	used := heap() - before
	if used > 16<<20 {
		t.Errorf("%d KiB for 1000 half-open handshakes", used>>10)
	}
	t.Logf(`RELIABILITY {"kind":"attack","name":"1000 half-open handshakes","result":"an honest dialer gets in; %d KiB held","test":"TestThousandHalfOpenKeepNobodyOut"}`, used>>10)
	if n := p.gate.halfOpen(); n > defaultHalfOpen {
		t.Errorf("%d handshakes under way", n)
	}
}
