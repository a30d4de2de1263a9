package blocks

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"runtime"
	"slices"
	"testing"
	"testing/iotest"
)

func newReader(p []byte) io.Reader { return bytes.NewReader(p) }

func TestOfficialVectors(t *testing.T) {
	b, err := os.ReadFile("testdata/blake3_vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors struct {
		Cases []struct {
			Len  int    `json:"input_len"`
			Hash string `json:"hash"`
		}
	}
	if err := json.Unmarshal(b, &vectors); err != nil || len(vectors.Cases) != 35 {
		t.Fatalf("%d vectors, %v", len(vectors.Cases), err)
	}
	for _, c := range vectors.Cases {
		p := make([]byte, c.Len)
		for i := range p {
			p[i] = byte(i % 251)
		}
		want, err := ParseRoot(c.Hash)
		if err != nil {
			t.Fatal(err)
		}
		for _, blockSize := range []uint32{16 << 10, 32 << 10, 1 << 20} {
			tree, _, err := BuildTree(newReader(p), uint64(len(p)), blockSize, nil)
			if err != nil || tree.Root() != want {
				t.Errorf("%d bytes in blocks of %d: %v, %v, want %s", c.Len, blockSize, tree.Root(), err, c.Hash)
			}
		}
		if Sum(p) != want {
			t.Errorf("Sum of %d bytes = %s, want %s", c.Len, Sum(p), c.Hash)
		}
	}
}

func TestBuildTreeHasTheRootOfBLAKE3(t *testing.T) {
	eachFile(t, func(t *testing.T, f *file) {
		if want := Sum(f.p); f.tree.Root() != want || f.root != want {
			t.Fatalf("Root %s, bao %s, want %s", f.tree.Root(), f.root, want)
		}
		if n := (len(f.p) + f.blockSize - 1) / f.blockSize; f.tree.blocks != uint32(n) || f.tree.Size() != uint64(len(f.p)) {
			t.Fatalf("%d blocks of %d bytes, want %d", f.tree.blocks, f.tree.Size(), n)
		}
		if !f.tree.Complete() || f.tree.Missing() != nil {
			t.Fatal("not complete")
		}
	})
}

func TestBuildTreeHasTheNodesOfBao(t *testing.T) {
	eachFile(t, func(t *testing.T, f *file) {
		top := f.tree.top()
		for level := range top {
			n := int(f.tree.width(level))
			nodes, ok := f.tree.Nodes(uint8(level), 0, uint32(n))
			if !ok {
				t.Fatalf("level %d isn't known", level)
			}
			for i, cv := range nodes {
				if want, ok := f.cv[f.node(level, i, f.blockSize)]; !ok || cv != want {
					t.Fatalf("node (%d, %d) = %x, want %x (%v)", level, i, cv, want, ok)
				}
			}
		}
		if nodes, ok := f.tree.Nodes(uint8(top), 0, 1); !ok || Root(nodes[0]) != f.root {
			t.Fatal("the top isn't the Root")
		}
	})
}

func TestHashingLooksAtNothingBehindATail(t *testing.T) {
	long := noise(3*GroupSize, 1)
	for _, n := range []int{0, 1, 1024, 1025, 8 << 10, 8<<10 + 1, GroupSize - 1, GroupSize + 1, 2*GroupSize + 5000} {
		want := hashSubtree(slices.Clip(slices.Clone(long[:n])), 0, true)
		if got := hashSubtree(long[:n], 0, true); got != want || Root(got) != Sum(long[:n]) {
			t.Errorf("%d bytes hash differently with others behind them", n)
		}
	}
}

