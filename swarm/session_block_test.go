package swarm

import (
	"errors"
	"io/fs"
	"testing"
	"testing/synctest"
	"time"

	"p2pcp/blocks"
	"p2pcp/internal/bubble"
	"p2pcp/swarm/wire"
)

func TestUnexpectedBlockIsDiscarded(t *testing.T) {
	meet(t, nil, nil, func(t *testing.T, g *goods, p *node, q *puppet) {
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
	})
}

// meetOpen is meet with a puppet, a seed, that has sent the Manifest; the node asks it for Block i.
func meetOpen(t *testing.T, do func(t *testing.T, g *goods, p *node, q *puppet, i blocks.Index)) {
	t.Helper()
	meet(t, nil, fullSeed, func(t *testing.T, g *goods, p *node, q *puppet) {
		for {
			i := q.asked()
			if uint32(i) >= g.Header().ManifestBlocks() {
				do(t, g, p, q, i)
				return
			}
			q.send(g.block(i))
		}
	})
}

func TestCancelInTheMiddleDiscards(t *testing.T) {
	meetOpen(t, func(t *testing.T, g *goods, p *node, q *puppet, i blocks.Index) {
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
	})
}

// A slow disk doesn't keep the reader from what comes behind a Block while there are landers and the session is fast, or more has come
// already; else it does.
func TestBlocksLandBesideTheReader(t *testing.T) {
	for name, c := range map[string]struct {
		landers int
		slow    bool // the Block takes its time to arrive
		more    bool // something has come behind it
		behind  int  // Blocks read behind it
	}{
		"no landers":             {more: true},
		"fast":                   {landers: 1, behind: 1},
		"slow, more has come":    {landers: 1, slow: true, more: true, behind: 1},
		"slow, nothing has come": {landers: 1, slow: true},
		"two landers":            {landers: 2, behind: 1},
	} {
		t.Run(name, func(t *testing.T) {
			meetOpen(t, func(t *testing.T, g *goods, p *node, q *puppet, i blocks.Index) {
				gate := make(chan struct{})
				p.disk.mu.Lock()
				p.disk.gate = gate
				p.disk.mu.Unlock()
				synctest.Wait() // the Manifest has landed
				p.landers = make(chan struct{}, c.landers)
				before := p.Stats().Received
				q.send(g.begin(i))
				if c.slow {
					time.Sleep(10 * time.Millisecond)
				}
				rest := g.data(i, 0, len(g.bytes[i]))
				if c.more {
					rest = wire.AppendEmpty(rest, wire.TPing)
				}
				q.send(rest)
				synctest.Wait()
				next := q.asked()
				sent := make(chan struct{})
				go func() { q.send(g.block(next)); close(sent) }()
				synctest.Wait()
				want := uint64(len(g.bytes[i]) + c.behind*len(g.bytes[next]))
				if got := p.Stats().Received - before; got != want {
					t.Errorf("%d bytes were read behind a write, want %d", got, want)
				}
				close(gate)
				<-sent
				synctest.Wait()
				if n := p.disk.written(); n != 2 {
					t.Errorf("%d of 2 blocks were written", n)
				}
			})
		})
	}
}

// What has come whole is ours, whatever the peer says of it afterwards.
func TestArrivedBlockStaysAfterRefuse(t *testing.T) {
	meetOpen(t, func(t *testing.T, g *goods, p *node, q *puppet, i blocks.Index) {
		q.send(append(g.block(i), wire.Refuse{Index: i, Reason: byte(Busy)}.Append(nil)...))
		q.send(wire.AppendIndex(nil, wire.TWithdraw, i))
		synctest.Wait()
		if n := p.disk.written(); n != 1 || !p.have.Has(i) {
			t.Errorf("%d blocks were written, held %v", n, p.have.Has(i))
		}
	})
}

