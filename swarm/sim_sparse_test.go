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

// sparse also makes control messages pass the queues, in about the time that they would wait there; HAVEs that are read together, as long
// after the first as the first waits for others; a Tick where there are eight; and hosts that know some dozens of members, and stay.
// TestSimSparse holds it to the whole model.
func sparse(c *simConfig) {
	c.heard, c.known = 8, 30
	c.tick, c.express = 8*tickTime, 10*time.Millisecond
	c.have = haveMax
	c.core.Linger = Linger{Mode: LingerFor, Idle: time.Minute}
}

// simHeard is a HAVE that a node hasn't read yet.
type simHeard struct {
	peer  PeerID
	index blocks.Index
}

// whisperAll is a HAVE to all sessions but those of who announced the same Block, without a queue.
func (n *simNode) whisperAll(i blocks.Index) {
	s := n.s
	for _, p := range n.order {
		if q := p.other(); q != nil && q.at >= 0 && n.core.rows[i].holders.has(q.at) && !n.core.complete(q) {
			continue
		}
		p.count(haveBytes([]blocks.Span{{First: uint32(i), Count: 1}}))
		s.postTo(p.to, simPost{when: s.now + s.cfg.have + s.cfg.express, pipe: p, index: i})
	}
}

// whisper is a HAVE that p's other side reads at when, or with an earlier one.
func (p *simPipe) whisper(i blocks.Index, when time.Duration) {
	n := p.to
	if n.heard = append(n.heard, simHeard{p.there, i}); len(n.heard) == 1 {
		n.s.after(when-n.s.now, n.listen)
	}
}

// listen reads the HAVEs that have come.
func (n *simNode) listen() {
	heard := n.heard
	n.heard = nil
	spans := make([]blocks.Span, 1)
	for _, h := range heard {
		if n.links[h.peer-1] != nil {
			spans[0] = blocks.Span{First: uint32(h.index), Count: 1}
			n.step(Event{Kind: PeerHave, Peer: h.peer, Spans: spans})
		}
	}
	n.heard = heard[:0]
}

// roomy makes room for so many nodes: a collection looks at every one, and each step at pages that the last ones didn't.
func roomy(t testing.TB, nodes int) {
	hugePages(nodes * 256 << 10)
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
		k := simCase{n: n, blocks: 256, kib: 4096, change: func(c *simConfig) { c.packet = 16 << 10 }} // coarser ones overstate it
		whole := k.run(t)
		k.change, k.begin = sparse, gossiped
		res := k.run(t)
		t.Logf("%d receivers: makespan/limit %.4f, sparse %.4f", n, whole.Ratio, res.Ratio)
		if res.Ratio < whole.Ratio-0.01 || res.Ratio > whole.Ratio+0.03 {
			t.Errorf("%d receivers: makespan/limit %.4f, sparse %.4f", n, whole.Ratio, res.Ratio)
		}
	}
}
