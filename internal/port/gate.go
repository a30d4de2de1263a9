package port

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"syscall"
	"time"
)

// Times of the gate.
const (
	// graceTime is how long a handshake may take while others wait for its place: two round trips of the slowest links.
	// So a flood of silent connections leaves 128 places / 0.5 s = 256 handshakes a second to others.
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
	conn  net.Conn
	since time.Time
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

// enter gives a connection its place among the half-open ones. While there is none, it waits until one ends or the oldest
// has had its grace, which is then closed: a burst of honest dialers only queues, and silent ones can't keep others out.
// Nil if ctx ends.
func (g *gate) enter(ctx context.Context, conn net.Conn) *half {
	h := &half{conn: conn}
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
		oldest := g.half[0]
		if wait := graceTime - h.since.Sub(oldest.since); wait > 0 {
			return wait, false
		}
		_ = oldest.conn.Close()
		g.half = g.half[1:]
	}
	if g.shut {
		_ = h.conn.Close() // its handshake fails at once
	}
	g.half = append(g.half, h)
	return 0, true
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
