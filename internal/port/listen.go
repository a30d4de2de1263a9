package port

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// The documented range of ports.
const (
	RangeFirst = 7700
	RangeLast  = 7799
)

// Config says where to listen.
type Config struct {
	// Listen is HOST:PORT, HOST, :PORT, PORT or empty. Without HOST it is all addresses, IPv6 and IPv4; without PORT the
	// first of the range that is free; PORT 0 leaves the choice to the kernel.
	Listen string
	// FromTop searches the range from its last port downward.
	FromTop bool
	// HalfOpen is how many handshakes are under way at a time; 0 means 512. Beyond it one of the address that has most of them makes
	// room; who has as many waits in the kernel's queue, and the oldest handshake is closed once it has had half a second.
	HalfOpen int
}

const defaultHalfOpen = 512

// Port is a bound port: one number, TCP and UDP. Its methods are safe for concurrent use but for Packets.
type Port struct {
	tcp net.Listener
	udp datagrams

	gate    *gate
	pings   *echo
	deliver deliverFunc // set before Serve

	closing sync.Once
	closed  error // what closing gave
}

// datagrams is what a Port needs of *net.UDPConn.
type datagrams interface {
	ReadFromUDPAddrPort(b []byte) (n int, from netip.AddrPort, err error)
	WriteToUDPAddrPort(b []byte, to netip.AddrPort) (int, error)
	Close() error
}

// Listen binds TCP and UDP to one number and starts nothing. A named port that is in use gives a *TakenError, and so does
// a range without a free port. Other errors: ErrListen, SplitListen's.
func Listen(ctx context.Context, cfg Config) (*Port, error) {
	host, number, named, err := SplitListen(cfg.Listen)
	if err != nil {
		return nil, fmt.Errorf("listen address %q: %w", cfg.Listen, err)
	}
	at, err := resolve(ctx, host)
	if err != nil {
		return nil, err
	}
	var tcp net.Listener
	var udp *net.UDPConn
	switch {
	case !named:
		tcp, udp, err = at.bindRange(ctx, RangeFirst, RangeLast, cfg.FromTop)
	case number == 0:
		tcp, udp, err = at.bindAny(ctx)
	default:
		tcp, udp, err = at.bind(ctx, number)
	}
	if err != nil {
		return nil, err
	}
	if cfg.HalfOpen <= 0 {
		cfg.HalfOpen = defaultHalfOpen
	}
	g := newGate(cfg.HalfOpen)
	return &Port{tcp: tcp, udp: udp, gate: g, pings: newEcho(g.find)}, nil
}

// SplitListen reads Config.Listen. named tells that a port was given. The error says what is malformed.
func SplitListen(listen string) (host string, number uint16, named bool, err error) {
	if listen == "" {
		return "", 0, false, nil
	}
	if bare, ok := strings.CutPrefix(listen, "["); ok && strings.HasSuffix(bare, "]") {
		return strings.TrimSuffix(bare, "]"), 0, false, nil
	}
	if _, err := netip.ParseAddr(listen); err == nil {
		return listen, 0, false, nil
	}
	host, digits := "", listen
	if strings.Contains(listen, ":") {
		if host, digits, err = net.SplitHostPort(listen); err != nil {
			return "", 0, false, errors.New("not HOST:PORT (an IPv6 address stands in brackets)")
		}
	} else if strings.Trim(listen, "0123456789") != "" {
		return listen, 0, false, nil
	}
	v, err := strconv.ParseUint(digits, 10, 16)
	if err != nil {
		return "", 0, false, fmt.Errorf("port %q is not a number up to 65535", digits)
	}
	return host, uint16(v), true, nil
}

// place is where to bind: the suffix of the network's name (tcp4, tcp6), and the address; "" and "" for everywhere.
type place struct{ family, host string }

// resolve turns a host into the one address to bind.
func resolve(ctx context.Context, host string) (place, error) {
	if host == "" {
		return place{}, nil
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		found, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		if err != nil {
			return place{}, fmt.Errorf("%w on %q: %w", ErrListen, host, err)
		}
		addr = found[0]
	}
	addr = addr.Unmap()
	switch {
	case addr.Is4():
		return place{"4", addr.String()}, nil
	case addr.IsUnspecified():
		return place{}, nil // [::] means IPv4 too, as it does by default elsewhere
	default:
		return place{"6", addr.String()}, nil
	}
}

// bind binds one named port, TCP and UDP.
func (at place) bind(ctx context.Context, number uint16) (net.Listener, *net.UDPConn, error) {
	lc := net.ListenConfig{KeepAliveConfig: keepAlive}
	lc.SetMultipathTCP(false) // its sockets lack TCP options that sessions set
	tcp, err := lc.Listen(ctx, "tcp"+at.family, net.JoinHostPort(at.host, strconv.Itoa(int(number))))
	if err != nil {
		return nil, nil, at.bindError("tcp", number, err)
	}
	if number == 0 {
		number = tcp.Addr().(*net.TCPAddr).AddrPort().Port()
	}
	udp, err := lc.ListenPacket(ctx, "udp"+at.family, net.JoinHostPort(at.host, strconv.Itoa(int(number))))
	if err != nil {
		_ = tcp.Close()
		return nil, nil, at.bindError("udp", number, err)
	}
	return tcp, udp.(*net.UDPConn), nil
}

func (at place) bindError(protocol string, number uint16, err error) error {
	if errors.Is(err, syscall.EADDRINUSE) {
		return &TakenError{Protocol: protocol, First: number, Last: number}
	}
	var errno syscall.Errno
	if errors.As(err, &errno) {
		err = errno // net's words around it name the address once more
	}
	return fmt.Errorf("%w on %s: %w", ErrListen, net.JoinHostPort(at.host, strconv.Itoa(int(number))), err)
}

// numbers gives first to last, or last to first.
func numbers(first, last uint16, fromTop bool) iter.Seq[uint16] {
	return func(yield func(uint16) bool) {
		for k := range last - first + 1 {
			number := first + k
			if fromTop {
				number = last - k
			}
			if !yield(number) {
				return
			}
		}
	}
}

// bindRange binds the first port of first to last, from either end, that is free on both.
func (at place) bindRange(ctx context.Context, first, last uint16, fromTop bool) (net.Listener, *net.UDPConn, error) {
	for number := range numbers(first, last, fromTop) {
		tcp, udp, err := at.bind(ctx, number)
		if err == nil || !errors.Is(err, ErrTaken) {
			return tcp, udp, err
		}
	}
	return nil, nil, &TakenError{Protocol: "tcp and udp", First: first, Last: last}
}

// kernelTries is how often the kernel may choose a port for TCP that is taken on UDP. With half of all ports taken it
// fails once in 2^64.
const kernelTries = 64

// bindAny binds a port of the kernel's choice.
func (at place) bindAny(ctx context.Context) (tcp net.Listener, udp *net.UDPConn, err error) {
	for range kernelTries {
		tcp, udp, err = at.bind(ctx, 0)
		if err == nil || !errors.Is(err, ErrTaken) {
			break
		}
	}
	return tcp, udp, err
}

// Addr is the bound address. Its IP may be unspecified.
func (p *Port) Addr() netip.AddrPort {
	a := p.tcp.Addr().(*net.TCPAddr).AddrPort()
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}

// Close releases the sockets. A Port that is served gives them up by itself when Serve's ctx ends.
func (p *Port) Close() error {
	p.closing.Do(func() { p.closed = errors.Join(p.tcp.Close(), p.udp.Close()) })
	return p.closed
}
