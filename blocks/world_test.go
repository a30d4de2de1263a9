package blocks

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
)

// world is a seed's Content with all bytes of what it sends.
type world struct {
	*Content
	files map[Root][]byte
	bytes []byte // the Manifest's
}

// newWorld has a Manifest of several Blocks, large files with and without zeros, one of them twice, packed ones and empty ones.
func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{files: map[Root][]byte{}}
	m := &Manifest{Name: "world", Entries: []Entry{{Kind: Dir, Mode: 0o755}}}
	var trees []*Tree
	add := func(path string, p []byte) {
		tree, zeros, err := BuildTree(bytes.NewReader(p), uint64(len(p)), worldBlock, nil)
		if err != nil {
			t.Fatal(err)
		}
		e := Entry{Kind: File, Path: path, Mode: 0o644, Size: uint64(len(p)), Root: tree.Root(), Zeros: zeros}
		m.Entries = append(m.Entries, e)
		if _, again := w.files[e.Root]; !again && len(p) > worldBlock {
			trees = append(trees, tree)
		}
		w.files[e.Root] = p
	}
	add("a large", noise(5*worldBlock+20_000, 1))
	add("b large", noise(worldBlock+1, 2))
	add("c again", noise(5*worldBlock+20_000, 1))
	add("d empty", nil)
	sparse := noise(9*worldBlock, 3)
	clear(sparse[2*worldBlock : 5*worldBlock])
	add("e sparse", sparse)
	add("f full", noise(worldBlock, 4))
	for i := range 1200 {
		add(fmt.Sprintf("small %04d", i), noise(i%300, byte(i%200)))
	}
	m.Sort()
	w.bytes = m.Append(nil)
	h := Header{
		BlockSize: worldBlock, Dir: true, Entries: uint32(len(m.Entries)), Bytes: m.Bytes(),
		ManifestSize: uint64(len(w.bytes)), ManifestRoot: Sum(w.bytes),
	}
	l, err := NewLayout(m, worldBlock, h.ManifestBlocks())
	if err != nil {
		t.Fatal(err)
	}
	h.Blocks = l.Blocks()
	if w.Content, err = SealContent(h, m, w.bytes, trees); err != nil {
		t.Fatal(err)
	}
	if h.ManifestBlocks() < 3 || len(trees) != 3 {
		t.Fatalf("a poor world: %d manifest blocks, %d trees", h.ManifestBlocks(), len(trees))
	}
	return w
}

// block is the bytes of Block i.
func (w *world) block(i Index) []byte {
	if n := w.Header().ManifestBlocks(); uint32(i) < n {
		p := make([]byte, w.BlockLen(i))
		if err := w.ReadManifest(i, 0, p); err != nil {
			panic(err)
		}
		return p
	}
	var p []byte
	for _, s := range w.Layout().Slices(nil, i) {
		whole := w.files[w.Manifest().Entries[s.Entry].Root]
		p = append(p, whole[s.Offset:s.Offset+uint64(s.Length)]...)
	}
	return p
}

// deliver sends Blocks in random order, each with the Proof for what r has announced, and fails unless r takes them.
func (w *world) deliver(t *testing.T, r *Content, order []Index, announced *Bitfield) {
	t.Helper()
	for _, i := range order {
		p := w.block(i)
		if len(p) != int(r.BlockLen(i)) {
			t.Fatalf("block %d: BlockLen %d, has %d", i, r.BlockLen(i), len(p))
		}
		proof, ok := w.Proof(nil, i, 0, uint32(len(p)), nil, announced)
		if !ok {
			t.Fatalf("no proof for block %d", i)
		}
		bad := bytes.Clone(p)
		bad[len(bad)/3] ^= 2
		if err := r.Verify(i, 0, bad, proof); !errors.Is(err, ErrBadBlock) || r.Check(i, bad) {
			t.Fatalf("a bad block %d was taken: %v", i, err)
		}
		if err := r.Verify(i, 0, p, proof); err != nil {
			t.Fatalf("block %d: %v", i, err)
		}
		if !r.Check(i, p) {
			t.Fatalf("block %d doesn't pass Check after Verify", i)
		}
		announced.Set(i)
	}
}

// shuffled is the Indexes [from, to) that are wanted, in random order.
func (w *world) shuffled(seed uint64, from, to uint32) (order []Index) {
	wanted := w.Layout().Wanted()
	for _, k := range rand.New(rand.NewPCG(seed, 0)).Perm(int(to - from)) {
		if i := Index(from + uint32(k)); wanted.Has(i) {
			order = append(order, i)
		}
	}
	return order
}
