package swarm

import (
	"fmt"
	"testing"
	"time"

	"p2pcp/blocks"
)

// large is a receiver of n Blocks of 1 MiB with so many whole peers, of whom it has asked for what it may.
func large(t *testing.T, n uint32, peers int, held ...blocks.Index) *rig {
	t.Helper()
	r := newRig(t, CoreConfig{Blocks: n, ManifestBlocks: 1, BlockSize: 1 << 20, FullMesh: 40})
	r.do(Event{Kind: Verified, Index: 0})
	r.do(Event{Kind: Opened, Set: setOf(n)})
	for k := range peers {
		r.up(PeerID(k+1), fmt.Sprint("peer", k), false, held...)
	}
	return r
}

func TestLargeBlocksAreAskedForAFewAtATime(t *testing.T) {
	r := large(t, 200, 20)
	asks := kinds(r.all, Ask)
	if len(asks) != 12 {
		t.Fatalf("%d Requests for 1 MiB each, want 12", len(asks))
	}
	got := kinds(r.do(Event{Kind: Progress, Peer: asks[0].Peer, Index: asks[0].Index, Bytes: 1 << 20, Length: 1 << 20}), Ask)
	if len(got) != 1 {
		t.Errorf("%d Requests when one Block has come, want 1", len(got))
	}
	if n := len(kinds(receiverOf(t, 20).all, Ask)); n != 20 {
		t.Errorf("%d Requests for 128 KiB each of 20 peers", n)
	}
}

// receiverOf is a receiver of small Blocks with so many whole peers.
func receiverOf(t *testing.T, peers int) *rig {
	t.Helper()
	r := receiver(t, 200, CoreConfig{FullMesh: 40})
	for k := range peers {
		r.up(PeerID(k+1), fmt.Sprint("peer", k), false)
	}
	return r
}

// TestSlowOnesTakeNoPlaces: of the twelve that were asked first ten only trickle.
func TestSlowOnesTakeNoPlaces(t *testing.T) {
	r := large(t, 2000, 20)
	slow := kinds(r.all, Ask)[:10]
	trickles := map[PeerID]bool{}
	for _, a := range slow {
		trickles[a.Peer] = true
	}
	bytes := uint32(0)
	for range 60 {
		bytes += 1000
		for _, a := range slow {
			r.do(Event{Kind: Progress, Peer: a.Peer, Index: a.Index, Bytes: bytes})
		}
		for _, p := range r.c.peers {
			if !trickles[p.id] && len(p.reqs) > 0 {
				i := p.reqs[0].index
				r.do(Event{Kind: Progress, Peer: p.id, Index: i, Bytes: 1 << 20, Length: 1 << 20})
				r.do(Event{Kind: Verified, Peer: p.id, Index: i, Bytes: 1 << 20})
			}
		}
		r.wait(tickTime)
	}
	busy := 0
	for _, p := range r.c.peers {
		if !trickles[p.id] && p.owes() {
			busy++
		}
	}
	if busy != 10 {
		t.Errorf("%d of the 10 fast peers owe a Block", busy)
	}
}

// TestWhoLagsAsksForMore: as long as as much comes as ever did twelve are asked for, and two more once it is less, if half is there.
func TestWhoLagsAsksForMore(t *testing.T) {
	const n = 2000
	for _, c := range []struct {
		blocks int
		slower uint32
		want   int
	}{{1200, 1, 12}, {1200, 2, 14}, {600, 2, 12}} {
		r := large(t, n, 20)
		serve := func(ticks int, each uint32) { // so many bytes of each Block that is on its way
			for range ticks {
				for _, p := range r.c.peers {
					if len(p.reqs) == 0 {
						continue
					}
					q := p.reqs[0]
					r.do(Event{Kind: Progress, Peer: p.id, Index: q.index, Bytes: min(q.bytes+each, 1<<20), Length: 1 << 20})
					if q.bytes+each >= 1<<20 {
						r.do(Event{Kind: Verified, Peer: p.id, Index: q.index, Bytes: 1 << 20})
					}
				}
				r.wait(tickTime)
			}
		}
		serve(c.blocks/3, 1<<18)
		serve(40, 1<<18/c.slower)
		if r.c.asks != c.want {
			t.Errorf("%d Blocks, then %d times slower: %d Requests, want %d", c.blocks, c.slower, r.c.asks, c.want)
		}
	}
}

// TestSeedSendsOneMore: a seed sends one large Block more at a time than a receiver.
func TestSeedSendsOneMore(t *testing.T) {
	r := newRig(t, CoreConfig{Seed: true, Blocks: 200, ManifestBlocks: 1, BlockSize: 1 << 20, Have: setOf(200), FullMesh: 40})
	for k := range PeerID(20) {
		r.up(k+1, fmt.Sprint("peer", k), false, 0)
		r.do(Event{Kind: PeerAny, Peer: k + 1, Count: 4})
	}
	if n := len(kinds(r.all, Grant)); n != 13 {
		t.Errorf("%d Blocks of 1 MiB are granted at a time, want 13", n)
	}
}

func TestLargeBlocksAreSentAFewAtATime(t *testing.T) {
	r := large(t, 200, 20, 199)
	for i := range blocks.Index(30) {
		r.do(Event{Kind: Verified, Index: i + 1})
	}
	sent := func(from, to PeerID) (n int) {
		for k := from; k <= to; k++ {
			n += len(kinds(r.do(Event{Kind: Asked, Peer: k, Index: blocks.Index(k), Length: 1 << 20}), Send))
		}
		return n
	}
	if n := sent(1, 14); n != 12 {
		t.Errorf("%d Blocks are sent at a time, want 12", n)
	}
	if n := len(kinds(r.do(Event{Kind: Asked, Peer: 15, Index: 0, Length: 4 << 10}), Send)); n != 1 {
		t.Errorf("the Manifest is refused")
	}
	got := r.do(Event{Kind: Served, Peer: 1, Index: 1, Length: 1 << 20, Bytes: 1 << 20, OK: true})
	got = append(got, r.do(Event{Kind: Served, Peer: 2, Index: 2, Length: 1 << 20, Bytes: 1 << 20, OK: true})...)
	if n := len(kinds(got, Offer)); n != 1 { // the Manifest took a place
		t.Errorf("%d Offers for a place", n)
	}
	r.c.most = 25e6
	r.wait(4 * time.Second) // those that are still being sent are slow
	if n := sent(16, 20); n != 5 {
		t.Errorf("%d Blocks are sent beside slow ones, want 5", n)
	}
}
