package swarm

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"p2pcp/blocks"
	"p2pcp/internal/bubble"
	"p2pcp/swarm/wire"
)

// meeting is a running node and a puppet in session with it.
func meeting(t *testing.T, seed bool, change func(*wire.Hello)) (*goods, *node, *puppet) {
	t.Helper()
	return meetingOf(t, func(c *Config) { c.Core.Seed = seed }, change)
}

// meetingOf is a meeting with a node of any configuration.
func meetingOf(t *testing.T, config func(*Config), change func(*wire.Hello)) (*goods, *node, *puppet) {
	t.Helper()
	g, n := newGoods(t, 20), newMemNet()
	p := newNode(t, n, g, 0, config).start()
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

// meet runs do on a meeting, in virtual time, and parts. Without a config the node is a receiver.
func meet(t *testing.T, config func(*Config), change func(*wire.Hello), do func(t *testing.T, g *goods, p *node, q *puppet)) {
	t.Helper()
	bubble.Test(t, func(t *testing.T) {
		g, p, q := meetingOf(t, config, change)
		do(t, g, p, q)
		part(p, q)
	})
}

// another is one more puppet at p; it ends with the test.
func another(t *testing.T, p *node, g *goods, k int) *puppet {
	t.Helper()
	q := dialPuppet(p, g, k, nil)
	t.Cleanup(func() { q.ended() })
	return q
}

// mustHave waits until nothing happens any more; so many sessions are to stand then.
func (p *node) mustHave(sessions int) {
	p.t.Helper()
	synctest.Wait()
	if k := p.sessionCount(); k != sessions {
		p.t.Errorf("%d sessions", k)
	}
}

// ask asks for a whole Block.
func (q *puppet) ask(g *goods, i blocks.Index) {
	q.send(wire.Request{Index: i, Length: uint32(len(g.bytes[i]))}.Append(nil))
}

// asked is the Block of the next Request.
func (q *puppet) asked() blocks.Index {
	q.t.Helper()
	_, m := q.next(wire.TAsk)
	ask, err := wire.ParseRequest(m)
	if err != nil {
		q.t.Fatal(err)
	}
	return ask.Index
}

// serve answers Requests until it has answered one for Block i.
func (q *puppet) serve(g *goods, i blocks.Index) {
	q.t.Helper()
	for asked := i + 1; asked != i; {
		asked = q.asked()
		q.send(g.block(asked))
	}
}

// takeBytes takes DATA until all bytes of Block i have come.
func (q *puppet) takeBytes(g *goods, i blocks.Index) {
	q.t.Helper()
	for got := 0; got < len(g.bytes[i]); {
		_, m := q.next(wire.TData)
		if of, _ := wire.ParseDataHead([wire.DataHead]byte(m)); of == i {
			got += len(m) - wire.DataHead
		}
	}
}

func TestSilenceEndsASession(t *testing.T) {
	meet(t, asSeed, nil, func(t *testing.T, _ *goods, p *node, q *puppet) {
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
		p.mustHave(0)
	})
}

func TestPingKeepsASession(t *testing.T) {
	meet(t, asSeed, nil, func(_ *testing.T, _ *goods, p *node, q *puppet) {
		for range 10 {
			time.Sleep(10 * time.Second)
			q.send(wire.AppendEmpty(nil, wire.TPing))
		}
		p.only()
	})
}

func TestByeEndsASession(t *testing.T) {
	meet(t, asSeed, nil, func(t *testing.T, _ *goods, p *node, q *puppet) {
		if p.Stats().Sessions != 1 && p.sessionCount() != 1 {
			t.Fatal("no session")
		}
		q.send(wire.AppendByte(nil, wire.TBye, wire.ByeLeaving))
		q.ended()
		p.mustHave(0)
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
			meet(t, nil, nil, func(_ *testing.T, _ *goods, p *node, q *puppet) {
				q.send(frames)
				p.mustHave(0)
			})
		})
	}
}

func TestAwaitedBlockOfAnotherLength(t *testing.T) {
	meet(t, nil, fullSeed, func(_ *testing.T, g *goods, p *node, q *puppet) {
		q.next(wire.TAsk)
		q.send(wire.Block{Request: wire.Request{Index: 0, Length: uint32(len(g.bytes[0]) - 1)}}.Append(nil))
		p.mustHave(0)
	})
}

func TestPeerThatDoesNotReadIsDropped(t *testing.T) {
	meet(t, asSeed, nil, func(t *testing.T, _ *goods, p *node, q *puppet) {
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
	})
}

func TestGrantFloodEndsASession(t *testing.T) {
	meet(t, nil, fullSeed, func(_ *testing.T, _ *goods, p *node, q *puppet) {
		ss := p.only()
		ss.mu.Lock()
		for k := range blocks.Index(maxAwaited) { // as if the core had taken none back
			ss.awaited[slot{index: k}] = true
		}
		ss.mu.Unlock()
		q.send(wire.AppendIndex(nil, wire.TGrant, 9999))
		p.mustHave(0)
	})
}

func TestLastHavesComeBeforeBye(t *testing.T) {
	meet(t, nil, fullSeed, func(t *testing.T, g *goods, p *node, q *puppet) {
		q.next(wire.TAsk)
		q.send(g.block(0))
		synctest.Wait()
		p.stop()
		if got, _ := q.next(wire.THave, wire.TBye); got != wire.THave {
			t.Error("BYE without the HAVE that was due")
		}
	})
}

// What we have written must arrive although the other side goes on sending: a socket closed with unread bytes throws it away.
func TestPartingLosesNothing(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
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
