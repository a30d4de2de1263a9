package swarm

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"p2pcp/blocks"
)

const (
	here, there, beyond = 1, 2, 3 // zones
)

// upIn brings a session with a peer of a zone.
func (r *rig) upIn(zone uint32, id PeerID, name string, seed bool, held ...blocks.Index) []Action {
	r.t.Helper()
	return r.do(Event{Kind: PeerUp, Peer: id, Member: name, Seed: seed, Zone: zone, Set: setOf(r.c.n, held...)})
}

// asks are the Blocks asked of a peer, sorted.
func (r *rig) asks(id PeerID) (list []blocks.Index) {
	for _, a := range kinds(r.all, Ask) {
		if a.Peer == id {
			list = append(list, a.Index)
		}
	}
	slices.Sort(list)
	return list
}

// fetchAll answers what peer id is asked for until nothing more comes, and returns it.
func (r *rig) fetchAll(id PeerID) []blocks.Index {
	r.t.Helper()
	for done := 0; ; done++ {
		list := kinds(r.all, Ask)
		if done == len(list) {
			return r.asks(id)
		}
		r.do(Event{Kind: Verified, Peer: list[done].Peer, Index: list[done].Index, Bytes: 128 << 10})
	}
}

// TestZoneSharesOut: the members of a zone fetch each Block across once in the first turn, whoever looks.
func TestZoneSharesOut(t *testing.T) {
	const n, mates = 200, 5
	fetched := map[blocks.Index]int{}
	for k := range mates {
		r := receiver(t, n, CoreConfig{Self: fmt.Sprint("mate", k), Zone: here})
		for o := range mates {
			if o != k {
				r.upIn(here, PeerID(1+o), fmt.Sprint("mate", o), false, none...)
			}
		}
		r.upIn(there, 100, "far", false)
		list := r.fetchAll(100)
		if len(list) < n/mates/2 || len(list) > n/mates*2 {
			t.Errorf("mate %d fetches %d of %d Blocks", k, len(list), n)
		}
		for _, i := range list {
			fetched[i]++
		}
	}
	for i := range blocks.Index(n) {
		if i > 0 && fetched[i] != 1 { // Block 0 is the Manifest
			t.Errorf("block %d is fetched %d times", i, fetched[i])
		}
	}
}

// notOurs is a receiver here with a mate, a far peer that holds everything, and the Blocks whose turn is the mate's.
func notOurs(t *testing.T, n uint32) (*rig, []blocks.Index) {
	t.Helper()
	r := receiver(t, n, CoreConfig{Zone: here})
	r.upIn(here, 1, "mate", false, none...)
	r.upIn(there, 2, "far", false)
	ours := r.fetchAll(2)
	var theirs []blocks.Index
	for i := blocks.Index(1); i < blocks.Index(n); i++ {
		if !slices.Contains(ours, i) {
			theirs = append(theirs, i)
		}
	}
	if len(ours) == 0 || len(theirs) == 0 {
		t.Fatalf("%d ours, %d theirs", len(ours), len(theirs))
	}
	r.all = nil
	return r, theirs
}

func TestZoneTurnGoesOn(t *testing.T) {
	r, theirs := notOurs(t, 40)
	ours := slices.DeleteFunc([]blocks.Index{1, 2, 3, 4, 5, 6, 7, 8, 9}, func(i blocks.Index) bool { return slices.Contains(theirs, i) })
	for _, i := range ours[:3] { // it does something else meanwhile
		r.do(Event{Kind: PeerHave, Peer: 1, Spans: []blocks.Span{{First: uint32(i), Count: 1}}})
		r.wait(turnMin/3 - tickTime)
	}
	if got := r.asks(2); len(got) != 0 {
		t.Fatalf("%v asked for in the mate's turn", got)
	}
	for range 40 {
		r.wait(tickTime)
		r.fetchAll(2)
	}
	if got := r.fetchAll(2); !slices.Equal(got, theirs) {
		t.Errorf("asked for %v, want %v", got, theirs)
	}
}

