package swarm

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/time/rate"

	"p2pcp/blocks"
	"p2pcp/internal/bubble"
	"p2pcp/internal/hostile"
	"p2pcp/internal/port"
	"p2pcp/swarm/wire"
)

const (
	hostileRate = 1 << 20 // bytes a second each way, of every host
	foeHost     = 200
)

// victims is how many receivers there are: with fewer, what one who only takes costs is too large a part.
func victims() int {
	if bubble.Raced {
		return 2
	}
	return 6
}

// attacked is what came of a transfer.
type attacked struct {
	took   time.Duration // until the last receiver was complete
	blame  []wire.ReportBlame
	caught bool // the culprit is named, and banned if that is due
}

// underAttack runs a seed, in the first of the zones, and receivers in all of them, in virtual time, while a Foe, in the last, does what a
// says; nil: there is none.
func underAttack(t *testing.T, a *hostile.Attack, zones ...uint32) (res attacked) {
	t.Helper()
	g, n := newGoods(t, 350), newMemNet()
	limited := func(c *Config) {
		c.Net = holed{c.Net}
		c.Up, c.Down = rate.NewLimiter(hostileRate, 64<<10), rate.NewLimiter(hostileRate, 64<<10)
		c.OnResult = func(_ netip.Addr, r wire.Result) bool {
			if a != nil && r.Reason == "slander" {
				t.Errorf("a seed believed %+v", r)
			}
			return true
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	seed := newNode(t, n, g, 0, func(c *Config) { asSeed(c); limited(c); c.Core.Zone = zones[0] }).start()
	foe := &hostile.Foe{Net: memHost{n, addrOfHost(foeHost)}, Block: func(i blocks.Index) ([]byte, []blocks.CV) {
		proof, _ := g.Proof(nil, i, 0, uint32(len(g.bytes[i])), nil, nil)
		return g.bytes[i], proof
	}}
	var gone sync.WaitGroup
	if a != nil {
		b := *a
		b.Hello = func(c *hostile.Conn, h *wire.Hello) {
			if a.Hello != nil {
				a.Hello(c, h)
			}
			h.Zone = zones[len(zones)-1]
		}
		gone.Go(func() { foe.Run(ctx, seed.addr, b) })
	}
	time.Sleep(100 * time.Millisecond)
	begin := time.Now()
	placed := make(chan struct{}, victims())
	all := []*node{seed}
	for k := 1; k <= victims(); k++ {
		all = append(all, newNode(t, n, g, k, func(c *Config) {
			knows(0)(c)
			limited(c)
			c.Core.Zone = zones[k%len(zones)]
			c.Core.Linger.Idle = time.Hour
			c.Place = func(context.Context) error { placed <- struct{}{}; return nil }
		}).start())
	}
	for range victims() {
		select {
		case <-placed:
		case <-time.After(2 * time.Minute):
			t.Error("not complete after two minutes")
		}
	}
	res.took = time.Since(begin)
	for range 20 { // some are only found out by patience
		if time.Sleep(time.Second); a == nil || res.catch(a, all) {
			break
		}
	}
	for _, p := range all {
		if p != seed && p.disk.lacking() != 0 {
			t.Errorf("%s lacks %d blocks", p.addr, p.disk.lacking())
		}
		p.honestAreWelcome()
	}
	cancel()
	gone.Wait()
	for _, p := range all {
		_ = p.end()
	}
	time.Sleep(time.Minute)
	return res
}

// holed is a Net in which dials to 198.18.0.0/15 are never answered.
type holed struct{ Net }

func (h holed) Dial(ctx context.Context, to netip.AddrPort, kind port.Kind) (net.Conn, error) {
	if netip.MustParsePrefix("198.18.0.0/15").Contains(to.Addr()) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return h.Net.Dial(ctx, to, kind)
}

// catch collects who is blamed, and tells whether that is what must come of a.
func (res *attacked) catch(a *hostile.Attack, all []*node) bool {
	res.blame = nil
	named, banned := a.Blame == "", !a.Bans
	for _, p := range all {
		for _, b := range p.report(0).Blamed {
			res.blame = append(res.blame, b)
			named = named || strings.Contains(b.Why, a.Blame)
			banned = banned || b.Banned
		}
	}
	res.caught = named && banned
	return res.caught
}

// honestAreWelcome checks that only the Foe is held to be at fault.
func (p *node) honestAreWelcome() {
	p.mu.Lock()
	defer p.mu.Unlock()
	foe := addrOfHost(foeHost).Addr()
	for who := range p.banned {
		if who.source != foe {
			p.t.Errorf("%s banned %v, which is honest", p.addr, who)
		}
	}
	for who, m := range p.blamed {
		if who.source != foe {
			p.t.Errorf("%s blames %v: %s", p.addr, who, m.why)
		}
	}
}

// TestHostileMember lets one member misbehave in every way that we know of, against all of the others: they are done as soon as without
// it, what they have is right, and where it can be told from bad luck the culprit is named, and only the culprit.
func TestHostileMember(t *testing.T) {
	var calm attacked
	bubble.Test(t, func(t *testing.T) { calm = underAttack(t, nil, 0) })
	t.Logf("undisturbed: %.2f s", calm.took.Seconds())
	if len(calm.blame) != 0 {
		t.Errorf("blamed without a culprit: %+v", calm.blame)
	}
	for _, a := range hostile.Attacks() {
		t.Run(a.Name, func(t *testing.T) {
			var got attacked
			for range 2 { // they may be done before it is told from bad luck
				bubble.Test(t, func(t *testing.T) { got = underAttack(t, &a, 0) })
				if got.caught {
					break
				}
			}
			t.Logf("%.2f s, x %.2f; blamed: %+v", got.took.Seconds(), got.took.Seconds()/calm.took.Seconds(), got.blame)
			if bound := calm.took + max(calm.took*15/100, 2*time.Second); got.took > bound && !bubble.Raced {
				t.Errorf("took %v, more than %v", got.took, bound)
			}
			if !got.caught {
				t.Errorf("not named for %q, or not banned (%v)", a.Blame, a.Bans)
			}
			t.Logf(`RELIABILITY {"kind":"attack","name":"virtual time: %s","undisturbed_s":%.1f,"disturbed_s":%.1f,"result":%q,"test":"TestHostileMember"}`,
				a.Name, calm.took.Seconds(), got.took.Seconds(), outcome(a))
		})
	}
}

// TestHostileMemberInZones: what crosses zones goes by turns, and nobody asks abroad for what somebody at home says to have. A liar at
// home keeps nothing from its zone for longer than without zones.
func TestHostileMemberInZones(t *testing.T) {
	if bubble.Raced {
		t.Skip("too few receivers under the race detector")
	}
	zones := []uint32{7, 8}
	var calm attacked
	bubble.Test(t, func(t *testing.T) { calm = underAttack(t, nil, zones...) })
	for _, name := range []string{
		"wrong blocks", "another index's block", "lying bitfield", "busy for ever", "lingering with nothing", "never answering", "a byte a second",
		"claimed seed", "others are gone", "60 identities", "hoarding", "60 hoarding identities", "members that aren't there",
	} {
		t.Run(name, func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				a := hostile.Named(name)
				got := underAttack(t, &a, zones...)
				t.Logf("%.2f s, undisturbed %.2f", got.took.Seconds(), calm.took.Seconds())
				if bound := calm.took + max(calm.took*15/100, 2*time.Second); got.took > bound {
					t.Errorf("took %v, more than %v", got.took, bound)
				}
				t.Logf(`RELIABILITY {"kind":"attack","name":"virtual time, two zones: %s","undisturbed_s":%.1f,"disturbed_s":%.1f,"result":"every copy right","test":"TestHostileMemberInZones"}`,
					name, calm.took.Seconds(), got.took.Seconds())
			})
		})
	}
}

// outcome says what comes of an attack that a test has seen repelled.
func outcome(a hostile.Attack) string {
	text := "every copy right"
	if a.Blame != "" {
		text += "; named: " + a.Blame
	}
	if a.Bans {
		text += "; banned"
	}
	return text
}
