package blocks

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
)

// treesOf is a TreeFetcher that takes the nodes from a sample.
type treesOf struct {
	from, to *Content
	fail     bool

	mu    sync.Mutex
	asked []uint32 // guarded by mu
}

func (f *treesOf) FetchTree(_ context.Context, file uint32) error {
	f.mu.Lock()
	f.asked = append(f.asked, file)
	f.mu.Unlock()
	if f.fail {
		return fmt.Errorf("nobody there")
	}
	return f.to.Tree(file).LoadNodes(f.from.Tree(file).Dump())
}

// get is one run of a receiver in a test.
type get struct {
	t       testing.TB
	from    *sample
	c       *Content
	s       *Store
	trees   *treesOf
	had     *Bitfield // what Check said
	lacked  *Bitfield
	written int // Blocks
}

// startGet locks and opens a target and settles the claims. Each claim must be settled once, and no other Index.
func startGet(t testing.TB, from *sample, cfg StoreConfig) *get {
	t.Helper()
	g := openGet(t, from, cfg)
	g.check()
	return g
}

// openGet is startGet up to its Check.
func openGet(t testing.TB, from *sample, cfg StoreConfig) *get {
	t.Helper()
	l, err := LockTarget(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	g := &get{t: t, from: from, c: from.receiver(t)}
	if g.s, err = l.Open(t.Context(), g.c); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { g.s.Close() })
	return g
}

// check runs Check.
func (g *get) check() {
	g.t.Helper()
	g.trees = &treesOf{from: g.from.content, to: g.c}
	n := g.c.Header().Blocks
	g.had, g.lacked = NewBitfield(n), NewBitfield(n)
	type verdict struct {
		i   Index
		has bool
	}
	said := make(chan verdict, 2*n)
	err := g.s.Check(g.t.Context(), g.trees,
		func(i Index) { said <- verdict{i, true} }, func(i Index) { said <- verdict{i, false} })
	if err != nil {
		g.t.Fatal(err)
	}
	close(said)
	for v := range said {
		if g.had.Has(v.i) || g.lacked.Has(v.i) {
			g.t.Fatalf("block %d settled twice", v.i)
		}
		if v.has {
			g.had.Set(v.i)
		} else {
			g.lacked.Set(v.i)
		}
	}
	settled := g.had.Clone()
	for _, s := range g.lacked.Spans() {
		settled.SetSpan(s)
	}
	if !settled.Equal(g.s.Claims()) {
		g.t.Fatalf("settled %v of claims %v", settled.Spans(), g.s.Claims().Spans())
	}
	for i, ok := g.had.Next(0); ok; i, ok = g.had.Next(i + 1) {
		g.mustHold(i)
	}
}

// mustHold reads a Block and compares it with the original.
func (g *get) mustHold(i Index) {
	g.t.Helper()
	want := g.from.block(i)
	got := make([]byte, len(want))
	if err := g.s.ReadBlock(i, 0, got); err != nil {
		g.t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		g.t.Fatalf("block %d reads wrong bytes", i)
	}
}

// have is the set of Blocks that are held.
func (g *get) have() *Bitfield {
	g.s.mu.Lock()
	defer g.s.mu.Unlock()
	return g.s.have.Clone()
}

// lacking lists the Blocks that are to be fetched, in random order.
func (g *get) lacking(rnd *rand.Rand) (list []Index) {
	have, want := g.have(), g.c.Layout().Wanted()
	for i, ok := want.Next(0); ok; i, ok = want.Next(i + 1) {
		if !have.Has(i) {
			list = append(list, i)
		}
	}
	rnd.Shuffle(len(list), func(a, b int) { list[a], list[b] = list[b], list[a] })
	return list
}

// fetch moves Blocks from the sample, verified by Proofs.
func (g *get) fetch(list ...Index) {
	g.t.Helper()
	for _, i := range list {
		b := g.from.block(i)
		proof, ok := g.from.content.Proof(nil, i, 0, uint32(len(b)), b, nil)
		if !ok {
			g.t.Fatalf("no proof of block %d", i)
		}
		if err := g.c.Verify(i, 0, b, proof); err != nil {
			g.t.Fatal(err)
		}
		if err := g.s.WriteBlock(i, b); err != nil {
			g.t.Fatal(err)
		}
		g.written++
	}
}

// finish fetches the rest, places and closes.
func (g *get) finish() {
	g.t.Helper()
	g.fetch(g.lacking(rand.New(rand.NewPCG(1, 2)))...)
	if err := g.s.Place(g.t.Context()); err != nil {
		g.t.Fatal(err)
	}
	have := g.have()
	for i, ok := have.Next(Index(g.c.Header().ManifestBlocks())); ok; i, ok = have.Next(i + 1) {
		g.mustHold(i)
	}
	if err := g.s.Close(); err != nil {
		g.t.Fatal(err)
	}
}
