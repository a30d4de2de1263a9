package hostile

import (
	"context"
	"fmt"
	"net/netip"

	"p2pcp/internal/port"
	"p2pcp/swarm/wire"
)

// crowds are many members made of one, and members made of nothing.
func crowds() []Attack {
	stay := func(ctx context.Context, c *Conn) { c.alive(ctx) }
	return []Attack{
		{Name: "60 identities", Width: 60, Hello: anyName, Do: stay, Blame: "many members"},
		{Name: "60 hoarding identities", Width: 60, Hello: anyName, Do: hoard, Blame: "many members"},
		{Name: "20 identities that ask for everything", Width: 20, Hello: anyName, Do: func(_ context.Context, c *Conn) {
			c.repeat(func(b []byte, n int) []byte { return takeAll(c, b, n) })
		}, Blame: "flood"},
		{Name: "wrong blocks under any name", Width: 4, Hello: func(c *Conn, h *wire.Hello) {
			complete(c, h)
			anyName(c, h)
		}, Do: answering(junk), Blame: "wrong blocks", Bans: true},
		{Name: "wrong blocks under others' names", Width: 4, Hello: func(c *Conn, h *wire.Hello) {
			complete(c, h)
			otherName(c, h)
		}, Do: answering(junk), Blame: "wrong blocks", Bans: true},
		{Name: "members that aren't there", Do: fakes, Blame: "aren't there"},
		{Name: "others' addresses", Do: misplaced},
		{Name: "others are gone", Do: gone},
		{Name: "300 that say nothing", Width: 300, Raw: func(ctx context.Context, _ *Conn) { <-ctx.Done() }},
		{Name: "observers that stay", Width: 100, Kind: port.Observer, Do: stay},
	}
}

func anyName(c *Conn, h *wire.Hello) { h.Member = wire.MemberName("sybil", uint32(c.n)) }

func otherName(c *Conn, h *wire.Hello) {
	if name := c.foe.another(c.n, c.theirs.Member); name != "" {
		h.Member = name
	}
}

// fakes names thousands of members at addresses where nobody is.
func fakes(ctx context.Context, c *Conn) {
	for n := 0; n < 4096; n += wire.MaxPeers {
		var list []wire.Peer
		for k := range wire.MaxPeers {
			list = append(list, wire.Peer{Member: fmt.Sprintf("a%d-%08x", c.n, n+k), Addr: everywhere(n + k), Zone: c.theirs.Zone})
		}
		if c.send(wire.AppendPeers(nil, list)) != nil {
			return
		}
	}
	c.alive(ctx)
}

// misplaced says of each member that it is where nobody is.
func misplaced(ctx context.Context, c *Conn) {
	c.about(ctx, func(n int, name string) wire.Peer { return wire.Peer{Member: name, Addr: everywhere(n)} })
}

// gone says of each that it is gone.
func gone(ctx context.Context, c *Conn) {
	c.about(ctx, func(_ int, name string) wire.Peer {
		return wire.Peer{Member: name, Gone: true, Addr: netip.MustParseAddrPort("192.0.2.1:9")}
	})
}

// about says something of each member that is known, again and again.
func (c *Conn) about(ctx context.Context, say func(n int, name string) wire.Peer) {
	over := c.drain()
	for n := 0; ; n++ {
		var list []wire.Peer
		for k := range 32 {
			if name := c.foe.another(k, c.theirs.Member); name != "" {
				list = append(list, say(n, name))
			}
		}
		if c.send(wire.AppendPeers(nil, list)) != nil {
			_ = c.Close()
			<-over
			return
		}
		pause(ctx, again)
	}
}
