package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"

	"p2pcp/blocks"
)

// ErrProtocol marks bytes that are no valid frame or message: the session they came from must end.
var ErrProtocol = errors.New("protocol error")

// Type is a frame's type.
type Type uint8

// Frame types.
const (
	THello Type = 1 + iota
	THave
	TWithdraw
	TAsk
	TAny
	TGrant
	TRefuse
	TOffer
	TCancel
	TBlock
	TData
	TReject
	TPeers
	TTree
	TNodes
	TResult
	TAck
	TStatus
	TReport
	TPing
	TBye
)

// Lengths of a frame's fixed parts, in bytes.
const (
	HeadSize = 5         // of every frame: length and type
	MaxData  = 256 << 10 // the most content in a DATA frame
	DataHead = 8         // what a DATA frame carries before its content
)

const cvSize = 32

// forms has each type's name and the least and greatest length of its payload, in bytes (the table of PROTOCOL.md 4).
var forms = [...]struct {
	name     string
	min, max uint32
}{
	THello:    {"HELLO", helloMin, 4 << 20},
	THave:     {"HAVE", 2, 64 << 10},
	TWithdraw: {"WITHDRAW", 4, 4},
	TAsk:      {"ASK", 12, 12},
	TAny:      {"ANY", 1, 1},
	TGrant:    {"GRANT", 4, 4},
	TRefuse:   {"REFUSE", 9, 9},
	TOffer:    {"OFFER", 0, 0},
	TCancel:   {"CANCEL", 8, 8},
	TBlock:    {"BLOCK", 13, 13 + blocks.MaxProof*cvSize},
	TData:     {"DATA", DataHead + 1, DataHead + MaxData},
	TReject:   {"REJECT", 4, 4},
	TPeers:    {"PEERS", 2, 64 << 10},
	TTree:     {"TREE", 17, 17},
	TNodes:    {"NODES", 18, 18 + blocks.MaxNodes*cvSize},
	TResult:   {"RESULT", resultMin, 16 << 10},
	TAck:      {"ACK", 1, 1},
	TStatus:   {"STATUS", 0, 1},
	TReport:   {"REPORT", 2, 4 << 20},
	TPing:     {"PING", 0, 0},
	TBye:      {"BYE", 1, 1},
}

func (t Type) known() bool { return t >= THello && int(t) < len(forms) }

// String is the type's name in PROTOCOL.md, or its number.
func (t Type) String() string {
	if !t.known() {
		return "type " + strconv.Itoa(int(t))
	}
	return forms[t].name
}

// AppendHead appends the head of a frame with the given length of payload, in bytes.
//
//	| 0 | 4 | length of the payload |
//	| 4 | 1 | type                  |
func AppendHead(b []byte, t Type, payload int) []byte {
	if !t.known() || payload < int(forms[t].min) || payload > int(forms[t].max) {
		panic("wire: " + t.String() + " frame of " + strconv.Itoa(payload) + " bytes")
	}
	b = binary.BigEndian.AppendUint32(b, uint32(payload))
	return append(b, byte(t))
}

// ParseHead reads a head and checks that the type is known and the length possible for it. Errors wrap ErrProtocol.
func ParseHead(b [HeadSize]byte) (t Type, n uint32, err error) {
	n, t = binary.BigEndian.Uint32(b[:]), Type(b[4])
	switch {
	case !t.known():
		return 0, 0, fmt.Errorf("%w: unknown frame %s", ErrProtocol, t)
	case n < forms[t].min || n > forms[t].max:
		return 0, 0, fmt.Errorf("%w: %s: length %d", ErrProtocol, t, n)
	}
	return t, n, nil
}

// ReadHead reads a head into scratch, which the caller keeps so that nothing is allocated, and parses it. The error is
// io.EOF, as it is, if r ends before the first byte; others are wrapped.
func ReadHead(r io.Reader, scratch *[HeadSize]byte) (t Type, n uint32, err error) {
	if _, err := io.ReadFull(r, scratch[:]); err != nil {
		return 0, 0, readError(err, "head")
	}
	return ParseHead(*scratch)
}

// readStep is how much of a long payload is believed in at a time: a length that was only claimed costs no more memory.
const readStep = 64 << 10

// ReadFrame reads one whole frame. The payload lies in buf's array, or in a larger one if that was too short: pass the last
// payload as the next buf to reuse it. A session reads DATA by ReadHead and then by hand, to spare the copy. Errors as
// ReadHead.
func ReadFrame(r io.Reader, buf []byte) (t Type, payload []byte, err error) {
	buf = slices.Grow(buf[:0], HeadSize)[:HeadSize]
	if _, err := io.ReadFull(r, buf); err != nil {
		return 0, nil, readError(err, "head")
	}
	t, n, err := ParseHead([HeadSize]byte(buf))
	if err != nil {
		return 0, nil, err
	}
	buf = buf[:0]
	for len(buf) < int(n) {
		have := len(buf)
		step := min(int(n)-have, max(readStep, cap(buf)-have))
		buf = slices.Grow(buf, step)[:have+step]
		if _, err := io.ReadFull(r, buf[have:]); err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return 0, nil, readError(err, t.String())
		}
	}
	return t, buf, nil
}

// readError leaves a clean end recognizable by ==, as io.Reader has it.
func readError(err error, what string) error {
	if err == io.EOF { //nolint:errorlint // io.ReadFull returns it unwrapped
		return err
	}
	return fmt.Errorf("read %s: %w", what, err)
}
