package gossip

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/hashicorp/memberlist"
)

const (
	packetQueue = 1024 // datagrams that wait for memberlist; at most packetMax bytes each
	// packetMax is above all that memberlist sends: budget 1400 (UDPBufferSize), which a ping with its suspect may pass a little.
	packetMax = 2048
	// streamLimit caps inbound streams under way. memberlist refuses the 128th exchange of states itself, but only when it has
	// read it. Whoever is refused tries again.
	streamLimit = 120
)

// What we spend on answering exchanges of states, in bytes. All who come at once join the seed, and are known only to those that
// came before: with 1000 of them it would send 48 MiB, one copy of a small file. Whom it refuses joins another.
const (
	stateEntry  = 90        // of one member
	stateBurst  = 1 << 20   // unspent at most
	stateBudget = 256 << 10 // a second
)

var errClosed = errors.New("gossip has ended")

// transport is memberlist's way to the port. Safe for concurrent use. It owns every connection from accept or DialTimeout until
// memberlist closes it; Shutdown closes what is left.
type transport struct {
	cfg     Config
	screen  screen
	packets chan *memberlist.Packet // never closed: memberlist would read nil
	streams chan net.Conn           // never closed, for the same reason
	life    context.Context         // of our dials
	end     context.CancelFunc

	sending sync.RWMutex // held for reading by a send; closed is written under both locks
	mu      sync.Mutex
	closed  bool
	open    map[*stream]struct{}
	inbound int            // streams of open that we accepted
	dials   sync.WaitGroup // Add only under mu and before closed
	unspent float64        // bytes of stateBudget
	spent   time.Time      // when unspent was reckoned
}

var _ memberlist.Transport = (*transport)(nil)

func newTransport(cfg Config, members func() int) *transport {
	life, end := context.WithCancel(context.Background())
	t := &transport{
		cfg:     cfg,
		screen:  newScreen(cfg),
		packets: make(chan *memberlist.Packet, packetQueue),
		streams: make(chan net.Conn, streamLimit),
		life:    life,
		end:     end,
		open:    make(map[*stream]struct{}),
		unspent: stateBurst,
	}
	t.screen.afford = func() bool { return t.afford(members()) }
	return t
}

// afford spends what an answer with the state of so many members costs, if there is as much.
func (t *transport) afford(members int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	t.unspent = min(t.unspent+now.Sub(t.spent).Seconds()*stateBudget, stateBurst)
	t.spent = now
	cost := float64(min(members*stateEntry, stateBurst))
	if cost > t.unspent {
		return false
	}
	t.unspent -= cost
	return true
}

// FinalAdvertiseAddr gives Config.Advertise, whatever memberlist would guess.
func (t *transport) FinalAdvertiseAddr(string, int) (net.IP, int, error) {
	return slice(t.cfg.Advertise.Addr()), int(t.cfg.Advertise.Port()), nil
}

// WriteTo sends a datagram. That it couldn't be sent is no error: memberlist would call the member failed (or, with an error it
// doesn't know, well) at once instead of trying TCP, and where UDP is forbidden that would be everybody.
func (t *transport) WriteTo(b []byte, addr string) (time.Time, error) {
	to, err := netip.ParseAddrPort(addr)
	if err != nil || !dialable(to) {
		return time.Time{}, fmt.Errorf("send to %q: %w", addr, errAddr)
	}
	t.sending.RLock()
	defer t.sending.RUnlock()
	if t.closed {
		return time.Time{}, errClosed
	}
	_ = t.cfg.Net.WriteTo(b, to)
	return time.Now(), nil
}

// PacketCh is where memberlist takes datagrams.
func (t *transport) PacketCh() <-chan *memberlist.Packet { return t.packets }

// StreamCh is where memberlist takes connections.
func (t *transport) StreamCh() <-chan net.Conn { return t.streams }

// DialTimeout connects. The connection has a deadline already: memberlist writes its label before it sets one.
func (t *transport) DialTimeout(addr string, timeout time.Duration) (net.Conn, error) {
	to, err := netip.ParseAddrPort(addr)
	if err != nil || !dialable(to) {
		return nil, fmt.Errorf("dial %q: %w", addr, errAddr)
	}
	if !t.beginDial() {
		return nil, errClosed
	}
	defer t.dials.Done()
	deadline := time.Now().Add(timeout)
	ctx, cancel := context.WithDeadline(t.life, deadline)
	defer cancel()
	conn, err := t.cfg.Net.DialGossip(ctx, to)
	if err != nil {
		return nil, err
	}
	s := t.track(conn, false)
	if s == nil {
		return nil, errClosed
	}
	_ = s.SetDeadline(deadline)
	return s, nil
}

// beginDial counts a dial, unless we have ended.
func (t *transport) beginDial() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return false
	}
	t.dials.Add(1)
	return true
}

// packet takes a datagram, or drops it.
func (t *transport) packet(b []byte, from netip.AddrPort, at time.Time) {
	if len(b) > packetMax || !t.screen.packet(b) {
		return
	}
	from = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
	p := &memberlist.Packet{Buf: append([]byte(nil), b...), From: net.UDPAddrFromAddrPort(from), Timestamp: at}
	select {
	case t.packets <- p:
	default:
	}
}

// stream takes a connection, or closes it.
func (t *transport) stream(conn net.Conn) {
	s := t.track(conn, true)
	if s == nil {
		return
	}
	_ = s.SetDeadline(time.Now().Add(tcpTimeout))
	select {
	case t.streams <- s:
	default:
		_ = s.Close()
	}
}

// track makes conn a stream of ours, or closes it and returns nil.
func (t *transport) track(conn net.Conn, inbound bool) *stream {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed || inbound && t.inbound >= streamLimit {
		_ = conn.Close()
		return nil
	}
	if inbound {
		t.inbound++
	}
	s := &stream{Conn: conn, t: t, inbound: inbound}
	t.open[s] = struct{}{}
	return s
}

// forget is track's end.
func (t *transport) forget(s *stream) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, ok := t.open[s]; !ok {
		return
	}
	delete(t.open, s)
	if s.inbound {
		t.inbound--
	}
}

// Shutdown ends every dial, closes every connection and refuses whatever comes later. When it returns, Config.Net is not in use
// and never will be.
func (t *transport) Shutdown() error {
	t.sending.Lock()
	t.mu.Lock()
	t.closed = true
	open := t.open
	t.open = make(map[*stream]struct{})
	t.mu.Unlock()
	t.sending.Unlock()
	t.end()
	for s := range open {
		_ = s.Conn.Close()
	}
	t.dials.Wait()
	return nil
}
