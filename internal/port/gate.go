package port

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"syscall"
	"time"
)

// Times of the gate.
const (
	// graceTime is how long a handshake may take while others wait for its place: two round trips of the slowest links.
	// So a flood of silent connections is taken out of the kernel's queue (4096) at 512 places / 0.5 s = 1024 a second, and who comes
	// from an address of its own behind them has its place at once.
	graceTime = 500 * time.Millisecond
	// Waits after a failed accept: as net/http has them.
	shortBackoff = 5 * time.Millisecond
	longBackoff  = time.Second
)

// route is where a tag's connections go.
type route struct {
	secrets Secrets
	accept  func(kind Kind, conn net.Conn)
}

// gate lets connections in: it shakes hands, bounded in number, and hands over what passed. Safe for concurrent use.
type gate struct {
	max  int           // handshakes at a time
	free chan struct{} // holds a token when a place was freed; capacity 1

	// Guarded by mu.
	mu     sync.Mutex
	routes map[[8]byte]route
	half   []*half // handshakes under way, the oldest first; at most max
	shut   bool    // nobody is let in any more
}

// half is a half-open connection.
type half struct {
	conn   net.Conn
	source netip.Addr // invalid: unknown
	since  time.Time
}

func newGate(halfOpen int) *gate {
	return &gate{max: halfOpen, free: make(chan struct{}, 1), routes: map[[8]byte]route{}}
}

// Route makes connections with this tag go to accept, which owns conn from then on (its deadline is cleared). It is called
// on the connection's own goroutine, and Serve waits for it, so it must not stay longer than Serve may. A nil accept ends
// the route, and pings are no longer answered for it. Safe before and during Serve.
func (p *Port) Route(s Secrets, accept func(kind Kind, conn net.Conn)) {
	p.gate.mu.Lock()
	defer p.gate.mu.Unlock()
	if accept == nil {
		delete(p.gate.routes, s.Tag)
		return
	}
	p.gate.routes[s.Tag] = route{s, accept}
}

func (g *gate) find(tag [8]byte) (Secrets, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	r, ok := g.routes[tag]
	return r.secrets, ok
}

// serve lets connections in until ctx ends or ln fails or is closed. All its connections' goroutines have ended when it
// returns.
func (g *gate) serve(ctx context.Context, ln net.Listener) error {
	var conns sync.WaitGroup
	defer conns.Wait()
	defer g.close()
	for wait := shortBackoff; ; {
		conn, err := ln.Accept()
		switch {
		case err == nil:
			wait = shortBackoff
		case passing(err):
			if !sleep(ctx, wait) {
				return ctx.Err()
			}
			wait = min(2*wait, longBackoff)
			continue
		default:
			return fmt.Errorf("accept: %w", err)
		}
		h := g.enter(ctx, conn)
		if h == nil {
			_ = conn.Close()
			return ctx.Err()
		}
		conns.Go(func() { g.let(ctx, h) })
	}
}

// passing tells of an accept error that may be over in a moment: the connection's own, or a shortage.
func passing(err error) bool {
	for _, e := range []error{
		syscall.ECONNABORTED, syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.EPROTO,
		syscall.ENETDOWN, syscall.ENETUNREACH, syscall.EHOSTDOWN, syscall.EHOSTUNREACH, syscall.EINTR, syscall.EPERM,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// sleep waits; false if ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// enter gives a connection its place among the half-open ones. While there is none, one of an address that has more of them makes
// room; else it waits until one ends or the oldest has had its grace, which is then closed: a burst of honest dialers only queues, and
// silent ones can't keep others out. Nil if ctx ends.
func (g *gate) enter(ctx context.Context, conn net.Conn) *half {
	h := &half{conn: conn, source: sourceOf(conn)}
	for {
		wait, ok := g.tryEnter(h)
		if ok {
			return h
		}
		t := time.NewTimer(wait)
		select {
		case <-g.free:
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return nil
		}
		t.Stop()
	}
}

// tryEnter takes a place, or tells how long the oldest half-open connection still has.
func (g *gate) tryEnter(h *half) (wait time.Duration, ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	h.since = time.Now()
	if len(g.half) >= g.max && !g.shut {
		k := g.crowder(h.source)
		if wait := graceTime - h.since.Sub(g.half[0].since); k < 0 && wait > 0 {
			return wait, false
		}
		k = max(k, 0)
		_ = g.half[k].conn.Close()
		g.half = slices.Delete(g.half, k, k+1)
	}
	if g.shut {
		_ = h.conn.Close() // its handshake fails at once
	}
	g.half = append(g.half, h)
	return 0, true
}

// sourceOf is where a connection comes from.
func sourceOf(conn net.Conn) netip.Addr {
	if a, ok := conn.RemoteAddr().(*net.TCPAddr); ok {
		return a.AddrPort().Addr().Unmap().WithZone("")
	}
	return netip.Addr{}
}

// crowder is the newest half-open connection of the address that has most of them, if source has fewer by two at least; -1: none. g.mu
// is held.
func (g *gate) crowder(source netip.Addr) int {
	count := map[netip.Addr]int{}
	found := -1
	for _, h := range g.half {
		count[h.source]++
	}
	for k, h := range g.half {
		if found < 0 || count[h.source] >= count[g.half[found].source] {
			found = k
		}
	}
	if found < 0 || count[g.half[found].source] < count[source]+2 {
		return -1
	}
	return found
}

// leave gives up h's place. False if h was closed meanwhile: it was evicted, or the gate is shut.
func (g *gate) leave(h *half) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	k := slices.Index(g.half, h)
	if k < 0 {
		return false
	}
	g.half = slices.Delete(g.half, k, k+1)
	select {
	case g.free <- struct{}{}:
	default:
	}
	return !g.shut
}

// close ends all handshakes, and those that would begin.
func (g *gate) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.shut = true
	for _, h := range g.half {
		_ = h.conn.Close()
	}
}

// let shakes hands and hands the connection over, or closes it. TLS comes when the place is given up: who gets so far knows the
// key, and isn't to be held up, or thrown out, by strangers.
func (g *gate) let(ctx context.Context, h *half) {
	met, err := answer(h.conn, g.find, newNonce())
	if !g.leave(h) || err != nil {
		_ = h.conn.Close()
		return
	}
	conn := h.conn
	if met.private() {
		if conn, err = met.acceptTLS(ctx, h.conn); err != nil {
			_ = h.conn.Close()
			return
		}
	}
	g.mu.Lock()
	r, ok := g.routes[met.secrets.Tag]
	g.mu.Unlock()
	if !ok {
		_ = conn.Close()
		return
	}
	r.accept(met.kind, conn)
}
