package swarm

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/time/rate"

	"p2pcp/blocks"
	"p2pcp/internal/bubble"
	"p2pcp/internal/port"
	"p2pcp/swarm/wire"
)

func TestFullMember(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		g, n := newGoods(t, 3), newMemNet()
		p := newNode(t, n, g, 0, func(c *Config) { asSeed(c); c.Core.FullMesh = 100 }).start()
		time.Sleep(time.Millisecond)
		var all []*puppet
		for k := range maxSessions {
			q := dialPuppet(p, g, 100+k, func(h *wire.Hello) { h.Listen = addrOfHost(100 + k) })
			if q.hello.Full {
				t.Fatalf("full at %d", k)
			}
			synctest.Wait()
			all = append(all, q)
		}
		late := dialPuppet(p, g, 99, nil)
		if !late.hello.Full || len(late.hello.Peers) != maxSessions {
			t.Errorf("full %v, %d peers", late.hello.Full, len(late.hello.Peers))
		}
		if bye := late.ended(); bye != wire.ByeFull {
			t.Errorf("BYE %d", bye)
		}
		o, err := Observe(t.Context(), memHost{n, addrOfHost(98)}, p.addr, g.ID(), "observer")
		if err != nil {
			t.Fatalf("an observer has a place of its own: %v", err)
		}
		if o.hello.Full {
			t.Error("an observer is told that there is no place for sessions")
		}
		_ = o.Close()
		go func() {
			for _, q := range all {
				go q.ended()
			}
		}()
		_ = p.end()
	})
}

func TestCoreTurnsAway(t *testing.T) {
	config := func(c *Config) { asSeed(c); c.Core.FullMesh, c.Core.Degree = 1, 1 }
	meet(t, config, nil, func(t *testing.T, g *goods, p *node, _ *puppet) {
		if bye := dialPuppet(p, g, 6, nil).ended(); bye != wire.ByeFull {
			t.Errorf("BYE %d", bye)
		}
	})
}

func TestSessionsByOneMember(t *testing.T) {
	meet(t, asSeed, nil, func(t *testing.T, g *goods, p *node, q *puppet) {
		first := p.only()
		r := another(t, p, g, 5) // the same member anew: the older is dead, it thinks
		q.ended()
		synctest.Wait()
		if p.only() == first || !errors.Is(first.reason(), errReplaced) {
			t.Errorf("the older session stands (%v)", first.reason())
		}
		r.ask(g, 3)
		r.next(wire.TBlock)
		time.Sleep(2 * tick)
		if st := p.Stats(); st.Sessions != 1 {
			t.Errorf("the core knows %d sessions", st.Sessions)
		}
	})
}

func TestBannedMemberIsNotTakenAgain(t *testing.T) {
	meet(t, asSeed, nil, func(t *testing.T, g *goods, p *node, q *puppet) {
		p.perform(Action{Kind: Drop, Peer: p.only().id, Ban: true, Text: "test"})
		q.ended()
		time.Sleep(time.Second)
		if bye := dialPuppet(p, g, 5, nil).ended(); bye != wire.ByeBanned {
			t.Errorf("BYE %d", bye)
		}
	})
}

func TestWrongHellos(t *testing.T) {
	other := newGoods(t, 4)
	for name, change := range map[string]func(*wire.Hello){
		"another swarm's header": func(h *wire.Hello) { o := other.Header(); h.Header = &o },
		"an observer's":          func(h *wire.Hello) { h.Observer = true },
		"our own":                func(h *wire.Hello) { h.Member = "host000-00000000" },
	} {
		t.Run(name, func(t *testing.T) {
			meet(t, asSeed, change, func(_ *testing.T, _ *goods, p *node, _ *puppet) { p.mustHave(0) })
		})
	}
}

// dialedBy is a puppet that p has dialed and sent its HELLO to, and that says nothing yet.
func dialedBy(p *node, k int) *puppet {
	called := make(chan *puppet, 1)
	p.net.listen(addrOfHost(k), func(_ port.Kind, conn net.Conn) {
		called <- &puppet{t: p.t, conn: conn.(*memConn), br: bufio.NewReader(conn)}
	})
	go p.dialMember(fmt.Sprintf("puppet%d", k), addrOfHost(k))
	q := <-called
	synctest.Wait()
	return q
}

// mute is a puppet that has connected and says nothing yet.
func mute(t *testing.T, p *node, k int) *puppet {
	t.Helper()
	conn, err := memHost{p.net, addrOfHost(k)}.Dial(context.Background(), p.addr, port.Session)
	if err != nil {
		t.Fatal(err)
	}
	return &puppet{t: t, conn: conn.(*memConn), br: bufio.NewReader(conn)}
}

