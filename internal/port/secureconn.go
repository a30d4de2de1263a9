package port

import (
	"crypto/tls"
	"errors"
	"net"
	"sync"
)

// secureConn is a TLS connection that ends as a plain one does: at once, and in one direction too. What TLS would say at its end
// (and wait up to 5 s to say, while who closes holds locks) BYE says. One goroutine reads and one writes.
type secureConn struct {
	*tls.Conn
	out *gather
}

func ready(t *tls.Conn, out *gather) net.Conn { return &secureConn{Conn: t, out: out} }

// gatherSize is how many bytes go into one write to the socket: four of TLS's records. Written one by one they cost four calls of
// the system, and end each in a short packet.
const gatherSize = 64 << 10

// Write writes b; n counts what is surely out. After an error, a deadline's too, the connection is of no more use.
func (c *secureConn) Write(b []byte) (n int, err error) {
	for len(b) > 0 {
		piece := b[:min(len(b), gatherSize)]
		c.out.hold()
		_, err := c.Conn.Write(piece)
		if err = errors.Join(err, c.out.release()); err != nil {
			return n, err
		}
		n, b = n+len(piece), b[len(piece):]
	}
	return n, nil
}

// Close closes the connection below, without a word.
func (c *secureConn) Close() error { return c.out.Close() }

// CloseWrite closes our direction.
func (c *secureConn) CloseWrite() error {
	half, ok := c.out.Conn.(interface{ CloseWrite() error })
	if !ok {
		return errors.ErrUnsupported
	}
	return half.CloseWrite()
}

// NetConn is the connection below TLS, for its options only.
func (c *secureConn) NetConn() net.Conn { return c.out.Conn }

// gather is the connection below TLS. While it holds, what is written to it waits for release: TLS writes each record by itself.
// What TLS writes on its own account in between keeps its place.
type gather struct {
	net.Conn

	mu      sync.Mutex // guards what follows
	holding bool
	held    []byte
	err     error // of a release: part of a record may be out, so nothing can follow it
}

// Write implements net.Conn.
func (g *gather) Write(b []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.err != nil:
		return 0, g.err
	case g.holding:
		g.held = append(g.held, b...)
		return len(b), nil
	}
	return g.Conn.Write(b)
}

func (g *gather) hold() {
	g.mu.Lock()
	g.holding = true
	g.mu.Unlock()
}

// release writes what was held.
func (g *gather) release() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.holding = false
	if g.err == nil && len(g.held) > 0 {
		_, g.err = g.Conn.Write(g.held)
	}
	g.held = g.held[:0]
	return g.err
}
