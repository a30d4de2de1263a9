package swarm

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"p2pcp/blocks"
	"p2pcp/internal/bubble"
	"p2pcp/internal/port"
	"p2pcp/swarm/wire"
)

func TestSwarmDelivers(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		g, n := newGoods(t, 40), newMemNet()
		seed := newNode(t, n, g, 0, slowSeed).start() // who is complete dials nobody any more
		var all []*node
		for k := 1; k <= 8; k++ {
			all = append(all, newNode(t, n, g, k, knows(0)).start())
		}
		time.Sleep(10 * time.Second)
		for _, p := range all {
			if k := p.sessionCount(); k != 8 {
				t.Errorf("%s has %d sessions, not one to each", p.addr, k)
			}
		}
		for _, p := range all {
			<-p.done
			if p.err != nil || p.disk.lacking() != 0 {
				t.Errorf("%s: %v, lacks %d", p.addr, p.err, p.disk.lacking())
			}
			if st := p.Stats(); st.Received < g.Header().Bytes || st.Bad != 0 {
				t.Errorf("%s: %+v", p.addr, st)
			}
		}
		if sent := seed.Stats().Sent; sent > 3*g.Header().Bytes {
			t.Errorf("the seed sent %.1f copies", float64(sent)/float64(g.Header().Bytes))
		}
		if err := seed.end(); !errors.Is(err, context.Canceled) {
			t.Errorf("seed: %v", err)
		}
	})
}

func TestAcceptAndMembersBeforeRun(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		g, n := newGoods(t, 4), newMemNet()
		seed := newNode(t, n, g, 0, asSeed)
		met := newNode(t, n, g, 1, nil)
		met.AddMember(seed.cfg.Core.Self, seed.addr, true, 0)
		caller := newNode(t, n, g, 2, knows(0)).start()
		time.Sleep(time.Second) // its connection waits
		met.start()
		seed.start()
		for _, p := range []*node{met, caller} {
			if <-p.done; p.err != nil || p.disk.lacking() != 0 {
				t.Errorf("%s: %v", p.addr, p.err)
			}
		}
		_ = seed.end()
	})
}

func TestHeaderLearnedLater(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		g, n := newGoods(t, 4), newMemNet()
		first := newNode(t, n, g, 1, knows(0)).start()
		second := newNode(t, n, g, 2, func(c *Config) { // reaches nobody else, and first has no Header yet
			knows(1)(c)
			c.Net = onlyTo{c.Net, addrOfHost(1)}
			c.Listen = netip.AddrPortFrom(netip.IPv4Unspecified(), 0)
		}).start()
		time.Sleep(5 * time.Second)
		if first.sessionCount() != 1 || second.sessionCount() != 1 {
			t.Fatal("they haven't met")
		}
		seed := newNode(t, n, g, 0, asSeed).start()
		for _, p := range []*node{first, second} {
			if <-p.done; p.err != nil || p.disk.lacking() != 0 {
				t.Errorf("%s: %v", p.addr, p.err)
			}
		}
		_ = seed.end()
	})
}

// onlyTo is a Net behind a firewall.
type onlyTo struct {
	Net
	addr netip.AddrPort
}

func (o onlyTo) Dial(ctx context.Context, to netip.AddrPort, kind port.Kind) (net.Conn, error) {
	if to != o.addr {
		return nil, syscall.EHOSTUNREACH
	}
	return o.Net.Dial(ctx, to, kind)
}

func TestBadBlockIsRejectedAndFetchedElsewhere(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		g, n := newGoods(t, 20), newMemNet()
		const rotten = blocks.Index(7)
		var told []error
		liar := newNode(t, n, g, 0, func(c *Config) {
			c.Core.Seed = true
			c.OnReject = func(i blocks.Index, err error) {
				if i == rotten {
					told = append(told, err)
				}
			}
		})
		liar.disk.rotten[rotten] = nil
		liar.start()
		get := newNode(t, n, g, 2, knows(0)).start()
		time.Sleep(2 * time.Second)
		if st := get.Stats(); st.Bad != 1 || get.disk.lacking() != 1 {
			t.Errorf("%d bad blocks, lacks %d", st.Bad, get.disk.lacking())
		}
		synctest.Wait()
		if len(told) != 1 || told[0] == nil {
			t.Errorf("its holder learned %v", told)
		}
		liar.mu.Lock()
		if liar.have.Has(rotten) || !liar.have.Has(rotten+1) {
			t.Error("it wasn't withdrawn")
		}
		liar.mu.Unlock()
		honest := newNode(t, n, g, 1, asSeed).start()
		get.AddMember(honest.cfg.Core.Self, honest.addr, true, 0)
		if <-get.done; get.err != nil || get.disk.lacking() != 0 {
			t.Errorf("%v, lacks %d", get.err, get.disk.lacking())
		}
		_, _ = liar.end(), honest.end()
	})
}