// Who announces nothing while we get Blocks isn't waited for.
func TestZoneIdleMate(t *testing.T) {
	r, theirs := notOurs(t, 40)
	r.wait(idleMate + turnLook + tickTime)
	if got := r.fetchAll(2); !slices.Equal(got, theirs) {
		t.Errorf("asked for %v, want %v", got, theirs)
	}
}

func TestZoneMateLeaves(t *testing.T) {
	r, theirs := notOurs(t, 40)
	r.do(Event{Kind: PeerDown, Peer: 1})
	if got := r.fetchAll(2); !slices.Equal(got, theirs) {
		t.Errorf("asked for %v once the mate is down, want %v", got, theirs)
	}
}

// One that gave something after it was overdue, owes more and is down holds nothing at home any more.
func TestZoneOverdueMateIsDown(t *testing.T) {
	r, theirs := notOurs(t, 40)
	r.do(Event{Kind: PeerHave, Peer: 1, Spans: []blocks.Span{{First: uint32(theirs[0]), Count: 1}}})
	p := r.c.session(1)
	if len(p.reqs) == 0 {
		t.Fatal("the mate is asked for nothing")
	}
	r.c.setGiving(p, true, false)
	r.do(Event{Kind: PeerDown, Peer: 1})
	if err := checkCore(r.c); err != nil {
		t.Error(err)
	}
}

func TestZoneHomeComesFirst(t *testing.T) {
	r, theirs := notOurs(t, 40)
	r.do(Event{Kind: PeerHave, Peer: 1, Spans: []blocks.Span{{First: uint32(theirs[0]), Count: 1}}})
	r.wait(10 * time.Second)
	if got := r.asks(1); !slices.Equal(got, theirs[:1]) {
		t.Errorf("the mate is asked for %v, want %v", got, theirs[:1])
	}
	if got := r.asks(2); slices.Contains(got, theirs[0]) {
		t.Errorf("block %d is at home and asked for abroad", theirs[0])
	}
}

// TestZoneHomeSeed: who has a seed at home asks nobody abroad, unless it is silent.
func TestZoneHomeSeed(t *testing.T) {
	r := receiver(t, 20, CoreConfig{Zone: here})
	r.upIn(there, 1, "far", false)
	r.do(Event{Kind: PeerDown, Peer: 1})
	r.all = nil
	r.upIn(here, 2, "seed", true)
	r.upIn(there, 3, "far2", false)
	r.wait(overdueNew)
	if got := r.asks(3); len(got) != 0 || len(r.asks(2)) == 0 {
		t.Errorf("asked abroad for %v, the seed for %v", got, r.asks(2))
	}
	r.wait(overdueNew)
	if len(r.asks(3)) == 0 {
		t.Error("the silent seed keeps us from asking abroad")
	}
}

// TestZoneSeedIsRelayed: a seed abroad isn't asked while receivers are in its zone.
func TestZoneSeedIsRelayed(t *testing.T) {
	r := receiver(t, 20, CoreConfig{Zone: here})
	r.upIn(there, 1, "seed", true)
	r.upIn(there, 2, "far", false, none...)
	r.wait(10 * time.Second)
	if got := r.asks(1); len(got) != 0 {
		t.Fatalf("the seed is asked for %v", got)
	}
	r.do(Event{Kind: PeerDown, Peer: 2})
	r.wait(time.Second)
	if len(r.asks(1)) == 0 {
		t.Error("the seed isn't asked though nobody else is there")
	}
}

