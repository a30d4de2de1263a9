package wire

import (
	"encoding/binary"

	"p2pcp/blocks"
)

// maxLevel is the level of the top node of a file of MaxBlocks Blocks.
const maxLevel = 24

// Tree asks for verified nodes.
//
//	| 0  | 4 | file: 0 the Manifest, k the k-th large file |
//	| 4  | 1 | level, at most 24; 0 is a Block             |
//	| 5  | 4 | first node                                  |
//	| 9  | 4 | count, 1..2048                              |
//	| 13 | 4 | reserved, 0                                 |
type Tree struct {
	File         uint32
	Level        uint8
	First, Count uint32
}

// Append appends a TREE frame.
func (m Tree) Append(b []byte) []byte { return m.fields(AppendHead(b, TTree, 17)) }

func (m Tree) fields(b []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, m.File)
	b = append(b, m.Level)
	b = binary.BigEndian.AppendUint32(b, m.First)
	b = binary.BigEndian.AppendUint32(b, m.Count)
	return append(b, 0, 0, 0, 0)
}

// ParseTree reads a TREE's payload.
func ParseTree(p []byte) (Tree, error) {
	d := decoder{p: p}
	m := d.tree()
	return m, d.end(TTree)
}

func (d *decoder) tree() Tree {
	m := Tree{File: d.u32(), Level: d.u8(), First: d.u32(), Count: d.u32()}
	d.check(m.File <= blocks.MaxBlocks, "file out of range")
	d.check(m.Level <= maxLevel, "level out of range")
	d.check(m.Count > 0 && m.Count <= blocks.MaxNodes, "count out of range")
	d.check(uint64(m.First)+uint64(m.Count) <= blocks.MaxBlocks, "nodes out of range")
	d.check(d.u32() == 0, "reserved bytes are not 0")
	return m
}

// Nodes answers a Tree.
//
//	| 0  | 17 | as TREE                          |
//	| 17 | 1  | ok: 0 refused, 1 the CVs follow  |
//	| 18 | 32 | each CV: count of them, if ok    |
type Nodes struct {
	Tree
	OK  bool
	CVs []blocks.CV // Count of them if OK, else none
}

// Append appends a NODES frame.
func (m Nodes) Append(b []byte) []byte {
	if m.OK && len(m.CVs) != int(m.Count) || !m.OK && len(m.CVs) != 0 {
		panic("wire: NODES of another count than TREE's")
	}
	b = AppendHead(b, TNodes, 18+len(m.CVs)*cvSize)
	b = appendFlag(m.fields(b), m.OK)
	for k := range m.CVs {
		b = append(b, m.CVs[k][:]...)
	}
	return b
}

// ParseNodes reads a NODES payload. The CVs don't alias p.
func ParseNodes(p []byte) (Nodes, error) {
	d := decoder{p: p}
	m := Nodes{Tree: d.tree(), OK: d.flag("bad ok byte")}
	if m.OK {
		d.check(int(m.Count)*cvSize == len(d.p), "nodes of another count")
		if d.ok() {
			m.CVs = d.appendCVs(make([]blocks.CV, 0, m.Count), int(m.Count))
		}
	}
	if err := d.end(TNodes); err != nil {
		return Nodes{}, err
	}
	return m, nil
}
