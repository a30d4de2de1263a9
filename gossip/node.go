package gossip

import (
	"context"
	crand "crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/memberlist"
)

const (
	protocol      = memberlist.ProtocolVersion2Compatible
	tcpTimeout    = 5 * time.Second
	probeInterval = time.Second
	// deadTime is how long memberlist gossips to the dead, and keeps them at least.
	deadTime = 30 * time.Second

	gossipInterval = 100 * time.Millisecond
	gossipNodes    = 4
	// retransmitMult times log10 of the members is how often each passes a message on. With memberlist's 4 one of 8 members
	// misses a message in 50; with 6 in 1000. An exchange of states, every 30 s at least, tells it then.
	retransmitMult = 6

	// suspicionMax is how much longer than usual (4 s for up to 10 members) a suspicion lasts that nobody else confirms.
	// memberlist counts the dead among those who could: with its 6 the last living member takes half a minute to say so.
	suspicionMax = 2

	// leaveTime is what leaving may take: first the state Leaving spreads, leaveTell at most, then the goodbye.
	leaveTime = time.Second
	leaveTell = 700 * time.Millisecond
)

// Node is our place in the gossip. All methods are safe for concurrent use; Run is called once.
type Node struct {
	cfg       Config
	transport *transport
	table     *table
	targets   *targets
	log       *logWriter
	events    chan Event
	announce  chan struct{} // capacity 1: the state has changed
	started   atomic.Bool

	mu    sync.Mutex
	state State
}

// New makes an unstarted Node. It has no side effects; Run checks cfg.
func New(cfg Config) *Node {
	if cfg.MaxMembers <= 0 {
		cfg.MaxMembers = DefaultMaxMembers
	}
	cfg.Advertise = netip.AddrPortFrom(cfg.Advertise.Addr().Unmap(), cfg.Advertise.Port())
	table := newTable(cfg.MaxMembers)
	return &Node{
		cfg:       cfg,
		transport: newTransport(cfg, table.count),
		table:     table,
		targets:   newTargets(cfg.Advertise),
		log:       &logWriter{to: cfg.Log},
		events:    make(chan Event, 64),
		announce:  make(chan struct{}, 1),
		state:     cfg.Meta.State,
	}
}

// Packet takes a datagram of the port, before, during and after Run. It keeps no part of b and never blocks; what isn't a
// datagram of our gossip is dropped.
func (n *Node) Packet(b []byte, from netip.AddrPort, at time.Time) { n.transport.packet(b, from, at) }

// Stream takes a gossip connection, before, during and after Run, and owns it from then on. It never blocks; a connection too
// many, or one after Run, is closed.
func (n *Node) Stream(conn net.Conn) { n.transport.stream(conn) }

// Events gives the changes, in an order that is right for each member and coalesced. Closed when Run returns.
func (n *Node) Events() <-chan Event { return n.events }

// Members is a copy of the view as Up events sorted by name, ourselves left out. It may be ahead of Events.
func (n *Node) Members() []Event { return n.table.view() }

// SetState announces a state transition; s is one of the State constants. It returns at once.
func (n *Node) SetState(s State) {
	n.mu.Lock()
	changed := n.state != s
	n.state = s
	n.mu.Unlock()
	if !changed {
		return
	}
	select {
	case n.announce <- struct{}{}:
	default:
	}
}

// meta is what we say of ourselves now.
func (n *Node) meta() Meta {
	n.mu.Lock()
	defer n.mu.Unlock()
	m := n.cfg.Meta
	m.State = n.state
	return m
}

// Run gossips until ctx ends, then leaves (1 s at most, at once when alone) and shuts down. It returns nil then, and an error
// only if it couldn't start. When it has returned, Config.Net and Config.Log are not used any more; which of memberlist's
// goroutines may take some seconds more to end is told in the package comment.
func (n *Node) Run(ctx context.Context) error {
	if !n.started.CompareAndSwap(false, true) {
		return errors.New("gossip runs once")
	}
	defer close(n.events)
	defer n.log.close()
	if err := n.check(); err != nil {
		_ = n.transport.Shutdown()
		return fmt.Errorf("start gossip: %w", err)
	}
	rng, err := newRand(n.cfg.Rand)
	if err != nil {
		_ = n.transport.Shutdown()
		return fmt.Errorf("start gossip: %w", err)
	}
	list, err := memberlist.Create(n.memberlistConfig())
	if err != nil {
		_ = n.transport.Shutdown()
		return fmt.Errorf("start gossip: %w", err)
	}
	var announcer, others sync.WaitGroup
	announcer.Go(func() { n.announceChanges(ctx, list) })
	others.Go(func() { n.deliver(ctx) })
	others.Go(func() { (&joiner{n: n, list: list, rng: rng}).run(ctx) })
	<-ctx.Done()
	announcer.Wait() // UpdateNode after Leave finds no record of us and panics
	n.leave(list)
	_ = list.Shutdown() // always nil; ends the joins under way
	others.Wait()
	return nil
}

