package blocks

import "sort"

// Slice is a part of one file: what a Block holds of it.
type Slice struct {
	Entry  int    // number in Manifest.Entries
	Offset uint64 // in the file, bytes
	Length uint32 // bytes
}

// Layout is the arithmetic between Index and Entries. Immutable; safe for concurrent use.
//
// The space is [0, firstLarge) the Manifest, [firstLarge, firstPacked) the large files, [firstPacked, Blocks) the packed
// Blocks. Nothing is kept per Block of a large file, 4 bytes per Entry and per small file, 8 per packed Block; questions are
// answered by binary search.
type Layout struct {
	entries     []Entry // the Manifest's, read only
	blockSize   uint32
	original    []int32 // per Entry: the one laid out for it, -1 without bytes
	firstLarge  uint32
	firstPacked uint32
	larges      []Large  // by First, and so by Entry
	small       []uint32 // Entries that are laid out in packed Blocks, increasing
	packs       []pack   // per packed Block
}

// Large describes a laid-out file longer than a block. Number in TREE: 1 + its place in Larges().
type Large struct {
	Entry  int
	First  Index
	Blocks uint32
}

// pack is a packed Block: small[first:], up to the next pack's.
type pack struct {
	first  uint32
	length uint32 // bytes
}

// NewLayout makes the Layout of m, which has passed Check for this block size and isn't changed any more. manifestBlocks is
// where content begins. Errors (more than MaxBlocks) wrap ErrManifest.
func NewLayout(m *Manifest, blockSize, manifestBlocks uint32) (*Layout, error) {
	switch {
	case !validBlockSize(blockSize):
		return nil, refuseManifest("block size of %d bytes", blockSize)
	case manifestBlocks > MaxBlocks:
		return nil, refuseManifest("manifest of %d blocks, at most %d", manifestBlocks, MaxBlocks)
	case len(m.Entries) > MaxEntries:
		return nil, refuseManifest("%d entries", len(m.Entries))
	}
	l := &Layout{
		entries:     m.Entries,
		blockSize:   blockSize,
		original:    originals(m.Entries),
		firstLarge:  manifestBlocks,
		firstPacked: manifestBlocks,
	}
	small, err := l.placeLarge()
	if err != nil {
		return nil, err
	}
	if err := l.packSmall(small); err != nil {
		return nil, err
	}
	return l, nil
}

// placeLarge gives every large file its Blocks and counts the small ones.
func (l *Layout) placeLarge() (small int, err error) {
	for i, o := range l.original {
		if int(o) != i {
			continue
		}
		e := &l.entries[i]
		n := blocksOf(e.Size, l.blockSize)
		if n <= 1 {
			small++
			continue
		}
		if n > uint64(MaxBlocks-l.firstPacked) {
			return 0, refuse(e.Path, "more than %d blocks up to here", MaxBlocks)
		}
		l.larges = append(l.larges, Large{Entry: i, First: Index(l.firstPacked), Blocks: uint32(n)})
		l.firstPacked += uint32(n)
	}
	return small, nil
}

// packSmall fills packed Blocks with n whole files, next-fit: only the last Block is open.
func (l *Layout) packSmall(n int) error {
	l.small = make([]uint32, 0, n)
	room := uint32(0)
	for i, o := range l.original {
		if int(o) != i || l.entries[i].Size > uint64(l.blockSize) {
			continue
		}
		size := uint32(l.entries[i].Size)
		if size > room {
			if l.Blocks() == MaxBlocks {
				return refuse(l.entries[i].Path, "more than %d blocks up to here", MaxBlocks)
			}
			l.packs = append(l.packs, pack{first: uint32(len(l.small))})
			room = l.blockSize
		}
		l.small = append(l.small, uint32(i))
		l.packs[len(l.packs)-1].length += size
		room -= size
	}
	return nil
}

// Blocks is the number of Blocks in the whole space, zero Blocks and the Manifest's included.
func (l *Layout) Blocks() uint32 { return l.firstPacked + uint32(len(l.packs)) }

