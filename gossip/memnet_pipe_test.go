package gossip

import (
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"
)

// pipe is one direction of a stream: unlimited buffer, one reader, one writer.
type pipe struct {
	mu       sync.Mutex
	cond     *sync.Cond
	buf      []byte
	closed   bool
	deadline time.Time
	timer    *time.Timer
}

func (p *pipe) read(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		switch {
		case len(p.buf) > 0:
			n := copy(b, p.buf)
			p.buf = p.buf[n:]
			return n, nil
		case p.closed:
			return 0, io.EOF
		case !p.deadline.IsZero() && !time.Now().Before(p.deadline):
			return 0, os.ErrDeadlineExceeded
		}
		p.cond.Wait()
	}
}

func (p *pipe) write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return 0, net.ErrClosed
	}
	p.buf = append(p.buf, b...)
	p.cond.Broadcast()
	return len(b), nil
}

func (p *pipe) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	if p.timer != nil {
		p.timer.Stop()
	}
	p.cond.Broadcast()
}

func (p *pipe) setDeadline(at time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.deadline = at
	if p.timer != nil {
		p.timer.Stop()
	}
	if !at.IsZero() && !p.closed {
		p.timer = time.AfterFunc(time.Until(at), p.cond.Broadcast)
	}
}

// memconn is one end of a stream.
type memconn struct {
	in, out       *pipe
	local, remote netip.AddrPort

	host   *memhost // of this end; nil: none counts
	closed func()   // nil: nobody to tell
}

func newPipe(a, b netip.AddrPort) (net.Conn, net.Conn) { return newMemconns(a, b) }

func newMemconns(a, b netip.AddrPort) (*memconn, *memconn) {
	one, two := &pipe{}, &pipe{}
	one.cond, two.cond = sync.NewCond(&one.mu), sync.NewCond(&two.mu)
	return &memconn{in: one, out: two, local: a, remote: b}, &memconn{in: two, out: one, local: b, remote: a}
}

func (c *memconn) Write(b []byte) (int, error) {
	if c.host != nil {
		c.host.sent.streamBytes.Add(int64(len(b)))
	}
	return c.out.write(b)
}

func (c *memconn) Close() error {
	if c.closed != nil {
		c.closed()
	}
	c.in.close()
	c.out.close()
	return nil
}

func (c *memconn) Read(b []byte) (int, error)         { return c.in.read(b) }
func (c *memconn) LocalAddr() net.Addr                { return net.TCPAddrFromAddrPort(c.local) }
func (c *memconn) RemoteAddr() net.Addr               { return net.TCPAddrFromAddrPort(c.remote) }
func (c *memconn) SetDeadline(t time.Time) error      { c.in.setDeadline(t); return nil }
func (c *memconn) SetReadDeadline(t time.Time) error  { c.in.setDeadline(t); return nil }
func (c *memconn) SetWriteDeadline(t time.Time) error { return nil }
