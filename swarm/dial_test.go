package swarm

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/time/rate"

	"p2pcp/internal/bubble"
	"p2pcp/internal/port"
	"p2pcp/swarm/wire"
)

func TestCrosswiseDialsLeaveOneSession(t *testing.T) {
	for range 5 { // the order of goroutines differs
		bubble.Test(t, func(t *testing.T) {
			g, n := newGoods(t, 20), newMemNet()
			a, b := newNode(t, n, g, 1, asSeed).start(), newNode(t, n, g, 2, knows(1)).start()
			synctest.Wait()
			a.tell(Event{Kind: PeerDown}) // nothing
			go a.spawn(func() { a.dialMember(b.cfg.Core.Self, b.addr) })
			go b.spawn(func() { b.dialMember(a.cfg.Core.Self, a.addr) })
			time.Sleep(time.Second)
			if !a.only().dialed && !b.only().dialed {
				t.Error("two halves of different connections")
			}
			if a.only().dialed == b.only().dialed {
				t.Error("the sides disagree on the connection")
			}
			if <-b.done; b.err != nil || b.disk.lacking() != 0 {
				t.Errorf("%v, lacks %d", b.err, b.disk.lacking())
			}
			_ = a.end()
		})
	}
}

func TestOwnAddress(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		g, n := newGoods(t, 3), newMemNet()
		p := newNode(t, n, g, 1, func(c *Config) { knows(1)(c); c.Core.Wait = 30 * time.Second }).start()
		if <-p.done; !errors.Is(p.err, ErrNobody) {
			t.Errorf("Run returned %v", p.err)
		}
		if k := n.dialed(p.addr); k != 1 {
			t.Errorf("dialed itself %d times", k)
		}
	})
}

func TestSeedThatComesLater(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		g, n := newGoods(t, 5), newMemNet()
		get := newNode(t, n, g, 1, knows(0)).start()
		time.Sleep(20 * time.Second)
		seed := newNode(t, n, g, 0, asSeed).start()
		time.Sleep(3 * time.Second)
		if get.disk.lacking() != 0 {
			t.Error("the seed wasn't found within 3 s")
		}
		if <-get.done; get.err != nil {
			t.Error(get.err)
		}
		_ = seed.end()
	})
}

// A session with a member must not keep us from looking for the seed, which knows nobody after its restart.
func TestRestartedSeedIsFound(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		g, n := newGoods(t, 20), newMemNet()
		seed := newNode(t, n, g, 0, asSeed)
		seed.disk.rotten[8] = errors.New("unreadable")
		seed.start()
		var all []*node
		for k := 1; k <= 2; k++ {
			all = append(all, newNode(t, n, g, k, func(c *Config) { knows(3-k, 0)(c); c.Core.Stall = time.Minute }).start())
		}
		time.Sleep(2 * time.Second)
		_ = seed.end()
		time.Sleep(8 * time.Second)
		again := newNode(t, n, g, 0, func(c *Config) { asSeed(c); c.Core.Self = "host000-ffffffff" }).start()
		for _, p := range all {
			if <-p.done; p.err != nil || p.disk.lacking() != 0 {
				t.Errorf("%s: %v, lacks %d", p.addr, p.err, p.disk.lacking())
			}
		}
		_ = again.end()
	})
}

func TestWrongKey(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		g, n := newGoods(t, 3), newMemNet()
		n.silence(addrOfHost(0), port.ErrSilent)
		begin := time.Now()
		get := newNode(t, n, g, 1, knows(7, 0)).start() // nobody listens at 7
		<-get.done
		if took := time.Since(begin); !errors.Is(get.err, port.ErrSilent) || took < silentTime || took > silentTime+bootstrapMax {
			t.Errorf("%v after %v", get.err, took)
		}
	})
}

func TestSilenceFollowedByAnswer(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		g, n := newGoods(t, 3), newMemNet()
		n.silence(addrOfHost(0), port.ErrSilent)
		get := newNode(t, n, g, 1, knows(0)).start()
		time.Sleep(2 * time.Second)
		n.silence(addrOfHost(0), syscall.ECONNREFUSED)
		time.Sleep(4 * time.Second)
		n.silence(addrOfHost(0), port.ErrSilent) // counted anew
		time.Sleep(2500 * time.Millisecond)
		n.silence(addrOfHost(0), nil)
		seed := newNode(t, n, g, 0, asSeed).start()
		if <-get.done; get.err != nil {
			t.Error(get.err)
		}
		_ = seed.end()
	})
}

