package swarm

import (
	"fmt"
	"testing"
	"time"

	"p2pcp/blocks"
)

// pusher is a rig of a seed, of whose orders so many have been carried out.
type pusher struct {
	*rig
	done int
}

// pushing is a seed with a receiver from each source, by number, that takes first copies.
func pushing(t *testing.T, sources string) *pusher {
	t.Helper()
	const n = 200
	r := newRig(t, CoreConfig{Seed: true, Have: setOf(n), Blocks: n, ManifestBlocks: 1, BlockSize: 128 << 10})
	for k, from := range hosts(sources) {
		r.do(Event{Kind: PeerUp, Peer: PeerID(k + 1), Member: fmt.Sprint("m", k), Source: from, Set: setOf(n, 0)})
	}
	for k := range sources {
		r.do(Event{Kind: PeerAny, Peer: PeerID(k + 1), Count: 4})
	}
	return &pusher{rig: r}
}

// serve lets time pass in which what is granted arrives at once, and is announced at once by those that aren't stopped. It tells how many
// first copies the others were given.
func (r *pusher) serve(d time.Duration, stopped PeerID) (others int) {
	r.t.Helper()
	for end := r.now + d; r.now < end; {
		if r.done == len(r.all) {
			r.wait(tickTime)
			continue
		}
		a := r.all[r.done]
		r.done++
		if a.Kind != Grant {
			continue
		}
		r.do(Event{Kind: Served, Peer: a.Peer, Index: a.Index, OK: true})
		if a.Peer != stopped {
			others++
			r.do(Event{Kind: PeerHave, Peer: a.Peer, Spans: []blocks.Span{{First: uint32(a.Index), Count: 1}}})
			r.wait(tickTime)
		}
	}
	return others
}

// TestStoppedIsNoHoarder: who is stopped or cut off for a while isn't accused; who is there and keeps what it was given is.
func TestStoppedIsNoHoarder(t *testing.T) {
	r := pushing(t, "ab")
	r.serve(hoardTime-time.Second, 1)
	if !r.c.hoards(r.c.session(1)) {
		t.Error("it is given more")
	}
	for _, a := range kinds(r.all, Grant) {
		if a.Peer == 1 {
			r.do(Event{Kind: PeerHave, Peer: 1, Spans: []blocks.Span{{First: uint32(a.Index), Count: 1}}})
		}
	}
	r.serve(2*hoardTime, 1)
	if got := kinds(r.all, Accuse); len(got) != 0 {
		t.Errorf("accused: %+v", got)
	}

	r = pushing(t, "ab")
	r.serve(2*hoardTime, 1)
	if got := kinds(r.all, Accuse); len(got) != 1 || got[0].Peer != 1 {
		t.Errorf("accused: %+v", got)
	}
}

// TestNeighborsOfAStoppedOne: who passes on what it is given gets first copies, whoever else is behind its address.
func TestNeighborsOfAStoppedOne(t *testing.T) {
	r := pushing(t, "aaa")
	r.serve(awaitMost/2, 1)
	if got := r.serve(awaitTime, 1); got < int(awaitTime/tickTime)/2 {
		t.Errorf("the neighbors are given %d in %v", got, awaitTime)
	}
	if r.c.hoards(r.c.session(2)) || !r.c.hoards(&peer{source: hosts("a")[0]}) {
		t.Error("a neighbor hoards, or a newcomer doesn't")
	}
}
