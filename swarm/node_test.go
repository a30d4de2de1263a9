package swarm

import (
	"context"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"p2pcp/blocks"
)

func addrOfHost(k int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 1, byte(k / 250), byte(1 + k%250)}), 7700)
}

// node is a Swarm on a memNet.
type node struct {
	*Swarm
	t    *testing.T
	addr netip.AddrPort
	net  *memNet
	disk *shelf
	stop context.CancelFunc
	done chan struct{} // closed when Run has returned
	err  error         // what it returned
}

// newNode makes a node that listens and isn't running. A seed is one without bootstrap addresses.
func newNode(t *testing.T, n *memNet, g *goods, k int, change func(*Config)) *node {
	t.Helper()
	p := &node{t: t, addr: addrOfHost(k), net: n, done: make(chan struct{})}
	cfg := Config{
		Core: CoreConfig{
			Self: fmt.Sprintf("host%03d-0000000%d", k, k%10), ID: g.ID(), RandSeed: [2]uint64{uint64(k), 7},
			Linger: Linger{Mode: LingerFor, Idle: 5 * time.Second},
		},
		Net: memHost{n, p.addr}, Listen: netip.AddrPortFrom(netip.IPv4Unspecified(), 7700), Host: "host",
	}
	if change != nil {
		change(&cfg)
	}
	p.disk = g.shelf(t, cfg.Core.Seed)
	if cfg.Core.Seed {
		cfg.Core.Have, cfg.Content, cfg.Source = g.all, g.Content, p.disk
	} else {
		open := cfg.Open
		cfg.Open = func(ctx context.Context, c *blocks.Content) (Opening, error) {
			if open != nil {
				return open(ctx, c)
			}
			return Opening{Store: p.disk}, nil
		}
		if cfg.Place == nil {
			cfg.Place = func(context.Context) error { return nil }
		}
	}
	p.Swarm = New(cfg)
	n.listen(p.addr, p.Accept)
	return p
}

// start runs it until the test, or stop, ends it.
func (p *node) start() *node {
	ctx, cancel := context.WithCancel(context.Background())
	p.stop = cancel
	go func() {
		defer close(p.done)
		p.err = p.Run(ctx)
		p.net.listen(p.addr, nil)
	}()
	return p
}

// end stops it and waits.
func (p *node) end() error {
	p.stop()
	<-p.done
	return p.err
}

func asSeed(c *Config) { c.Core.Seed = true }

// knows gives the bootstrap addresses of hosts.
func knows(hosts ...int) func(*Config) {
	return func(c *Config) {
		for _, k := range hosts {
			c.Bootstrap = append(c.Bootstrap, addrOfHost(k))
		}
	}
}

// only is the single session of p.
func (p *node) only() *session {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.sessions) != 1 {
		p.t.Fatalf("%d sessions", len(p.sessions))
	}
	for _, ss := range p.sessions {
		return ss
	}
	return nil
}

func (p *node) sessionCount() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.sessions)
}
