package blocks

import (
	"bytes"
	"errors"
	"slices"
	"testing"
)

func TestReadManifest(t *testing.T) {
	w := newWorld(t)
	last := Index(w.Header().ManifestBlocks() - 1)
	n := w.BlockLen(last)
	p := make([]byte, 7)
	if err := w.ReadManifest(last, n-7, p); err != nil || !bytes.Equal(p, w.bytes[len(w.bytes)-7:]) {
		t.Errorf("the last 7 bytes: %q, %v", p, err)
	}
	for _, c := range []struct {
		i      Index
		offset uint32
	}{{last, n - 6}, {last, n + 1}, {last, ^uint32(0)}, {last + 1, 0}, {^Index(0), 0}} {
		if err := w.ReadManifest(c.i, c.offset, p); err == nil {
			t.Errorf("read 7 bytes of block %d at %d", c.i, c.offset)
		}
	}
	if err := NewContent(w.Header()).ReadManifest(0, 0, p); err == nil {
		t.Error("read what never came")
	}
}

// sendManifest gives r the Manifest that its Header names.
func sendManifest(t testing.TB, r *Content, manifest []byte) {
	t.Helper()
	blockSize := r.Header().BlockSize
	tree, _, err := BuildTree(bytes.NewReader(manifest), uint64(len(manifest)), blockSize, nil)
	if err != nil {
		t.Fatal(err)
	}
	i := Index(0)
	for p := range slices.Chunk(manifest, int(blockSize)) {
		proof, ok := tree.Proof(nil, uint32(i), 0, uint32(len(p)), p, nil)
		if !ok {
			t.Fatalf("no proof of manifest block %d", i)
		}
		if err := r.Verify(i, 0, p, proof); err != nil {
			t.Fatal(err)
		}
		i++
	}
}

func TestReceivedManifestIsServed(t *testing.T) {
	w := newWorld(t)
	r := NewContent(w.Header())
	sendManifest(t, r, w.bytes)
	if err := r.Open(); err != nil {
		t.Fatal(err)
	}
	for i := range Index(w.Header().ManifestBlocks()) {
		got, ok := r.Proof(nil, i, 0, r.BlockLen(i), nil, nil)
		want, _ := w.Proof(nil, i, 0, w.BlockLen(i), nil, nil)
		if !ok || !slices.Equal(got, want) || !r.Check(i, w.block(i)) {
			t.Errorf("manifest block %d can't be served", i)
		}
	}
}

func TestOpenRefusesWhatTheHeaderDenies(t *testing.T) {
	w := newWorld(t)
	for what, change := range map[string]func(h *Header){
		"blocks":  func(h *Header) { h.Blocks++ },
		"entries": func(h *Header) { h.Entries-- },
		"bytes":   func(h *Header) { h.Bytes++ },
		"a file":  func(h *Header) { h.Dir = false },
	} {
		h := w.Header()
		change(&h)
		r := NewContent(h)
		sendManifest(t, r, w.bytes)
		if err := r.Open(); !errors.Is(err, ErrManifest) || r.Layout() != nil {
			t.Errorf("other %s: %v", what, err)
		}
	}
	junk := noise(70_000, 1)
	h := w.Header()
	h.ManifestSize, h.ManifestRoot = uint64(len(junk)), Sum(junk)
	r := NewContent(h)
	sendManifest(t, r, junk)
	if err := r.Open(); !errors.Is(err, ErrManifest) {
		t.Errorf("junk with the right Root: %v", err)
	}
}

func TestSealContentRefusesPartsOfOthers(t *testing.T) {
	w := newWorld(t)
	trees := []*Tree{w.Tree(1), w.Tree(2), w.Tree(3)}
	other := w.Header()
	other.ManifestRoot[0] ^= 1
	more := w.Header()
	more.Blocks++
	for what, c := range map[string]struct {
		h     Header
		b     []byte
		trees []*Tree
	}{
		"another root":       {other, w.bytes, trees},
		"another layout":     {more, w.bytes, trees},
		"other bytes":        {w.Header(), w.bytes[1:], trees},
		"a tree too few":     {w.Header(), w.bytes, trees[:2]},
		"trees exchanged":    {w.Header(), w.bytes, []*Tree{w.Tree(2), w.Tree(1), w.Tree(3)}},
		"an incomplete tree": {w.Header(), w.bytes, []*Tree{trees[0], trees[1], trees[2].fresh()}},
	} {
		if _, err := SealContent(c.h, w.Manifest(), c.b, c.trees); err == nil {
			t.Errorf("%s: sealed", what)
		}
	}
}
