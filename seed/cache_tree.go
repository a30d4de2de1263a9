package seed

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"

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
//	| the rest | nodes, as Tree.Dump; they verify themselves against the Root |
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

func writeTree(w io.Writer, s stamp, blockSize uint32, l large) error {
	b := appendTreeKey(nil, s, blockSize)
	root := l.tree.Root()
	b = append(b, root[:]...)
	b = binary.BigEndian.AppendUint32(b, uint32(len(l.zeros)))
	for _, z := range l.zeros {
		b = binary.BigEndian.AppendUint32(b, z.First)
		b = binary.BigEndian.AppendUint32(b, z.Count)
	}
	sum := blocks.Sum(b)
	if _, err := w.Write(append(b, sum[:treeSumSize]...)); err != nil {
		return fmt.Errorf("write tree: %w", err)
	}
	if _, err := io.Copy(w, l.tree.Dump()); err != nil {
		return fmt.Errorf("write tree: %w", err)
	}
	return nil
}

// readTree reads what writeTree wrote for the same stamp and block size, from a file of that length in bytes. False unless the
// Tree is complete.
func readTree(r io.ReaderAt, length int64, s stamp, blockSize uint32) (l large, ok bool) {
	fixed := make([]byte, treeHeadSize)
	if _, err := r.ReadAt(fixed, 0); err != nil || !bytes.Equal(fixed[:treeKeySize], appendTreeKey(nil, s, blockSize)) {
		return large{}, false
	}
	count := binary.BigEndian.Uint32(fixed[treeHeadSize-4:])
	if count > maxZeroRanges {
		return large{}, false
	}
	head := make([]byte, treeHeadSize+int(count)*8+treeSumSize)
	if _, err := r.ReadAt(head, 0); err != nil {
		return large{}, false
	}
	summed := len(head) - treeSumSize
	if sum := blocks.Sum(head[:summed]); !bytes.Equal(sum[:treeSumSize], head[summed:]) {
		return large{}, false
	}
	if s.size <= int64(blockSize) || uint64(s.size) > blocks.MaxBlocks*uint64(blockSize) {
		return large{}, false
	}
	l.tree = blocks.NewTree(blocks.Root(head[treeKeySize:]), uint64(s.size), blockSize)
	nodes := io.NewSectionReader(r, int64(len(head)), length-int64(len(head)))
	if err := l.tree.LoadNodes(nodes); err != nil || l.tree.Missing() != nil {
		return large{}, false
	}
	for p := head[treeHeadSize:summed]; len(p) > 0; p = p[8:] {
		l.zeros = append(l.zeros, blocks.Span{First: binary.BigEndian.Uint32(p), Count: binary.BigEndian.Uint32(p[4:])})
	}
	return l, true
}
