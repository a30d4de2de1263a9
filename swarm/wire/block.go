package wire

import (
	"encoding/binary"

	"p2pcp/blocks"
)

// Block begins the answer to a Request, or a granted Block; its bytes follow as DATA.
//
//	| 0  | 4  | Index  |
//	| 4  | 4  | offset |
//	| 8  | 4  | length |
//	| 12 | 1  | number of CVs, at most 64 |
//	| 13 | 32 | each CV: the Proof        |
type Block struct {
	Request
	Proof []blocks.CV
}

// Append appends a BLOCK frame.
func (m Block) Append(b []byte) []byte {
	b = AppendHead(b, TBlock, 13+len(m.Proof)*cvSize)
	b = append(m.fields(b), byte(len(m.Proof)))
	for k := range m.Proof {
		b = append(b, m.Proof[k][:]...)
	}
	return b
}

// ParseBlock reads a BLOCK's payload. The Proof is appended to proof[:0], so that a session can reuse one slice; it doesn't
// alias p.
func ParseBlock(p []byte, proof []blocks.CV) (Block, error) {
	d := decoder{p: p}
	m := Block{Request: d.request()}
	n := int(d.u8())
	d.check(n <= blocks.MaxProof, "proof too long")
	d.check(n*cvSize == len(d.p), "proof of another length")
	m.Proof = d.appendCVs(proof[:0], n)
	return m, d.end(TBlock)
}

// AppendDataHead appends a DATA frame's head and fixed part for n content bytes, which the writer adds.
//
//	| 0 | 4 | Index                                   |
//	| 4 | 4 | offset of these bytes in the Block      |
//	| 8 | n | bytes, at least 1, at most MaxData      |
func AppendDataHead(b []byte, i blocks.Index, offset uint32, n int) []byte {
	b = AppendHead(b, TData, DataHead+n)
	b = binary.BigEndian.AppendUint32(b, uint32(i))
	return binary.BigEndian.AppendUint32(b, offset)
}

// ParseDataHead reads the fixed part. Whether these bytes continue the Block under way is for the session to check.
func ParseDataHead(p [DataHead]byte) (i blocks.Index, offset uint32) {
	return blocks.Index(binary.BigEndian.Uint32(p[:4])), binary.BigEndian.Uint32(p[4:])
}
