package blocks

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
)

// Content is what a process knows of what its swarm sends: the Header at first, then the Manifest's Blocks, then Layout
// and Trees. Safe for concurrent use; nothing is hashed under its lock.
type Content struct {
	header Header
	id     Root
	tree   *Tree // the Manifest's
	opened atomic.Pointer[opened]

	mu sync.RWMutex
	// Guarded by mu.
	manifest []byte    // whole length once the first Block is kept; constant once have is full
	have     *Bitfield // Manifest Blocks in manifest
}

// opened is what Open makes. Immutable (Trees have their own lock).
type opened struct {
	manifest *Manifest
	layout   *Layout
	trees    []*Tree // of layout.Larges()
}

// Errors of Content.
var (
	errNoBlock    = errors.New("no such block, or not yet")
	errIncomplete = errors.New("manifest is not complete")
	errNotHeld    = errors.New("manifest block is not held")
	errSeal       = errors.New("parts don't belong together")
)

// NewContent is a receiver's start: only the Header, which must be valid.
func NewContent(h Header) *Content {
	return &Content{
		header: h,
		id:     h.ID(),
		tree:   NewTree(h.ManifestRoot, h.ManifestSize, h.BlockSize),
		have:   NewBitfield(h.ManifestBlocks()),
	}
}

// SealContent is a seed's: all is known. trees[k] belongs to Layout.Larges()[k] and is complete. manifest, the bytes of m, is
// kept, not copied. An error means that the parts contradict each other.
func SealContent(h Header, m *Manifest, manifest []byte, trees []*Tree) (*Content, error) {
	c := NewContent(h)
	tree, _, err := BuildTree(bytes.NewReader(manifest), h.ManifestSize, h.BlockSize, nil)
	if err != nil {
		return nil, fmt.Errorf("seal the manifest: %w", err)
	}
	if tree.Root() != h.ManifestRoot {
		return nil, fmt.Errorf("seal the manifest: its root: %w", errSeal)
	}
	o, err := c.open(m)
	if err != nil {
		return nil, fmt.Errorf("seal the manifest: %w", err)
	}
	if len(trees) != len(o.trees) {
		return nil, fmt.Errorf("seal %d trees for %d files: %w", len(trees), len(o.trees), errSeal)
	}
	for k, t := range trees {
		want := o.trees[k]
		if t.Root() != want.Root() || t.Size() != want.Size() || t.blockSize != want.blockSize || !t.Complete() {
			return nil, fmt.Errorf("seal tree %d: %w", k, errSeal)
		}
	}
	o.trees = trees
	c.tree, c.manifest = tree, manifest
	c.have.SetSpan(Span{Count: c.have.Len()})
	c.opened.Store(o)
	return c, nil
}

// Header is the Header.
func (c *Content) Header() Header { return c.header }

// ID is the swarm's name.
func (c *Content) ID() Root { return c.id }

// Manifest is nil until Open. Read only.
func (c *Content) Manifest() *Manifest {
	if o := c.opened.Load(); o != nil {
		return o.manifest
	}
	return nil
}

// Layout is nil until Open.
func (c *Content) Layout() *Layout {
	if o := c.opened.Load(); o != nil {
		return o.layout
	}
	return nil
}

// Tree returns a Tree by TREE's numbering: 0 is the Manifest's, k that of the k-th large file. Nil if there is none, or none
// until Open.
func (c *Content) Tree(file uint32) *Tree {
	if file == 0 {
		return c.tree
	}
	if o := c.opened.Load(); o != nil && uint64(file) <= uint64(len(o.trees)) {
		return o.trees[file-1]
	}
	return nil
}

// BlockLen is the length in bytes of Block i as far as known; 0 if not yet or out of range.
func (c *Content) BlockLen(i Index) uint32 {
	if uint32(i) < c.header.ManifestBlocks() {
		return c.header.ManifestLen(i)
	}
	if o := c.opened.Load(); o != nil {
		return o.layout.Len(i)
	}
	return 0
}

// ReadManifest copies bytes [offset, offset+len(p)) of Manifest Block i; an error if it isn't held or isn't that long.
func (c *Content) ReadManifest(i Index, offset uint32, p []byte) error {
	length := c.header.ManifestLen(i)
	if uint32(i) >= c.header.ManifestBlocks() || offset > length || len(p) > int(length-offset) {
		return fmt.Errorf("read manifest block %d, %d bytes at %d: %w", i, len(p), offset, errNoBlock)
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	if !c.have.Has(i) {
		return fmt.Errorf("read manifest block %d: %w", i, errNotHeld)
	}
	copy(p, c.manifest[uint64(i)*uint64(c.header.BlockSize)+uint64(offset):])
	return nil
}

// keepManifest keeps a verified whole Manifest Block.
func (c *Content) keepManifest(i Index, p []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.have.Has(i) {
		return
	}
	if c.manifest == nil {
		c.manifest = make([]byte, c.header.ManifestSize)
	}
	copy(c.manifest[uint64(i)*uint64(c.header.BlockSize):], p)
	c.have.Set(i)
}

// ManifestComplete tells whether every Manifest Block has been verified.
func (c *Content) ManifestComplete() bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.have.Count() == c.have.Len()
}

// ManifestBytes is the whole Manifest, nil until ManifestComplete. Read only.
func (c *Content) ManifestBytes() []byte {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if c.have.Count() < c.have.Len() {
		return nil
	}
	return c.manifest
}

// Open parses the complete Manifest and makes Layout and Trees; done before, it does nothing. Errors of a Manifest that must
// not be followed wrap ErrManifest.
func (c *Content) Open() error {
	if c.opened.Load() != nil {
		return nil
	}
	b := c.ManifestBytes()
	if b == nil {
		return fmt.Errorf("open: %w", errIncomplete)
	}
	m, err := ParseManifest(c.header, b)
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	o, err := c.open(m)
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	c.opened.CompareAndSwap(nil, o)
	return nil
}

// open makes Layout and Trees. Errors wrap ErrManifest.
func (c *Content) open(m *Manifest) (*opened, error) {
	l, err := NewLayout(m, c.header.BlockSize, c.header.ManifestBlocks())
	if err != nil {
		return nil, fmt.Errorf("lay out: %w", err)
	}
	if err := l.Agrees(c.header); err != nil {
		return nil, fmt.Errorf("lay out: %w", err)
	}
	o := &opened{manifest: m, layout: l, trees: make([]*Tree, 0, len(l.Larges()))}
	for _, large := range l.Larges() {
		e := &m.Entries[large.Entry]
		o.trees = append(o.trees, NewTree(e.Root, e.Size, c.header.BlockSize))
	}
	return o, nil
}
