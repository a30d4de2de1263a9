package blocks

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"
)

// Errors of BuildTree.
var (
	ErrTooLong  = errors.New("longer than expected")
	ErrTooLarge = errors.New("too large for this block size") // more than MaxBlocks
)

const (
	// maxBuilders bounds BuildTree's memory on wide hosts. Reading is serial and moves about 8 times what a core hashes
	// only from the page cache, so that more hands would wait for it.
	maxBuilders = 8
	// smallStep is the buffer for a file of one Block: 100,000 small files must not cost a Block of memory each.
	smallStep = 4 * GroupSize
)

// BuildTree reads size bytes and returns the complete Tree (Root computed), and which Blocks are all zero (nil in a file of at
// most one Block: PROTOCOL 1.2 has none there). Blocks are hashed by up to GOMAXPROCS workers, each with one Block of memory;
// they take turns in r, of which a FileReader is best. progress, if not nil, is called with each Block's length, never concurrently. io.ErrUnexpectedEOF if r
// is short, ErrTooLong if longer, ErrTooLarge if the file has more than MaxBlocks.
func BuildTree(r io.Reader, size uint64, blockSize uint32, progress func(n int)) (*Tree, []Span, error) {
	if !validTree(size, blockSize) {
		return nil, nil, fmt.Errorf("hash %d bytes in blocks of %d: %w", size, blockSize, ErrTooLarge)
	}
	if progress == nil {
		progress = func(int) {}
	}
	b := builder{tree: NewTree(Root{}, size, blockSize), r: r, progress: progress}
	b.zeros = NewBitfield(b.tree.blocks)
	if b.tree.top() == 0 {
		b.buildOne()
	} else {
		b.buildMany()
	}
	if b.err == nil {
		b.err = atEnd(r)
	}
	if b.err != nil {
		return nil, nil, fmt.Errorf("hash: %w", b.err)
	}
	return b.tree, b.zeros.Spans(), nil
}

// atEnd tells whether r has nothing more to give.
func atEnd(r io.Reader) error {
	var more [1]byte
	switch _, err := io.ReadFull(r, more[:]); err {
	case io.EOF:
		return nil
	case nil:
		return ErrTooLong
	default:
		return err
	}
}

// skipper is a reader that can know of zeros without reading them.
type skipper interface {
	skipZeros(n int) bool // goes on behind the next n bytes if they are zero
}

// builder is one BuildTree.
type builder struct {
	tree     *Tree // whoever read Block i writes node (0, i)
	progress func(n int)

	mu sync.Mutex
	// Guarded by mu.
	r     io.Reader
	next  uint32 // Block that r is at
	zeros *Bitfield
	err   error // the first; ends all workers
}

// buildOne hashes a file of at most one Block, in small steps.
func (b *builder) buildOne() {
	t := b.tree
	var m merger
	buf := make([]byte, min(t.size, smallStep))
	for left := t.size; ; {
		p := buf[:min(left, uint64(len(buf)))]
		if b.err = readFull(b.r, p); b.err != nil {
			return
		}
		left -= uint64(len(p))
		for len(p) > GroupSize || len(p) == GroupSize && left > 0 {
			m.push((*[GroupSize]byte)(p))
			p = p[GroupSize:]
		}
		if left == 0 {
			t.root = Root(m.finish(p, true))
			break
		}
	}
	if t.size > 0 {
		b.progress(int(t.size))
	}
}

// readFull fills p; an end of r before that is io.ErrUnexpectedEOF.
func readFull(r io.Reader, p []byte) error {
	if _, err := io.ReadFull(r, p); err != io.EOF {
		return err
	}
	return io.ErrUnexpectedEOF
}

// buildMany hashes a file of several Blocks.
func (b *builder) buildMany() {
	t := b.tree
	for l := range t.levels {
		t.levels[l] = level{known: NewBitfield(t.width(l))}
		t.levels[l].known.SetSpan(Span{Count: t.width(l)})
	}
	t.levels[0].cvs = make([]CV, t.blocks)
	var wg sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), maxBuilders, int(t.blocks)) {
		wg.Go(b.work)
	}
	wg.Wait()
	if b.err != nil {
		return
	}
	for l := range t.top() - 1 {
		t.levels[l+1].cvs = foldRow(t.levels[l].cvs, false)
	}
	last := t.levels[t.top()-1].cvs
	t.root = Root(parentCV(&last[0], &last[1], true))
}

// work reads and hashes Blocks until none is left.
func (b *builder) work() {
	buf := make([]byte, b.tree.blockSize)
	for {
		block, p, ok := b.read(buf)
		if !ok {
			return
		}
		cv, zero := b.hash(block, p)
		b.tree.levels[0].cvs[block] = cv
		if zero {
			b.mu.Lock()
			b.zeros.Set(Index(block))
			b.mu.Unlock()
		}
	}
}

// hash gives a Block's value, and tells whether it is all zero, as it is if p is nil.
func (b *builder) hash(block uint32, p []byte) (cv CV, zero bool) {
	at := uint64(block) * uint64(b.tree.blockSize)
	if p == nil {
		return hashZeros(b.tree.blockLen(block), at), true
	}
	return hashSubtree(p, at, false), allZero(p)
}

// read takes the next Block from r, nil for zeros that weren't read; false if there is none or a worker met an error.
func (b *builder) read(buf []byte) (block uint32, p []byte, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err != nil || b.next == b.tree.blocks {
		return 0, nil, false
	}
	block = b.next
	size := int(b.tree.blockLen(block))
	if s, ok := b.r.(skipper); !ok || !s.skipZeros(size) {
		p = buf[:size]
		if b.err = readFull(b.r, p); b.err != nil {
			return 0, nil, false
		}
	}
	b.next++
	b.progress(size)
	return block, p, true
}

// allZero compares p, which isn't empty, with itself moved by a byte: at the speed of memory for zeros, and at once for
// nearly all else.
func allZero(p []byte) bool {
	return p[0] == 0 && bytes.Equal(p[1:], p[:len(p)-1])
}
