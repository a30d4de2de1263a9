// Package hostile is a member that has the key and keeps no rule: for the tests of what such a one can do to others.
//
// A Foe dials a member, and all whom the members name, and does to each of them what its Attack says, anew whenever a connection ends,
// until its context ends. It holds no content of its own but what a test gives it. Goroutines: those of Run, which waits for them.
package hostile

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"p2pcp/blocks"
	"p2pcp/internal/port"
	"p2pcp/swarm/wire"
)

// Net is how a Foe reaches others; it passes the handshake.
type Net interface {
	Dial(ctx context.Context, to netip.AddrPort, kind port.Kind) (net.Conn, error)
}

// Foe is a misbehaving member. Set its fields before Run. Safe for concurrent use by its own attacks.
type Foe struct {
	Net    Net
	Name   string                                               // a member's; empty: foe-00000000
	Block  func(i blocks.Index) (b []byte, proof []blocks.CV)   // the right bytes; nil: it has none
	Said   func(from netip.AddrPort, t wire.Type, p []byte)     // sees every frame that comes; nil: nobody does
	Victim func(name string, addr netip.AddrPort) (attack bool) // tells whom to attack; nil: everybody

	mu     sync.Mutex // guards what follows
	known  map[netip.AddrPort]string
	names  []string // of members met or heard of
	header *blocks.Header
	found  chan netip.AddrPort
}

const (
	again    = 200 * time.Millisecond // between two connections to one member
	maxKnown = 4096
)

// Run attacks the member at to, and all whom it names, until ctx ends.
func (f *Foe) Run(ctx context.Context, to netip.AddrPort, a Attack) {
	if f.Name == "" {
		f.Name = "foe-00000000"
	}
	f.known, f.found = map[netip.AddrPort]string{}, make(chan netip.AddrPort, maxKnown)
	f.learn("", to)
	var all sync.WaitGroup
	defer all.Wait()
	for {
		select {
		case <-ctx.Done():
			return
		case addr := <-f.found:
			all.Go(func() {
				f.scout(ctx, addr)
				for k := range max(a.Width, 1) {
					all.Go(func() { f.haunt(ctx, addr, a, k) })
				}
			})
		}
	}
}

// scout learns who is at addr and what the Header is, as an observer, where nobody has told: who dials speaks first, and our HELLO is to fit.
func (f *Foe) scout(ctx context.Context, addr netip.AddrPort) {
	known := func() bool { return f.nameAt(addr) != "" && f.Header() != nil }
	for ctx.Err() == nil && !known() {
		f.dial(ctx, addr, port.Observer, func(c *Conn) { _ = c.greet(Attack{Kind: port.Observer}) })
		if !known() {
			pause(ctx, again)
		}
	}
}

// haunt attacks one member again and again.
func (f *Foe) haunt(ctx context.Context, addr netip.AddrPort, a Attack, k int) {
	for n := 0; ctx.Err() == nil; n++ {
		f.dial(ctx, addr, a.kind(), func(c *Conn) {
			c.n = k + n*max(a.Width, 1)
			switch {
			case a.Raw != nil:
				a.Raw(ctx, c)
			case c.greet(a) == nil:
				a.Do(ctx, c)
			}
		})
		pause(ctx, again)
	}
}

// dial has do use a connection, until ctx ends.
func (f *Foe) dial(ctx context.Context, addr netip.AddrPort, kind port.Kind, do func(c *Conn)) {
	conn, err := f.Net.Dial(ctx, addr, kind)
	if err != nil {
		return
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	defer func() { _ = conn.Close() }()
	do(&Conn{Conn: conn, foe: f, to: addr, theirs: wire.Hello{Member: f.nameAt(addr)}, br: bufio.NewReader(conn)})
}

// learn takes a member's name and address, and has it attacked if it is new.
func (f *Foe) learn(name string, addr netip.AddrPort) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if name != "" && name != f.Name && !slices.Contains(f.names, name) && len(f.names) < maxKnown {
		f.names = append(f.names, name)
	}
	called, old := f.known[addr]
	if called == "" && old {
		f.known[addr] = name
	}
	if old || addr.Port() == 0 || len(f.known) >= maxKnown || (f.Victim != nil && !f.Victim(name, addr)) {
		return
	}
	f.known[addr] = name
	f.found <- addr // has room for all
}

// nameAt is the name of the member at addr; empty if nobody has told it.
func (f *Foe) nameAt(addr netip.AddrPort) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.known[addr]
}

