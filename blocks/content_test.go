package blocks

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
)

const worldBlock = 32 << 10

func TestContentFromHeaderToLastBlock(t *testing.T) {
	w := newWorld(t)
	h := w.Header()
	r, announced := NewContent(h), NewBitfield(h.Blocks)
	manifest := h.ManifestBlocks()
	if r.ID() != h.ID() || r.Manifest() != nil || r.Layout() != nil || r.Tree(1) != nil || r.ManifestComplete() {
		t.Fatal("more is known than the Header")
	}
	first := Index(manifest)
	if r.BlockLen(first) != 0 || r.Check(first, w.block(first)) || !errors.Is(r.Verify(first, 0, w.block(first), nil), ErrBadBlock) {
		t.Fatal("a content Block is known before the Manifest")
	}
	if _, ok := r.Proof(nil, first, 0, worldBlock, nil, nil); ok {
		t.Fatal("a Proof of a content Block before the Manifest")
	}
	order := w.shuffled(1, 0, manifest)
	w.deliver(t, r, order[1:], announced)
	if r.ManifestComplete() || r.ManifestBytes() != nil || r.Open() == nil {
		t.Fatal("open without the whole Manifest")
	}
	w.deliver(t, r, order[:1], announced)
	if !r.ManifestComplete() || !bytes.Equal(r.ManifestBytes(), w.bytes) {
		t.Fatal("the Manifest isn't what was sent")
	}
	for range 2 {
		if err := r.Open(); err != nil {
			t.Fatal(err)
		}
	}
	w.deliver(t, r, w.shuffled(2, manifest, h.Blocks), announced)
	if !announced.Equal(r.Layout().Wanted()) {
		t.Fatal("not everything wanted was delivered")
	}
	if r.BlockLen(Index(h.Blocks)) != 0 || r.Verify(Index(h.Blocks), 0, nil, nil) == nil || r.Check(Index(h.Blocks), nil) {
		t.Error("a Block after the last")
	}
	// The sparse file's zeros were never sent: their chaining values came with Proofs or can be asked for.
	for file := range uint32(4) {
		for _, m := range r.Tree(file).Missing() {
			cvs, _ := w.Tree(file).Nodes(m.Level, m.First, m.Count)
			if err := r.Tree(file).AddNodes(m.Level, m.First, cvs); err != nil {
				t.Errorf("file %d: %v", file, err)
			}
		}
		if !r.Tree(file).Complete() {
			t.Errorf("file %d: not complete", file)
		}
	}
	for _, i := range w.shuffled(3, 0, h.Blocks) {
		if !r.Check(i, w.block(i)) {
			t.Errorf("block %d isn't right", i)
		}
	}
	if r.Tree(4) != nil || r.Tree(^uint32(0)) != nil {
		t.Error("a Tree that doesn't exist")
	}
}

func TestContentTakesSlices(t *testing.T) {
	w := newWorld(t)
	r := NewContent(w.Header())
	announced := NewBitfield(w.Header().Blocks)
	take := func(i Index) {
		t.Helper()
		whole := w.block(i)
		for _, cut := range cutsOf(len(whole))[1:] {
			proof, ok := w.Proof(nil, i, uint32(cut.pos), uint32(cut.size), whole, announced)
			if !ok {
				t.Fatalf("block %d: no proof for %v", i, cut)
			}
			if err := r.Verify(i, uint32(cut.pos), whole[cut.pos:cut.pos+cut.size], proof); err != nil {
				t.Fatalf("block %d %v: %v", i, cut, err)
			}
		}
		if err := r.ReadManifest(i, 0, make([]byte, len(whole))); err == nil {
			t.Fatalf("block %d is held though only slices came", i)
		}
		if !r.Check(i, whole) {
			t.Fatalf("block %d came in slices and doesn't pass Check", i)
		}
		announced.Set(i)
	}
	manifest := w.Header().ManifestBlocks()
	for i := range Index(manifest) {
		if len(w.block(i)) <= GroupSize {
			w.deliver(t, r, []Index{i}, announced)
			continue
		}
		take(i)
	}
	if err := r.Open(); err != nil {
		t.Fatal(err)
	}
	for _, large := range r.Layout().Larges() {
		for i := large.First; i < large.First+Index(large.Blocks); i++ {
			if len(w.block(i)) > GroupSize {
				take(i)
			}
		}
	}
	packed := Index(w.Header().Blocks - 1)
	p := w.block(packed)
	if _, ok := w.Proof(nil, packed, 0, GroupSize, p, nil); ok {
		t.Error("a proof for a slice of a packed Block")
	}
	for what, err := range map[string]error{
		"a slice":  r.Verify(packed, 0, p[:GroupSize], nil),
		"a tail":   r.Verify(packed, 1, p[1:], nil),
		"a proof":  r.Verify(packed, 0, p, make([]CV, 1)),
		"too much": r.Verify(packed, 0, append(bytes.Clone(p), 0), nil),
		"nothing":  r.Verify(packed, 0, nil, nil),
	} {
		if !errors.Is(err, ErrBadBlock) {
			t.Errorf("%s of a packed Block: %v", what, err)
		}
	}
}

