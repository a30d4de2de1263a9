package blocks

import (
	"fmt"
	"math/bits"
	"math/rand/v2"
	"slices"
	"testing"

	"lukechampine.com/blake3/bao"
)

// noise returns n bytes that no compressor likes, the same for one seed.
func noise(n int, seed byte) []byte {
	p := make([]byte, n)
	rand.NewChaCha8([32]byte{seed}).Read(p)
	return p
}

// extent is a subtree: a run of a file's bytes.
type extent struct{ pos, size int }

// split is BLAKE3's rule: the left subtree is the largest power of two of chunks below the whole.
func (e extent) split() (left, right extent) {
	mid := 1 << (bits.Len(uint(e.size-1)) - 1)
	return extent{e.pos, mid}, extent{e.pos + mid, e.size - mid}
}

// oracle knows the chaining values of all subtrees longer than a group and of the groups, from bao's encoding.
type oracle struct {
	p    []byte
	root Root
	cv   map[extent]CV // the root isn't in it
}

func newOracle(p []byte) *oracle {
	const group = 4 // 2^4 chunks
	b, root := bao.EncodeBuf(p, group, true)
	o := &oracle{p: p, root: root, cv: map[extent]CV{}}
	b = b[8:]
	var walk func(e extent)
	walk = func(e extent) {
		if e.size <= GroupSize {
			return
		}
		left, right := e.split()
		o.cv[left], o.cv[right] = CV(b), CV(b[32:])
		b = b[64:]
		walk(left)
		walk(right)
	}
	walk(extent{0, len(p)})
	if len(b) != 0 {
		panic("the oracle left bytes")
	}
	return o
}

// proof is section 1.5 of the protocol from the Root downward: the siblings of the path to a subtree, lowest first, without
// those at and above the children of the lowest ancestor of the Block that holds an announced byte.
func (o *oracle) proof(e extent, blockSize int, announced func(extent) bool) []CV {
	var path []CV
	at := extent{0, len(o.p)}
	for at != e {
		if at.size > blockSize && announced(at) {
			path = path[:0]
		}
		left, right := at.split()
		near, far := left, right
		if e.pos >= right.pos {
			near, far = right, left
		}
		if !(at.size > blockSize && announced(at)) {
			path = append(path, o.cv[far])
		}
		at = near
	}
	slices.Reverse(path)
	return path
}

// node is the subtree that node (level, i) covers.
func (o *oracle) node(level, i, blockSize int) extent {
	pos := i << level * blockSize
	return extent{pos, min(blockSize<<level, len(o.p)-pos)}
}

// cutsOf lists the slices of a Block of a length that are nodes, the whole Block first.
func cutsOf(blockLen int) []extent {
	cuts := []extent{{0, blockLen}}
	for width := GroupSize; width < blockLen; width *= 2 {
		for pos := 0; pos < blockLen; pos += width {
			// What a wider slice already stands for is listed all the same if it is shorter: both must work.
			cuts = append(cuts, extent{pos, min(width, blockLen-pos)})
		}
	}
	return cuts
}

// file is a test's content with its Tree.
type file struct {
	*oracle
	tree      *Tree
	blockSize int
}

func newFile(t testing.TB, size, blockSize int) *file {
	t.Helper()
	p := noise(size, byte(size))
	tree, _, err := BuildTree(newReader(p), uint64(size), uint32(blockSize), nil)
	if err != nil {
		t.Fatalf("BuildTree: %v", err)
	}
	return &file{oracle: newOracle(p), tree: tree, blockSize: blockSize}
}

func (f *file) block(i uint32) []byte {
	return f.p[int(i)*f.blockSize : min((int(i)+1)*f.blockSize, len(f.p))]
}

// empty is a Tree of the file that knows only the Root.
func (f *file) empty() *Tree { return NewTree(f.root, uint64(len(f.p)), uint32(f.blockSize)) }

// borders are the sizes around every border of chunk, group and Block, and a few without any.
func borders(blockSize int) []int {
	sizes := []int{0, 1, 7, 63, 64, 65, 4099, 99991}
	for _, at := range []int{ChunkSize, 2 * ChunkSize, GroupSize, 2 * GroupSize, 3 * GroupSize, 63 << 10, 64 << 10, 65 << 10} {
		sizes = append(sizes, at-1, at, at+1)
	}
	for _, n := range []int{1, 2, 3, 4, 5, 7, 8, 9} {
		sizes = append(sizes, n*blockSize-1, n*blockSize, n*blockSize+1, n*blockSize+GroupSize+5)
	}
	slices.Sort(sizes)
	return slices.Compact(sizes)
}

// eachFile runs test for files of many sizes in several block sizes.
func eachFile(t *testing.T, test func(t *testing.T, f *file)) {
	for _, blockSize := range []int{16 << 10, 32 << 10, 64 << 10} {
		for _, size := range borders(blockSize) {
			t.Run(fmt.Sprintf("%d_of_%d", size, blockSize), func(t *testing.T) {
				test(t, newFile(t, size, blockSize))
			})
		}
	}
}