func TestUnreadableBlockIsRefused(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		g, n := newGoods(t, 20), newMemNet()
		broken := errors.New("input/output error")
		seed := newNode(t, n, g, 0, asSeed)
		seed.disk.rotten[9] = broken
		var told error
		seed.cfg.OnReject = func(_ blocks.Index, err error) { told = err }
		seed.start()
		get := newNode(t, n, g, 1, knows(0)).start()
		<-get.done
		if !errors.Is(get.err, ErrLost) || get.disk.lacking() != 1 || !errors.Is(told, broken) {
			t.Errorf("get: %v, lacks %d; seed learned %v", get.err, get.disk.lacking(), told)
		}
		_ = seed.end()
	})
}

func TestNothingIsWrittenOncePlaced(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		g, n := newGoods(t, 3), newMemNet()
		var p *node
		p = newNode(t, n, g, 1, func(c *Config) {
			c.Core.Linger.Idle = time.Minute
			c.Open = func(context.Context, *blocks.Content) (Opening, error) {
				return Opening{Store: p.disk, Placed: true}, nil
			}
		})
		p.start()
		time.Sleep(time.Millisecond)
		q := dialPuppet(p, g, 5, fullSeed)
		q.next(wire.TAsk)
		q.send(g.block(0))
		time.Sleep(time.Second)
		for i := blocks.Index(1); i < 4; i++ {
			q.send(append(wire.AppendIndex(nil, wire.TGrant, i), g.block(i)...))
		}
		time.Sleep(time.Second)
		if k := p.disk.written(); k != 0 {
			t.Errorf("%d blocks were written into what is in place", k)
		}
		_ = p.end()
		q.ended()
	})
}

func TestClaimsAreSettledWithFetchedNodes(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		g, n := newGoods(t, 20), newMemNet()
		seed := newNode(t, n, g, 0, asSeed).start()
		var p *node
		p = newNode(t, n, g, 1, func(c *Config) {
			knows(0)(c)
			c.Open = func(_ context.Context, c *blocks.Content) (Opening, error) {
				return Opening{Store: p.disk, Claims: c.Layout().Wanted()}, nil
			}
		})
		const mine = blocks.Index(5)
		p.disk.held[mine] = g.bytes[mine]
		p.disk.claim = func(ctx context.Context, fetch blocks.TreeFetcher, has, lacks func(blocks.Index)) error {
			if err := fetch.FetchTree(ctx, 1); err != nil {
				return err
			}
			c := p.Content()
			if !c.Tree(1).Complete() || !c.Check(mine, g.bytes[mine]) {
				t.Error("the tree isn't complete")
			}
			if err := fetch.FetchTree(ctx, 7); err == nil {
				t.Error("fetched a tree of no file")
			}
			has(mine)
			for i := range blocks.Index(g.Header().Blocks) {
				if i != mine {
					lacks(i)
				}
			}
			return nil
		}
		p.start()
		if <-p.done; p.err != nil || p.disk.lacking() != 0 {
			t.Errorf("%v, lacks %d", p.err, p.disk.lacking())
		}
		if want := int(g.Header().Blocks-g.Header().ManifestBlocks()) - 1; p.disk.written() != want {
			t.Errorf("%d blocks were written, want %d", p.disk.written(), want)
		}
		_ = seed.end()
	})
}

// A PEERS frame names members; those of a peer that never ends are not believed without end.
func TestMemberFloodIsBounded(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		g, n := newGoods(t, 3), newMemNet()
		seed := newNode(t, n, g, 0, asSeed).start()
		time.Sleep(time.Millisecond)
		q := dialPuppet(seed, g, 5, nil)
		name := 0
		for range maxNamed/wire.MaxPeers + 4 {
			var peers []wire.Peer
			for range wire.MaxPeers {
				name++
				peers = append(peers, wire.Peer{
					Member: "m-" + netip.AddrFrom4([4]byte{1, byte(name >> 16), byte(name >> 8), byte(name)}).String(),
					Addr:   netip.MustParseAddrPort("10.9.9.9:7"),
				})
			}
			q.send(wire.AppendPeers(nil, peers))
		}
		synctest.Wait()
		seed.only()
		_ = seed.end()
		q.ended()
		if k := len(seed.loop.core.members); k != maxNamed+1 {
			t.Errorf("the core knows %d members", k)
		}
	})
}
