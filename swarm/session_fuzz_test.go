package swarm

import (
	"context"
	"io"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"p2pcp/blocks"
	"p2pcp/internal/port"
	"p2pcp/swarm/wire"
)

// FuzzSession feeds arbitrary bytes to a member over a connection that has passed the handshake: to a receiver before HELLO, after a
// complete seed's HELLO, to one that has opened the content, and to a seed. Nothing may panic or hang, and the shelf refuses
// wrong bytes.
func FuzzSession(f *testing.F) {
	g := newGoods(f, 2)
	h := g.Header()
	hello := wire.Hello{Member: "fuzz", Seed: true, Header: &h, Form: wire.Every}.Append(nil)
	var grants, mixed []byte
	for i := range blocks.Index(3) {
		grants = append(append(grants, wire.AppendIndex(nil, wire.TGrant, i)...), g.block(i)...)
	}
	mixed = append(mixed, wire.AppendByte(nil, wire.TAny, 4)...)
	mixed = append(mixed, wire.Request{Index: 2, Length: nodeBlock}.Append(nil)...)
	mixed = append(mixed, wire.Request{Index: 2, Offset: nodeBlock, Length: 5}.Append(nil)...)
	mixed = append(mixed, wire.Cancel{Index: 2}.Append(nil)...)
	mixed = append(mixed, wire.Tree{File: 1, Count: 3}.Append(nil)...)
	mixed = append(mixed, wire.AppendIndex(nil, wire.TReject, 2)...)
	mixed = append(mixed, wire.AppendIndex(nil, wire.TWithdraw, 0)...)
	mixed = append(mixed, wire.AppendHave(nil, g.all.Spans())...)
	mixed = append(mixed, someResult.Append(nil)...)
	mixed = append(mixed, wire.Refuse{Index: 0, Reason: wire.RefuseBusy}.Append(nil)...)
	mixed = append(mixed, wire.AppendPeers(nil, []wire.Peer{{Member: "x", Addr: netip.MustParseAddrPort("10.0.0.1:1")}})...)
	for mode := range uint8(4) {
		f.Add(mode, grants)
		f.Add(mode, mixed)
		f.Add(mode, append(hello[:len(hello):len(hello)], mixed...))
		f.Add(mode, append(g.begin(0), g.data(0, 0, 10)...))
		f.Add(mode, append(append(wire.AppendIndex(nil, wire.TGrant, 1), g.begin(1)...), g.data(1, 1, 10)...))
	}
	f.Fuzz(func(t *testing.T, mode uint8, frames []byte) {
		switch mode % 4 {
		case 0:
		case 2:
			frames = append(append(hello[:len(hello):len(hello)], g.block(0)...), frames...)
			frames = append(frames, grants...)
		default:
			frames = append(hello[:len(hello):len(hello)], frames...)
		}
		feed(t, g, port.Session, mode%4 == 3, frames)
	})
}

// FuzzObserver feeds arbitrary bytes to the side that serves an observer.
func FuzzObserver(f *testing.F) {
	g := newGoods(f, 6)
	ask := wire.Request{Index: 0, Length: uint32(len(g.bytes[0]))}.Append(nil)
	f.Add(true, ask)
	f.Add(false, ask)
	f.Add(true, wire.AppendEmpty(wire.Tree{Count: 1}.Append(nil), wire.TStatus))
	f.Add(true, append(someResult.Append(nil), wire.AppendEmpty(nil, wire.TPing)...))
	f.Fuzz(func(t *testing.T, greet bool, frames []byte) {
		if greet {
			frames = append(wire.Hello{Member: "fuzz", Observer: true}.Append(nil), frames...)
		}
		feed(t, g, port.Observer, true, frames)
	})
}

// feed runs a node that is sent frames, until it ends the connection; everything it starts has ended then.
func feed(t *testing.T, g *goods, kind port.Kind, seed bool, frames []byte) {
	disk := g.shelf(t, seed)
	cfg := Config{
		Core: CoreConfig{Self: "node", ID: g.ID()}, Net: memHost{newMemNet(), addrOfHost(0)},
		Place: func(context.Context) error { return nil },
		Open:  func(context.Context, *blocks.Content) (Opening, error) { return Opening{Store: disk}, nil },
	}
	if seed {
		cfg.Core.Seed, cfg.Core.Have, cfg.Content, cfg.Source = true, g.all, g.Content, disk
	}
	s := New(cfg)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Run(ctx) }()
	for !s.running() {
		runtime.Gosched()
	}
	ours, theirs := memConns(addrOfHost(1), addrOfHost(0), len(frames)+1)
	_, _ = ours.Write(frames)
	_ = ours.CloseWrite()
	s.Accept(kind, theirs)
	_, _ = io.Copy(io.Discard, ours)
	_ = ours.Close()
	cancel()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Fatal("Run hangs")
	}
}