// A session is over only when what had arrived on it has landed: a Block is told of before PeerDown, and Run awaits it.
func TestSessionAwaitsItsLandings(t *testing.T) {
	meetOpen(t, func(t *testing.T, g *goods, p *node, q *puppet, i blocks.Index) {
		gate := make(chan struct{})
		p.disk.mu.Lock()
		p.disk.gate = gate
		p.disk.mu.Unlock()
		q.send(g.block(i))
		synctest.Wait()
		_ = q.conn.Close()
		p.mustHave(1)
		close(gate)
		p.mustHave(0)
		if !p.have.Has(i) {
			t.Error("the block that landed last isn't announced")
		}
	})
}

func TestRefuseInTheMiddle(t *testing.T) {
	meetOpen(t, func(t *testing.T, g *goods, p *node, q *puppet, i blocks.Index) {
		ss := p.only()
		q.send(g.begin(i))
		q.send(g.data(i, 0, 300))
		q.send(wire.Refuse{Index: i, Reason: wire.RefuseBusy}.Append(nil))
		synctest.Wait()
		if ss.in.buf != nil || ss.in.open || ss.awaits(i, 0) {
			t.Error("the block is still awaited")
		}
		q.serve(g, i) // asked anew, and taken
		synctest.Wait()
		if p.disk.held[i] == nil {
			t.Error("it wasn't taken the second time")
		}
	})
}

func TestBlockFollowedInItsMiddle(t *testing.T) {
	meetOpen(t, func(t *testing.T, g *goods, p *node, q *puppet, i blocks.Index) {
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
		q.serve(g, i)
		if took := time.Since(begin); took > time.Second {
			t.Errorf("asked for again after %v", took)
		}
	})
}

func TestHavesGoOutTogether(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		g, n := newGoods(t, 20), newMemNet()
		seed := newNode(t, n, g, 0, asSeed)
		get := newNode(t, n, g, 1, knows(0)).start()
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
	meet(t, asSeed, nil, func(t *testing.T, g *goods, p *node, q *puppet) {
		p.disk.rotten[6] = errors.New("unreadable")
		other := another(t, p, g, 7)
		other.ask(g, 6)
		_, m := other.next(wire.TRefuse)
		if r, err := wire.ParseRefuse(m); r.Index != 6 || r.Reason != wire.RefuseWithdrawn || err != nil {
			t.Errorf("REFUSE %+v, %v", r, err)
		}
		_, m = q.next(wire.TWithdraw)
		if i, err := wire.ParseIndex(m); i != 6 || err != nil {
			t.Errorf("WITHDRAW of %d, %v", i, err)
		}
		r := another(t, p, g, 6)
		if r.hello.Form != wire.Raw || r.hello.Bits.Has(6) || !r.hello.Bits.Has(5) {
			t.Error("HELLO still has it")
		}
	})
}

// A receiver's Store must not hold, nor claim in the next run, what the disk has lost; and the Block is fetched again.
func TestLostBlockIsForgotten(t *testing.T) {
	for name, c := range map[string]struct {
		err    error // of reading; nil: wrong bytes are read
		forget bool
	}{
		"unreadable": {errors.New("input/output error"), true},
		"wrong":      {nil, true},
		"forbidden":  {&fs.PathError{Op: "open", Path: "x", Err: fs.ErrPermission}, false},
	} {
		t.Run(name, func(t *testing.T) {
			meetOpen(t, func(t *testing.T, g *goods, p *node, q *puppet, i blocks.Index) {
				q.send(g.block(i))
				synctest.Wait()
				p.disk.rotten[i] = c.err
				other := another(t, p, g, 7)
				other.ask(g, i)
				if c.err == nil {
					other.takeBytes(g, i)
					other.send(wire.AppendIndex(nil, wire.TReject, i))
				}
				other.next(wire.TWithdraw)
				synctest.Wait()
				if forgot := p.disk.held[i] == nil; forgot != c.forget {
					t.Errorf("forgotten: %v", forgot)
				}
				delete(p.disk.rotten, i)
				before := p.disk.written()
				q.serve(g, i)
				synctest.Wait()
				if p.disk.held[i] == nil || p.disk.written() == before {
					t.Error("it wasn't fetched again")
				}
			})
		})
	}
}
