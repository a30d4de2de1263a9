package cmd

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"p2pcp/blocks"
	"p2pcp/gossip"
	"p2pcp/internal/port"
	"p2pcp/swarm"
	"p2pcp/swarm/wire"
)

// member is this process in one swarm: the port, the gossip and the Swarm, wired together. Neither gossip nor swarm knows of the
// other: what one learns is forwarded here.
type member struct {
	cfg     memberConfig
	port    *port.Port
	secrets port.Secrets
	swarm   *swarm.Swarm
	node    atomic.Pointer[gossip.Node]

	starting sync.Once
	started  chan *gossip.Node // capacity 1: the gossip node, once its address is known
}

// memberConfig says how a member takes part.
type memberConfig struct {
	id        blocks.Root
	secrets   port.Secrets
	listen    string           // as in port.Config
	fromTop   bool             // a receiver's search of the range
	advertise []netip.AddrPort // --advertise: overrides what we would say of our address; nil: found out
	self      netip.AddrPort   // a seed's best address, for its gossip
	seed      bool
	lost      func(member string) // a member died or left; nil: not wanted
	swarm     swarm.Config        // Net, Listen and the core's Self, ID and Seed are filled in
	log       *slog.Logger
}

// dialer is port.Dial with our secrets: what swarm and gossip dial with.
type dialer struct{ secrets port.Secrets }

// Dial implements swarm.Net.
func (d dialer) Dial(ctx context.Context, to netip.AddrPort, kind port.Kind) (net.Conn, error) {
	return port.Dial(ctx, to, d.secrets, kind)
}

// gossipNet is the port as gossip needs it.
type gossipNet struct {
	dialer
	port *port.Port
}

// DialGossip implements gossip.Net.
func (g gossipNet) DialGossip(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
	return g.Dial(ctx, to, port.Gossip)
}

// WriteTo implements gossip.Net.
func (g gossipNet) WriteTo(b []byte, to netip.AddrPort) error { return g.port.WriteTo(b, to) }

// newMember binds the port and makes the Swarm; nothing runs yet.
func newMember(ctx context.Context, cfg memberConfig) (*member, error) {
	p, err := port.Listen(ctx, port.Config{Listen: cfg.listen, FromTop: cfg.fromTop})
	if err != nil {
		return nil, err
	}
	return bindMember(p, cfg), nil
}

// bindMember makes a member of an already bound port.
func bindMember(p *port.Port, cfg memberConfig) *member {
	m := &member{cfg: cfg, port: p, started: make(chan *gossip.Node, 1)}
	m.secrets = cfg.secrets
	sc := cfg.swarm
	sc.Net = dialer{m.secrets}
	sc.Listen = p.Addr()
	if len(cfg.advertise) > 0 {
		sc.Listen = cfg.advertise[0]
	}
	sc.Log = cfg.log
	sc.Host = hostName()
	if sc.Core.Self == "" {
		sc.Core.Self = memberName()
	}
	sc.Core.ID, sc.Core.Seed = cfg.id, cfg.seed
	onPeer := sc.OnPeer
	sc.OnPeer = func(p swarm.Peer) {
		m.met(p)
		if onPeer != nil {
			onPeer(p)
		}
	}
	m.cfg.swarm = sc
	m.swarm = swarm.New(sc)
	return m
}

// run takes part until the Swarm ends, and returns its error. Then the gossip leaves, and after it the port closes: a goodbye needs
// it. Both outlive ctx so far.
func (m *member) run(ctx context.Context) error {
	around := context.WithoutCancel(ctx)
	serving, closePort := context.WithCancel(around)
	gossiping, leave := context.WithCancel(around)
	defer closePort()
	defer leave()
	m.port.Route(m.secrets, m.accept)
	m.port.Packets(func(b []byte, from netip.AddrPort, at time.Time) {
		if n := m.node.Load(); n != nil {
			n.Packet(b, from, at)
		}
	})
	swarmCtx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	var server, talker sync.WaitGroup
	server.Go(func() {
		if err := m.port.Serve(serving); err != nil {
			fail(fmt.Errorf("serve port: %w", err))
		}
	})
	talker.Go(func() { m.runGossip(gossiping) })
	if m.cfg.seed {
		m.startGossip(m.cfg.self)
	}
	err := m.swarm.Run(swarmCtx)
	leave()
	talker.Wait()
	closePort()
	server.Wait()
	return err
}

