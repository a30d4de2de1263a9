package blocks

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
)

// BenchmarkBuildTreeOfHoles hashes a file that is one hole.
func BenchmarkBuildTreeOfHoles(b *testing.B) {
	const size = 64 << 20
	f, err := os.Create(filepath.Join(b.TempDir(), "f"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(size); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(size)
	for b.Loop() {
		if _, _, err := BuildTree(NewFileReader(b.Context(), f), size, 1<<20, nil); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkProof cuts the Proof of a Block for who has announced one in 64.
func BenchmarkProof(b *testing.B) {
	s := singleSample(b, noise(64<<20, 1))
	h := s.content.Header()
	announced := NewBitfield(h.Blocks)
	for i := Index(h.ManifestBlocks()); uint32(i) < h.Blocks; i += 64 {
		announced.Set(i)
	}
	dst := make([]CV, 0, MaxProof)
	b.ReportAllocs()
	i := Index(0)
	for b.Loop() {
		i = (i + 7919) % Index(h.Blocks)
		if _, ok := s.content.Proof(dst, i, 0, s.content.BlockLen(i), nil, announced); !ok {
			b.Fatal("no proof")
		}
	}
}

// BenchmarkArrival hashes a Block of 1 MiB while it arrives in frames of 64 KiB, and verifies it.
func BenchmarkArrival(b *testing.B) {
	const frame = 64 << 10
	f, proofs := provenFile(b)
	r := f.empty()
	i := uint32(0)
	for b.Loop() {
		p, h := f.block(i), Hasher{r.merger(i, 0), r}
		for n := frame; n <= len(p); n += frame {
			h.Hash(p[:n])
		}
		if err := r.verify(&h.m, i, 0, p, proofs[i]); err != nil {
			b.Fatal(err)
		}
		i = (i + 1) % 64
	}
}

// eachNewBlock runs do for verified Blocks of 16 KiB, the smallest, none of which the Store has. The bytes matter least then.
func eachNewBlock(b *testing.B, do func(g *get, i Index, p []byte) error) {
	s := singleSample(b, noise(16<<20, 1))
	var g *get
	var list []Index
	b.SetBytes(MinBlockSize)
	b.ReportAllocs()
	for b.Loop() {
		if len(list) == 0 {
			b.StopTimer()
			if g != nil {
				g.s.Close()
			}
			g = startGet(b, s, StoreConfig{Target: filepath.Join(b.TempDir(), "f")})
			list = g.lacking(rand.New(rand.NewPCG(1, 1)))
			for _, i := range list {
				proof, _ := s.content.Proof(nil, i, 0, MinBlockSize, nil, nil)
				if err := g.c.Verify(i, 0, s.block(i), proof); err != nil {
					b.Fatal(err)
				}
			}
			b.StartTimer()
		}
		i := list[0]
		list = list[1:]
		if err := do(g, i, s.bytes[""][uint32(i-Index(s.content.Header().ManifestBlocks()))*MinBlockSize:][:MinBlockSize]); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkWriteBlock writes Blocks, their nodes and bits in random order.
func BenchmarkWriteBlock(b *testing.B) {
	eachNewBlock(b, func(g *get, i Index, p []byte) error { return g.s.WriteBlock(i, p) })
}

// BenchmarkJournal writes nodes and bits alone.
func BenchmarkJournal(b *testing.B) {
	eachNewBlock(b, func(g *get, i Index, _ []byte) error { return g.s.journal.add(i) })
}
