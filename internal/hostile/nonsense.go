package hostile

import (
	"context"
	"encoding/binary"

	"p2pcp/blocks"
	"p2pcp/swarm/wire"
)

// nonsense is what no parser may take: one wrong frame a connection, another one each time.
func nonsense() []Attack {
	return []Attack{
		{Name: "absurd frames", Blame: "protocol error", Bans: true, Do: func(_ context.Context, c *Conn) {
			all := absurd()
			if c.send(all[c.n%len(all)]) == nil {
				_ = c.frames(nil)
			}
		}},
		{Name: "absurd hellos", Blame: "protocol error", Raw: func(_ context.Context, c *Conn) {
			all := [][]byte{
				raw(wire.THello, 4<<20, nil),
				raw(wire.THello, 1<<32-1, nil),
				raw(wire.THello, 17, make([]byte, 17)),
				raw(wire.THave, 2, []byte{0, 0}),
				{0xff, 0xff, 0xff, 0xff, 0xff},
			}
			if c.send(all[c.n%len(all)]) == nil {
				_ = c.frames(nil)
			}
		}},
		{Name: "an endless hello", Width: 50, Blame: "protocol error", Raw: func(_ context.Context, c *Conn) {
			if c.send(raw(wire.THello, 4<<20, nil)) != nil {
				return
			}
			zeros := make([]byte, 64<<10)
			for c.send(zeros) == nil {
				continue
			}
		}},
	}
}

// raw is a frame that says any length.
func raw(t wire.Type, length uint32, payload []byte) []byte {
	return append(append(binary.BigEndian.AppendUint32(nil, length), byte(t)), payload...)
}

// absurd are frames with a length, an Index or a count that can't be, one at least of each type.
func absurd() [][]byte {
	ones := make([]byte, 64)
	for k := range ones {
		ones[k] = 0xff
	}
	list := [][]byte{raw(0, 0, nil), raw(200, 0, nil), raw(wire.TStatus, 0, nil), raw(wire.TReport, 2, []byte("{}"))}
	for t := wire.THello; t <= wire.TBye; t++ {
		list = append(list, raw(t, 1<<32-1, nil), raw(t, 5<<20, nil))
	}
	for _, f := range []struct {
		t wire.Type
		n uint32
	}{
		{wire.THave, 20},
		{wire.TWithdraw, 4},
		{wire.TAsk, 12},
		{wire.TGrant, 4},
		{wire.TRefuse, 9},
		{wire.TCancel, 8},
		{wire.TBlock, 13},
		{wire.TReject, 4},
		{wire.TPeers, 2},
		{wire.TTree, 17},
		{wire.TNodes, 18},
		{wire.TResult, 27},
	} {
		list = append(list, raw(f.t, f.n, ones[:f.n]))
	}
	return append(list,
		append(wire.AppendDataHead(nil, blocks.MaxBlocks-1, 0, 4), 1, 2, 3, 4),
		append(wire.Block{Request: wire.Request{Index: 0, Length: 10}, Proof: make([]blocks.CV, blocks.MaxProof)}.Append(nil),
			append(wire.AppendDataHead(nil, 0, 9, 64), ones...)...),
	)
}
