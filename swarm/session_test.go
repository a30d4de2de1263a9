package swarm

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/time/rate"

	"p2pcp/blocks"
	"p2pcp/internal/port"
	"p2pcp/swarm/wire"
)

// meeting is a running node and a puppet in session with it.
func meeting(t *testing.T, seed bool, change func(*wire.Hello)) (*goods, *node, *puppet) {
	t.Helper()
	g, n := newGoods(t, 20), newMemNet()
	p := newNode(t, n, g, 0, func(c *Config) { c.Core.Seed = seed }).start()
	time.Sleep(time.Millisecond)
	q := dialPuppet(p, g, 5, change)
	time.Sleep(time.Millisecond)
	return g, p, q
}

// part ends both.
func part(p *node, q *puppet) {
	_ = p.end()
	q.ended()
}

func TestSilenceEndsASession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, p, q := meeting(t, true, nil)
		begin := time.Now()
		for k := 1; k <= 2; k++ {
			q.next(wire.TPing)
			if got := time.Since(begin).Round(10 * time.Millisecond); got != time.Duration(k)*keepalive {
				t.Errorf("PING after %v", got)
			}
		}
		q.ended()
		synctest.Wait()
		if got := time.Since(begin); got < 14*time.Second || got > 16*time.Second {
			t.Errorf("ended after %v", got)
		}
		if k := p.sessionCount(); k != 0 {
			t.Errorf("%d sessions", k)
		}
		part(p, q)
	})
}

func TestPingKeepsASession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, p, q := meeting(t, true, nil)
		for range 10 {
			time.Sleep(10 * time.Second)
			q.send(wire.AppendEmpty(nil, wire.TPing))
		}
		p.only()
		part(p, q)
	})
}

func TestByeEndsASession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, p, q := meeting(t, true, nil)
		if p.Stats().Sessions != 1 && p.sessionCount() != 1 {
			t.Fatal("no session")
		}
		q.send(wire.AppendByte(nil, wire.TBye, wire.ByeLeaving))
		q.ended()
		synctest.Wait()
		if k := p.sessionCount(); k != 0 {
			t.Errorf("%d sessions", k)
		}
		part(p, q)
	})
}

func TestProtocolErrorsEndASession(t *testing.T) {
	g := newGoods(t, 20)
	hello := func() []byte {
		h := g.Header()
		return wire.Hello{Member: "x", Header: &h}.Append(nil)
	}
	for name, frames := range map[string][]byte{
		"HELLO again":         hello(),
		"STATUS":              wire.AppendEmpty(nil, wire.TStatus),
		"a long REPORT":       {0, 0x40, 0, 0, byte(wire.TReport)},
		"unknown type":        {0, 0, 0, 0, 99},
		"DATA without BLOCK":  g.data(3, 0, 100),
		"DATA with a gap":     append(g.begin(3), g.data(3, 1, 100)...),
		"more DATA than said": append(append(wire.Block{Request: wire.Request{Index: 3, Length: 50}}.Append(nil), g.data(3, 0, 40)...), g.data(3, 40, 51)...),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, p, q := meeting(t, false, nil)
				q.send(frames)
				synctest.Wait()
				if k := p.sessionCount(); k != 0 {
					t.Errorf("%d sessions", k)
				}
				part(p, q)
			})
		})
	}
}

func TestAwaitedBlockOfAnotherLength(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, p, q := meeting(t, false, fullSeed)
		q.next(wire.TAsk)
		q.send(wire.Block{Request: wire.Request{Index: 0, Length: uint32(len(g.bytes[0]) - 1)}}.Append(nil))
		synctest.Wait()
		if k := p.sessionCount(); k != 0 {
			t.Errorf("%d sessions", k)
		}
		part(p, q)
	})
}

func TestPeerThatDoesNotReadIsDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, p, q := meeting(t, true, nil)
		ss := p.only()
		ask := wire.Tree{File: 1, Level: 0, First: 0, Count: 21}.Append(nil)
		var err error
		for sent := 0; err == nil && sent < 8*maxControl; sent += 18 + 21*32 {
			_, err = q.conn.Write(ask)
		}
		if err == nil {
			t.Error("it was fed without end")
		}
		synctest.Wait()
		if !errors.Is(ss.reason(), errUnread) {
			t.Errorf("ended by %v", ss.reason())
		}
		part(p, q)
	})
}

