package seed

import (
	"bytes"
	"encoding/binary"

	"p2pcp/blocks"
)

// A file of a Tree:
//
//	| size | field |
//	|---|---|
//	| 8 | `p2pcpT1\n` |
//	| 40 | stamp |
//	| 4 | block size |
//	| 32 | Root |
//	| 4 | number of zero ranges |
//	| each 8 | first Block, number of Blocks |
//	| 16 | first bytes of BLAKE3 of all before |
//	| the rest | nodes, as Tree.AppendNodes; they verify themselves against the Root |
const (
	treeMagic    = "p2pcpT1\n"
	treeKeySize  = len(treeMagic) + stampSize + 4
	treeHeadSize = treeKeySize + len(blocks.Root{}) + 4
	treeSumSize  = 16
)

func appendTreeKey(b []byte, s stamp, blockSize uint32) []byte {
	b = append(b, treeMagic...)
	b = s.append(b)
	return binary.BigEndian.AppendUint32(b, blockSize)
}

func appendTree(s stamp, blockSize uint32, l large) []byte {
	b := appendTreeKey(nil, s, blockSize)
	root := l.tree.Root()
	b = append(b, root[:]...)
	b = binary.BigEndian.AppendUint32(b, uint32(len(l.zeros)))
	for _, z := range l.zeros {
		b = binary.BigEndian.AppendUint32(b, z.First)
		b = binary.BigEndian.AppendUint32(b, z.Count)
	}
	sum := blocks.Sum(b)
	return l.tree.AppendNodes(append(b, sum[:treeSumSize]...))
}

// parseTree reads what appendTree wrote for the same stamp and block size. False unless the Tree is complete.
func parseTree(b []byte, s stamp, blockSize uint32) (l large, ok bool) {
	if len(b) < treeHeadSize+treeSumSize || !bytes.Equal(b[:treeKeySize], appendTreeKey(nil, s, blockSize)) {
		return large{}, false
	}
	count := binary.BigEndian.Uint32(b[treeHeadSize-4:])
	if count > maxZeroRanges || len(b) < treeHeadSize+int(count)*8+treeSumSize {
		return large{}, false
	}
	head := b[:treeHeadSize+int(count)*8]
	nodes := b[len(head)+treeSumSize:]
	if sum := blocks.Sum(head); !bytes.Equal(sum[:treeSumSize], b[len(head):len(head)+treeSumSize]) {
		return large{}, false
	}
	if s.size <= int64(blockSize) || uint64(s.size) > blocks.MaxBlocks*uint64(blockSize) {
		return large{}, false
	}
	l.tree = blocks.NewTree(blocks.Root(b[treeKeySize:]), uint64(s.size), blockSize)
	if l.tree.DumpSize() != int64(len(nodes)) {
		return large{}, false
	}
	l.tree.LoadNodes(nodes)
	if l.tree.Missing() != nil {
		return large{}, false
	}
	for p := head[treeHeadSize:]; len(p) > 0; p = p[8:] {
		l.zeros = append(l.zeros, blocks.Span{First: binary.BigEndian.Uint32(p), Count: binary.BigEndian.Uint32(p[4:])})
	}
	return l, true
}
