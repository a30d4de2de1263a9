package blocks

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"
)

// proofOf is the full Tree's Proof, which must be the oracle's.
func (f *file) proofOf(t testing.TB, block uint32, cut extent, announced *Bitfield) []CV {
	t.Helper()
	var ask func(s Span) bool
	if announced != nil {
		ask = announced.AnyIn
	}
	proof, ok := f.tree.Proof(nil, block, uint32(cut.pos), uint32(cut.size), f.block(block), ask)
	if !ok {
		t.Fatalf("no proof for block %d %v", block, cut)
	}
	e := extent{int(block)*f.blockSize + cut.pos, cut.size}
	want := f.proof(e, f.blockSize, func(a extent) bool {
		first := a.pos / f.blockSize
		return announced != nil && announced.AnyIn(Span{First: uint32(first), Count: uint32((a.size-1)/f.blockSize + 1)})
	})
	if !slices.Equal(proof, want) {
		t.Fatalf("block %d %v: a proof of %d nodes, want %d others", block, cut, len(proof), len(want))
	}
	return proof
}

func (f *file) slice(block uint32, cut extent) []byte {
	return f.block(block)[cut.pos : cut.pos+cut.size]
}

// TestRandomOrderWithCutProofs has a receiver that holds nothing but what came with the Blocks it has, and a sender that knows
// no more of it than some of what it announced.
func TestRandomOrderWithCutProofs(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	const blockSize = 32 << 10
	for _, blocks := range []int{2, 3, 5, 6, 7, 8, 13, 21, 31, 33} {
		for _, lag := range []uint32{0, 3} {
			f := newFile(t, blocks*blockSize-rng.IntN(blockSize), blockSize)
			r, announced, sent := f.empty(), NewBitfield(uint32(blocks)), 0
			for _, b := range rng.Perm(blocks) {
				block := uint32(b)
				cuts := []extent{{0, len(f.block(block))}}
				if lag > 0 && rng.IntN(2) == 0 && cuts[0].size > GroupSize {
					cuts = []extent{{GroupSize, cuts[0].size - GroupSize}, {0, GroupSize}}
				}
				for _, cut := range cuts {
					proof := f.proofOf(t, block, cut, announced)
					if err := r.Verify(block, uint32(cut.pos), f.slice(block, cut), proof); err != nil {
						t.Fatalf("block %d %v of %d with announced %v: %v", block, cut, blocks, announced.Spans(), err)
					}
					sent += len(proof)
				}
				if !r.Check(block, f.block(block)) {
					t.Fatalf("block %d of %d isn't known after its slices", block, blocks)
				}
				r.checkInvariants(t)
				if lag == 0 || rng.Uint32N(lag) == 0 {
					announced.Set(Index(b))
				}
				f.comparePartial(t, r, block)
			}
			if !r.Complete() || !bytes.Equal(dumpOf(t, r), dumpOf(t, f.tree)) {
				t.Errorf("%d blocks: all were delivered, nodes are missing or wrong", blocks)
			}
			// The first Block below a node brings the sibling of the node's child that it is under, nobody brings it again.
			if lag == 0 && sent != blocks-1 {
				t.Errorf("%d blocks: %d nodes sent", blocks, sent)
			}
		}
	}
}

// comparePartial fails unless a partial receiver serves, for a Block it holds, the Proof that the full Tree does.
func (f *file) comparePartial(t *testing.T, r *Tree, block uint32) {
	t.Helper()
	for _, announced := range []func(Span) bool{nil, func(s Span) bool { return s.First == 0 }} {
		got, ok := r.Proof([]CV{{1}}, block, 0, uint32(len(f.block(block))), nil, announced)
		want, _ := f.tree.Proof([]CV{{1}}, block, 0, uint32(len(f.block(block))), nil, announced)
		if !ok || !slices.Equal(got, want) {
			t.Fatalf("block %d: the proof of a partial receiver differs", block)
		}
	}
}

func TestProofRefuses(t *testing.T) {
	f := newFile(t, 5*64<<10, 64<<10)
	f.p = f.p[:len(f.p):len(f.p)]
	empty := f.empty()
	dst := []CV{{7}}
	for name, c := range map[string]struct {
		tree                  *Tree
		block, offset, length uint32
		whole                 []byte
	}{
		"a block outside":         {f.tree, 5, 0, 64 << 10, nil},
		"an unaligned slice":      {f.tree, 0, 1 << 10, 16 << 10, f.block(0)},
		"an empty slice":          {f.tree, 0, 0, 0, f.block(0)},
		"a slice without bytes":   {f.tree, 0, 0, 16 << 10, nil},
		"a slice of other bytes":  {f.tree, 0, 0, 16 << 10, f.p},
		"a slice past the end":    {f.tree, 0, 48 << 10, 32 << 10, f.block(0)},
		"nodes that aren't known": {empty, 0, 0, 64 << 10, nil},
	} {
		if got, ok := c.tree.Proof(dst, c.block, c.offset, c.length, c.whole, nil); ok || !slices.Equal(got, dst) {
			t.Errorf("%s: %d nodes, %v", name, len(got)-len(dst), ok)
		}
	}
}