// check tells whether the Config can work.
func (n *Node) check() error {
	switch cfg := n.cfg; {
	case !validName(cfg.Member):
		return fmt.Errorf("member %q: %w", cfg.Member, errName)
	case !dialable(cfg.Advertise):
		return fmt.Errorf("advertise %v: %w", cfg.Advertise, errAddr)
	case cfg.Label == "" || len(cfg.Label) > memberlist.LabelMaxSize:
		return fmt.Errorf("label of %d bytes", len(cfg.Label))
	case cfg.Net == nil:
		return errors.New("no net")
	}
	return n.meta().check()
}

// memberlistConfig is the LAN's, with what 1000 members and one busy port need.
func (n *Node) memberlistConfig() *memberlist.Config {
	cfg := memberlist.DefaultLANConfig()
	cfg.Name = n.cfg.Member
	cfg.Transport = n.transport
	cfg.BindPort = 0 // stands in for a port 0 that a member claims, and read refuses it
	cfg.AdvertisePort = 0
	cfg.Label = n.cfg.Label
	cfg.SecretKey = n.cfg.Key[:]
	cfg.Delegate, cfg.Events, cfg.Alive = delegate{n}, delegate{n}, delegate{n}
	cfg.Logger = log.New(n.log, "", 0)
	cfg.ProtocolVersion = protocol
	cfg.EnableCompression = false // LZW costs half the CPU and makes states larger
	cfg.RetransmitMult = retransmitMult
	cfg.GossipInterval = gossipInterval
	cfg.GossipNodes = gossipNodes
	cfg.GossipToTheDeadTime = deadTime
	cfg.ProbeInterval = probeInterval
	cfg.ProbeTimeout = 700 * time.Millisecond
	cfg.SuspicionMaxTimeoutMult = suspicionMax
	cfg.TCPTimeout = tcpTimeout
	cfg.DeadNodeReclaimTime = time.Second // or a name is refused at its new address for a minute
	cfg.HandoffQueueDepth = 4096
	return cfg
}

// reapAfter is when memberlist has forgotten a dead member for sure: its probe ring of members wraps once after deadTime, and a
// slow host probes less than once an interval.
func reapAfter(members int) time.Duration {
	return deadTime + 2*time.Duration(members)*probeInterval
}

// deliver sends what the table has to tell.
func (n *Node) deliver(ctx context.Context) {
	for {
		e, ok := n.table.next()
		if !ok {
			select {
			case <-n.table.wake:
				continue
			case <-ctx.Done():
				return
			}
		}
		select {
		case n.events <- e:
		case <-ctx.Done():
			return
		}
	}
}

// announceChanges makes memberlist read our Meta again when it has changed.
func (n *Node) announceChanges(ctx context.Context, list *memberlist.Memberlist) {
	for {
		select {
		case <-n.announce:
			// The broadcast is queued at once; a longer timeout would only wait for its last transmission.
			_ = list.UpdateNode(time.Nanosecond)
		case <-ctx.Done():
			return
		}
	}
}

// leave says goodbye, within leaveTime.
func (n *Node) leave(list *memberlist.Memberlist) {
	if n.table.count() == 0 {
		_ = list.Leave(time.Nanosecond)
		return
	}
	end := time.Now().Add(leaveTime)
	n.SetState(Leaving)
	_ = list.UpdateNode(time.Nanosecond)
	time.Sleep(spreadTime(n.table.count()))
	_ = list.Leave(max(time.Until(end), time.Nanosecond))
}

// spreadTime is how long a message needs to reach others members, nearly always: about log5 of them rounds of gossip, and some
// more for the last one. A goodbye that overtakes the state Leaving makes memberlist forget the state, and our end is then taken
// for a death.
func spreadTime(others int) time.Duration {
	rounds := time.Duration(2)
	for reach := 1; reach < others; reach *= 3 {
		rounds++
	}
	return min(rounds*gossipInterval, leaveTell)
}

// newRand makes our source of jitter from seed.
func newRand(seed io.Reader) (*rand.Rand, error) {
	if seed == nil {
		seed = crand.Reader
	}
	var b [16]byte
	if _, err := io.ReadFull(seed, b[:]); err != nil {
		return nil, fmt.Errorf("read random seed: %w", err)
	}
	return rand.New(rand.NewPCG(binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:]))), nil
}
