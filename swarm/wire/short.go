package wire

import (
	"encoding/binary"
	"fmt"

	"p2pcp/blocks"
)

// Values of ACK.
const (
	AckNotSeed = 0
	AckTaken   = 1
)

// Reasons of BYE.
const (
	ByeLeaving   = 1 + iota
	ByeFull      // no session free
	ByeDuplicate // another session to you exists
	ByeProtocol  // you broke the protocol
	ByeBanned    // you sent what was wrong too often
)

// AppendIndex appends WITHDRAW, GRANT or REJECT: 4 bytes Index.
func AppendIndex(b []byte, t Type, i blocks.Index) []byte {
	return binary.BigEndian.AppendUint32(AppendHead(b, t, 4), uint32(i))
}

// ParseIndex reads the payload of WITHDRAW, GRANT or REJECT.
func ParseIndex(p []byte) (blocks.Index, error) {
	if len(p) != 4 {
		return 0, fmt.Errorf("%w: index of %d bytes", ErrProtocol, len(p))
	}
	i := binary.BigEndian.Uint32(p)
	if i >= blocks.MaxBlocks {
		return 0, fmt.Errorf("%w: index %d out of range", ErrProtocol, i)
	}
	return blocks.Index(i), nil
}

// AppendByte appends ANY (a credit in Blocks), ACK or BYE.
func AppendByte(b []byte, t Type, v byte) []byte {
	return append(AppendHead(b, t, 1), v)
}

// ParseByte reads the payload of ANY, ACK or BYE. The value is not judged: an ACK that is not AckTaken took nothing, and a
// BYE for any reason is the end.
func ParseByte(p []byte) (byte, error) {
	if len(p) != 1 {
		return 0, fmt.Errorf("%w: byte of %d bytes", ErrProtocol, len(p))
	}
	return p[0], nil
}

// AppendEmpty appends OFFER, PING or a plain STATUS, whose payload is empty.
func AppendEmpty(b []byte, t Type) []byte { return AppendHead(b, t, 0) }
