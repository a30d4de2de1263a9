package blocks

import (
	"errors"
	"fmt"
	"math/bits"
	"sync"
)

// ErrBadBlock marks bytes, a Proof or nodes that don't verify.
var ErrBadBlock = errors.New("does not verify")

// Tree is the BLAKE3 tree of one file above its Blocks (PROTOCOL 1.5). It holds verified nodes only: 64 bytes of memory a
// Block once any is kept. Safe for concurrent use; nothing is hashed under its lock.
type Tree struct {
	root      Root
	size      uint64
	blockSize uint32
	blocks    uint32 // ceil(size/blockSize): 0 for an empty file

	mu sync.RWMutex
	// Guarded by mu. The levels below the top; the top is root. Invariants: with a node its sibling and all its ancestors
	// are known; a node that stands on several levels for want of a sibling is known on all of them.
	levels []level
}

// level is one row of nodes.
type level struct {
	cvs   []CV      // nil until the first is kept
	known *Bitfield // over cvs
}

// maxLevels is the number of levels below the top of a file of MaxBlocks.
const maxLevels = 24

// NewTree returns the Tree of a file of which only the Root is known. blockSize must be a power of two from MinBlockSize to
// MaxBlockSize and the file at most MaxBlocks long, as in every Layout: NewTree panics otherwise.
func NewTree(root Root, size uint64, blockSize uint32) *Tree {
	if !validTree(size, blockSize) {
		panic(fmt.Sprintf("blocks: a Tree of %d bytes in Blocks of %d", size, blockSize))
	}
	t := &Tree{root: root, size: size, blockSize: blockSize}
	t.blocks = uint32((size + uint64(blockSize) - 1) / uint64(blockSize))
	t.levels = make([]level, t.top())
	return t
}

// validTree tells whether a file can have a Tree.
func validTree(size uint64, blockSize uint32) bool {
	return blockSize >= MinBlockSize && blockSize <= MaxBlockSize && bits.OnesCount32(blockSize) == 1 &&
		size <= MaxBlocks*uint64(blockSize)
}

// Root is the file's Root.
func (t *Tree) Root() Root { return t.root }

// Size is the file's length in bytes.
func (t *Tree) Size() uint64 { return t.size }

// top is the level of the Root.
func (t *Tree) top() int {
	if t.blocks == 0 {
		return 0
	}
	return bits.Len32(t.blocks - 1)
}

// width is the number of nodes of a level up to the top.
func (t *Tree) width(level int) uint32 {
	if t.blocks == 0 {
		return 1
	}
	return (t.blocks-1)>>level + 1
}

// blockLen is the length in bytes of a Block of this file.
func (t *Tree) blockLen(block uint32) uint32 {
	return uint32(min(t.size-uint64(block)*uint64(t.blockSize), uint64(t.blockSize)))
}

// span is the run of this file's Blocks that node (level, i) covers.
func (t *Tree) span(level int, i uint32) Span {
	first := i << level
	return Span{First: first, Count: min(t.blocks-first, 1<<level)}
}

// Complete tells whether every node is known.
func (t *Tree) Complete() bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.top() == 0 || t.levels[0].known != nil && t.levels[0].known.Count() == t.blocks
}

// node returns a known node. The caller holds mu.
func (t *Tree) node(level int, i uint32) (CV, bool) {
	if level == t.top() {
		return CV(t.root), i == 0
	}
	l := &t.levels[level]
	if l.known == nil || !l.known.Has(Index(i)) {
		return CV{}, false
	}
	return l.cvs[i], true
}

// keep adds a verified node below the top, on every level on which it stands. The caller holds mu, and keeps the invariants
// by keeping the node's sibling before it unlocks.
func (t *Tree) keep(level int, i uint32, cv *CV) {
	for level > 0 && 2*i+1 >= t.width(level-1) {
		level, i = level-1, 2*i
	}
	for ; level < t.top(); level, i = level+1, i/2 {
		l := &t.levels[level]
		if l.cvs == nil {
			l.cvs, l.known = make([]CV, t.width(level)), NewBitfield(t.width(level))
		}
		if l.known.Set(Index(i)) {
			l.cvs[i] = *cv
		}
		if i%2 == 1 || i+1 < t.width(level) {
			return
		}
	}
}