func TestSilentCallerIsGivenUp(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		p := newNode(t, newMemNet(), newGoods(t, 3), 0, asSeed).start()
		time.Sleep(time.Millisecond)
		q := mute(t, p, 1)
		begin := time.Now()
		if _, err := io.ReadAll(q.conn); err != nil {
			t.Error(err)
		}
		if took := time.Since(begin).Round(time.Second); took != helloTime {
			t.Errorf("given up after %v", took)
		}
		closeQuietly(q.conn)
		_ = p.end()
	})
}

// What changes between our HELLO and the session's beginning is told after it.
func TestChangesDuringHello(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		g, n := newGoods(t, 20), newMemNet()
		seed := newNode(t, n, g, 0, asSeed)
		get := newNode(t, n, g, 1, knows(0))
		get.start()
		synctest.Wait()
		q := dialedBy(get, 5) // its HELLO to the puppet is made, before it knows a Header
		seed.start()
		time.Sleep(2 * time.Second)
		r := dialedBy(seed, 6)
		seed.post(Event{Kind: Unreadable, Index: 6})
		synctest.Wait()

		q.greet(g, 5, nil)
		if q.hello.Form != wire.None {
			t.Fatal("its HELLO was made too late")
		}
		_, m := q.next(wire.THave)
		if spans, err := wire.ParseHave(nil, m); err != nil || len(spans) != 1 || spans[0].Count != g.Header().Blocks {
			t.Errorf("HAVE of %v, %v", spans, err)
		}
		if _, m = q.next(wire.TPeers); len(m) == 0 {
			t.Error("no PEERS")
		}
		r.greet(g, 6, nil)
		if r.hello.Form != wire.Every {
			t.Fatal("its HELLO was made too late")
		}
		if _, m = r.next(wire.TWithdraw); m[3] != 6 {
			t.Errorf("WITHDRAW of %v", m)
		}
		part(get, q)
		part(seed, r)
	})
}

// Of two connections dialed crosswise that stays whose dialer has the lower name, whichever comes first.
func TestKeptConnection(t *testing.T) {
	for _, c := range []struct {
		name      string // the puppet's; ours begins with host
		oursFirst bool
		keepsOurs bool
	}{{"zebra", true, true}, {"zebra", false, true}, {"aardvark", true, false}, {"aardvark", false, false}} {
		bubble.Test(t, func(t *testing.T) {
			g, n := newGoods(t, 3), newMemNet()
			named := func(h *wire.Hello) { h.Member = c.name }
			p := newNode(t, n, g, 0, asSeed).start()
			time.Sleep(time.Millisecond)
			called := puppetAt(t, n, g, 5, named)
			dial := func() *puppet {
				go p.dialMember(c.name, addrOfHost(5))
				return <-called
			}
			var ours, theirs *puppet
			if c.oursFirst {
				ours = dial()
				synctest.Wait()
				theirs = dialPuppet(p, g, 5, named)
			} else {
				theirs = dialPuppet(p, g, 5, named)
				synctest.Wait()
				ours = dial()
			}
			time.Sleep(time.Second)
			if p.only().dialed != c.keepsOurs {
				t.Errorf("%+v: the wrong one stays", c)
			}
			_ = p.end()
			ours.ended()
			theirs.ended()
		})
	}
}

func TestHeadlessIsNotRegistered(t *testing.T) {
	meet(t, asSeed, nil, func(t *testing.T, _ *goods, p *node, _ *puppet) {
		if _, err := p.enter(&session{s: p.Swarm, member: "x", headless: true}); !errors.Is(err, errHeadless) {
			t.Errorf("entered: %v", err)
		}
	})
}

// An answer leaves out the Header that it was told, and has it otherwise.
func TestAnswerWithoutHeader(t *testing.T) {
	meet(t, asSeed, nil, func(t *testing.T, g *goods, p *node, _ *puppet) {
		header := g.Header()
		for _, told := range []*blocks.Header{nil, &header} {
			q := mute(t, p, 6)
			q.send(wire.Hello{Member: "puppet6", Listen: addrOfHost(6), Header: told}.Append(nil))
			_, m := q.next(wire.THello)
			if _, err := wire.ParseHello(m, nil); (err == nil) != (told == nil) {
				t.Errorf("header %v: the answer says %v", told, err)
			}
			if h, err := wire.ParseHello(m, told); err != nil || h.Header == nil || *h.Header != header || h.Form != wire.Every {
				t.Errorf("header %v: %+v, %v", told, h, err)
			}
			_ = q.conn.Close()
		}
	})
}