func TestGrantFloodEndsASession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, p, q := meeting(t, false, fullSeed)
		ss := p.only()
		ss.mu.Lock()
		for k := range blocks.Index(maxAwaited) { // as if the core had taken none back
			ss.awaited[slot{index: k}] = true
		}
		ss.mu.Unlock()
		q.send(wire.AppendIndex(nil, wire.TGrant, 9999))
		synctest.Wait()
		if k := p.sessionCount(); k != 0 {
			t.Errorf("%d sessions", k)
		}
		part(p, q)
	})
}

func TestUnexpectedBlockIsDiscarded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, p, q := meeting(t, false, nil)
		ss := p.only()
		q.send(g.begin(0))
		synctest.Wait()
		if ss.in.buf != nil || !ss.in.open || !ss.in.discard {
			t.Errorf("a buffer of %d bytes, open %v, discard %v", len(ss.in.buf), ss.in.open, ss.in.discard)
		}
		q.send(g.data(0, 0, len(g.bytes[0])))
		synctest.Wait()
		if st := p.Stats(); p.Content().ManifestComplete() || st.Received != uint64(len(g.bytes[0])) {
			t.Errorf("it was taken: %d bytes", st.Received)
		}
		p.only()
		part(p, q)
	})
}

// opened is a meeting in which the puppet, a seed, has sent the Manifest, and the node asks for index.
func opened(t *testing.T) (g *goods, p *node, q *puppet, index blocks.Index) {
	g, p, q = meeting(t, false, fullSeed)
	for {
		_, m := q.next(wire.TAsk)
		ask, err := wire.ParseRequest(m)
		if err != nil {
			t.Fatal(err)
		}
		if uint32(ask.Index) >= g.Header().ManifestBlocks() {
			return g, p, q, ask.Index
		}
		q.send(g.block(ask.Index))
	}
}

func TestCancelInTheMiddleDiscards(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, p, q, i := opened(t)
		ss := p.only()
		q.send(g.begin(i))
		q.send(g.data(i, 0, 300))
		synctest.Wait()
		if ss.in.buf == nil || ss.in.got != 300 {
			t.Fatal("the block isn't being taken")
		}
		ss.perform(Action{Kind: Cancel, Peer: ss.id, Index: i})
		q.next(wire.TCancel)
		q.send(g.data(i, 300, 500))
		synctest.Wait()
		if ss.in.buf != nil || !ss.in.discard {
			t.Error("the buffer is kept")
		}
		q.send(g.data(i, 500, len(g.bytes[i])))
		synctest.Wait()
		if p.disk.written() != 0 {
			t.Error("a cancelled block was written")
		}
		if ss.in.open && ss.in.got < ss.in.Length {
			t.Error("it isn't over")
		}
		part(p, q)
	})
}

func TestRefuseInTheMiddle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, p, q, i := opened(t)
		ss := p.only()
		q.send(g.begin(i))
		q.send(g.data(i, 0, 300))
		q.send(wire.Refuse{Index: i, Reason: wire.RefuseBusy}.Append(nil))
		synctest.Wait()
		if ss.in.buf != nil || ss.in.open || ss.awaits(i, 0) {
			t.Error("the block is still awaited")
		}
		for { // asked anew, and taken
			_, m := q.next(wire.TAsk)
			ask, _ := wire.ParseRequest(m)
			q.send(g.block(ask.Index))
			if ask.Index == i {
				break
			}
		}
		synctest.Wait()
		if p.disk.held[i] == nil {
			t.Error("it wasn't taken the second time")
		}
		part(p, q)
	})
}

