package wire

import (
	"encoding/binary"

	"p2pcp/blocks"
)

// Request names a slice of a Block: ASK, and the beginning of BLOCK.
//
//	| 0 | 4 | Index  | below 2^24                                |
//	| 4 | 4 | offset | in the Block, a multiple of 16 KiB        |
//	| 8 | 4 | length | at least 1, ends within 4 MiB             |
type Request struct {
	Index          blocks.Index
	Offset, Length uint32 // bytes
}

// Append appends an ASK frame.
func (m Request) Append(b []byte) []byte {
	return m.fields(AppendHead(b, TAsk, 12))
}

func (m Request) fields(b []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(m.Index))
	b = binary.BigEndian.AppendUint32(b, m.Offset)
	return binary.BigEndian.AppendUint32(b, m.Length)
}

// ParseRequest reads an ASK's payload.
func ParseRequest(p []byte) (Request, error) {
	d := decoder{p: p}
	m := d.request()
	return m, d.end(TAsk)
}

func (d *decoder) request() Request {
	m := Request{Index: d.index(), Offset: d.offset(), Length: d.u32()}
	d.check(m.Length > 0 && m.Length <= blocks.MaxBlockSize-m.Offset, "length out of range")
	return m
}

// offset reads where a slice begins: slices are nodes of a tree, so only a multiple of the smallest one can be right.
func (d *decoder) offset() uint32 {
	v := d.u32()
	if v%blocks.GroupSize != 0 || v >= blocks.MaxBlockSize {
		d.fail("offset out of range")
		return 0
	}
	return v
}

// Reasons of a Refuse.
const (
	RefuseBusy      = 1 + iota // ask again after OFFER
	RefuseNotHeld              // never announced, or not known to be held
	RefuseWithdrawn            // announced before, no longer held
	RefuseElsewhere            // another member of the asker's zone was given it just now
)

// Refuse answers a Request that is not served.
//
//	| 0 | 4 | Index                               |
//	| 4 | 4 | offset                              |
//	| 8 | 1 | reason: 1 busy, 2 not held, 3 withdrawn, 4 elsewhere |
type Refuse struct {
	Index  blocks.Index
	Offset uint32
	Reason byte // 1..4
}

// Append appends a REFUSE frame.
func (m Refuse) Append(b []byte) []byte {
	b = AppendHead(b, TRefuse, 9)
	b = binary.BigEndian.AppendUint32(b, uint32(m.Index))
	b = binary.BigEndian.AppendUint32(b, m.Offset)
	return append(b, m.Reason)
}

// ParseRefuse reads a REFUSE's payload.
func ParseRefuse(p []byte) (Refuse, error) {
	d := decoder{p: p}
	m := Refuse{Index: d.index(), Offset: d.offset(), Reason: d.u8()}
	d.check(m.Reason >= RefuseBusy && m.Reason <= RefuseElsewhere, "unknown reason")
	return m, d.end(TRefuse)
}

// Cancel takes a Request back.
//
//	| 0 | 4 | Index  |
//	| 4 | 4 | offset |
type Cancel struct {
	Index  blocks.Index
	Offset uint32
}

// Append appends a CANCEL frame.
func (m Cancel) Append(b []byte) []byte {
	b = AppendHead(b, TCancel, 8)
	b = binary.BigEndian.AppendUint32(b, uint32(m.Index))
	return binary.BigEndian.AppendUint32(b, m.Offset)
}

// ParseCancel reads a CANCEL's payload.
func ParseCancel(p []byte) (Cancel, error) {
	d := decoder{p: p}
	m := Cancel{Index: d.index(), Offset: d.offset()}
	return m, d.end(TCancel)
}