func TestZoneElsewhere(t *testing.T) {
	r := receiver(t, 2, CoreConfig{Zone: here})
	r.upIn(there, 1, "far", false)
	if got := r.asks(1); !slices.Equal(got, []blocks.Index{1}) {
		t.Fatalf("asked for %v", got)
	}
	r.do(Event{Kind: Refused, Peer: 1, Index: 1, Reason: Elsewhere})
	r.wait(turnMin/2 - turnLook)
	if got := r.asks(1); len(got) != 1 {
		t.Fatalf("asked %d times at once", len(got))
	}
	r.wait(turnMin)
	if got := r.asks(1); len(got) != 2 {
		t.Errorf("asked %d times", len(got))
	}
}

// TestZoneGivesOnce: a Block goes to one member of a zone in turnMin; the small Manifest to anybody.
func TestZoneGivesOnce(t *testing.T) {
	r := receiver(t, 3, CoreConfig{Zone: here})
	r.do(Event{Kind: Verified, Index: 1})
	r.upIn(there, 1, "far", false, none...)
	r.upIn(there, 2, "far2", false, none...)
	r.upIn(beyond, 3, "farther", false, none...)
	ask := func(id PeerID, i blocks.Index) ActionKind {
		t.Helper()
		for _, a := range r.do(Event{Kind: Asked, Peer: id, Index: i, Length: 100}) {
			if a.Peer == id && (a.Kind == Send || a.Kind == Refuse && a.Reason == Elsewhere) {
				return a.Kind
			}
		}
		t.Fatalf("peer %d isn't answered", id)
		return 0
	}
	for _, step := range []struct {
		peer PeerID
		i    blocks.Index
		want ActionKind
	}{{1, 1, Send}, {2, 1, Refuse}, {3, 1, Send}, {1, 0, Send}, {2, 0, Send}} {
		if got := ask(step.peer, step.i); got != step.want {
			t.Errorf("peer %d asks for %d: %d, want %d", step.peer, step.i, got, step.want)
		}
	}
	r.wait(turnMin)
	if got := ask(2, 1); got != Send {
		t.Errorf("after %s: %d", turnMin, got)
	}
}

// TestZoneSeedSpreadsAtHome: a seed's first copies stay in its zone while somebody there can take them.
func TestZoneSeedSpreadsAtHome(t *testing.T) {
	const n = 40
	r := newRig(t, CoreConfig{Seed: true, Zone: here, Blocks: n, ManifestBlocks: 1, BlockSize: 128 << 10, Have: setOf(n)})
	granted := func(as []Action) (to []PeerID) {
		for _, a := range kinds(as, Grant) {
			to = append(to, a.Peer)
		}
		return to
	}
	r.upIn(there, 1, "far", false, 0)
	r.upIn(here, 2, "mate", false, 0)
	if got := granted(r.do(Event{Kind: PeerAny, Peer: 2, Count: 8})); !slices.Equal(got, []PeerID{2, 2, 2, 2}) {
		t.Errorf("granted to %v", got)
	}
	if got := granted(r.do(Event{Kind: PeerAny, Peer: 1, Count: 8})); len(got) != 0 {
		t.Errorf("granted to %v while the mate could take more", got)
	}
	// The mate can take no more: what nobody has goes abroad.
	r.do(Event{Kind: PeerAny, Peer: 2, Count: 4})
	first := r.c.session(2).sends[0]
	r.do(Event{Kind: PeerAny, Peer: 2, Count: 0})
	got := kinds(r.do(Event{Kind: Served, Peer: 2, Index: first.index, OK: true}), Grant)
	if len(got) != 1 || got[0].Peer != 1 {
		t.Fatalf("granted %+v", got)
	}
	// What is abroad is new at home.
	i := got[0].Index
	r.do(Event{Kind: Served, Peer: 1, Index: i, OK: true})
	r.do(Event{Kind: PeerHave, Peer: 1, Spans: []blocks.Span{{First: uint32(i), Count: 1}}})
	if !r.c.pick.has(i) {
		t.Errorf("block %d isn't spread at home", i)
	}
	r.do(Event{Kind: PeerDown, Peer: 2})
	if r.c.pick.has(i) {
		t.Errorf("block %d is spread again though nobody is at home", i)
	}
}
