package blocks

import (
	"fmt"
	"math/bits"
)

// NodeRange is what TREE asks for.
type NodeRange struct {
	Level        uint8
	First, Count uint32
}

// missingStep is how many levels a TREE range lies below the node that verifies it: one node's worth is MaxNodes.
const missingStep = 11

// Nodes returns a copy of the nodes [first, first+count) of a level (the top included), at most MaxNodes; false if the range
// isn't valid or one isn't known.
func (t *Tree) Nodes(level uint8, first, count uint32) ([]CV, bool) {
	l := int(level)
	if !t.inLevel(l, first, count) {
		return nil, false
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	if l == t.top() {
		return []CV{CV(t.root)}, true
	}
	if !t.allKnown(l, Span{First: first, Count: count}) {
		return nil, false
	}
	return append([]CV(nil), t.levels[l].cvs[first:first+count]...), true
}

// inLevel tells whether a range has at least one and at most MaxNodes nodes, all of them in the level.
func (t *Tree) inLevel(level int, first, count uint32) bool {
	return level <= t.top() && count >= 1 && count <= MaxNodes && first < t.width(level) && count <= t.width(level)-first
}

// allKnown tells whether a run of a level below the top is known. The caller holds mu.
func (t *Tree) allKnown(level int, s Span) bool {
	known := t.levels[level].known
	return known != nil && known.CountIn(s) == s.Count
}

// AddNodes verifies nodes that span exactly one verified node, and keeps them with the nodes between. Errors wrap ErrBadBlock;
// then nothing is kept.
func (t *Tree) AddNodes(level uint8, first uint32, cvs []CV) error {
	l := int(level)
	if len(cvs) > MaxNodes || !t.inLevel(l, first, uint32(len(cvs))) {
		return fmt.Errorf("add %d nodes at (%d, %d): no such range: %w", len(cvs), level, first, ErrBadBlock)
	}
	above := l + bits.Len32(uint32(len(cvs))-1)
	if !t.spansOne(l, first, uint32(len(cvs)), above) {
		return fmt.Errorf("add %d nodes at (%d, %d): not one node's: %w", len(cvs), level, first, ErrBadBlock)
	}
	t.mu.RLock()
	want, ok := t.node(above, first>>(above-l))
	t.mu.RUnlock()
	if !ok {
		return fmt.Errorf("add %d nodes at (%d, %d): the node above isn't known: %w", len(cvs), level, first, ErrBadBlock)
	}
	rows := [][]CV{cvs}
	for at := l; at < above; at++ {
		rows = append(rows, foldRow(rows[at-l], at+1 == t.top()))
	}
	if rows[above-l][0] != want {
		return fmt.Errorf("add %d nodes at (%d, %d): %w", len(cvs), level, first, ErrBadBlock)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for k, row := range rows[:above-l] {
		for i := range row {
			t.keep(l+k, first>>k+uint32(i), &row[i])
		}
	}
	return nil
}

// spansOne tells whether a range of a level is exactly what lies below one node of the level above.
func (t *Tree) spansOne(level int, first, count uint32, above int) bool {
	h := above - level
	if above > t.top() || first>>h<<h != first {
		return false
	}
	return count == min(1<<h, t.width(level)-first)
}

// foldRow computes the row above row. A last node without sibling moves up as it is.
func foldRow(row []CV, top bool) []CV {
	up := make([]CV, 0, (len(row)+1)/2)
	for ; len(row) > 1; row = row[2:] {
		up = append(up, parentCV(&row[0], &row[1], top))
	}
	return append(up, row...)
}

// Missing lists the TREE ranges (each at most MaxNodes, in an order in which each can be verified after the ones before) that
// would complete the Tree's level 0. Nil when complete.
func (t *Tree) Missing() []NodeRange {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.missing(nil, t.top(), 0)
}

// missing appends the ranges below node (level, i), which is verified by then. Few large ranges are better than many small
// ones that fit exactly: a range costs a round trip, a node 32 bytes.
func (t *Tree) missing(dst []NodeRange, level int, i uint32) []NodeRange {
	if level == 0 || t.allKnown(0, t.span(level, i)) {
		return dst
	}
	below := (level - 1) / missingStep * missingStep
	first := i << (level - below)
	s := Span{First: first, Count: min(1<<(level-below), t.width(below)-first)}
	if !t.allKnown(below, s) {
		dst = append(dst, NodeRange{Level: uint8(below), First: s.First, Count: s.Count})
	}
	for j := range s.Count {
		dst = t.missing(dst, below, first+j)
	}
	return dst
}

// PathNodes lists the known nodes on the path of a Block with their siblings, from level 0 upward and without the top: what
// the journal writes after a Block. Nil if the Block's own node isn't known.
func (t *Tree) PathNodes(block uint32) []NodeRange {
	if block >= t.blocks {
		return nil
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	if _, ok := t.node(0, block); !ok {
		return nil
	}
	path := make([]NodeRange, 0, t.top())
	for level := range t.top() {
		first := block >> level &^ 1
		path = append(path, NodeRange{Level: uint8(level), First: first, Count: min(2, t.width(level)-first)})
	}
	return path
}
