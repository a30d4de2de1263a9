package blocks

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
)

func TestEveryProofIsAccepted(t *testing.T) {
	eachFile(t, func(t *testing.T, f *file) {
		for block := range f.tree.blocks {
			for _, cut := range cutsOf(len(f.block(block))) {
				proof := f.proofOf(t, block, cut, nil)
				if len(proof) > MaxProof {
					t.Fatalf("a proof of %d nodes", len(proof))
				}
				r := f.empty()
				if err := r.Verify(block, uint32(cut.pos), f.slice(block, cut), proof); err != nil {
					t.Fatalf("block %d %v: %v", block, cut, err)
				}
				if !r.Check(block, f.block(block)) {
					t.Fatalf("block %d %v: its node wasn't kept", block, cut)
				}
				r.checkInvariants(t)
			}
		}
	})
}

// checkInvariants fails unless what the Tree's comment promises of its levels holds.
func (t *Tree) checkInvariants(tb testing.TB) {
	tb.Helper()
	for level := range t.top() {
		for i := range t.width(level) {
			cv, ok := t.node(level, i)
			above, okAbove := t.node(level+1, i/2)
			_, okBeside := t.node(level, i^1)
			alone := i^1 >= t.width(level)
			if ok && (!okAbove || !alone && !okBeside) || alone && (ok != okAbove || cv != above) {
				tb.Fatalf("node (%d, %d) of %d blocks: known %v, alone %v, sibling %v, parent %v", level, i, t.blocks, ok, alone, okBeside, okAbove)
			}
		}
	}
}

func TestNoOtherProofIsAccepted(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	eachFile(t, func(t *testing.T, f *file) {
		if f.tree.blocks == 0 {
			return
		}
		block := rng.Uint32N(f.tree.blocks)
		cuts := cutsOf(len(f.block(block)))
		cut := cuts[rng.IntN(len(cuts))]
		good, proof := f.slice(block, cut), f.proofOf(t, block, cut, nil)
		r := f.empty()
		refuse := func(what string, block, offset uint32, p []byte, proof []CV) {
			t.Helper()
			if err := r.Verify(block, offset, p, proof); !errors.Is(err, ErrBadBlock) {
				t.Errorf("%s, block %d %v: %v", what, block, cut, err)
			}
		}
		for range 4 {
			bad := bytes.Clone(good)
			bad[rng.IntN(len(bad))] ^= 1 << rng.IntN(8)
			refuse("a flipped bit", block, uint32(cut.pos), bad, proof)
		}
		for k := range proof {
			bad := slices.Clone(proof)
			bad[k][rng.IntN(len(CV{}))] ^= 1 << rng.IntN(8)
			refuse("a flipped bit in the proof", block, uint32(cut.pos), good, bad)
			refuse("a node left out", block, uint32(cut.pos), good, slices.Delete(slices.Clone(proof), k, k+1))
		}
		refuse("a node too many", block, uint32(cut.pos), good, append(slices.Clone(proof), CV{}))
		refuse("a byte too few", block, uint32(cut.pos), good[1:], proof)
		refuse("a byte too many", block, uint32(cut.pos), append(bytes.Clone(good), 0), proof)
		refuse("nothing", block, uint32(cut.pos), nil, proof)
		refuse("another offset", block, uint32(cut.pos)+1, good, proof)
		refuse("an offset outside", block, ^uint32(0), good, proof)
		refuse("another block", block^1, uint32(cut.pos), good, proof)
		refuse("no such block", f.tree.blocks, 0, good, proof)
		if b := dumpOf(t, r); len(bytes.Trim(b, "\x00")) != 0 || slices.ContainsFunc(r.levels, func(l level) bool { return l.cvs != nil }) {
			t.Error("something was kept of what was refused")
		}
	})
}

func TestCutsAreNodesOnly(t *testing.T) {
	for _, blockLen := range []int{1, GroupSize, GroupSize + 1, 40 << 10, 3 * GroupSize, 64 << 10, 100_000, 128 << 10} {
		valid := map[extent]bool{}
		for _, c := range cutsOf(blockLen) {
			valid[c] = true
		}
		ends := []int{0, 1, ChunkSize, 8 << 10, blockLen - 1, blockLen, blockLen + 1}
		for at := GroupSize; at <= blockLen; at += GroupSize {
			ends = append(ends, at-1, at, at+1)
		}
		for _, from := range ends {
			for _, to := range ends {
				c, ok := cutOf(uint32(blockLen), uint32(from), uint32(to-from))
				if want := valid[extent{from, to - from}]; ok != want {
					t.Errorf("[%d, %d) of %d: a node %v, want %v", from, to, blockLen, ok, want)
				} else if ok && c.index >= c.width(c.level) {
					t.Errorf("[%d, %d) of %d: %+v", from, to, blockLen, c)
				}
			}
		}
	}
}