// accept hands an authenticated connection to its owner.
func (m *member) accept(kind port.Kind, conn net.Conn) {
	if kind == port.Gossip {
		if n := m.node.Load(); n != nil {
			n.Stream(conn)
			return
		}
		_ = conn.Close()
		return
	}
	m.swarm.Accept(kind, conn)
}

// met starts the gossip at the first session: only then is it known by which of our addresses others reach us.
func (m *member) met(p swarm.Peer) {
	advertise := netip.AddrPortFrom(p.Local.Addr(), m.port.Addr().Port())
	if len(m.cfg.advertise) > 0 {
		advertise = m.cfg.advertise[0]
	} else if a := m.port.Addr().Addr(); !a.IsUnspecified() {
		advertise = netip.AddrPortFrom(a, m.port.Addr().Port())
	}
	m.startGossip(advertise)
	if n := m.node.Load(); n != nil && p.Addr.Port() != 0 {
		n.Join([]netip.AddrPort{p.Addr})
	}
}

// startGossip makes the gossip node once.
func (m *member) startGossip(advertise netip.AddrPort) {
	m.starting.Do(func() {
		role := gossip.Receiver
		if m.cfg.seed {
			role = gossip.Seed
		}
		var swarmMark [8]byte
		for i := range swarmMark {
			swarmMark[i] = m.cfg.id[i] ^ m.secrets.Tag[i]
		}
		n := gossip.New(gossip.Config{
			Member: m.cfg.swarm.Core.Self, Advertise: advertise,
			Key: m.secrets.GossipKey, Label: m.secrets.Label,
			Meta: gossip.Meta{Role: role, State: gossip.Getting, Zone: m.cfg.swarm.Core.Zone, Swarm: swarmMark},
			Net:  gossipNet{dialer{m.secrets}, m.port}, Log: m.cfg.log,
		})
		m.node.Store(n)
		m.started <- n
	})
}

// gossipDelay is how long a receiver does without gossip: peers tell it of peers meanwhile, and who needs no longer for all of its
// content is spared a third of the CPU of its start.
const gossipDelay = 500 * time.Millisecond

// runGossip runs the gossip node, once there is one, and forwards what it learns.
func (m *member) runGossip(ctx context.Context) {
	var n *gossip.Node
	select {
	case n = <-m.started:
	case <-ctx.Done():
		return
	}
	if !m.cfg.seed {
		select {
		case <-time.After(gossipDelay):
		case <-ctx.Done():
			return
		}
	}
	var around sync.WaitGroup
	defer around.Wait()
	around.Go(func() {
		for e := range n.Events() {
			m.forward(e)
		}
	})
	if err := n.Run(ctx); err != nil {
		m.cfg.log.Warn("gossip ended: the swarm goes on by peer exchange", "err", err)
	}
}

// forward gives the Swarm, and a seed's Ledger, a change of the membership.
func (m *member) forward(e gossip.Event) {
	switch e.Kind {
	case gossip.Up, gossip.Changed:
		m.swarm.AddMember(e.Member, e.Addr, e.Meta.Role == gossip.Seed, e.Meta.Zone)
	case gossip.Left, gossip.Dead:
		m.swarm.DropMember(e.Member)
		if m.cfg.lost != nil && !(e.Kind == gossip.Dead && m.inSession(e.Member)) {
			m.cfg.lost(e.Member)
		}
	}
}

// inSession tells whether a session with a member stands. The gossip calls those dead who can't be reached, such as who can only
// dial out; a session knows better.
func (m *member) inSession(member string) bool {
	return slices.ContainsFunc(m.swarm.Stats().Peers, func(p swarm.PeerStats) bool { return p.Member == member })
}

// complete tells the gossip that we hold everything.
func (m *member) complete() {
	if n := m.node.Load(); n != nil {
		n.SetState(gossip.Complete)
	}
}

// memberName draws this process's name in the swarm: the host's, and 8 random hex digits.
func memberName() string {
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails
	return wire.MemberName(hostName(), binary.BigEndian.Uint32(b[:]))
}

// randSeed seeds the core's own generator.
func randSeed() [2]uint64 {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return [2]uint64{binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])}
}
