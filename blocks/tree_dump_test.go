package blocks

import (
	"bytes"
	"io"
	"math/rand/v2"
	"testing"
)

// dumpOf is a Tree's Dump, read in steps of an odd length.
func dumpOf(tb testing.TB, t *Tree) []byte {
	tb.Helper()
	r := t.Dump()
	b := make([]byte, r.Size())
	for at := int64(0); at < r.Size(); {
		n, err := r.ReadAt(b[at:min(at+4099, r.Size())], at)
		if err != nil {
			tb.Fatal(err)
		}
		at += int64(n)
	}
	return b
}

func (t *Tree) load(tb testing.TB, dump []byte) {
	tb.Helper()
	if err := t.LoadNodes(io.NewSectionReader(bytes.NewReader(dump), 0, int64(len(dump)))); err != nil {
		tb.Fatal(err)
	}
}

func TestDumpRoundTrip(t *testing.T) {
	for _, n := range []int{1, 2, 3, 5, 8, 21, 100} {
		full := bare(n)
		dump := dumpOf(t, full)
		if int64(len(dump)) != full.DumpSize() {
			t.Fatalf("%d blocks: %d bytes, DumpSize %d", n, len(dump), full.DumpSize())
		}
		for level := range full.top() {
			for i := range full.width(level) {
				want, _ := full.node(level, i)
				if off := full.NodeOffset(uint8(level), i); CV(dump[off:]) != want {
					t.Fatalf("%d blocks: node (%d, %d) isn't at %d", n, level, i, off)
				}
			}
			if off := full.NodeOffset(uint8(level), full.width(level)); off != -1 {
				t.Fatalf("%d blocks: a node after the last of level %d at %d", n, level, off)
			}
		}
		if off := full.NodeOffset(uint8(full.top()), 0); off != -1 {
			t.Fatalf("%d blocks: the top at %d", n, off)
		}
		r := full.fresh()
		r.load(t, dump)
		if !r.Complete() || !bytes.Equal(dumpOf(t, r), dump) {
			t.Errorf("%d blocks: not what was dumped", n)
		}
	}
}

func TestLoadNodesKeepsWhatIsRight(t *testing.T) {
	full := bare(100)
	dump := dumpOf(t, full)
	for name, spoil := range map[string]func(b []byte) []byte{
		"zeros":      func(b []byte) []byte { clear(b); return b },
		"noise":      func(b []byte) []byte { return noise(len(b), 1) },
		"a cut end":  func(b []byte) []byte { return b[:len(b)-1] },
		"a long end": func(b []byte) []byte { return append(b, 0) },
		"nothing":    func(b []byte) []byte { return nil },
	} {
		r := full.fresh()
		r.load(t, spoil(bytes.Clone(dump)))
		if len(bytes.Trim(dumpOf(t, r), "\x00")) != 0 || r.levels[0].cvs != nil {
			t.Errorf("%s: nodes were kept", name)
		}
	}
	// A wrong pair costs what is below it, and nothing else.
	rng := rand.New(rand.NewPCG(9, 10))
	for range 50 {
		level := rng.IntN(full.top())
		i := rng.Uint32N(full.width(level))
		if i%2 == 0 && i+1 == full.width(level) {
			continue // an only child is read where it has a sibling
		}
		b := bytes.Clone(dump)
		b[full.NodeOffset(uint8(level), i)+rng.Int64N(32)] ^= 0x10
		r := full.fresh()
		r.load(t, b)
		lost := full.span(level+1, i/2)
		for block := range full.blocks {
			_, ok := r.node(0, block)
			if want := block < lost.First || block >= lost.First+lost.Count; ok != want {
				t.Fatalf("node (%d, %d) spoilt: block %d known %v", level, i, block, ok)
			}
		}
		r.checkInvariants(t)
		r.load(t, dump)
		if !r.Complete() {
			t.Fatal("the right dump didn't repair it")
		}
	}
}

func TestPathNodesRestoreABlock(t *testing.T) {
	f := newFile(t, 13*16<<10+9, 16<<10)
	journal := make([]byte, f.tree.DumpSize())
	r := f.empty()
	for _, block := range []uint32{5, 13, 0} {
		if r.PathNodes(block) != nil {
			t.Fatalf("block %d has a path before it came", block)
		}
		proof := f.proofOf(t, block, extent{0, len(f.block(block))}, nil)
		if err := r.Verify(block, 0, f.block(block), proof); err != nil {
			t.Fatal(err)
		}
		for _, p := range r.PathNodes(block) {
			cvs, ok := r.Nodes(p.Level, p.First, p.Count)
			if !ok {
				t.Fatalf("%+v isn't known", p)
			}
			copy(journal[r.NodeOffset(p.Level, p.First):], cvBytes(cvs))
		}
		resumed := f.empty()
		resumed.load(t, journal)
		if !resumed.Check(block, f.block(block)) {
			t.Fatalf("block %d isn't known after a restart", block)
		}
		f.comparePartial(t, resumed, block)
	}
	if r.PathNodes(99) != nil || f.tree.PathNodes(14) != nil {
		t.Error("a block that doesn't exist has a path")
	}
}

func FuzzLoadNodes(f *testing.F) {
	full := bare(11)
	dump := dumpOf(f, full)
	f.Add(dump)
	f.Add(make([]byte, len(dump)))
	f.Add(dump[:len(dump)-32])
	for _, at := range []int{3, 32*11 + 5, len(dump) - 1} {
		b := bytes.Clone(dump)
		b[at] ^= 1
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r := full.fresh()
		r.load(t, b)
		r.checkInvariants(t)
		for i := range full.blocks {
			want, _ := full.node(0, i)
			if cv, ok := r.node(0, i); ok && cv != want {
				t.Fatalf("node %d isn't the file's", i)
			}
		}
	})
}

func BenchmarkLoadNodes(b *testing.B) {
	full := bare(1 << 14)
	dump := dumpOf(b, full)
	for b.Loop() {
		full.fresh().load(b, dump)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(full.blocks), "ns/block")
}
