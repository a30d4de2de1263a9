package swarm

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"time"

	"golang.org/x/time/rate"

	"p2pcp/internal/bubble"
)

// TestGossipedLies has the gossip tell everybody of thousands of members that never answer, and of the death of all that live.
func TestGossipedLies(t *testing.T) {
	transfer := func(t *testing.T, lies bool) (last time.Duration) {
		g, n := newGoods(t, 100), newMemNet()
		var begin time.Time
		var mu sync.Mutex // guards last
		limited := func(c *Config) {
			c.Net, c.Up = holed{c.Net}, rate.NewLimiter(hostileRate, 64<<10)
			c.Place = func(context.Context) error { // what follows is staying, which is as long as it is
				mu.Lock()
				defer mu.Unlock()
				last = time.Since(begin)
				return nil
			}
		}
		all := []*node{newNode(t, n, g, 0, func(c *Config) { asSeed(c); limited(c) })}
		for k := 1; k <= 4; k++ {
			all = append(all, newNode(t, n, g, k, func(c *Config) { knows(0)(c); limited(c) }))
		}
		begin = time.Now()
		for _, p := range all {
			p.start()
		}
		for k := range 4000 {
			for _, p := range all {
				if lies {
					addr := netip.AddrPortFrom(netip.AddrFrom4([4]byte{198, 18, byte(k >> 8), byte(k)}), 7700)
					p.AddMember(fmt.Sprintf("fake-%08x", k), addr, k%2 == 0, 0)
					p.DropMember(all[k%len(all)].cfg.Core.Self)
				}
			}
		}
		for range 10 { // each is contradicted, and said again
			for k, p := range all {
				for _, q := range all {
					if time.Sleep(20 * time.Millisecond); lies {
						p.AddMember(q.cfg.Core.Self, q.addr, q == all[0], 0)
						p.DropMember(all[(k+1)%len(all)].cfg.Core.Self)
					}
				}
			}
		}
		named := false
		for range 60 { // dials to those that aren't there take a while
			for _, p := range all {
				for _, b := range p.report(0).Blamed {
					if named = true; b.Member != "gossip" || b.Source != "" || b.Banned {
						t.Errorf("%s blames %+v", p.addr, b)
					}
				}
			}
			if named || !lies {
				break
			}
			time.Sleep(time.Second)
		}
		if named != lies {
			t.Errorf("the gossip is named: %v", named)
		}
		for _, p := range all[1:] {
			<-p.done
			if p.err != nil || p.disk.lacking() != 0 {
				t.Errorf("%s: %v, lacks %d", p.addr, p.err, p.disk.lacking())
			}
		}
		_ = all[0].end()
		return last
	}
	var calm time.Duration
	bubble.Test(t, func(t *testing.T) { calm = transfer(t, false) })
	bubble.Test(t, func(t *testing.T) {
		if took := transfer(t, true); took > calm+2*time.Second {
			t.Errorf("took %v, %v without lies", took, calm)
		} else {
			t.Logf("%v, %v without lies", took, calm)
			t.Logf(`RELIABILITY {"kind":"attack","name":"virtual time: the gossip tells of 4000 members that aren't there, and that all others are dead","undisturbed_s":%.1f,"disturbed_s":%.1f,"result":"every copy right; named: the gossip","test":"TestGossipedLies"}`,
				calm.Seconds(), took.Seconds())
		}
	})
}