func TestCheckNeedsTheNode(t *testing.T) {
	f := newFile(t, 3*16<<10+100, 16<<10)
	if f.empty().Check(0, f.block(0)) {
		t.Error("a block was right though nothing is known of it")
	}
	for block := range f.tree.blocks {
		bad := bytes.Clone(f.block(block))
		bad[len(bad)/2] ^= 4
		if !f.tree.Check(block, f.block(block)) || f.tree.Check(block, bad) || f.tree.Check(block, bad[1:]) {
			t.Errorf("block %d: a right one refused or a wrong one not", block)
		}
	}
	if f.tree.Check(f.tree.blocks, nil) || newFile(t, 0, 16<<10).tree.Check(0, nil) {
		t.Error("a block that doesn't exist was right")
	}
	one := newFile(t, 500, 16<<10)
	if !one.empty().Check(0, one.p) || one.empty().Check(0, one.p[:499]) {
		t.Error("a file of one block is known by its Root")
	}
}

func TestTreeIsSafeForConcurrentUse(t *testing.T) {
	f := newFile(t, 40*16<<10+5, 16<<10)
	r := f.empty()
	dump := dumpOf(t, f.tree)
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(w), 0))
			for _, b := range rng.Perm(int(f.tree.blocks)) {
				block := uint32(b)
				proof, _ := f.tree.Proof(nil, block, 0, uint32(len(f.block(block))), nil, nil)
				if err := r.Verify(block, 0, f.block(block), proof); err != nil {
					t.Error(err)
				}
				if _, ok := r.Proof(nil, block, 0, uint32(len(f.block(block))), nil, nil); !ok {
					t.Error("no proof of a verified block")
				}
				r.Missing()
				r.PathNodes(block)
				dumpOf(t, r)
				if b == 20 {
					r.load(t, dump)
				}
			}
		})
	}
	wg.Wait()
	if !r.Complete() {
		t.Error("not complete")
	}
}

func TestVerifyAllocatesNothing(t *testing.T) {
	f := newFile(t, 9*64<<10+5000, 64<<10)
	last := f.tree.blocks - 1
	proof := f.proofOf(t, last, extent{0, len(f.block(last))}, nil)
	dst := make([]CV, 0, MaxProof)
	r := f.empty()
	if err := r.Verify(last, 0, f.block(last), proof); err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(20, func() {
		for block := range f.tree.blocks {
			proof, _ := f.tree.Proof(dst, block, 0, uint32(len(f.block(block))), nil, nil)
			if r.Verify(block, 0, f.block(block), proof) != nil || !r.Check(block, f.block(block)) {
				t.Fatal("not verified")
			}
		}
	}); n != 0 {
		t.Errorf("%v allocations in %d blocks", n, f.tree.blocks)
	}
}

func FuzzTreeVerify(f *testing.F) {
	const size, blockSize = 5*32<<10 + 20_000, 32 << 10
	content := newFile(f, size, blockSize)
	for _, seed := range []struct {
		block uint32
		cut   extent
	}{{0, extent{0, 32 << 10}}, {5, extent{0, 20_000}}, {5, extent{16 << 10, 20_000 - 16<<10}}, {2, extent{16 << 10, 16 << 10}}} {
		f.Add(seed.block, uint32(seed.cut.pos), content.slice(seed.block, seed.cut), cvBytes(content.proofOf(f, seed.block, seed.cut, nil)))
	}
	f.Add(^uint32(0), ^uint32(0), []byte{1}, []byte{})
	f.Fuzz(func(t *testing.T, block, offset uint32, p, proof []byte) {
		r := content.empty()
		if err := r.Verify(block, offset, p, cvsOf(proof)); err != nil {
			if !errors.Is(err, ErrBadBlock) {
				t.Fatal(err)
			}
			return
		}
		if !bytes.Equal(p, content.block(block)[offset:int(offset)+len(p)]) {
			t.Fatal("bytes accepted that aren't the file's")
		}
		r.checkInvariants(t)
	})
}

func cvBytes(cvs []CV) (b []byte) {
	for _, cv := range cvs {
		b = append(b, cv[:]...)
	}
	return b
}

func cvsOf(b []byte) (cvs []CV) {
	for ; len(b) >= 32; b = b[32:] {
		cvs = append(cvs, CV(b))
	}
	return cvs
}

// provenFile is a file of 64 Blocks of 1 MiB with their Proofs, for a benchmark of one Block at a time.
func provenFile(b *testing.B) (f *file, proofs [64][]CV) {
	const blockSize = 1 << 20
	f = newFile(b, 64*blockSize, blockSize)
	for i := range proofs {
		proofs[i] = f.proofOf(b, uint32(i), extent{0, blockSize}, nil)
	}
	b.SetBytes(blockSize)
	b.ReportAllocs()
	return f, proofs
}

func BenchmarkVerify(b *testing.B) {
	f, proofs := provenFile(b)
	r := f.empty()
	i := 0
	for b.Loop() {
		if err := r.Verify(uint32(i%64), 0, f.block(uint32(i%64)), proofs[i%64]); err != nil {
			b.Fatal(err)
		}
		i++
	}
}
