package swarm

import (
	"context"
	"errors"
	"net/netip"
	"reflect"
	"sync"
	"testing"
	"time"

	"p2pcp/internal/bubble"
	"p2pcp/swarm/wire"
)

// book takes RESULTs as a seed's Ledger does. Safe for concurrent use.
type book struct {
	mu   sync.Mutex
	rows []wire.Result
	from []netip.Addr
}

func (b *book) take(from netip.Addr, r wire.Result) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.rows, b.from = append(b.rows, r), append(b.from, from)
	return true
}

func (b *book) count() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.rows)
}

var someResult = wire.Result{State: wire.Changed, Member: "host001-00000001", Host: "host001", Target: "/t", Bytes: 7}

func observe(p *node, g *goods, k int) (*Observer, error) {
	return Observe(context.Background(), memHost{p.net, addrOfHost(k)}, p.addr, g.ID(), someResult.Member)
}

func TestObserver(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		g, n := newGoods(t, 20), newMemNet()
		var b book
		seed := newNode(t, n, g, 0, func(c *Config) {
			asSeed(c)
			c.OnResult = b.take
			c.Ledger = func() []wire.LedgerRow { return []wire.LedgerRow{{Member: "somebody"}} }
			c.Account = func() ([]wire.Trace, []wire.Sample) { return make([]wire.Trace, 1), make([]wire.Sample, 1) }
		}).start()
		get := newNode(t, n, g, 1, func(c *Config) { knows(0)(c); c.Core.Linger.Idle = time.Minute }).start()
		time.Sleep(2 * time.Second)
		for _, p := range []*node{seed, get} {
			o, err := observe(p, g, 9)
			if err != nil {
				t.Fatal(err)
			}
			c, err := o.Content()
			if err != nil || c.ID() != g.ID() || c.Layout().Blocks() != g.Header().Blocks {
				t.Errorf("content: %v", err)
			}
			r, err := o.Report()
			if err != nil || r.Member != o.Member() || r.Sessions != 1 || len(r.Members) != 1 || r.Bytes != r.BytesHave {
				t.Errorf("%+v, %v", r, err)
			}
			a, err := o.Account()
			if own := p == get; err != nil || (len(a.Traces) == 1 && len(a.History) == 1) == own || (len(a.Steps) == wire.Steps) != own ||
				(len(a.From) == 1 && a.From[0].Bytes == a.Received && a.From[0].Member == r.Members[0].Member) != own || a.Age < 1900 || a.Idle != 0 {
				t.Errorf("%+v, %v", a.Account, err)
			}
			if o.Seed() != (p == seed) || len(o.Peers()) != 1 || (len(r.Ledger) == 1) != (p == seed) {
				t.Errorf("seed %v, %d peers, %d ledger rows", o.Seed(), len(o.Peers()), len(r.Ledger))
			}
			if err := o.Deliver(context.Background(), someResult); (err == nil) != (p == seed) {
				t.Errorf("deliver: %v", err)
			}
			_ = o.Close()
			if k := p.sessionCount(); k != 1 {
				t.Errorf("an observer is in %d sessions", k)
			}
		}
		if b.count() != 1 || !reflect.DeepEqual(b.rows[0], someResult) || b.from[0] != addrOfHost(9).Addr() {
			t.Errorf("the ledger has %+v from %v", b.rows, b.from)
		}
		_, _ = get.end(), seed.end()
	})
}

func TestObserverOfWhoKnowsNothing(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		g, n := newGoods(t, 3), newMemNet()
		p := newNode(t, n, g, 1, knows(0)).start()
		time.Sleep(time.Millisecond)
		o, err := observe(p, g, 9)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := o.Content(); !errors.Is(err, ErrNoManifest) {
			t.Errorf("content: %v", err)
		}
		if r, err := o.Report(); err != nil || r.State != "manifest" {
			t.Errorf("%+v, %v", r, err)
		}
		_, _ = o.Close(), p.end()
	})
}

func TestObserverOfAnotherSwarm(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		g, n := newGoods(t, 3), newMemNet()
		p := newNode(t, n, g, 0, asSeed).start()
		time.Sleep(time.Millisecond)
		if _, err := observe(p, newGoods(t, 4), 9); err == nil {
			t.Error("it took another swarm's Header")
		}
		_ = p.end()
	})
}

func TestObserversAreLimited(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		g, n := newGoods(t, 3), newMemNet()
		p := newNode(t, n, g, 0, asSeed).start()
		time.Sleep(time.Millisecond)
		var all []*Observer
		for k := range maxObserver {
			o, err := observe(p, g, 100+k)
			if err != nil {
				t.Fatalf("observer %d: %v", k, err)
			}
			all = append(all, o)
		}
		if _, err := observe(p, g, 99); err == nil {
			t.Error("one too many was served")
		}
		_ = all[0].Close()
		time.Sleep(time.Millisecond)
		o, err := observe(p, g, 99)
		if err != nil {
			t.Fatalf("after one has left: %v", err)
		}
		time.Sleep(observerIdle + time.Second)
		if _, err := o.Report(); err == nil {
			t.Error("an idle observer is kept")
		}
		for _, o := range append(all[1:], o) {
			_ = o.Close()
		}
		_ = p.end()
	})
}

