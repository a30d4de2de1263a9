package port

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"syscall"
	"testing"
	"time"
)

func TestEchoAnswersOnlyRightRequests(t *testing.T) {
	v, s, _, _ := sample(t)
	request, reply := v["ping/request"], v["ping/reply to 192.0.2.7:40000"]
	from, now := netip.MustParseAddrPort("192.0.2.7:40000"), time.Unix(0, 0)
	e := newEcho(only(s))
	got, ok := e.answer(request, from, now)
	if !ok || !bytes.Equal(got[:], reply) {
		t.Errorf("answered %v %x", ok, got)
	}
	signed := func(at int, to byte) []byte {
		m := bytes.Clone(request[:48])
		m[at] = to
		mac := s.mac(pingPrefix, m)
		return append(m, mac[:]...)
	}
	bad := append(flips(request), reply, request[:63], append(bytes.Clone(request), 0), make([]byte, 64), nil,
		signed(4, 2), signed(5, 2), signed(5, 3), signed(6, 1), signed(7, 1), signed(8, ^request[8]), signed(32, 1), signed(47, 1))
	for _, b := range bad {
		if _, ok := e.answer(b, from, now); ok {
			t.Errorf("answered %x", b)
		}
	}
}

func TestEchoIsBoundedPerSecond(t *testing.T) {
	v, s, _, _ := sample(t)
	from, now := netip.MustParseAddrPort("192.0.2.7:40000"), time.Unix(1000, 0)
	e := newEcho(only(s))
	answers := func() (n int) {
		for range 3 * pingsPerSecond {
			if _, ok := e.answer(v["ping/request"], from, now); ok {
				n++
			}
		}
		return n
	}
	if n := answers(); n != pingsPerSecond {
		t.Errorf("%d answers at once", n)
	}
	now = now.Add(time.Second)
	if n := answers(); n != pingsPerSecond {
		t.Errorf("%d answers a second later", n)
	}
}

// wire is a socket that has errors and datagrams to read, and then is closed.
type wire struct {
	reads []any // error or []byte
	sent  int
}

func (w *wire) ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error) {
	if len(w.reads) == 0 {
		return 0, netip.AddrPort{}, net.ErrClosed
	}
	next := w.reads[0]
	w.reads = w.reads[1:]
	if err, ok := next.(error); ok {
		return 0, netip.AddrPort{}, err
	}
	return copy(b, next.([]byte)), netip.MustParseAddrPort("[::ffff:192.0.2.7]:9"), nil
}

func (w *wire) WriteToUDPAddrPort(b []byte, _ netip.AddrPort) (int, error) {
	w.sent++
	return len(b), nil
}
func (w *wire) Close() error { return nil }

func TestPacketsAreSortedAndSurviveICMP(t *testing.T) {
	v, s, _, _ := sample(t)
	w := &wire{}
	for _, errno := range []error{syscall.ECONNREFUSED, syscall.EHOSTUNREACH, syscall.ENETUNREACH} {
		w.reads = append(w.reads, slices.Repeat([]any{&net.OpError{Op: "read", Err: errno}}, 1000)...)
	}
	w.reads = append(w.reads, []byte{0xF4, 1, 2}, []byte{}, []byte{0}, []byte("hello"), []byte("p2pc"), v["ping/request"],
		append([]byte{0xF4}, v["ping/request"]...), errors.New("another"), []byte{0xF4})
	p := &Port{udp: w, gate: newGate(1), pings: newEcho(only(s))}
	var got [][]byte
	p.Packets(func(b []byte, from netip.AddrPort, at time.Time) {
		if from != netip.MustParseAddrPort("192.0.2.7:9") || at.IsZero() {
			t.Errorf("from %s at %s", from, at)
		}
		got = append(got, b)
	})
	if err := p.readPackets(t.Context()); !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
	want := [][]byte{{0xF4, 1, 2}, append([]byte{0xF4}, v["ping/request"]...), {0xF4}}
	if !slices.EqualFunc(got, want, bytes.Equal) {
		t.Errorf("delivered %x, want %x", got, want)
	}
	if w.sent != 1 {
		t.Errorf("%d datagrams were answered, want 1", w.sent)
	}
	// Without anybody to deliver to, nothing happens.
	p.Packets(nil)
	p.packet([]byte{0xF4}, netip.AddrPort{}, time.Time{})
}

// loopbacks are the addresses of p on this host, of each family there is.
func loopbacks(t *testing.T, p *Port) (all []netip.AddrPort) {
	t.Helper()
	for _, s := range []string{"127.0.0.1", "::1"} {
		addr := netip.MustParseAddr(s)
		conn, err := net.ListenPacket("udp", netip.AddrPortFrom(addr, 0).String())
		if err != nil {
			t.Logf("no %s here: %v", s, err)
			continue
		}
		conn.Close()
		all = append(all, netip.AddrPortFrom(addr, p.Addr().Port()))
	}
	return all
}

func TestPing(t *testing.T) {
	p, stop := serve(t, ":0", map[byte]func(Kind, net.Conn){1: hangUp})
	defer stop()
	for _, to := range loopbacks(t, p) {
		rtt, seen, err := Ping(t.Context(), to, swarm(1))
		if err != nil || rtt <= 0 || seen.Addr() != to.Addr() || seen.Port() == 0 || seen.Port() == to.Port() {
			t.Errorf("%s: %v, seen as %s, %v", to, rtt, seen, err)
		}
		wrong := swarm(1)
		wrong.Session[0] ^= 1
		for _, s := range []Secrets{wrong, swarm(2)} {
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			if _, _, err := Ping(ctx, to, s); !errors.Is(err, ErrSilent) {
				t.Errorf("%s with a wrong key: %v", to, err)
			}
			cancel()
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, _, err := Ping(ctx, to, swarm(1)); !errors.Is(err, context.Canceled) {
			t.Errorf("%s cancelled: %v", to, err)
		}
	}
}

func TestPingOfAClosedPort(t *testing.T) {
	p, stop := serve(t, "127.0.0.1:0", nil)
	stop()
	if _, _, err := Ping(t.Context(), p.Addr(), swarm(1)); !errors.Is(err, ErrSilent) || !errors.Is(err, syscall.ECONNREFUSED) {
		t.Error(err)
	}
}

// A reply that answers no request of ours, or to another swarm, is passed over.
func TestPingTakesOnlyItsOwnReply(t *testing.T) {
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 100)
		n, from, err := conn.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		s, other := swarm(1), swarm(2)
		_, asked, _, _ := parsePing(buf[:n], pingRequest, only(s))
		odd := netip.MustParseAddrPort("203.0.113.1:1")
		stale, foreign, good := ping(&s, pingReply, nonce{}, odd), ping(&other, pingReply, asked, odd), ping(&s, pingReply, asked, from)
		long := append(stale[:], 0)
		for _, m := range [][]byte{buf[:n], stale[:], foreign[:], long, []byte("x"), good[:]} {
			_, _ = conn.WriteToUDPAddrPort(m, from)
		}
	}()
	_, seen, err := Ping(t.Context(), conn.LocalAddr().(*net.UDPAddr).AddrPort(), swarm(1))
	if err != nil || seen.Addr() != netip.MustParseAddr("127.0.0.1") {
		t.Errorf("seen as %s, %v", seen, err)
	}
	conn.Close()
	<-done
}