// Whatever the bites in which a Block comes, hashing them on the way gives the same verdict, of every kind of Block.
func TestHasherTakesAnyBites(t *testing.T) {
	w := newWorld(t)
	random := rand.New(rand.NewPCG(3, 4))
	for i := range Index(w.Header().Blocks) {
		whole := w.block(i)
		proof, _ := w.Proof(nil, i, 0, uint32(len(whole)), nil, nil)
		for _, wrong := range []bool{false, true} {
			data := bytes.Clone(whole)
			if wrong {
				data[random.IntN(len(data))] ^= 4
			}
			h := w.Hasher(i, 0)
			for got := 0; got < len(data); {
				got = min(got+1+random.IntN(3*GroupSize), len(data))
				h.Hash(data[:got])
			}
			if err := w.VerifyHashed(&h, i, 0, data, proof); (err != nil) != wrong {
				t.Errorf("block %d, wrong %v: %v", i, wrong, err)
			}
		}
	}
}

func TestContentIsSafeForConcurrentUse(t *testing.T) {
	w := newWorld(t)
	r := NewContent(w.Header())
	n := w.Header().ManifestBlocks()
	var wg sync.WaitGroup
	for g := range uint64(3) {
		wg.Go(func() {
			for _, i := range append(w.shuffled(g, 0, n), w.shuffled(g, n, w.Header().Blocks)...) {
				for uint32(i) >= n && r.Layout() == nil {
					if err := r.Open(); err != nil {
						t.Error(err)
						return
					}
				}
				p := w.block(i)
				proof, _ := w.Proof(nil, i, 0, uint32(len(p)), nil, nil)
				if err := r.Verify(i, 0, p, proof); err != nil {
					t.Error(err)
				}
				if _, ok := r.Proof(nil, i, 0, uint32(len(p)), nil, nil); !ok {
					t.Errorf("no proof of block %d", i)
				}
				if uint32(i) < n && r.ReadManifest(i, 0, p) != nil {
					t.Errorf("block %d isn't held", i)
				}
			}
		})
	}
	wg.Wait()
}

func TestContentVerifyAllocatesNothing(t *testing.T) {
	w := newWorld(t)
	dst := make([]CV, 0, MaxProof)
	announced := NewBitfield(w.Header().Blocks)
	announced.Set(Index(w.Header().ManifestBlocks()))
	i := Index(w.Header().ManifestBlocks() + 1)
	p := w.block(i)
	if n := testing.AllocsPerRun(20, func() {
		proof, ok := w.Proof(dst, i, 0, uint32(len(p)), nil, announced)
		if !ok || len(proof) != 0 || w.Verify(i, 0, p, proof) != nil || !w.Check(i, p) {
			t.Fatal("not verified")
		}
	}); n != 0 {
		t.Errorf("%v allocations a Block", n)
	}
}

func BenchmarkVerifyPacked(b *testing.B) {
	w := newWorld(b)
	i := Index(w.Header().Blocks - 1)
	p := w.block(i)
	b.SetBytes(int64(len(p)))
	b.ReportAllocs()
	for b.Loop() {
		if err := w.Verify(i, 0, p, nil); err != nil {
			b.Fatal(err)
		}
	}
}
