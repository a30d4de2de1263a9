package swarm

import (
	"testing"
	"time"

	"golang.org/x/time/rate"

	"p2pcp/internal/bubble"
	"p2pcp/swarm/wire"
)

func TestLimits(t *testing.T) {
	const perSecond = 20_000
	for name, change := range map[string][2]func(*Config){
		"up":   {func(c *Config) { c.Up = rate.NewLimiter(perSecond, 4000) }, func(*Config) {}},
		"down": {func(*Config) {}, func(c *Config) { c.Down = rate.NewLimiter(perSecond, 4000) }},
	} {
		t.Run(name, func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				g, n := newGoods(t, 40), newMemNet()
				n.buffer = 4 << 10
				seed := newNode(t, n, g, 0, func(c *Config) { asSeed(c); change[0](c) }).start()
				get := newNode(t, n, g, 1, func(c *Config) {
					knows(0)(c)
					change[1](c)
					c.Core.Linger.Idle = time.Nanosecond
				})
				begin := time.Now()
				get.start()
				<-get.done
				want := time.Duration(float64(g.Header().Bytes) / perSecond * float64(time.Second))
				if took := time.Since(begin); get.err != nil || took < want*9/10 || took > want*12/10+time.Second {
					t.Errorf("%v after %v, want about %v", get.err, took, want)
				}
				_ = seed.end()
			})
		})
	}
}

func TestControlPassesALimitedBlock(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		seed, q := inABlock(t, newGoods(t, 20), 1000) // for 16 s
		begin := time.Now()
		q.send(wire.Tree{File: 1, Count: 1, First: 0, Level: 5}.Append(nil))
		q.next(wire.TNodes)
		if took := time.Since(begin); took > 100*time.Millisecond {
			t.Errorf("the answer to TREE took %v", took)
		}
		q.send(wire.Cancel{Index: 3}.Append(nil))
		time.Sleep(time.Second)
		if seed.Stats().Sent > 3000 {
			t.Errorf("%d bytes were sent of a cancelled block", seed.Stats().Sent)
		}
		_ = seed.end()
		q.ended()
	})
}