func TestObserverEndsWithItsContext(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		g, n := newGoods(t, 3), newMemNet()
		p := newNode(t, n, g, 0, func(c *Config) {
			asSeed(c)
			c.OnResult = func(netip.Addr, wire.Result) bool { time.Sleep(5 * time.Second); return true }
		}).start()
		time.Sleep(time.Millisecond)
		o, err := observe(p, g, 9)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		begin := time.Now()
		if err := o.Deliver(ctx, someResult); err == nil || time.Since(begin) != time.Second {
			t.Errorf("%v after %v", err, time.Since(begin))
		}
		_, _ = o.Close(), p.end()
	})
}

func TestObserverAsksForWhatItMayNot(t *testing.T) {
	g := newGoods(t, 20)
	for name, c := range map[string]struct {
		ask  []byte
		want wire.Type // 0: the end
	}{
		"a content block":     {wire.Request{Index: 3, Length: nodeBlock}.Append(nil), wire.TRefuse},
		"part of a block":     {wire.Request{Index: 0, Length: 5}.Append(nil), wire.TRefuse},
		"no such block":       {wire.Request{Index: 9999, Length: 5}.Append(nil), wire.TRefuse},
		"nodes of no file":    {wire.Tree{File: 5, Count: 1}.Append(nil), wire.TNodes},
		"blocks by credit":    {wire.AppendByte(nil, wire.TAny, 4), 0},
		"HAVE":                {wire.AppendHave(nil, g.all.Spans()), 0},
		"the manifest, whole": {wire.Request{Index: 0, Length: uint32(len(g.bytes[0]))}.Append(nil), wire.TBlock},
	} {
		t.Run(name, func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				n := newMemNet()
				p := newNode(t, n, g, 0, asSeed).start()
				time.Sleep(time.Millisecond)
				o, err := observe(p, g, 9)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := o.conn.Write(c.ask); err != nil {
					t.Fatal(err)
				}
				got, _, _ := wire.ReadFrame(o.br, nil)
				if got != c.want {
					t.Errorf("answered by %v, want %v", got, c.want)
				}
				_, _ = o.Close(), p.end()
			})
		})
	}
}

func TestResultOverTheSession(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		g, n := newGoods(t, 5), newMemNet()
		var b book
		seed := newNode(t, n, g, 0, func(c *Config) { asSeed(c); c.OnResult = b.take }).start()
		get := newNode(t, n, g, 1, func(c *Config) { knows(0)(c); c.Core.Linger.Idle = time.Minute }).start()
		time.Sleep(time.Second)
		if err := get.Deliver(context.Background(), someResult); err != nil {
			t.Error(err)
		}
		if n.dialed(seed.addr) != 1 {
			t.Error("the session wasn't used")
		}
		_ = seed.end()

		// Without a seed it fails, and is kept for the next one.
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		failed := someResult
		failed.State = wire.Failed
		if err := get.Deliver(ctx, failed); err == nil {
			t.Error("nobody took it")
		}
		var later book
		again := newNode(t, n, g, 0, func(c *Config) {
			asSeed(c)
			c.Core.Self, c.OnResult = "host000-ffffffff", later.take
		}).start()
		time.Sleep(5 * time.Second)
		if b.count() != 1 || later.count() != 1 || later.rows[0].State != wire.Failed {
			t.Errorf("the seeds learned %+v and %+v", b.rows, later.rows)
		}
		_, _ = get.end(), again.end()
	})
}

func TestResultByABootstrapAddress(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		g, n := newGoods(t, 5), newMemNet()
		var b book
		seed := newNode(t, n, g, 0, func(c *Config) { asSeed(c); c.OnResult = b.take }).start()
		other := newNode(t, n, g, 2, knows(0)).start()
		time.Sleep(time.Second)
		idle := newNode(t, n, g, 1, knows(2, 7, 0)) // not a seed, nobody, the seed; and it never runs
		if err := idle.Deliver(context.Background(), someResult); err != nil || b.count() != 1 {
			t.Errorf("%v, %d rows", err, b.count())
		}
		_, _ = other.end(), seed.end()
		if err := idle.Deliver(context.Background(), someResult); !errors.Is(err, errNoSeed) {
			t.Errorf("after all have left: %v", err)
		}
	})
}

func TestMemberRefusesResults(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		_, p, q := meeting(t, false, func(h *wire.Hello) { h.Member = someResult.Member })
		q.send(someResult.Append(nil))
		if _, m := q.next(wire.TAck); m[0] != wire.AckNotSeed {
			t.Errorf("ACK %d", m[0])
		}
		q.send(wire.AppendByte(nil, wire.TAck, wire.AckTaken)) // of nothing
		q.send(someResult.Append(nil))
		q.next(wire.TAck)
		part(p, q)
	})
}

func TestObserversDontHoldUpRun(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		g, n := newGoods(t, 3), newMemNet()
		p := newNode(t, n, g, 0, asSeed).start()
		time.Sleep(time.Millisecond)
		o, err := observe(p, g, 9)
		if err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		_ = p.end()
		if took := time.Since(begin); took > time.Second {
			t.Errorf("Run returned after %v", took)
		}
		_ = o.Close()
	})
}
