package blocks

// Proof appends to dst the Proof for a slice of a Block, at most MaxProof CVs, and returns dst as it was and false if the
// slice is none or a needed node isn't known. announced tells whether the receiver has announced any Block of a run of this
// file (nil: none); it may be called several times, without a lock. For a slice smaller than the Block, whole holds the
// Block's bytes; they aren't checked, a Proof from wrong ones is simply wrong.
func (t *Tree) Proof(dst []CV, block, offset, length uint32, whole []byte, announced func(s Span) bool) ([]CV, bool) {
	if block >= t.blocks {
		return dst, false
	}
	blockLen := t.blockLen(block)
	c, ok := cutOf(blockLen, offset, length)
	if !ok || length < blockLen && len(whole) != int(blockLen) {
		return dst, false
	}
	base := len(dst)
	dst = c.proof(dst, whole, uint64(block)*uint64(t.blockSize))
	stop := t.proofEnd(block, announced)

	t.mu.RLock()
	defer t.mu.RUnlock()
	for level := range stop {
		i := block>>level ^ 1
		if i >= t.width(level) {
			continue
		}
		cv, ok := t.node(level, i)
		if !ok {
			return dst[:base], false
		}
		dst = append(dst, cv)
	}
	return dst, true
}

// proof appends the siblings between the slice and its Block's node, from the Block's bytes; start is the Block's place in
// the file.
func (c cut) proof(dst []CV, whole []byte, start uint64) []CV {
	for level, i := c.level, c.index; c.width(level) > 1; level, i = level+1, i/2 {
		if i^1 < c.width(level) {
			width := GroupSize << level
			first := int(i^1) * width
			dst = append(dst, hashSubtree(whole[first:min(first+width, len(whole))], start+uint64(first), false))
		}
	}
	return dst
}

// proofEnd is the first level of which a Proof lists no sibling. The level above holds the lowest ancestor of the Block with
// an announced Block below it: the receiver knows both that ancestor's children.
func (t *Tree) proofEnd(block uint32, announced func(s Span) bool) int {
	if announced == nil {
		return t.top()
	}
	if announced(Span{First: block, Count: 1}) {
		return 0
	}
	for level := range t.top() {
		i := block>>level ^ 1
		if i < t.width(level) && announced(t.span(level, i)) {
			return level
		}
	}
	return t.top()
}
