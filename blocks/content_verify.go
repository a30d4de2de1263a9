package blocks

import "fmt"

// place is what Block i is: of a file with a Tree (the Manifest's or a large one's) and its number there, or packed.
type place struct {
	tree   *Tree // nil: packed
	block  uint32
	first  Index // the file's first Block
	opened *opened
}

// place finds Block i; false if there is none, or none until Open.
func (c *Content) place(i Index) (place, bool) {
	if uint32(i) < c.header.ManifestBlocks() {
		return place{tree: c.tree, block: uint32(i)}, true
	}
	o := c.opened.Load()
	if o == nil || uint32(i) >= o.layout.Blocks() {
		return place{}, false
	}
	large, block, ok := o.layout.LargeOf(i)
	if !ok {
		return place{opened: o}, true
	}
	return place{tree: o.trees[large], block: block, first: i - Index(block), opened: o}, true
}

// Hasher hashes a slice of a Block while it arrives, when its bytes are still in the cache. Not safe for concurrent use.
type Hasher struct {
	m    merger
	tree *Tree // nil: a packed Block, whose files are hashed when it is whole
}

// Hasher begins a slice of Block i.
func (c *Content) Hasher(i Index, offset uint32) Hasher {
	at, ok := c.place(i)
	if !ok || at.tree == nil {
		return Hasher{}
	}
	return Hasher{at.tree.merger(at.block, offset), at.tree}
}

// Hash takes all of the slice's bytes that have come so far, at most a Block's. What was hashed before isn't looked at again.
func (h *Hasher) Hash(data []byte) {
	if h.tree != nil {
		h.m.upto(data)
	}
}

// Verify checks a slice of any Block: of the Manifest and large files by Tree, packed Blocks (whole and without Proof only) by
// their files' Roots. A verified whole Manifest Block is kept. Errors wrap ErrBadBlock.
func (c *Content) Verify(i Index, offset uint32, data []byte, proof []CV) error {
	h := c.Hasher(i, offset)
	return c.VerifyHashed(&h, i, offset, data, proof)
}

// VerifyHashed is Verify of a slice of which h, begun for the same slice, has hashed some.
func (c *Content) VerifyHashed(h *Hasher, i Index, offset uint32, data []byte, proof []CV) error {
	at, ok := c.place(i)
	if !ok {
		return fmt.Errorf("verify block %d: %w: %w", i, errNoBlock, ErrBadBlock)
	}
	if at.tree == nil {
		if offset != 0 || len(proof) != 0 || !at.opened.checkPacked(i, data) {
			return fmt.Errorf("verify packed block %d, %d bytes at %d: %w", i, len(data), offset, ErrBadBlock)
		}
		return nil
	}
	if h.tree != at.tree { // begun before Open
		*h = c.Hasher(i, offset)
	}
	if err := at.tree.verify(&h.m, at.block, offset, data, proof); err != nil {
		return fmt.Errorf("verify index %d: %w", i, err)
	}
	if at.tree == c.tree && len(data) == int(c.header.ManifestLen(i)) {
		c.keepManifest(i, data)
	}
	return nil
}

// Check hashes a whole Block against what is already known (no Proof): true if it is right. A right Manifest Block is kept:
// that is how one that came in slices, each verified, is handed over.
func (c *Content) Check(i Index, data []byte) bool {
	at, ok := c.place(i)
	if !ok {
		return false
	}
	if at.tree == nil {
		return at.opened.checkPacked(i, data)
	}
	if !at.tree.Check(at.block, data) {
		return false
	}
	if at.tree == c.tree {
		c.keepManifest(i, data)
	}
	return true
}

// checkPacked hashes the files of a whole packed Block and compares them with their Roots.
func (o *opened) checkPacked(i Index, data []byte) bool {
	if len(data) == 0 || len(data) != int(o.layout.Len(i)) {
		return false
	}
	var few [64]Slice
	for _, s := range o.layout.Slices(few[:0], i) {
		if Root(hashSubtree(data[:s.Length], 0, true)) != o.manifest.Entries[s.Entry].Root {
			return false
		}
		data = data[s.Length:]
	}
	return true
}

// Proof appends the Proof of a slice; announced is the receiver's Bitfield over the whole space (may be nil), which must not
// change meanwhile. whole is as in Tree.Proof. A packed Block, which is whole, has an empty one. False if the slice is none
// or a needed node isn't known.
func (c *Content) Proof(dst []CV, i Index, offset, length uint32, whole []byte, announced *Bitfield) ([]CV, bool) {
	at, ok := c.place(i)
	if !ok {
		return dst, false
	}
	if at.tree == nil {
		return dst, offset == 0 && length == at.opened.layout.Len(i)
	}
	if announced == nil || announced.Count() == 0 {
		return at.tree.Proof(dst, at.block, offset, length, whole, nil)
	}
	return at.tree.Proof(dst, at.block, offset, length, whole, func(s Span) bool {
		return announced.AnyIn(Span{First: uint32(at.first) + s.First, Count: s.Count})
	})
}
