package swarm

import (
	"os"
	"runtime/debug"
	"testing"
	"time"

	"p2pcp/blocks"
)

// What lets ten thousand nodes be simulated in two minutes: the core is the same, the network beneath it is made of flows instead of packets
// (simFlows).

// sparse also makes control messages pass the queues, in about the time that they would wait there; HAVEs that are read together, half a
// Block's time after the first; a Tick where there are four; and hosts that know some dozens of members, and stay. TestSimSparse holds
// it to the whole model.
func sparse(c *simConfig) {
	c.heard, c.known = 8, 30
	c.tick, c.express = 4*tickTime, 10*time.Millisecond
	c.have = min(time.Duration(float64(c.blockSize)/c.rate/2*float64(time.Second)), 100*time.Millisecond)
	c.core.Linger = Linger{Mode: LingerFor, Idle: time.Minute}
}

// simEar is what others tell a node, until it reads it.
type simEar struct {
	held  []uint64 // Blocks that the node has announced
	heard []simHeard
}

type simHeard struct {
	peer  PeerID
	index blocks.Index
}

// whisper is a HAVE to all sessions but those of who announced the same Block, without a queue.
func (n *simNode) whisper(i blocks.Index) {
	s := n.s
	if n.ear.held == nil {
		n.ear.held = make([]uint64, (s.cfg.blocks+63)/64)
	}
	n.ear.held[i/64] |= 1 << (i % 64)
	for _, p := range n.order {
		e := &p.to.ear
		if e.held != nil && e.held[i/64]>>(i%64)&1 != 0 {
			continue
		}
		p.count(haveBytes([]blocks.Span{{First: uint32(i), Count: 1}}))
		if e.heard = append(e.heard, simHeard{p.back.peer, i}); len(e.heard) == 1 {
			to := p.to
			s.after(s.cfg.have+s.cfg.express, to.listen)
		}
	}
}

// listen reads the HAVEs that have come.
func (n *simNode) listen() {
	heard := n.ear.heard
	n.ear.heard = nil
	spans := make([]blocks.Span, 1)
	for _, h := range heard {
		if n.links[h.peer-1] != nil {
			spans[0] = blocks.Span{First: uint32(h.index), Count: 1}
			n.step(Event{Kind: PeerHave, Peer: h.peer, Spans: spans})
		}
	}
	n.ear.heard = heard[:0]
}

// roomy lets the heap grow: a collection looks at every node.
func roomy(t testing.TB) {
	debug.SetGCPercent(400)
	t.Cleanup(func() { debug.SetGCPercent(100) })
}

// TestSimSparse: a sparse run takes no less time than a whole one, and little more.
func TestSimSparse(t *testing.T) {
	most := 64
	if os.Getenv("P2PCP_SIM_ALL") != "" {
		most = 256
	}
	for n := 16; n <= most; n *= 4 {
		k := simCase{n: n, blocks: 256, kib: 4096}
		whole := k.run(t)
		k.change, k.begin = sparse, gossiped
		res := k.run(t)
		t.Logf("%d receivers: makespan/limit %.4f, sparse %.4f", n, whole.Ratio, res.Ratio)
		if res.Ratio < whole.Ratio-0.01 || res.Ratio > whole.Ratio+0.03 {
			t.Errorf("%d receivers: makespan/limit %.4f, sparse %.4f", n, whole.Ratio, res.Ratio)
		}
	}
}
