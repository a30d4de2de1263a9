package hostile

import (
	"context"

	"p2pcp/blocks"
	"p2pcp/internal/port"
	"p2pcp/swarm/wire"
)

// floods are more of the same than anybody needs.
func floods() []Attack {
	flood := func(name string, frames func(c *Conn, n int) []byte) Attack {
		return Attack{Name: name, Do: func(_ context.Context, c *Conn) { c.repeat(func(n int) []byte { return frames(c, n) }) }}
	}
	blamed := func(a Attack, why string) Attack {
		a.Blame = why
		return a
	}
	return []Attack{
		blamed(flood("asks", asks), "flood"),
		flood("asks for everything", takeAll),
		flood("slices", slivers),
		blamed(flood("have storm", storm), "too many announcements"),
		blamed(flood("withdrawals", func(c *Conn, n int) []byte {
			return wire.AppendIndex(nil, wire.TWithdraw, blocks.Index(uint32(n)%max(c.blocks(), 1)))
		}), "flood"),
		blamed(flood("rejects", func(c *Conn, n int) []byte {
			return wire.AppendIndex(nil, wire.TReject, blocks.Index(uint32(n)%max(c.blocks(), 1)))
		}), "flood"),
		blamed(flood("pings", func(*Conn, int) []byte { return wire.AppendEmpty(nil, wire.TPing) }), "flood"),
		blamed(flood("blocks nobody asked for", func(c *Conn, n int) []byte {
			return junk(c, c.whole(blocks.Index(uint32(n)%max(c.blocks(), 1))))
		}), "flood"),
		blamed(flood("trees", trees), "flood"),
		{Name: "statuses", Kind: port.Observer, Width: 40, Do: func(_ context.Context, c *Conn) {
			c.repeat(func(int) []byte { return wire.AppendEmpty(nil, wire.TStatus) })
		}},
		{Name: "asks, nothing read", Blame: "flood", Do: func(ctx context.Context, c *Conn) {
			for n := 0; c.send(asks(c, n)) == nil; n++ {
				continue
			}
		}},
	}
}

// asks asks for what nobody holds.
func asks(*Conn, int) []byte {
	var b []byte
	for range 64 {
		b = c0.Append(b)
	}
	return b
}

// c0 is a Request for the last Index there can be.
var c0 = wire.Request{Index: blocks.MaxBlocks - 1, Length: blocks.GroupSize}

// takeAll asks for every Block again and again.
func takeAll(c *Conn, n int) []byte {
	return c.whole(blocks.Index(uint32(n) % max(c.blocks(), 1))).Append(nil)
}

// slivers asks for the least of each Block: its Proof costs hashing all of it.
func slivers(c *Conn, n int) []byte {
	return wire.Request{Index: blocks.Index(uint32(n) % max(c.blocks(), 1)), Length: blocks.GroupSize}.Append(nil)
}

// storm announces all there is, and takes it back.
func storm(c *Conn, _ int) []byte {
	all := max(c.blocks(), 1)
	b := wire.AppendHave(nil, []blocks.Span{{Count: all}})
	for i := range min(all, 8) {
		b = wire.AppendIndex(b, wire.TWithdraw, blocks.Index(i))
	}
	return b
}

// trees asks for nodes, those that are there and others.
func trees(_ *Conn, n int) []byte {
	return wire.Tree{File: uint32(n % 3), Level: uint8(n % 5), Count: uint32(1 + n%blocks.MaxNodes)}.Append(nil)
}
