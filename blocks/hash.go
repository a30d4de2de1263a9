package blocks

import (
	"encoding/binary"
	"math/bits"

	"lukechampine.com/blake3/guts"
)

// words and cvOf convert between BLAKE3's eight words and their serialised form.
func (c *CV) words() (w [8]uint32) {
	for i := range w {
		w[i] = binary.LittleEndian.Uint32(c[4*i:])
	}
	return w
}

func cvOf(w [8]uint32) (c CV) {
	for i, x := range w {
		binary.LittleEndian.PutUint32(c[4*i:], x)
	}
	return c
}

// parentCV is the value of the node above left and right; the top node of a file carries the root flag.
func parentCV(left, right *CV, top bool) CV {
	n := guts.ParentNode(left.words(), right.words(), &guts.IV, 0)
	if top {
		n.Flags |= guts.FlagRoot
	}
	return cvOf(guts.ChainingValue(n))
}

// merger folds the groups of one subtree, from left to right, into the subtree's node.
type merger struct {
	first uint64 // the subtree's first chunk, counted in the file
	done  uint64 // groups pushed; bit i set: stack[i] holds a subtree of 2^i groups
	stack [bitsOfBlock][8]uint32
}

// bitsOfBlock bounds the merger's stack: the largest Block has 2^8 groups, the last of which is never pushed.
const bitsOfBlock = 8

// counter is the number, in the file, of the next group's first chunk.
func (m *merger) counter() uint64 { return m.first + m.done*(GroupSize/ChunkSize) }

// push adds a full group that isn't the subtree's last.
func (m *merger) push(p *[GroupSize]byte) {
	cv := guts.ChainingValue(guts.CompressBuffer(p, GroupSize, &guts.IV, m.counter(), 0))
	i := 0
	for m.done&(1<<i) != 0 {
		cv = guts.ChainingValue(guts.ParentNode(m.stack[i], cv, &guts.IV, 0))
		i++
	}
	m.stack[i] = cv
	m.done++
}

// finish adds the last group, of 0 (an empty file) to GroupSize bytes, and returns the subtree's value. top says that the
// subtree is the whole file.
func (m *merger) finish(p []byte, top bool) CV {
	var n guts.Node
	if len(p) == GroupSize {
		n = guts.CompressBuffer((*[GroupSize]byte)(p), GroupSize, &guts.IV, m.counter(), 0)
	} else {
		n = compressTail(p, m.counter())
	}
	for i := bits.TrailingZeros64(m.done); i < bits.Len64(m.done); i++ {
		if m.done&(1<<i) != 0 {
			n = guts.ParentNode(m.stack[i], guts.ChainingValue(n), &guts.IV, 0)
		}
	}
	if top {
		n.Flags |= guts.FlagRoot
	}
	return cvOf(guts.ChainingValue(n))
}

// compressTail hashes less than a group. CompressBuffer reads a full group whatever the length, so the bytes are copied to
// where that much memory is ours; only this function's frame is large.
//
//go:noinline
func compressTail(p []byte, counter uint64) guts.Node {
	if len(p) <= ChunkSize {
		return guts.CompressChunk(p, &guts.IV, counter, 0)
	}
	var group [GroupSize]byte
	return guts.CompressBuffer(&group, copy(group[:], p), &guts.IV, counter, 0)
}

// hashSubtree returns the value of the node over p, which begins at the file's byte offset (a multiple of p's width as a
// node) and is at most MaxBlockSize long. top says that p is the whole file.
func hashSubtree(p []byte, offset uint64, top bool) CV {
	m := merger{first: offset / ChunkSize}
	return m.rest(p, top)
}

// hashZeros is hashSubtree of size zero bytes that are not the whole file. Zeros have no shorter way: a chunk's value depends on its
// place in the file.
func hashZeros(size uint32, offset uint64) CV {
	var zeros [GroupSize]byte
	m := merger{first: offset / ChunkSize}
	for ; size > GroupSize; size -= GroupSize {
		m.push(&zeros)
	}
	return m.finish(zeros[:size], false)
}

// hashSteps adds to m the next size bytes that read gives, a buf at a time, and finishes it. zero tells whether they are all zero.
// buf is whole groups long, or size.
func hashSteps(m merger, size uint64, buf []byte, top bool, read func(p []byte) error) (cv CV, zero bool, err error) {
	zero = true
	for {
		p := buf[:min(size, uint64(len(buf)))]
		if err := read(p); err != nil {
			return CV{}, false, err
		}
		zero = zero && allZero(p)
		size -= uint64(len(p))
		for len(p) > GroupSize || len(p) == GroupSize && size > 0 {
			m.push((*[GroupSize]byte)(p))
			p = p[GroupSize:]
		}
		if size == 0 {
			return m.finish(p, top), zero, nil
		}
	}
}

// upto pushes those groups of the subtree's first bytes p that weren't pushed yet and that more bytes follow.
func (m *merger) upto(p []byte) {
	for p = p[m.done*GroupSize:]; len(p) > GroupSize; p = p[GroupSize:] {
		m.push((*[GroupSize]byte)(p))
	}
}

// rest is finish for all of the subtree's bytes, some of which may have been pushed.
func (m *merger) rest(p []byte, top bool) CV {
	m.upto(p)
	return m.finish(p[m.done*GroupSize:], top)
}
