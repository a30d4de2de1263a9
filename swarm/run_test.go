package swarm

import (
	"context"
	"errors"
	"testing"
	"time"

	"p2pcp/blocks"
	"p2pcp/internal/bubble"
	"p2pcp/swarm/wire"
)

func TestWriteErrorEndsRun(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		g, n := newGoods(t, 20), newMemNet()
		seed := newNode(t, n, g, 0, asSeed).start()
		get := newNode(t, n, g, 1, knows(0))
		full := errors.New("no space left on device")
		get.disk.broken = full
		get.start()
		if <-get.done; !errors.Is(get.err, full) {
			t.Errorf("Run returned %v", get.err)
		}
		_ = seed.end()
	})
}

func TestOpenAndPlaceErrorsEndRun(t *testing.T) {
	broken := errors.New("permission denied")
	for name, change := range map[string]func(*Config){
		"open": func(c *Config) {
			c.Open = func(context.Context, *blocks.Content) (Opening, error) { return Opening{}, broken }
		},
		"place": func(c *Config) { c.Place = func(context.Context) error { return broken } },
	} {
		t.Run(name, func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				g, n := newGoods(t, 3), newMemNet()
				seed := newNode(t, n, g, 0, asSeed).start()
				get := newNode(t, n, g, 1, func(c *Config) { knows(0)(c); change(c) }).start()
				if <-get.done; !errors.Is(get.err, broken) {
					t.Errorf("Run returned %v", get.err)
				}
				_ = seed.end()
			})
		})
	}
}

func TestInterruptIsQuick(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		g, n := newGoods(t, 40), newMemNet()
		n.buffer = 8 << 10
		seed := newNode(t, n, g, 0, asSeed).start()
		time.Sleep(time.Millisecond)
		var stuck []*puppet
		for k := range 5 { // they ask, and never read
			q := dialPuppet(seed, g, 10+k, nil)
			q.send(wire.Request{Index: 3, Length: nodeBlock}.Append(nil))
			stuck = append(stuck, q)
		}
		mute, err := memHost{n, addrOfHost(30)}.Dial(context.Background(), seed.addr, 1) // never says HELLO
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		begin := time.Now()
		_ = seed.end()
		if took := time.Since(begin); took > 1300*time.Millisecond {
			t.Errorf("Run returned %v after the interrupt", took)
		}
		closeQuietly(mute)
		for _, q := range stuck {
			closeQuietly(q.conn)
		}
	})
}

func TestLeavingFinishesTheBlock(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		seed, q := inABlock(t, newGoods(t, 40), 40_000) // for 0.4 s
		seed.stop()
		time.Sleep(300 * time.Millisecond)
		q.send(wire.AppendEmpty(nil, wire.TPing)) // unread by a closed socket it would reset the stream
		got := 0
		for got < nodeBlock {
			_, p := q.next(wire.TData)
			got += len(p) - wire.DataHead
		}
		if bye := q.ended(); bye != wire.ByeLeaving {
			t.Errorf("BYE %d", bye)
		}
		<-seed.done
	})
}
