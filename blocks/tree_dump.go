package blocks

import (
	"fmt"
	"io"
)

const cvSize = int64(len(CV{}))

// DumpSize is the length in bytes of Dump.
func (t *Tree) DumpSize() int64 {
	n := int64(0)
	for level := range t.top() {
		n += int64(t.width(level)) * cvSize
	}
	return n
}

// NodeOffset is the place of a node in Dump, in bytes; -1 for the top and for nodes that don't exist.
func (t *Tree) NodeOffset(level uint8, i uint32) (off int64) {
	if int(level) >= t.top() || i >= t.width(int(level)) {
		return -1
	}
	for l := range int(level) {
		off += int64(t.width(l)) * cvSize
	}
	return off + int64(i)*cvSize
}

// Dump reads all levels below the top, from level 0 upward, zero where unknown: the journal's and the seed cache's form. It
// shows the Tree as it is when it is read.
func (t *Tree) Dump() *io.SectionReader { return io.NewSectionReader(dump{t}, 0, t.DumpSize()) }

// dump is a Tree's nodes as a file.
type dump struct{ t *Tree }

func (d dump) ReadAt(b []byte, off int64) (n int, err error) {
	for level := 0; level < d.t.top() && n < len(b); level++ {
		size := int64(d.t.width(level)) * cvSize
		if off < size {
			part := b[n:min(len(b), n+int(size-off))]
			d.t.readLevel(part, level, off)
			n, off = n+len(part), size
		}
		off -= size
	}
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

// readLevel fills b from the bytes of one level, which has as many behind off.
func (t *Tree) readLevel(b []byte, level int, off int64) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	cvs := t.levels[level].cvs
	if cvs == nil {
		clear(b)
		return
	}
	for i := off / cvSize; len(b) > 0; i++ {
		b = b[copy(b, cvs[i][off%cvSize:]):]
		off -= off % cvSize
	}
}

// LoadNodes verifies a Dump from the Root downward and keeps what is right. Garbage and zeros are ignored, as is a dump of
// another length than DumpSize; the error is r's.
func (t *Tree) LoadNodes(r *io.SectionReader) error {
	if r.Size() != t.DumpSize() {
		return nil
	}
	buf := make([]byte, min(r.Size(), 64<<10))
	for level := t.top() - 1; level >= 0; level-- {
		width := t.width(level) &^ 1 // an only child is its parent, and known with it
		for i, n := uint32(0), uint32(0); i < width; i += n {
			n = min(width-i, uint32(len(buf)/int(cvSize)))
			b := buf[:int64(n)*cvSize]
			if _, err := r.ReadAt(b, t.NodeOffset(uint8(level), i)); err != nil {
				return fmt.Errorf("read nodes: %w", err)
			}
			for k := range n / 2 {
				t.loadPair(b[2*int64(k)*cvSize:], level, i+2*k)
			}
		}
	}
	return nil
}

// loadPair takes nodes i and i+1 of a level if their parent is known, and they are its children.
func (t *Tree) loadPair(pair []byte, level int, i uint32) {
	t.mu.RLock()
	want, ok := t.node(level+1, i/2)
	_, known := t.node(level, i)
	t.mu.RUnlock()
	left, right := CV(pair), CV(pair[cvSize:])
	if !ok || known || left == (CV{}) && right == (CV{}) || parentCV(&left, &right, level+1 == t.top()) != want {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.keep(level, i, &left)
	t.keep(level, i+1, &right)
}
