package swarm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"p2pcp/blocks"
	"p2pcp/internal/bubble"
)

// TestAThousandMembersMakeFortySessions offers one node 1000 members, by name and by sessions that they open.
func TestAThousandMembersMakeFortySessions(t *testing.T) {
	for _, seed := range []bool{false, true} {
		t.Run(fmt.Sprintf("seed=%v", seed), func(t *testing.T) {
			r := receiver(t, 30, CoreConfig{})
			if seed {
				r = newRig(t, CoreConfig{Seed: true, Blocks: 30, ManifestBlocks: 1, BlockSize: 128 << 10, Have: setOf(30)})
			}
			c := crowd{rig: r, live: map[PeerID]int{}, busy: map[int]bool{}, rng: rand.New(rand.NewPCG(3, 4))}
			for k := range 1000 {
				c.step(Event{Kind: MemberUp, Member: crowdName(k), Addr: addrOfHost(k)})
				c.connect(c.rng.IntN(k + 1))
				if k%20 == 19 {
					c.wait()
				}
			}
			for range 200 {
				c.wait()
				c.connect(c.rng.IntN(1000))
			}
			if n := len(c.live); n < 12 {
				t.Errorf("%d sessions in the end", n)
			}
			if c.most < 18 {
				t.Errorf("never more than %d sessions: nothing was tried", c.most)
			}
		})
	}
}

func crowdName(k int) string { return fmt.Sprintf("member-%04d", k) }

// crowd is 1000 members around the core of a rig.
type crowd struct {
	*rig
	live map[PeerID]int // sessions, by the number of the member
	busy map[int]bool   // members with a session
	last PeerID
	most int
	rng  *rand.Rand
}

// step has the core take an Event, answers what it orders, and counts its sessions.
func (c *crowd) step(ev Event) {
	c.t.Helper()
	for todo := []Event{ev}; len(todo) > 0; {
		acts := c.do(todo[0])
		todo = todo[1:]
		for _, a := range acts {
			switch a.Kind {
			case Dial:
				var k int
				if _, err := fmt.Sscanf(a.Member, "member-%d", &k); err != nil {
					c.t.Fatal(err)
				}
				if c.busy[k] || c.rng.IntN(4) == 0 {
					todo = append(todo, Event{Kind: DialFailed, Member: a.Member})
				} else {
					todo = append(todo, c.session(k))
				}
			case Drop:
				delete(c.busy, c.live[a.Peer])
				delete(c.live, a.Peer)
				todo = append(todo, Event{Kind: PeerDown, Peer: a.Peer})
			}
		}
		if len(todo) == 0 && len(c.live) != len(c.c.peers) {
			c.t.Fatalf("%d sessions, the core knows %d", len(c.live), len(c.c.peers))
		}
		if n := len(c.c.peers); n > 40 {
			c.t.Fatalf("%d sessions", n)
		}
	}
	c.most = max(c.most, len(c.live))
}

// session is what a new session with member k tells the core.
func (c *crowd) session(k int) Event {
	c.last++
	c.live[c.last], c.busy[k] = k, true
	return Event{Kind: PeerUp, Peer: c.last, Member: crowdName(k), Addr: addrOfHost(k), Set: setOf(30, 0, blocks.Index(1+k%29))}
}

// connect has member k open a session.
func (c *crowd) connect(k int) {
	if !c.busy[k] {
		c.step(c.session(k))
	}
}

func (c *crowd) wait() {
	c.now += tickTime
	c.step(Event{Kind: Tick})
}

// use is what a process takes while it moves a file.
type use struct {
	goroutines int
	heap       int64 // bytes, without the file and what was there before
}

// shared is a Store in memory that keeps no bytes of its own. When half of the Blocks are written it waits until the others have come
// as far and nothing moves, and looks.
type shared struct {
	*shelf
	at   int
	look func()
}

func (s *shared) WriteBlock(i blocks.Index, p []byte) error {
	if !bytes.Equal(p, s.goods.bytes[i]) {
		s.t.Errorf("block %d: wrong bytes were written", i)
	}
	s.mu.Lock()
	s.held[i] = s.goods.bytes[i]
	s.writes++
	due := s.writes == s.at
	s.mu.Unlock()
	if due {
		time.Sleep(time.Second)
		if s.look != nil {
			s.look()
		}
		time.Sleep(time.Second)
	}
	return nil
}

// usedAtHalf moves a file of so many Blocks from a seed to 4 receivers, and looks when they have half of it.
func usedAtHalf(t *testing.T, large int) (u use) {
	heap := func() int64 {
		for range 3 { // what pools of earlier tests hold takes two
			runtime.GC()
		}
		var ms runtime.MemStats
		runtime.ReadMemStats(&ms)
		return int64(ms.HeapAlloc)
	}
	bubble.Test(t, func(t *testing.T) {
		g, n := newGoods(t, large), newMemNet()
		before := heap()
		seed := newNode(t, n, g, 0, asSeed).start()
		var all []*node
		for k := 1; k <= 4; k++ {
			disk := &shared{}
			p := newNode(t, n, g, k, func(c *Config) {
				knows(0)(c)
				c.Open = func(context.Context, *blocks.Content) (Opening, error) { return Opening{Store: disk}, nil }
			})
			disk.shelf = p.disk
			disk.at = large / 2
			if k == 1 {
				disk.look = func() { u = use{goroutines: runtime.NumGoroutine(), heap: heap() - before} }
			}
			all = append(all, p.start())
		}
		for _, p := range all {
			if <-p.done; p.err != nil || p.disk.lacking() != 0 {
				t.Errorf("%s: %v, lacks %d", p.addr, p.err, p.disk.lacking())
			}
		}
		if err := seed.end(); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		time.Sleep(time.Minute)
	})
	return u
}

// TestUseDoesNotGrowWithTheFile: goroutines not at all, and memory by less than 400 bytes a Block and process, which is what the
// core, the Tree and the Bitfields of four sessions take: 0.04 % of the usual Block.
func TestUseDoesNotGrowWithTheFile(t *testing.T) {
	const few, many, processes = 100, 1000, 5
	small, large := usedAtHalf(t, few), usedAtHalf(t, many)
	t.Logf("%d Blocks: %+v, %d Blocks: %+v", few, small, many, large)
	if large.goroutines > small.goroutines+4 {
		t.Errorf("%d goroutines with %d Blocks, %d with %d", small.goroutines, few, large.goroutines, many)
	}
	if grew := (large.heap - small.heap) / processes / (many - few); grew > 400 {
		t.Errorf("the heap grew by %d bytes a Block and process", grew)
	}
}