// Agrees tells whether the Header says the same: nil, or an error that wraps ErrManifest.
func (l *Layout) Agrees(h Header) error {
	switch {
	case l.blockSize != h.BlockSize:
		return refuseManifest("blocks of %d bytes, the header says %d", l.blockSize, h.BlockSize)
	case l.firstLarge != h.ManifestBlocks():
		return refuseManifest("content from block %d, the header says %d", l.firstLarge, h.ManifestBlocks())
	case l.Blocks() != h.Blocks:
		return refuseManifest("%d blocks, the header says %d", l.Blocks(), h.Blocks)
	}
	return nil
}

// Wanted is what a receiver fetches: every Block (the Manifest's too) that is not zero. A fresh copy.
func (l *Layout) Wanted() *Bitfield {
	f := NewBitfield(l.Blocks())
	f.SetSpan(Span{First: 0, Count: l.Blocks()})
	for _, g := range l.larges {
		for _, z := range l.entries[g.Entry].Zeros {
			f.ClearSpan(Span{First: uint32(g.First) + z.First, Count: z.Count})
		}
	}
	return f
}

// Len is the length of Block i in bytes, 0 outside the space and for the Manifest's.
func (l *Layout) Len(i Index) uint32 {
	if k, block, ok := l.LargeOf(i); ok {
		return l.largeLen(l.larges[k], block)
	}
	if p, ok := l.packOf(i); ok {
		return l.packs[p].length
	}
	return 0
}

// Slices appends to dst what Block i holds (one Slice of a large file, or whole packed files); nothing for the Manifest's.
func (l *Layout) Slices(dst []Slice, i Index) []Slice {
	if k, block, ok := l.LargeOf(i); ok {
		g := l.larges[k]
		return append(dst, Slice{
			Entry:  g.Entry,
			Offset: uint64(block) * uint64(l.blockSize),
			Length: l.largeLen(g, block),
		})
	}
	p, ok := l.packOf(i)
	if !ok {
		return dst
	}
	end := uint32(len(l.small))
	if p+1 < len(l.packs) {
		end = l.packs[p+1].first
	}
	for _, e := range l.small[l.packs[p].first:end] {
		dst = append(dst, Slice{Entry: int(e), Length: uint32(l.entries[e].Size)})
	}
	return dst
}

// Larges lists the large files in Index order. Read only.
func (l *Layout) Larges() []Large { return l.larges }

// LargeOf tells which large file (place in Larges) Block i belongs to, and its number in that file.
func (l *Layout) LargeOf(i Index) (large int, block uint32, ok bool) {
	if uint32(i) < l.firstLarge || uint32(i) >= l.firstPacked {
		return 0, 0, false
	}
	k := sort.Search(len(l.larges), func(k int) bool { return l.larges[k].First > i }) - 1
	return k, uint32(i - l.larges[k].First), true
}

// Original is the Entry that is laid out for Entry e's content: itself, or an earlier one with the same Root; -1 if e owns no
// bytes or isn't one.
func (l *Layout) Original(e int) int {
	if e < 0 || e >= len(l.original) {
		return -1
	}
	return int(l.original[e])
}

// SpanOf is the run of Blocks that hold file Entry e's bytes (of its Original); Count 0 for one without bytes.
func (l *Layout) SpanOf(e int) Span {
	o := l.Original(e)
	if o < 0 {
		return Span{}
	}
	if l.entries[o].Size > uint64(l.blockSize) {
		k := sort.Search(len(l.larges), func(k int) bool { return l.larges[k].Entry >= o })
		return Span{First: uint32(l.larges[k].First), Count: l.larges[k].Blocks}
	}
	at := sort.Search(len(l.small), func(s int) bool { return int(l.small[s]) >= o })
	p := sort.Search(len(l.packs), func(p int) bool { return int(l.packs[p].first) > at }) - 1
	return Span{First: l.firstPacked + uint32(p), Count: 1}
}

// packOf tells which packed Block i is.
func (l *Layout) packOf(i Index) (p int, ok bool) {
	if uint32(i) < l.firstPacked || uint32(i) >= l.Blocks() {
		return 0, false
	}
	return int(uint32(i) - l.firstPacked), true
}

// largeLen is the length of a Block of a large file, in bytes: only its last may be short.
func (l *Layout) largeLen(g Large, block uint32) uint32 {
	return uint32(min(uint64(l.blockSize), l.entries[g.Entry].Size-uint64(block)*uint64(l.blockSize)))
}
