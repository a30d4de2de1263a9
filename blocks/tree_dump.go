package blocks

import "slices"

const cvSize = int64(len(CV{}))

// DumpSize is the length in bytes of AppendNodes' form.
func (t *Tree) DumpSize() int64 {
	n := int64(0)
	for level := range t.top() {
		n += int64(t.width(level)) * cvSize
	}
	return n
}

// NodeOffset is the place of a node in AppendNodes' form, in bytes; -1 for the top and for nodes that don't exist.
func (t *Tree) NodeOffset(level uint8, i uint32) (off int64) {
	if int(level) >= t.top() || i >= t.width(int(level)) {
		return -1
	}
	for l := range int(level) {
		off += int64(t.width(l)) * cvSize
	}
	return off + int64(i)*cvSize
}

// AppendNodes appends all levels below the top, from level 0 upward, zero where unknown: the journal's and the seed cache's
// form.
func (t *Tree) AppendNodes(b []byte) []byte {
	b = slices.Grow(b, int(t.DumpSize()))
	t.mu.RLock()
	defer t.mu.RUnlock()
	for level := range t.top() {
		l := &t.levels[level]
		if l.cvs == nil {
			b = append(b, make([]byte, int64(t.width(level))*cvSize)...)
			continue
		}
		for i := range l.cvs {
			b = append(b, l.cvs[i][:]...)
		}
	}
	return b
}

// LoadNodes verifies a dump of AppendNodes from the Root downward and keeps what is right. Garbage and zeros are ignored, as
// is a dump of another length than DumpSize.
func (t *Tree) LoadNodes(b []byte) {
	if int64(len(b)) == t.DumpSize() {
		t.load(b, t.top(), 0)
	}
}

// load keeps what is right of a dump below node (level, i), which is known.
func (t *Tree) load(b []byte, level int, i uint32) {
	if level == 0 {
		return
	}
	below, left := level-1, 2*i
	if left+1 < t.width(below) {
		if !t.loadPair(b, level, i) {
			return
		}
		t.load(b, below, left+1)
	}
	t.load(b, below, left)
}

// loadPair takes the children of node (level, i) from a dump; false if they are neither known nor right.
func (t *Tree) loadPair(b []byte, level int, i uint32) bool {
	below := level - 1
	t.mu.RLock()
	want, _ := t.node(level, i)
	_, known := t.node(below, 2*i)
	t.mu.RUnlock()
	if known {
		return true
	}
	pair := b[t.NodeOffset(uint8(below), 2*i):]
	left, right := CV(pair), CV(pair[cvSize:])
	if left == (CV{}) && right == (CV{}) || parentCV(&left, &right, level == t.top()) != want {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.keep(below, 2*i, &left)
	t.keep(below, 2*i+1, &right)
	return true
}