func TestBlockFollowedInItsMiddle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, p, q, i := opened(t)
		other := blocks.Index(1)
		if other == i {
			other++
		}
		q.send(g.begin(i))
		q.send(g.data(i, 0, 300))
		q.send(append(wire.AppendIndex(nil, wire.TGrant, other), g.block(other)...))
		synctest.Wait()
		if p.disk.held[other] == nil || p.disk.held[i] != nil || p.only().awaits(i, 0) {
			t.Error("the second block should be held, and the first given up")
		}
		begin := time.Now()
		for asked := other; asked != i; q.send(g.block(asked)) {
			_, m := q.next(wire.TAsk)
			ask, _ := wire.ParseRequest(m)
			asked = ask.Index
		}
		if took := time.Since(begin); took > time.Second {
			t.Errorf("asked for again after %v", took)
		}
		part(p, q)
	})
}

func TestStoppedSendIsServedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, n := newGoods(t, 20), newMemNet()
		p := newNode(t, n, g, 0, func(c *Config) { asSeed(c); c.Up = rate.NewLimiter(20_000, 1000) }).start()
		time.Sleep(time.Millisecond)
		q := dialPuppet(p, g, 5, nil)
		for _, i := range []blocks.Index{3, 4, 5} {
			q.send(wire.Request{Index: i, Length: nodeBlock}.Append(nil))
		}
		synctest.Wait() // the first is in its middle
		q.send(wire.Cancel{Index: 4}.Append(nil))
		q.send(wire.Cancel{Index: 3}.Append(nil))
		q.send(wire.Cancel{Index: 4}.Append(nil))
		q.send(wire.AppendIndex(nil, wire.TReject, 3)) // of what was never sent whole
		var order []blocks.Index
		for len(order) == 0 || order[len(order)-1] != 5 {
			_, m := q.next(wire.TBlock)
			b, err := wire.ParseBlock(m, nil)
			if err != nil {
				t.Fatal(err)
			}
			order = append(order, b.Index)
		}
		if len(order) != 2 || order[0] != 3 {
			t.Errorf("blocks %v were begun", order)
		}
		for got := 0; got < nodeBlock; {
			_, m := q.next(wire.TData)
			if i, _ := wire.ParseDataHead([wire.DataHead]byte(m)); i == 5 {
				got += len(m) - wire.DataHead
			}
		}
		time.Sleep(time.Second)
		ss := p.only()
		ss.mu.Lock()
		if len(ss.sends) != 0 || ss.sent != 1 {
			t.Errorf("%d sends left, %d sent whole", len(ss.sends), ss.sent)
		}
		ss.mu.Unlock()
		part(p, q)
		if c := p.loop.core; c.uploads != 0 {
			t.Errorf("the core counts %d uploads", c.uploads)
		}
	})
}

func TestRejectsAreEarned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, n := newGoods(t, 20), newMemNet()
		hashed := 0
		p := newNode(t, n, g, 0, func(c *Config) {
			asSeed(c)
			c.Recheck = func(blocks.Index) error { hashed++; return nil }
		}).start()
		time.Sleep(time.Millisecond)
		q := dialPuppet(p, g, 5, nil)
		q.send(wire.Request{Index: 3, Length: nodeBlock}.Append(nil))
		for got := 0; got < nodeBlock; {
			_, m := q.next(wire.TData)
			got += len(m) - wire.DataHead
		}
		for range 100 {
			q.send(wire.AppendIndex(nil, wire.TReject, 3))
		}
		synctest.Wait()
		if hashed != 1 {
			t.Errorf("hashed %d times", hashed)
		}
		part(p, q)
	})
}

func TestHavesGoOutTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, n := newGoods(t, 20), newMemNet()
		seed := newNode(t, n, g, 0, asSeed)
		get := newNode(t, n, g, 1, knows(0))
		get.start()
		time.Sleep(time.Millisecond)
		q := dialPuppet(get, g, 5, nil)
		seed.start()
		have, frames := blocks.NewBitfield(g.Header().Blocks), 0
		for have.Count() < g.Header().Blocks {
			_, m := q.next(wire.THave)
			spans, err := wire.ParseHave(nil, m)
			if err != nil {
				t.Fatal(err)
			}
			frames++
			for _, s := range spans {
				have.SetSpan(s)
			}
		}
		if frames > int(g.Header().Blocks)/2 {
			t.Errorf("%d frames for %d blocks", frames, have.Count())
		}
		_ = seed.end()
		part(get, q)
	})
}

