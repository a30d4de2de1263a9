package blocks

import (
	"bytes"
	"cmp"
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
	// fileStep is how much of a file a worker reads and hashes at a time.
	fileStep = 128 << 10
)

// BuildTree reads size bytes and returns the complete Tree (Root computed), and which Blocks are all zero (nil in a file of at
// most one Block: PROTOCOL 1.2 has none there). Blocks are hashed by at most a worker for each core, each with at most a
// Block of memory; they take turns in r, but read a FileReader at a time. progress, if not nil, is called with each Block's length, never concurrently. io.ErrUnexpectedEOF if r
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

// directReader is a reader whose bytes can be read where they lie. BuildTree's workers then read at a time, in steps that are still in a
// core's cache when they are hashed.
type directReader interface {
	pass(n int) (zeros bool)          // goes on behind the next n bytes; tells whether they are known to be zero
	readAt(p []byte, off int64) error // safe for concurrent use
}

// builder is one BuildTree.
type builder struct {
	tree     *Tree // whoever read Block i writes node (0, i)
	progress func(n int)

	mu sync.Mutex
	// Guarded by mu.
	r     io.Reader
	at    uint32 // Block that r is at
	zeros *Bitfield
	err   error // the first; ends all workers
}

// buildOne hashes a file of at most one Block, in small steps.
func (b *builder) buildOne() {
	t := b.tree
	buf := make([]byte, min(t.size, smallStep))
	cv, _, err := hashSteps(merger{}, t.size, buf, t.top() == 0, func(p []byte) error { return readFull(b.r, p) })
	if b.err = err; err != nil {
		return
	}
	t.root = Root(cv)
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
	for range min(runtime.NumCPU(), maxBuilders, int(t.blocks)) {
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

// work hashes Blocks until none is left.
func (b *builder) work() {
	file, _ := b.r.(directReader)
	size := b.tree.blockSize
	if file != nil {
		size = min(size, fileStep)
	}
	buf := make([]byte, size)
	for {
		block, p, ok := b.next(buf, file)
		if !ok {
			return
		}
		cv, zero, err := b.hash(block, p, file)
		b.tree.levels[0].cvs[block] = cv
		if zero || err != nil {
			b.mu.Lock()
			b.err = cmp.Or(b.err, err)
			if zero {
				b.zeros.Set(Index(block))
			}
			b.mu.Unlock()
		}
	}
}

// next takes the next Block, and reads it unless it lies in a file: then p is the buffer to read it by, nil if it is zero. False if
// there is none or a worker met an error.
func (b *builder) next(buf []byte, file directReader) (block uint32, p []byte, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err != nil || b.at == b.tree.blocks {
		return 0, nil, false
	}
	block = b.at
	size := int(b.tree.blockLen(block))
	switch {
	case file == nil:
		p = buf[:size]
		if b.err = readFull(b.r, p); b.err != nil {
			return 0, nil, false
		}
	case !file.pass(size):
		p = buf
	}
	b.at++
	b.progress(size)
	return block, p, true
}

// hash gives the value of a Block that next took, and tells whether it is all zero.
func (b *builder) hash(block uint32, p []byte, file directReader) (cv CV, zero bool, err error) {
	at := uint64(block) * uint64(b.tree.blockSize)
	switch {
	case p == nil:
		return hashZeros(b.tree.blockLen(block), at), true, nil
	case file == nil:
		return hashSubtree(p, at, false), allZero(p), nil
	}
	off := int64(at)
	return hashSteps(merger{first: at / ChunkSize}, uint64(b.tree.blockLen(block)), p, false, func(p []byte) error {
		err := file.readAt(p, off)
		off += int64(len(p))
		return err
	})
}

// allZero compares p with itself moved by a byte: at the speed of memory for zeros, and at once for
// nearly all else.
func allZero(p []byte) bool {
	return len(p) == 0 || p[0] == 0 && bytes.Equal(p[1:], p[:len(p)-1])
}
