package blocks

import (
	"fmt"
	"math/bits"
)

// cut is a slice of a Block seen as a node of the tree inside the Block, whose leaves are groups.
type cut struct {
	groups uint32 // of the Block
	level  int    // 0: a group; of several levels on which the node stands the lowest
	index  uint32 // among the nodes of its level in the Block
}

// width is the number of nodes of a level inside the Block: 1 from the Block's own node upward.
func (c cut) width(level int) uint32 { return (c.groups-1)>>level + 1 }

// cutOf tells which node of a Block the slice is; false if it is none. Node means the whole Block, or a power of two of at
// least GroupSize at a multiple of itself, cut short only by the end of a short Block.
func cutOf(blockLen, offset, length uint32) (cut, bool) {
	if length == 0 || offset > blockLen || length > blockLen-offset {
		return cut{}, false
	}
	groups := (blockLen-1)/GroupSize + 1
	if length == blockLen {
		return cut{groups: groups, level: bits.Len32(groups - 1)}, true
	}
	level := bits.Len32((length - 1) / GroupSize)
	width := uint32(GroupSize) << level
	if offset%width != 0 || length != width && length != blockLen-offset {
		return cut{}, false
	}
	return cut{groups: groups, level: level, index: offset / width}, true
}

// siblings is the number of CVs between the slice and its Block's own node.
func (c cut) siblings() int {
	n := 0
	for level, i := c.level, c.index; c.width(level) > 1; level, i = level+1, i/2 {
		if i^1 < c.width(level) {
			n++
		}
	}
	return n
}

// siblings is the number of CVs between a Block's node and its ancestor on a level.
func (t *Tree) siblings(block uint32, upTo int) int {
	n := 0
	for level := range upTo {
		if block>>level^1 < t.width(level) {
			n++
		}
	}
	return n
}

// Verify checks a slice (offset, data) of a Block with its Proof up to the first verified node, and keeps the nodes it learns:
// the path from the Block upward and the path's siblings. CVs above the first verified node are not looked at. Errors wrap
// ErrBadBlock: wrong bytes, a short Proof, one that would lead beyond the Root, or a slice that is no node.
func (t *Tree) Verify(block, offset uint32, data []byte, proof []CV) error {
	m := t.merger(block, offset)
	return t.verify(&m, block, offset, data, proof)
}

// merger begins to hash a slice of a Block.
func (t *Tree) merger(block, offset uint32) merger {
	return merger{first: (uint64(block)*uint64(t.blockSize) + uint64(offset)) / ChunkSize}
}

// verify is Verify where some of data may have been pushed to m.
func (t *Tree) verify(m *merger, block, offset uint32, data []byte, proof []CV) error {
	if block >= t.blocks || len(data) > int(t.blockSize) {
		return fmt.Errorf("verify block %d of %d: %d bytes at %d: %w", block, t.blocks, len(data), offset, ErrBadBlock)
	}
	c, ok := cutOf(t.blockLen(block), offset, uint32(len(data)))
	if !ok {
		return fmt.Errorf("verify block %d: a slice of %d bytes at %d: %w", block, len(data), offset, ErrBadBlock)
	}
	stop, want := t.lowestKnown(block)
	inner := c.siblings()
	least, most := inner+t.siblings(block, stop), inner+t.siblings(block, t.top())
	if len(proof) < least || len(proof) > most {
		return fmt.Errorf("verify block %d: a proof of %d nodes, not %d to %d: %w", block, len(proof), least, most, ErrBadBlock)
	}
	whole := len(data) == int(t.blockLen(block))
	cv := m.rest(data, whole && t.top() == 0)
	cv = c.climb(cv, proof[:inner], t.top() == 0)
	if !t.climb(block, cv, proof[inner:least], stop, want) {
		return fmt.Errorf("verify block %d: %w", block, ErrBadBlock)
	}
	return nil
}

// lowestKnown finds the first verified node on a Block's path.
func (t *Tree) lowestKnown(block uint32) (level int, cv CV) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	for level = range t.top() {
		if cv, ok := t.node(level, block>>level); ok {
			return level, cv
		}
	}
	return t.top(), CV(t.root)
}

// climb leads from the slice's value to its Block's. top says that the Block is the whole file.
func (c cut) climb(cv CV, proof []CV, top bool) CV {
	for level, i := c.level, c.index; c.width(level) > 1; level, i = level+1, i/2 {
		if i^1 < c.width(level) {
			cv = parentOf(i, &cv, &proof[0], top && c.width(level+1) == 1)
			proof = proof[1:]
		}
	}
	return cv
}

// parentOf is parentCV of node i and its sibling.
func parentOf(i uint32, cv, sibling *CV, top bool) CV {
	if i%2 == 0 {
		return parentCV(cv, sibling, top)
	}
	return parentCV(sibling, cv, top)
}

// climb leads from a Block's value to its ancestor on level stop, compares that with want, and on success keeps what it passed.
func (t *Tree) climb(block uint32, cv CV, proof []CV, stop int, want CV) bool {
	var path, sibling [maxLevels]CV
	for level := range stop {
		path[level] = cv
		if i := block >> level; i^1 < t.width(level) {
			sibling[level] = proof[0]
			proof = proof[1:]
			cv = parentOf(i, &cv, &sibling[level], level+1 == t.top())
		}
	}
	if cv != want {
		return false
	}
	if stop == 0 {
		return true
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for level := range stop {
		i := block >> level
		t.keep(level, i, &path[level])
		if i^1 < t.width(level) {
			t.keep(level, i^1, &sibling[level])
		}
	}
	return true
}

// Check hashes a whole Block and compares it with the verified level 0 node: false if it differs or the node isn't known.
func (t *Tree) Check(block uint32, data []byte) bool {
	if block >= t.blocks || len(data) != int(t.blockLen(block)) {
		return false
	}
	t.mu.RLock()
	want, ok := t.node(0, block)
	t.mu.RUnlock()
	return ok && hashSubtree(data, uint64(block)*uint64(t.blockSize), t.top() == 0) == want
}