func TestBuildTreeReportsZeroBlocks(t *testing.T) {
	const b = 16 << 10
	set := func(size int, at ...int) []byte {
		p := make([]byte, size)
		for _, i := range at {
			p[i] = 1
		}
		return p
	}
	for name, c := range map[string]struct {
		p    []byte
		want []Span
	}{
		"empty":                     {nil, nil},
		"one zero block":            {set(b), nil},
		"two zero blocks":           {set(2 * b), []Span{{0, 2}}},
		"zero tail of one byte":     {set(2*b+1, 0, b), []Span{{2, 1}}},
		"last byte of a block set":  {set(3*b, b-1, 3*b-1), []Span{{1, 1}}},
		"first byte of a block set": {set(3*b, b), []Span{{0, 1}, {2, 1}}},
		"middle set":                {set(5*b, 2*b+777), []Span{{0, 2}, {3, 2}}},
		"none":                      {noise(4*b, 1), nil},
	} {
		tree, zeros, err := BuildTree(newReader(c.p), uint64(len(c.p)), b, nil)
		if err != nil || !slices.Equal(zeros, c.want) {
			t.Errorf("%s: zeros %v, %v, want %v", name, zeros, err, c.want)
		} else if tree.Root() != Sum(c.p) {
			t.Errorf("%s: wrong Root", name)
		}
	}
}

func TestBuildTreeRefusesAnotherLength(t *testing.T) {
	const b = 16 << 10
	broken := errors.New("disk on fire")
	for _, size := range []int{0, 1, b, b + 1, 5 * b} {
		p := noise(size, 9)
		if _, _, err := BuildTree(newReader(append(p, 1)), uint64(size), b, nil); !errors.Is(err, ErrTooLong) {
			t.Errorf("%d bytes and one more: %v", size, err)
		}
		if _, _, err := BuildTree(newReader(p), uint64(size)+1, b, nil); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%d bytes, one missing: %v", size, err)
		}
		r := io.MultiReader(newReader(p), iotest.ErrReader(broken))
		if _, _, err := BuildTree(r, uint64(size), b, nil); !errors.Is(err, broken) {
			t.Errorf("an error at the end of %d bytes: %v", size, err)
		}
		r = io.MultiReader(newReader(p), iotest.ErrReader(broken))
		if _, _, err := BuildTree(r, uint64(size)+1, b, nil); !errors.Is(err, broken) {
			t.Errorf("an error after %d of %d bytes: %v", size, size+1, err)
		}
	}
	for _, blockSize := range []uint32{0, 1 << 13, 3 << 14, 1 << 23} {
		if _, _, err := BuildTree(newReader(nil), 0, blockSize, nil); !errors.Is(err, ErrTooLarge) {
			t.Errorf("a block size of %d: %v", blockSize, err)
		}
	}
	if _, _, err := BuildTree(newReader(nil), MaxBlocks<<14+1, 1<<14, nil); !errors.Is(err, ErrTooLarge) {
		t.Errorf("a file of too many blocks: %v", err)
	}
}

func TestBuildTreeCountsEveryByteOnce(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4))
	const b = 32 << 10
	for _, size := range []int{0, 5, b, b + 1, 40*b + 12345} {
		p := noise(size, 3)
		sum := 0
		tree, _, err := BuildTree(iotest.HalfReader(newReader(p)), uint64(size), b, func(n int) { sum += n })
		if err != nil || sum != size || tree.Root() != Sum(p) {
			t.Errorf("%d bytes: progress over %d, root %s, %v", size, sum, tree.Root(), err)
		}
	}
}

func TestBuildTreeOfSmallFilesStaysSmall(t *testing.T) {
	p := noise(900<<10, 4)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, _, err := BuildTree(newReader(p), uint64(len(p)), 1<<20, nil); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > 2*smallStep {
		t.Errorf("%d bytes allocated for a file of one block", n)
	}
}

func BenchmarkBuildTree(b *testing.B) {
	const size = 64 << 20
	p := noise(size, 1)
	for _, c := range []struct {
		name  string
		procs int
	}{{"1", 1}, {"all", runtime.NumCPU()}} {
		b.Run("workers="+c.name, func(b *testing.B) {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(c.procs))
			b.SetBytes(size)
			for b.Loop() {
				if _, _, err := BuildTree(newReader(p), size, 1<<20, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkHashSubtree(b *testing.B) {
	p := noise(1<<20, 1)
	b.SetBytes(int64(len(p)))
	b.ReportAllocs()
	for b.Loop() {
		hashSubtree(p, 1<<20, false)
	}
}