func TestWithdrawReachesEverybody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, p, q := meeting(t, true, nil)
		p.disk.rotten[6] = errors.New("unreadable")
		other := dialPuppet(p, g, 7, nil)
		other.send(wire.Request{Index: 6, Length: nodeBlock}.Append(nil))
		_, m := other.next(wire.TRefuse)
		if r, err := wire.ParseRefuse(m); r.Index != 6 || r.Reason != wire.RefuseWithdrawn || err != nil {
			t.Errorf("REFUSE %+v, %v", r, err)
		}
		_, m = q.next(wire.TWithdraw)
		if i, err := wire.ParseIndex(m); i != 6 || err != nil {
			t.Errorf("WITHDRAW of %d, %v", i, err)
		}
		r := dialPuppet(p, g, 6, nil)
		if r.hello.Form != wire.Raw || r.hello.Bits.Has(6) || !r.hello.Bits.Has(5) {
			t.Error("HELLO still has it")
		}
		part(p, q)
		r.ended()
		other.ended()
	})
}

func TestFullMember(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
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
	synctest.Test(t, func(t *testing.T) {
		g, n := newGoods(t, 3), newMemNet()
		p := newNode(t, n, g, 0, func(c *Config) { asSeed(c); c.Core.FullMesh, c.Core.Degree = 1, 1 }).start()
		time.Sleep(time.Millisecond)
		q := dialPuppet(p, g, 5, nil)
		time.Sleep(time.Millisecond)
		r := dialPuppet(p, g, 6, nil)
		if bye := r.ended(); bye != wire.ByeFull {
			t.Errorf("BYE %d", bye)
		}
		part(p, q)
	})
}

func TestSessionsByOneMember(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, p, q := meeting(t, true, nil)
		first := p.only()
		r := dialPuppet(p, g, 5, nil) // the same member anew: the older is dead, it thinks
		q.ended()
		synctest.Wait()
		if p.only() == first || !errors.Is(first.reason(), errReplaced) {
			t.Errorf("the older session stands (%v)", first.reason())
		}
		r.send(wire.Request{Index: 3, Length: nodeBlock}.Append(nil))
		r.next(wire.TBlock)
		time.Sleep(2 * tick)
		if st := p.Stats(); st.Sessions != 1 {
			t.Errorf("the core knows %d sessions", st.Sessions)
		}
		part(p, r)
	})
}

func TestBannedMemberIsNotTakenAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, p, q := meeting(t, true, nil)
		p.perform(Action{Kind: Drop, Peer: p.only().id, Ban: true, Text: "test"})
		q.ended()
		time.Sleep(time.Second)
		r := dialPuppet(p, g, 5, nil)
		if bye := r.ended(); bye != wire.ByeBanned {
			t.Errorf("BYE %d", bye)
		}
		part(p, r)
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
			synctest.Test(t, func(t *testing.T) {
				_, p, q := meeting(t, true, change)
				if k := p.sessionCount(); k != 0 {
					t.Errorf("%d sessions", k)
				}
				part(p, q)
			})
		})
	}
}

func TestSilentCallerIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, n := newGoods(t, 3), newMemNet()
		p := newNode(t, n, g, 0, asSeed).start()
		time.Sleep(time.Millisecond)
		conn, err := memHost{n, addrOfHost(1)}.Dial(context.Background(), p.addr, port.Session)
		if err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		if _, err := io.ReadAll(conn); err != nil {
			t.Error(err)
		}
		if took := time.Since(begin).Round(time.Second); took != helloTime {
			t.Errorf("given up after %v", took)
		}
		closeQuietly(conn)
		_ = p.end()
	})
}

