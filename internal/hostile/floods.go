package hostile

import (
	"context"

	"p2pcp/blocks"
	"p2pcp/internal/port"
	"p2pcp/swarm/wire"
)

// floods are more of the same than anybody needs.
func floods() []Attack {
	flood := func(name string, frame func(c *Conn, b []byte, n int) []byte) Attack {
		return Attack{Name: name, Do: func(_ context.Context, c *Conn) {
			c.repeat(func(b []byte, n int) []byte { return frame(c, b, n) })
		}}
	}
	blamed := func(a Attack, why string) Attack {
		a.Blame = why
		return a
	}
	return []Attack{
		blamed(flood("asks", asks), "flood"),
		blamed(flood("asks for everything", takeAll), "flood"),
		blamed(flood("slices", slivers), "flood"),
		blamed(flood("have storm", storm), "too many announcements"),
		blamed(flood("withdrawals", func(c *Conn, b []byte, n int) []byte {
			return wire.AppendIndex(b, wire.TWithdraw, blocks.Index(uint32(n)%max(c.blocks(), 1)))
		}), "flood"),
		blamed(flood("rejects", func(c *Conn, b []byte, n int) []byte {
			return wire.AppendIndex(b, wire.TReject, blocks.Index(uint32(n)%max(c.blocks(), 1)))
		}), "flood"),
		blamed(flood("pings", func(_ *Conn, b []byte, _ int) []byte { return wire.AppendEmpty(b, wire.TPing) }), "flood"),
		blamed(flood("blocks nobody asked for", func(c *Conn, b []byte, n int) []byte {
			return append(b, junk(c, c.whole(blocks.Index(uint32(n)%max(c.blocks(), 1))))...)
		}), "flood"),
		blamed(flood("trees", trees), "flood"),
		{Name: "only taking", Do: takeOnly},
		{Name: "statuses", Kind: port.Observer, Width: 40, Do: func(_ context.Context, c *Conn) {
			c.repeat(func(b []byte, _ int) []byte { return wire.AppendEmpty(b, wire.TStatus) })
		}},
		{Name: "asks, nothing read", Blame: "flood", Do: func(ctx context.Context, c *Conn) {
			var b []byte
			for len(b) < batch {
				b = asks(c, b, 0)
			}
			for c.send(b) == nil {
				continue
			}
		}},
	}
}

// asks asks for what nobody holds.
func asks(_ *Conn, b []byte, _ int) []byte {
	return wire.Request{Index: blocks.MaxBlocks - 1, Length: blocks.GroupSize}.Append(b)
}

// takeAll asks for every Block again and again.
func takeAll(c *Conn, b []byte, n int) []byte {
	return c.whole(blocks.Index(uint32(n) % max(c.blocks(), 1))).Append(b)
}

// takeOnly asks as a member does, a few Blocks at a time, for all there is and then again; it announces nothing and gives nothing.
func takeOnly(ctx context.Context, c *Conn) {
	const atOnce = 4
	n := c.n
	ask := func() error {
		n++
		return c.send(takeAll(c, nil, n))
	}
	for range atOnce {
		if ask() != nil {
			return
		}
	}
	got := uint32(0) // bytes of the Block that is coming
	_ = c.frames(func(t wire.Type, p []byte) error {
		switch t {
		case wire.TData:
			if got += uint32(len(p)) - wire.DataHead; got < c.whole(0).Length {
				return nil
			}
		case wire.TRefuse:
			pause(ctx, again/4)
		default:
			return nil
		}
		got = 0
		return ask()
	})
}

// slivers asks for the least of each Block: its Proof costs hashing all of it.
func slivers(c *Conn, b []byte, n int) []byte {
	return wire.Request{Index: blocks.Index(uint32(n) % max(c.blocks(), 1)), Length: blocks.GroupSize}.Append(b)
}

// storm announces all there is, and takes some back.
func storm(c *Conn, b []byte, n int) []byte {
	all := max(c.blocks(), 1)
	b = wire.AppendHave(b, []blocks.Span{{Count: all}})
	return wire.AppendIndex(b, wire.TWithdraw, blocks.Index(uint32(n)%all))
}

// trees asks for nodes, those that are there and others.
func trees(_ *Conn, b []byte, n int) []byte {
	return wire.Tree{File: uint32(n % 3), Level: uint8(n % 5), Count: uint32(1 + n%blocks.MaxNodes)}.Append(b)
}
