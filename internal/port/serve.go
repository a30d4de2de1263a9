package port

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
)

// gossipByte begins every datagram of memberlist: its label header.
const gossipByte = 0xF4

// maxDatagram is the longest datagram there can be, in bytes.
const maxDatagram = 64 << 10

type deliverFunc = func(b []byte, from netip.AddrPort, at time.Time)

// Packets is where memberlist's datagrams go (first byte 0xF4). deliver owns b; it is called on the one goroutine that
// reads datagrams, so it must not block: drop when full. Set it before Serve.
func (p *Port) Packets(deliver func(b []byte, from netip.AddrPort, at time.Time)) {
	p.deliver = deliver
}

// WriteTo sends a datagram from the port. Safe for concurrent use.
func (p *Port) WriteTo(b []byte, to netip.AddrPort) error {
	if _, err := p.udp.WriteToUDPAddrPort(b, to); err != nil {
		return fmt.Errorf("send datagram: %w", err)
	}
	return nil
}

// Serve accepts connections, shakes hands and reads datagrams (answering pings) until ctx ends, when it returns nil, or
// until a socket fails. Then the sockets are closed, handshakes are broken off, and every goroutine that Serve started has
// ended, accept functions included. It is called once.
func (p *Port) Serve(ctx context.Context) error {
	g, inner := errgroup.WithContext(ctx)
	g.Go(func() error { return p.gate.serve(inner, p.tcp) })
	g.Go(func() error { return p.readPackets(inner) })
	g.Go(func() error {
		<-inner.Done()
		p.gate.close()
		_ = p.Close() // what closing a socket could tell helps nobody here
		return nil
	})
	err := g.Wait()
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// readPackets reads datagrams until the socket is closed. What an ICMP message left behind is read over.
func (p *Port) readPackets(ctx context.Context) error {
	buf := make([]byte, maxDatagram)
	for wait := shortBackoff; ; {
		n, from, err := p.udp.ReadFromUDPAddrPort(buf)
		if errors.Is(err, net.ErrClosed) {
			return fmt.Errorf("read datagram: %w", err)
		}
		if fromICMP(err) {
			continue
		}
		if err != nil {
			if !sleep(ctx, wait) {
				return ctx.Err()
			}
			wait = min(2*wait, longBackoff)
			continue
		}
		wait = shortBackoff
		from = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
		p.packet(buf[:n], from, time.Now())
	}
}

// fromICMP tells of an error that some system reports when a datagram of ours met nobody. Reading it clears it.
func fromICMP(err error) bool {
	return errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.EHOSTUNREACH) || errors.Is(err, syscall.ENETUNREACH)
}

// packet sorts one datagram by its first byte. b is only valid during the call.
func (p *Port) packet(b []byte, from netip.AddrPort, at time.Time) {
	switch {
	case len(b) == 0:
	case b[0] == gossipByte:
		if p.deliver != nil {
			p.deliver(append([]byte(nil), b...), from, at)
		}
	default:
		if reply, ok := p.pings.answer(b, from, at); ok {
			_ = p.WriteTo(reply[:], from) // the asker asks again
		}
	}
}