// What changes between our HELLO and the session's beginning is told after it.
func TestChangesDuringHello(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, n := newGoods(t, 20), newMemNet()
		seed := newNode(t, n, g, 0, asSeed).start()
		time.Sleep(time.Millisecond)
		late := func(p *node, k int) *puppet { // it says nothing yet
			conn, err := memHost{n, addrOfHost(k)}.Dial(context.Background(), p.addr, port.Session)
			if err != nil {
				t.Fatal(err)
			}
			return &puppet{t: t, conn: conn.(*memConn), br: bufio.NewReader(conn)}
		}
		get := newNode(t, n, g, 1, knows(0))
		q := late(get, 5)
		get.start()
		time.Sleep(2 * time.Second)
		r := late(seed, 6)
		synctest.Wait()
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

func TestLastHavesComeBeforeBye(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, p, q := meeting(t, false, fullSeed)
		q.next(wire.TAsk)
		q.send(g.block(0))
		synctest.Wait()
		p.stop()
		if got, _ := q.next(wire.THave, wire.TBye); got != wire.THave {
			t.Error("BYE without the HAVE that was due")
		}
		part(p, q)
	})
}

// Of two connections dialed crosswise that stays whose dialer has the lower name, whichever comes first.
func TestKeptConnection(t *testing.T) {
	for _, c := range []struct {
		name      string // the puppet's; ours begins with host
		oursFirst bool
		keepsOurs bool
	}{{"zebra", true, true}, {"zebra", false, true}, {"aardvark", true, false}, {"aardvark", false, false}} {
		synctest.Test(t, func(t *testing.T) {
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
	synctest.Test(t, func(t *testing.T) {
		_, p, q := meeting(t, true, nil)
		if _, err := p.enter(&session{s: p.Swarm, member: "x", headless: true}); !errors.Is(err, errHeadless) {
			t.Errorf("entered: %v", err)
		}
		part(p, q)
	})
}

func TestBite(t *testing.T) {
	for _, c := range []struct {
		rate  rate.Limit
		burst int
		want  uint32
	}{
		{10_000, 1 << 20, minBite}, // sessions take turns quickly
		{1e6, 1 << 20, 5000},
		{1e9, 1 << 30, maxFrame},
		{1e6, 700, 700}, // WaitN refuses more than the burst
		{1e6, 0, 1},
		{rate.Inf, 0, maxFrame},
	} {
		if got := bite(rate.NewLimiter(c.rate, c.burst)); got != c.want {
			t.Errorf("%v, burst %d: %d, want %d", c.rate, c.burst, got, c.want)
		}
	}
}

func TestDropFinishesTheBlock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, n := newGoods(t, 20), newMemNet()
		p := newNode(t, n, g, 0, func(c *Config) { asSeed(c); c.Up = rate.NewLimiter(20_000, 1000) }).start()
		time.Sleep(time.Millisecond)
		q := dialPuppet(p, g, 5, nil)
		for _, i := range []blocks.Index{3, 4} {
			q.send(wire.Request{Index: i, Length: nodeBlock}.Append(nil))
		}
		q.next(wire.TBlock)
		p.only().drop(false, "test")
		for got := 0; got < nodeBlock; {
			_, m := q.next(wire.TData)
			got += len(m) - wire.DataHead
		}
		if got, _ := q.next(wire.TBlock, wire.TBye); got != wire.TBye {
			t.Error("another block was begun")
		}
		part(p, q)
	})
}

// What we have written must arrive although the other side goes on sending: a socket closed with unread bytes throws it away.
func TestPartingLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := memConns(addrOfHost(1), addrOfHost(2), 1<<10)
		ss := &session{conn: ours, wake: make(chan struct{}, 1)}
		_, _ = theirs.Write(wire.AppendEmpty(nil, wire.TPing))
		_, _ = ours.Write(wire.AppendEmpty(nil, wire.TOffer))
		ss.part(wire.ByeLeaving)
		want := wire.AppendByte(wire.AppendEmpty(nil, wire.TOffer), wire.TBye, wire.ByeLeaving)
		if got, err := io.ReadAll(theirs); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%x arrived, %v", got, err)
		}
		ss.moveDeadline(time.Now()) // doesn't prolong it
		_, _ = ours.Read(make([]byte, 100))
		begin := time.Now()
		if _, err := ours.Read(make([]byte, 1)); err == nil || time.Since(begin) != partTime {
			t.Errorf("waited %v for the other side to close: %v", time.Since(begin), err)
		}
		_, _ = ours.Close(), theirs.Close()
	})
}
