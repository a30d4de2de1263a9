package gossip

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// memnet is the network twin: streams are buffered pipes, datagrams go straight into the other Node's queue. Nothing sleeps
// outside virtual time and nothing is lost unless a test says so. Safe for concurrent use.
type memnet struct {
	mu    sync.Mutex
	hosts map[netip.AddrPort]*memhost
	noUDP bool                              // datagrams are refused, as by a firewall
	apart func(a, b netip.AddrPort) bool    // nothing passes between these two; nil: everything does
	tap   func(b []byte, to netip.AddrPort) // sees every datagram; nil: nobody does
	dials int
}

// memhost is one address of a memnet, and a Net.
type memhost struct {
	net  *memnet
	addr netip.AddrPort

	// guarded by net.mu
	node  *Node
	conns map[*memconn]struct{} // both ends of all open streams that touch it

	sent traffic
}

// traffic is what a memhost has sent: payload, without the headers of UDP and TCP.
type traffic struct{ packets, packetBytes, streamBytes atomic.Int64 }

var errRefused = &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}

func newMemnet() *memnet { return &memnet{hosts: make(map[netip.AddrPort]*memhost)} }

// host makes an address without a Node.
func (m *memnet) host(addr netip.AddrPort) *memhost {
	return &memhost{net: m, addr: addr, conns: make(map[*memconn]struct{})}
}

// parted tells whether nothing passes between two addresses; mu is held.
func (m *memnet) parted(a, b netip.AddrPort) bool { return m.apart != nil && m.apart(a, b) }

// cut sets what is apart.
func (m *memnet) cut(apart func(a, b netip.AddrPort) bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.apart = apart
}

// attach makes h answer with n; nil takes it off the net and cuts its streams.
func (h *memhost) attach(n *Node) {
	h.net.mu.Lock()
	h.node = n
	var cut []*memconn
	if n != nil {
		h.net.hosts[h.addr] = h
	} else {
		delete(h.net.hosts, h.addr)
		cut = slices.Collect(maps.Keys(h.conns))
	}
	h.net.mu.Unlock()
	for _, c := range cut {
		c.Close()
	}
}

func (h *memhost) DialGossip(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	h.net.mu.Lock()
	h.net.dials++
	other := h.net.hosts[to]
	if h.node == nil || other == nil || h.net.parted(h.addr, to) {
		h.net.mu.Unlock()
		return nil, errRefused
	}
	ours, theirs := newMemconns(h.addr, to)
	ours.host, theirs.host = h, other
	for _, c := range []*memconn{ours, theirs} {
		h.conns[c], other.conns[c] = struct{}{}, struct{}{}
		c.closed = func() {
			h.net.mu.Lock()
			defer h.net.mu.Unlock()
			delete(h.conns, c)
			delete(other.conns, c)
		}
	}
	node := other.node
	h.net.mu.Unlock()
	node.Stream(theirs)
	return ours, nil
}

func (h *memhost) WriteTo(b []byte, to netip.AddrPort) error {
	h.sent.packets.Add(1)
	h.sent.packetBytes.Add(int64(len(b)))
	h.net.mu.Lock()
	if h.net.tap != nil {
		h.net.tap(b, to)
	}
	other := h.net.hosts[to]
	if h.net.parted(h.addr, to) {
		h.net.mu.Unlock()
		return nil // lost on its way
	}
	ok := h.node != nil && other != nil && !h.net.noUDP
	var node *Node
	if ok {
		node = other.node
	}
	h.net.mu.Unlock()
	if !ok {
		return &net.OpError{Op: "write", Net: "udp", Err: os.ErrPermission}
	}
	node.Packet(b, h.addr, time.Now())
	return nil
}

// swarm is a set of Nodes on one memnet. Its methods are the test goroutine's.
type swarm struct {
	t   *testing.T
	net *memnet
	all []*place
}

// place is a Node of a swarm with what became of it.
type place struct {
	node *Node
	host *memhost
	stop context.CancelFunc
	done chan struct{}

	mu     sync.Mutex
	events []Event
}

// testConfig is member i's Config, without Net.
func testConfig(i int) Config {
	cfg := Config{
		Member:    memberName(i),
		Advertise: memberAddr(i),
		Label:     "p2pcp/0123456789abcdef",
		Meta:      Meta{Role: Receiver, State: Getting, Zone: uint32(i), Swarm: [8]byte{1, 2, 3}},
	}
	copy(cfg.Key[:], "0123456789abcdef0123456789abcdef")
	if i == 0 {
		cfg.Meta.Role, cfg.Meta.State = Seed, Complete
	}
	return cfg
}

func memberName(i int) string { return fmt.Sprintf("host-%04d", i) }

// memberAddr is IPv4 for even members and IPv6 for odd ones.
func memberAddr(i int) netip.AddrPort {
	if i%2 == 1 {
		return netip.AddrPortFrom(netip.AddrFrom16([16]byte{0xfd, 14: byte(i >> 8), 15: byte(i)}), 7700)
	}
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 77, byte(i >> 8), byte(i)}), 7700)
}

// attached is a Node that its host's listener feeds; it doesn't run yet.
func (s *swarm) attached(cfg Config) (*Node, *memhost) {
	host := s.net.host(cfg.Advertise)
	cfg.Net = host
	n := New(cfg)
	host.attach(n)
	return n, host
}

// start runs a Node with cfg and joins it to member 0.
func (s *swarm) start(cfg Config) *place {
	node, host := s.attached(cfg)
	ctx, stop := context.WithCancel(context.Background())
	p := &place{node: node, host: host, stop: stop, done: make(chan struct{})}
	p.node.Join([]netip.AddrPort{memberAddr(0)})
	go func() {
		for e := range p.node.Events() {
			p.mu.Lock()
			p.events = append(p.events, e)
			p.mu.Unlock()
		}
		close(p.done)
	}()
	go func() {
		if err := p.node.Run(ctx); err != nil {
			s.t.Errorf("Run of %s: %v", cfg.Member, err)
		}
		host.attach(nil)
	}()
	s.all = append(s.all, p)
	return p
}

// end stops all and lets memberlist's timers run out.
func (s *swarm) end() {
	for _, p := range s.all {
		p.stop()
	}
	for _, p := range s.all {
		<-p.done
	}
	time.Sleep(10 * time.Minute)
}

// last is the last Event about member, and how many there were.
func (p *place) last(member string) (Event, int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var last Event
	count := 0
	for _, e := range p.events {
		if e.Member == member {
			last = e
			count++
		}
	}
	return last, count
}

func sortEvents(all []Event) {
	slices.SortFunc(all, func(a, b Event) int { return cmp.Compare(a.Member, b.Member) })
}

// heard copies the Events so far.
func (p *place) heard() []Event {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.events)
}

// dialed is how many dials there were.
func (m *memnet) dialed() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.dials
}
