package swarm

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"p2pcp/internal/port"
)

// memNet is the network twin: streams with bounded buffers, deadlines and half-close, and a reset where a socket would give one.
// Nobody in it waits but in virtual time. Safe for concurrent use.
type memNet struct {
	mu     sync.Mutex
	at     map[netip.AddrPort]func(port.Kind, net.Conn)
	mute   map[netip.AddrPort]error // what dialing it gives
	dials  map[netip.AddrPort]int
	buffer int // bytes of each direction
}

func newMemNet() *memNet {
	return &memNet{
		at: map[netip.AddrPort]func(port.Kind, net.Conn){}, mute: map[netip.AddrPort]error{},
		dials: map[netip.AddrPort]int{}, buffer: 64 << 10,
	}
}

// listen makes addr answer with accept; nil takes it off the net.
func (n *memNet) listen(addr netip.AddrPort, accept func(port.Kind, net.Conn)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.at, addr)
	if accept != nil {
		n.at[addr] = accept
	}
}

func (n *memNet) silence(addr netip.AddrPort, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.mute[addr] = err
}

// dialed is how often addr was dialed.
func (n *memNet) dialed(addr netip.AddrPort) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.dials[addr]
}

// memHost is one address of a memNet, and a Net.
type memHost struct {
	net  *memNet
	addr netip.AddrPort
}

// Dial implements Net.
func (h memHost) Dial(ctx context.Context, to netip.AddrPort, kind port.Kind) (net.Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	h.net.mu.Lock()
	h.net.dials[to]++
	accept, mute, size := h.net.at[to], h.net.mute[to], h.net.buffer
	h.net.mu.Unlock()
	switch {
	case mute != nil:
		return nil, mute
	case accept == nil:
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	}
	ours, theirs := memConns(netip.AddrPortFrom(h.addr.Addr(), 40000), to, size)
	accept(kind, theirs)
	return ours, nil
}

// memPipe is one direction of a stream.
type memPipe struct {
	mu   sync.Mutex
	cond *sync.Cond
	size int

	// guarded by mu
	buf       []byte
	ended     bool // by the writer
	abandoned bool // by the reader
	reset     bool
	read      memDeadline
	write     memDeadline
}

type memDeadline struct {
	at    time.Time
	timer *time.Timer
}

func (d *memDeadline) over() bool { return !d.at.IsZero() && !time.Now().Before(d.at) }

// set is called with the lock held.
func (d *memDeadline) set(at time.Time, wake func()) {
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
	d.at = at
	if !at.IsZero() && time.Now().Before(at) {
		d.timer = time.AfterFunc(time.Until(at), wake)
	}
	wake()
}

func newMemPipe(size int) *memPipe {
	p := &memPipe{size: size}
	p.cond = sync.NewCond(&p.mu)
	return p
}

func (p *memPipe) Read(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		switch {
		case p.abandoned:
			return 0, net.ErrClosed
		case p.read.over():
			return 0, os.ErrDeadlineExceeded
		case len(p.buf) > 0:
			n := copy(b, p.buf)
			p.buf = append(p.buf[:0], p.buf[n:]...)
			p.cond.Broadcast()
			return n, nil
		case p.reset:
			return 0, syscall.ECONNRESET
		case p.ended:
			return 0, io.EOF
		}
		p.cond.Wait()
	}
}

func (p *memPipe) Write(b []byte) (n int, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		switch {
		case p.ended:
			return n, net.ErrClosed
		case p.abandoned || p.reset:
			return n, syscall.EPIPE
		case p.write.over():
			return n, os.ErrDeadlineExceeded
		case len(b) == 0:
			return n, nil
		case len(p.buf) < p.size:
			k := min(len(b), p.size-len(p.buf))
			p.buf = append(p.buf, b[:k]...)
			n, b = n+k, b[k:]
			p.cond.Broadcast()
			continue
		}
		p.cond.Wait()
	}
}

// end is the writer's close.
func (p *memPipe) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended = true
	p.write.set(time.Time{}, p.cond.Broadcast)
}

// abandon is the reader's close; it tells whether anything was left unread.
func (p *memPipe) abandon() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.abandoned = true
	p.read.set(time.Time{}, p.cond.Broadcast)
	return len(p.buf) > 0
}

// fail throws away what wasn't delivered, as a reset does.
func (p *memPipe) fail() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.buf, p.reset = nil, true
	p.cond.Broadcast()
}

func (p *memPipe) deadline(d *memDeadline, at time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	d.set(at, p.cond.Broadcast)
}

// memConn is one end of a stream.
type memConn struct {
	in, out       *memPipe
	local, remote netip.AddrPort
	once          sync.Once
}

func memConns(a, b netip.AddrPort, size int) (*memConn, *memConn) {
	one, two := newMemPipe(size), newMemPipe(size)
	return &memConn{in: one, out: two, local: a, remote: b}, &memConn{in: two, out: one, local: b, remote: a}
}

func (c *memConn) Read(b []byte) (int, error)  { return c.in.Read(b) }
func (c *memConn) Write(b []byte) (int, error) { return c.out.Write(b) }
func (c *memConn) CloseWrite() error           { c.out.end(); return nil }
func (c *memConn) LocalAddr() net.Addr         { return net.TCPAddrFromAddrPort(c.local) }
func (c *memConn) RemoteAddr() net.Addr        { return net.TCPAddrFromAddrPort(c.remote) }

// Close resets the stream if something was left unread, as a kernel does.
func (c *memConn) Close() error {
	c.once.Do(func() {
		c.out.end()
		if c.in.abandon() {
			c.out.fail()
		}
	})
	return nil
}

func (c *memConn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

func (c *memConn) SetReadDeadline(t time.Time) error {
	c.in.deadline(&c.in.read, t)
	return nil
}

func (c *memConn) SetWriteDeadline(t time.Time) error {
	c.out.deadline(&c.out.write, t)
	return nil
}

func TestMemConn(t *testing.T) {
	a, b := memConns(addrOfHost(1), addrOfHost(2), 4)
	if n, err := a.Write([]byte("1234")); n != 4 || err != nil {
		t.Fatal(n, err)
	}
	_ = a.SetWriteDeadline(time.Now().Add(-time.Second))
	if _, err := a.Write([]byte("5")); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a full pipe: %v", err)
	}
	_ = a.CloseWrite()
	if p, err := io.ReadAll(b); string(p) != "1234" || err != nil {
		t.Errorf("%q, %v", p, err)
	}
	_ = b.SetReadDeadline(time.Now().Add(-time.Second))
	if _, err := b.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("past the deadline: %v", err)
	}
	if _, err := b.Write([]byte("67")); err != nil {
		t.Error(err)
	}
	_ = a.Close()
	if _, err := b.Write([]byte("8")); !errors.Is(err, syscall.EPIPE) {
		t.Errorf("write to a closed end: %v", err)
	}
}