// Nobody is named to who named it, nor by a receiver to whom the seed names it.
func TestWhoIsNamed(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		g, n := newGoods(t, 20), newMemNet()
		called := puppetAt(t, n, g, 0, fullSeed)
		get := newNode(t, n, g, 1, knows(0)).start()
		seed := <-called
		puppetOf := func(k, at int) wire.Peer { return wire.Peer{Member: fmt.Sprintf("puppet%d", k), Addr: addrOfHost(at)} }
		all := []*puppet{seed}
		come := func(k int, want ...int) *puppet {
			q := dialPuppet(get, g, k, func(h *wire.Hello) { h.Listen = addrOfHost(k) })
			all = append(all, q)
			if got := membersOf(q.hello.Peers); !slices.Equal(got, want) {
				t.Errorf("%d comes and hears of %v, want %v", k, got, want)
			}
			time.Sleep(100 * time.Millisecond)
			return q
		}
		hears := func(q *puppet, want ...int) {
			t.Helper()
			_, m := q.next(wire.TPeers)
			if list, err := wire.ParsePeers(m); err != nil || !slices.Equal(membersOf(list), want) {
				t.Errorf("%v, %v, want %v", list, err, want)
			}
		}
		seed.send(wire.AppendPeers(nil, []wire.Peer{puppetOf(5, 5), puppetOf(6, 6), puppetOf(7, 70)}))
		time.Sleep(100 * time.Millisecond)
		five := come(5)
		come(6)        // the seed named it, and 5
		come(7)        // the seed names the two to it
		hears(five, 7) // which the seed says is elsewhere; not 6
		eight := come(8, 5, 6, 7)
		hears(five, 8)
		eight.send(wire.AppendPeers(nil, []wire.Peer{puppetOf(9, 9)}))
		time.Sleep(100 * time.Millisecond)
		come(9, 5, 6, 7, 8)
		hears(five, 9)
		come(10, 5, 6, 7, 8, 9)
		hears(eight, 10) // not 9
		for _, q := range all {
			go q.ended()
		}
		_ = get.end()
	})
}

// membersOf lists the numbers of the puppets named.
func membersOf(peers []wire.Peer) (list []int) {
	for _, p := range peers {
		var k int
		if _, err := fmt.Sscanf(p.Member, "puppet%d", &k); err == nil {
			list = append(list, k)
		}
	}
	slices.Sort(list)
	return list
}

// Who says that a member is elsewhere is told where it is.
func TestNamedElsewhere(t *testing.T) {
	meet(t, asSeed, nil, func(t *testing.T, g *goods, p *node, q *puppet) {
		q.send(wire.AppendPeers(nil, []wire.Peer{{Member: "puppet6", Addr: addrOfHost(60)}, {Member: "puppet7", Addr: addrOfHost(7)}}))
		time.Sleep(100 * time.Millisecond)
		for k := 6; k <= 8; k++ {
			r := dialPuppet(p, g, k, func(h *wire.Hello) { h.Listen = addrOfHost(k) })
			defer func() { go r.ended() }()
			time.Sleep(100 * time.Millisecond)
		}
		for _, want := range []int{6, 8} {
			_, m := q.next(wire.TPeers)
			if list, err := wire.ParsePeers(m); err != nil || !slices.Equal(membersOf(list), []int{want}) || list[0].Addr != addrOfHost(want) {
				t.Errorf("%v, %v, want %d", list, err, want)
			}
		}
	})
}

// A seed that has lost one of two members can't name it to the other: after a while those in session with both do.
func TestSeedThatLostAMember(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		g, n := newGoods(t, 40), newMemNet()
		var apart atomic.Bool
		start := func(k, from int, set func(*Config)) *node {
			return newNode(t, n, g, k, func(c *Config) {
				set(c)
				c.Net = partedNet{c.Net, &apart, addrOfHost(from)}
			}).start()
		}
		seed := start(0, 1, func(c *Config) { asSeed(c); c.Up = rate.NewLimiter(1000, 4096) })
		lost := start(1, 0, knows(0))
		between := newNode(t, n, g, 2, knows(0)).start()
		time.Sleep(2 * time.Second)
		apart.Store(true)
		seed.sessionOf(lost).close(errors.New("the link broke"))
		time.Sleep(2 * time.Second)
		late := newNode(t, n, g, 3, knows(0)).start()
		time.Sleep(introTime / 2)
		if late.sessionOf(between) == nil || lost.sessionOf(between) == nil || seed.sessionOf(lost) != nil {
			t.Fatal("not the case that was meant")
		}
		time.Sleep(2 * introTime)
		if late.sessionOf(lost) == nil {
			t.Error("they never meet")
		}
		for _, p := range []*node{lost, between, late, seed} {
			_ = p.end()
		}
	})
}

// partedNet dials nobody at to any more once apart is set.
type partedNet struct {
	Net
	apart *atomic.Bool
	to    netip.AddrPort
}

func (p partedNet) Dial(ctx context.Context, to netip.AddrPort, kind port.Kind) (net.Conn, error) {
	if to == p.to && p.apart.Load() {
		return nil, context.DeadlineExceeded
	}
	return p.Net.Dial(ctx, to, kind)
}

// sessionOf is p's session with another node; nil: none.
func (p *node) sessionOf(other *node) *session {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.byMember[other.cfg.Core.Self]
}