// TestStoppedSeedIsWaitedFor: who is stopped takes connections and says nothing until it goes on. That is no wrong key.
func TestStoppedSeedIsWaitedFor(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		g, n := newGoods(t, 3), newMemNet()
		n.silence(addrOfHost(0), fmt.Errorf("%w: %w", port.ErrSilent, os.ErrDeadlineExceeded))
		get := newNode(t, n, g, 1, knows(0)).start()
		time.Sleep(20 * time.Second)
		n.silence(addrOfHost(0), nil)
		seed := newNode(t, n, g, 0, asSeed).start()
		if <-get.done; get.err != nil {
			t.Error(get.err)
		}
		_ = seed.end()
	})
}

func TestAnotherVersion(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		g, n := newGoods(t, 3), newMemNet()
		n.silence(addrOfHost(0), &port.VersionError{Ours: 1, Theirs: 2})
		n.silence(addrOfHost(2), port.ErrSilent)
		get := newNode(t, n, g, 1, knows(2, 0)).start()
		if <-get.done; !errors.Is(get.err, port.ErrVersion) {
			t.Errorf("Run returned %v", get.err)
		}
	})
}

// Who has no place for us is left alone for a while.
func TestTurnedAway(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		g, n := newGoods(t, 3), newMemNet()
		c := puppetAt(t, n, g, 0, func(h *wire.Hello) {
			full(h)
			h.Full, h.Seed = true, true
			h.Peers = []wire.Peer{{Member: "puppet9", Addr: addrOfHost(9)}}
		})
		other := puppetAt(t, n, g, 9, full)
		get := newNode(t, n, g, 1, knows(0)).start()
		q := <-other // one of those that the full one named
		time.Sleep(time.Second)
		if k := n.dialed(addrOfHost(0)); k != 1 {
			t.Errorf("the full one was dialed %d times", k)
		}
		_ = get.end()
		q.ended()
		(<-c).ended()
	})
}

// An address that another process has taken over: who was there before is gone, and the session that stands isn't disturbed.
func TestAddressTakenOver(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		g, n := newGoods(t, 20), newMemNet()
		seed := newNode(t, n, g, 0, func(c *Config) { asSeed(c); c.Up = rate.NewLimiter(5000, 1000) }).start()
		get := newNode(t, n, g, 1, knows(0)).start()
		time.Sleep(5 * time.Second)
		before := get.only()
		for _, name := range []string{"host000-old", "another-old"} {
			get.AddMember(name, seed.addr, true, 0)
		}
		time.Sleep(20 * time.Second)
		if get.only() != before {
			t.Error("the session was replaced")
		}
		if k := n.dialed(seed.addr); k != 1 {
			t.Errorf("the address was dialed %d times", k)
		}
		_, _ = get.end(), seed.end()
	})
}

func TestNameThatNobodyAnswersTo(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		g, n := newGoods(t, 20), newMemNet()
		seed := newNode(t, n, g, 0, asSeed).start()
		get := newNode(t, n, g, 1, nil).start()
		time.Sleep(time.Millisecond)
		get.AddMember("host000-old", seed.addr, true, 0)
		time.Sleep(2 * time.Second)
		if get.disk.lacking() != 0 {
			t.Error("who answered isn't made use of")
		}
		_, _ = get.end(), seed.end()
		for _, m := range get.loop.core.members {
			if m.name == "host000-old" {
				t.Error("the old name is still known")
			}
		}
	})
}

func TestRaceClosesItsLosers(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		g, n := newGoods(t, 3), newMemNet()
		var mu sync.Mutex
		var conns []net.Conn
		var all sync.WaitGroup
		all.Add(3)
		for k := range 3 {
			n.listen(addrOfHost(k), func(_ port.Kind, c net.Conn) {
				all.Done()
				all.Wait() // no dial is cancelled before it has a connection
				mu.Lock()
				defer mu.Unlock()
				conns = append(conns, c)
			})
		}
		p := newNode(t, n, g, 9, nil).start()
		synctest.Wait()
		conn, _, err := p.race([]netip.AddrPort{addrOfHost(0), addrOfHost(1), addrOfHost(2)})
		if err != nil {
			t.Fatal(err)
		}
		closeQuietly(conn)
		for _, c := range conns {
			if _, err := c.Read(make([]byte, 1)); err == nil {
				t.Error("a loser stands")
			}
			closeQuietly(c)
		}
		_ = p.end()
	})
}
