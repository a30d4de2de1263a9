package wire

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"unicode/utf8"

	"p2pcp/blocks"
)

// begin appends a head whose length finish fills in; mark is where the frame starts.
func begin(b []byte, t Type) (out []byte, mark int) {
	return append(b, 0, 0, 0, 0, byte(t)), len(b)
}

// finish fills in the length of the frame that starts at mark and ends b.
func finish(b []byte, mark int) []byte {
	AppendHead(b[:mark], Type(b[mark+4]), len(b)-mark-HeadSize)
	return b
}

func appendFlag(b []byte, set bool) []byte {
	if set {
		return append(b, 1)
	}
	return append(b, 0)
}

// appendAddr appends an address in the form of PROTOCOL.md 4.1:
//
//	| 1       | family: 4 or 6 |
//	| 4 or 16 | address        |
//	| 2       | port           |
//
// An IPv4 address always has family 4, a zone is left out, and an invalid one becomes 0.0.0.0:0, which cannot be dialed.
func appendAddr(b []byte, a netip.AddrPort) []byte {
	addr := a.Addr().Unmap()
	switch {
	case !addr.IsValid():
		return append(b, 4, 0, 0, 0, 0, 0, 0)
	case addr.Is4():
		raw := addr.As4()
		b = append(append(b, 4), raw[:]...)
	default:
		raw := addr.As16()
		b = append(append(b, 6), raw[:]...)
	}
	return binary.BigEndian.AppendUint16(b, a.Port())
}

// appendText appends a string of at most limit bytes behind a 2-byte length, cut and mended if need be.
func appendText(b []byte, s string, limit int) []byte {
	s = clip(s, limit)
	b = binary.BigEndian.AppendUint16(b, uint16(len(s)))
	return append(b, s...)
}

// decoder reads the fields of one payload. The first thing that is wrong sticks: from then on every field reads as zero,
// and end tells.
type decoder struct {
	p     []byte // what is left
	wrong string // what was refused first; empty: nothing
}

func (d *decoder) fail(what string) {
	if d.wrong == "" {
		d.wrong = what
	}
	d.p = nil
}

// check refuses the payload as what unless ok.
func (d *decoder) check(ok bool, what string) {
	if !ok {
		d.fail(what)
	}
}

// ok tells whether nothing was refused yet.
func (d *decoder) ok() bool { return d.wrong == "" }

// end is the error of the whole: what was refused, or leftover bytes.
func (d *decoder) end(t Type) error {
	if d.wrong == "" && len(d.p) != 0 {
		d.wrong = "bytes left over"
	}
	if d.wrong == "" {
		return nil
	}
	return fmt.Errorf("%w: %s: %s", ErrProtocol, t, d.wrong)
}

// bytes gives the next n bytes, aliasing the payload; nil if there are fewer.
func (d *decoder) bytes(n int) []byte {
	if n > len(d.p) {
		d.fail("cut short")
		return nil
	}
	b := d.p[:n]
	d.p = d.p[n:]
	return b
}

func (d *decoder) u8() uint8 {
	if b := d.bytes(1); b != nil {
		return b[0]
	}
	return 0
}

func (d *decoder) u16() uint16 {
	if b := d.bytes(2); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

func (d *decoder) u32() uint32 {
	if b := d.bytes(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

func (d *decoder) u64() uint64 {
	if b := d.bytes(8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

// uvarint reads a LEB128 number in its shortest form.
func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.p)
	if n <= 0 || (n > 1 && d.p[n-1] == 0) {
		d.fail("bad uvarint")
		return 0
	}
	d.p = d.p[n:]
	return v
}

// flag reads a byte that is 0 or 1.
func (d *decoder) flag(what string) bool {
	v := d.u8()
	d.check(v <= 1, what)
	return v == 1
}

// index reads a Block's number. Whether the swarm has that many Blocks is for the session to know.
func (d *decoder) index() blocks.Index {
	i := d.u32()
	d.check(i < blocks.MaxBlocks, "index out of range")
	return blocks.Index(i)
}

func (d *decoder) addr() netip.AddrPort {
	var a netip.Addr
	switch d.u8() {
	case 4:
		if b := d.bytes(4); b != nil {
			a = netip.AddrFrom4([4]byte(b))
		}
	case 6:
		if b := d.bytes(16); b != nil {
			a = netip.AddrFrom16([16]byte(b))
			d.check(!a.Is4In6(), "IPv4 address of family 6")
		}
	default:
		d.fail("unknown address family")
	}
	return netip.AddrPortFrom(a, d.u16())
}

// text reads what appendText writes.
func (d *decoder) text(limit int) string {
	n := int(d.u16())
	d.check(n <= limit, "text too long")
	b := d.bytes(n)
	d.check(utf8.Valid(b), "text is not UTF-8")
	return string(b)
}

// appendCVs reads n chaining values and appends them to dst.
func (d *decoder) appendCVs(dst []blocks.CV, n int) []blocks.CV {
	b := d.bytes(n * cvSize)
	for ; len(b) > 0; b = b[cvSize:] {
		dst = append(dst, blocks.CV(b))
	}
	return dst
}
