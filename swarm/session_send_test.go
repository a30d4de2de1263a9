package swarm

import (
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"golang.org/x/time/rate"

	"p2pcp/blocks"
	"p2pcp/swarm/wire"
)

// slowSeed takes most of a second for a Block.
func slowSeed(c *Config) {
	asSeed(c)
	c.Up = rate.NewLimiter(20_000, 1000)
}

func TestStoppedSendIsServedOnce(t *testing.T) {
	meet(t, slowSeed, nil, func(t *testing.T, g *goods, p *node, q *puppet) {
		for _, i := range []blocks.Index{3, 4, 5} {
			q.ask(g, i)
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
		q.takeBytes(g, 5)
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

func TestDropFinishesTheBlock(t *testing.T) {
	meet(t, slowSeed, nil, func(t *testing.T, g *goods, p *node, q *puppet) {
		q.ask(g, 3)
		q.ask(g, 4)
		q.next(wire.TBlock)
		p.only().drop(false, "test")
		q.takeBytes(g, 3)
		if got, _ := q.next(wire.TBlock, wire.TBye); got != wire.TBye {
			t.Error("another block was begun")
		}
	})
}

func TestRejectsAreEarned(t *testing.T) {
	hashed := 0
	config := func(c *Config) {
		asSeed(c)
		c.Recheck = func(blocks.Index) error { hashed++; return nil }
	}
	meet(t, config, nil, func(t *testing.T, g *goods, _ *node, q *puppet) {
		q.ask(g, 3)
		q.takeBytes(g, 3)
		for range 100 {
			q.send(wire.AppendIndex(nil, wire.TReject, 3))
		}
		synctest.Wait()
		if hashed != 1 {
			t.Errorf("hashed %d times", hashed)
		}
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

// Nothing is read into the first bytes of a page, which takes long (frameLead).
func TestContentBeginsInsideAPage(t *testing.T) {
	s, ss := telling()
	s.frames.New = func() any { return new([]byte) }
	o := &ss.out
	for range 3 { // the first makes the buffer
		ss.takeFrame(true)
		o.buf = wire.AppendDataHead(o.buf, 0, 0, maxFrame)
		head := len(o.buf)
		o.buf = append(o.buf, make([]byte, maxFrame)...)
		if at := uintptr(unsafe.Pointer(&o.buf[head])) % 4096; at < 64 {
			t.Errorf("content begins at byte %d of a page", at)
		}
		ss.dropFrame()
	}
}