// another is the n-th name of a member other than except; empty if none is known.
func (f *Foe) another(n int, except string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	others := slices.DeleteFunc(slices.Clone(f.names), func(s string) bool { return s == except })
	if len(others) == 0 {
		return ""
	}
	return others[n%len(others)]
}

// Header is the content's, once a member told it.
func (f *Foe) Header() *blocks.Header {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.header
}

// Conn is one connection of an attack.
type Conn struct {
	net.Conn
	foe    *Foe
	to     netip.AddrPort
	n      int // how many there were before it
	br     *bufio.Reader
	theirs wire.Hello
}

// greet exchanges HELLO.
func (c *Conn) greet(a Attack) error {
	h := wire.Hello{Observer: a.kind() == port.Observer, Member: c.foe.Name, Listen: nowhere()}
	if !h.Observer {
		h.Header = c.foe.Header()
		if a.Hello != nil {
			a.Hello(c, &h)
		}
	}
	if err := c.send(h.Append(nil)); err != nil {
		return err
	}
	return c.read(h.Header)
}

// read takes their HELLO, which answers one with such a Header.
func (c *Conn) read(told *blocks.Header) error {
	t, p, err := wire.ReadFrame(c.br, nil)
	if err != nil {
		return err
	}
	if t != wire.THello {
		return fmt.Errorf("first frame is %s", t)
	}
	if c.theirs, err = wire.ParseHello(p, told); err != nil {
		return err
	}
	c.saw(t, p)
	f := c.foe
	f.mu.Lock()
	if c.theirs.Header != nil {
		f.header = c.theirs.Header
	}
	f.mu.Unlock()
	f.learn(c.theirs.Member, c.to)
	c.peers(c.theirs.Peers)
	return nil
}

func (c *Conn) peers(list []wire.Peer) {
	for _, p := range list {
		addr := p.Addr
		if addr.Addr().IsUnspecified() {
			addr = netip.AddrPortFrom(c.to.Addr(), addr.Port())
		}
		c.foe.learn(p.Member, addr)
	}
}

func (c *Conn) saw(t wire.Type, p []byte) {
	if c.foe.Said != nil {
		c.foe.Said(c.to, t, p)
	}
}

func (c *Conn) send(frames []byte) error {
	_, err := c.Write(frames)
	return err
}

// frames reads until the end, and gives each to do; PEERS are learned on the way.
func (c *Conn) frames(do func(t wire.Type, p []byte) error) error {
	for {
		t, p, err := wire.ReadFrame(c.br, nil)
		if err != nil {
			return err
		}
		c.saw(t, p)
		if t == wire.TPeers {
			if list, err := wire.ParsePeers(p); err == nil {
				c.peers(list)
			}
		}
		if do == nil {
			continue
		}
		if err := do(t, p); err != nil {
			return err
		}
	}
}

// drain reads all that comes in the background; the returned channel is closed at the end.
func (c *Conn) drain() <-chan struct{} {
	over := make(chan struct{})
	go func() {
		defer close(over)
		_ = c.frames(nil)
	}()
	return over
}

// alive sends a PING every second until the other side has enough or ctx ends, reading all that comes.
func (c *Conn) alive(ctx context.Context) {
	over := c.drain()
	for {
		select {
		case <-over:
			return
		case <-ctx.Done():
			_ = c.Close()
			<-over
			return
		case <-time.After(time.Second):
			if c.send(wire.AppendEmpty(nil, wire.TPing)) != nil {
				_ = c.Close()
			}
		}
	}
}

// batch is how many bytes of frames are written at a time.
const batch = 16 << 10

// repeat writes what frame appends as fast as it is taken, reading all that comes.
func (c *Conn) repeat(frame func(b []byte, n int) []byte) {
	over := c.drain()
	var b []byte
	for n := 0; ; {
		for b = b[:0]; len(b) < batch; n++ {
			b = frame(b, n)
		}
		if c.send(b) != nil {
			break
		}
	}
	_ = c.Close()
	<-over
}

// pause waits, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// nowhere is the address of one who can't be dialled.
func nowhere() netip.AddrPort { return netip.AddrPortFrom(netip.IPv4Unspecified(), 0) }

// everywhere is n-th of many addresses where nobody is (198.18.0.0/15, for benchmarks).
func everywhere(n int) netip.AddrPort {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], 198<<24|18<<16|uint32(n)&0x1ffff)
	return netip.AddrPortFrom(netip.AddrFrom4(b), 7700)
}
