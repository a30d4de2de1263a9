package hostile

import (
	"context"
	"time"

	"p2pcp/blocks"
	"p2pcp/swarm/wire"
)

// lies are about Blocks: who says it has all, and doesn't.
func lies() []Attack {
	return []Attack{
		{Name: "wrong blocks", Hello: complete, Do: answering(junk), Blame: "wrong blocks", Bans: true},
		{Name: "wrong proofs", Hello: complete, Do: answering(unproven), Blame: "wrong blocks", Bans: true},
		{Name: "another index's block", Hello: complete, Do: answering(swapped), Blame: "wrong blocks", Bans: true},
		{Name: "lying bitfield", Hello: complete, Do: answering(refuse), Blame: "doesn't hold"},
		{Name: "busy for ever", Hello: complete, Do: answering(busy)},
		{Name: "lingering with nothing", Hello: func(_ *Conn, h *wire.Hello) { h.Lingering = true }, Do: answering(refuse)},
		{Name: "never answering", Hello: complete, Do: func(ctx context.Context, c *Conn) { c.alive(ctx) }, Blame: "never answers"},
		{Name: "a byte a second", Hello: complete, Do: drip, Blame: "next to nothing"},
		{Name: "claimed seed", Hello: claimSeed, Do: answering(refuse)},
		{Name: "grants never sent", Hello: claimSeed, Do: grants},
		{Name: "hoarding", Do: hoard, Blame: "first copies"},
	}
}

func claimSeed(_ *Conn, h *wire.Hello) { h.Seed = true }

// answering answers each Request by what make gives.
func answering(make func(c *Conn, m wire.Request) []byte) func(context.Context, *Conn) {
	return func(_ context.Context, c *Conn) {
		_ = c.frames(func(t wire.Type, p []byte) error {
			switch t {
			case wire.TAsk:
				m, err := wire.ParseRequest(p)
				if err != nil {
					return err
				}
				return c.send(make(c, m))
			case wire.TResult:
				return c.send(wire.AppendByte(nil, wire.TAck, wire.AckTaken))
			default:
				return nil
			}
		})
	}
}

// block is the frames of a Block.
func block(m wire.Request, p []byte, proof []blocks.CV) []byte {
	b := wire.Block{Request: m, Proof: proof}.Append(nil)
	for at := uint32(0); at < m.Length; at += wire.MaxData {
		n := min(m.Length-at, wire.MaxData)
		b = append(wire.AppendDataHead(b, m.Index, m.Offset+at, int(n)), p[at:at+n]...)
	}
	return b
}

func junk(_ *Conn, m wire.Request) []byte { return block(m, make([]byte, m.Length), nil) }

// unproven is the right bytes with a Proof that proves nothing, or without one where none is needed.
func unproven(c *Conn, m wire.Request) []byte {
	p, proof := c.foe.Block(m.Index)
	if len(proof) == 0 {
		return junk(c, m)
	}
	wrong := make([]blocks.CV, blocks.MaxProof)
	copy(wrong, proof[1:])
	return block(m, p, wrong)
}

// swapped is the Block before, under the asked Index.
func swapped(c *Conn, m wire.Request) []byte {
	p, proof := c.foe.Block(max(m.Index, 1) - 1)
	other := make([]byte, m.Length)
	copy(other, p)
	if m.Index == 0 {
		other[0]++
	}
	return block(m, other, proof)
}

func refuse(_ *Conn, m wire.Request) []byte {
	return wire.Refuse{Index: m.Index, Offset: m.Offset, Reason: wire.RefuseNotHeld}.Append(nil)
}

func busy(_ *Conn, m wire.Request) []byte {
	return wire.Refuse{Index: m.Index, Offset: m.Offset, Reason: wire.RefuseBusy}.Append(nil)
}

// drip sends a byte a second of whatever it is asked for.
func drip(ctx context.Context, c *Conn) {
	_ = c.frames(func(t wire.Type, p []byte) error {
		if t != wire.TAsk {
			return nil
		}
		m, err := wire.ParseRequest(p)
		if err != nil {
			return err
		}
		b := wire.Block{Request: m}.Append(nil)
		for at := uint32(0); at < m.Length; at++ {
			if err := c.send(append(wire.AppendDataHead(b, m.Index, m.Offset+at, 1), 0)); err != nil {
				return err
			}
			if pause(ctx, time.Second); ctx.Err() != nil {
				return ctx.Err()
			}
			b = nil
		}
		return nil
	})
}

// grants promises every Block and sends none.
func grants(ctx context.Context, c *Conn) {
	for i := range blocks.Index(max(c.blocks(), 1)) {
		if c.send(wire.AppendIndex(nil, wire.TGrant, i)) != nil {
			return
		}
	}
	c.alive(ctx)
}

// hoard takes all that a seed gives and announces nothing.
func hoard(ctx context.Context, c *Conn) {
	var have []blocks.Span
	for i := range c.manifest() {
		have = append(have, blocks.Span{First: i, Count: 1})
	}
	if c.send(wire.AppendByte(wire.AppendHave(nil, have), wire.TAny, 255)) == nil {
		c.alive(ctx)
	}
}

// blocks is the number of Blocks; 0: not known.
func (c *Conn) blocks() uint32 {
	if h := c.foe.Header(); h != nil {
		return h.Blocks
	}
	return 0
}

// manifest is how many of them are the Manifest's.
func (c *Conn) manifest() uint32 {
	if h := c.foe.Header(); h != nil {
		return h.ManifestBlocks()
	}
	return 0
}

// whole is the Request of all of a Block, if the content's last ones are as long as the others.
func (c *Conn) whole(i blocks.Index) wire.Request {
	size := uint32(blocks.MinBlockSize)
	if h := c.foe.Header(); h != nil {
		size = h.BlockSize
	}
	return wire.Request{Index: i, Length: size}
}
