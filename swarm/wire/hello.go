package wire

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"net/netip"

	"p2pcp/blocks"
)

// BitfieldForm is how a HELLO tells which Blocks its sender holds.
type BitfieldForm uint8

// Forms of a HELLO's bitfield.
const (
	None  BitfieldForm = iota // no Block, or no Header yet
	Every                     // every Block that is not zero
	Raw                       // the bits follow
)

// Bits of HELLO's flags.
const (
	helloSeed = 1 << iota
	helloFull
	helloObserver
	_ // was meant for TLS, which begins before HELLO
	helloLingering
	helloFlags = helloSeed | helloFull | helloObserver | helloLingering
)

// helloMin is the shortest HELLO: flags, zone, a member name of one letter, an IPv4 address, no Header, no bits, no peers.
const helloMin = 2 + 4 + 2 + 7 + 1 + 1 + 2

// ZoneOf is how a zone's label goes over the wire: FNV-1a of its bytes, 1 where that is 0; no label is 0.
func ZoneOf(label string) uint32 {
	if label == "" {
		return 0
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(label)) // never fails
	return max(h.Sum32(), 1)
}

// Hello is the first frame each way.
//
//	| flags          | 2 bytes        | bit 0 seed, 1 full, 2 observer, 4 complete and lingering                   |
//	| zone           | 4 bytes        | hash of the zone's label, 0 none                                          |
//	| member         | 1 byte, bytes  | 1..80, printable ASCII without space                                      |
//	| listen address | address        | port 0: cannot be dialed                                                  |
//	| header         | 1 byte, Header | 0 or 1; Header if 1                                                       |
//	| bitfield       | 1 byte, bits   | 0 none, 1 every Block that is not zero, 2 raw: 4 bytes number, then bits  |
//	| peers          | as PEERS       |                                                                           |
type Hello struct {
	Seed      bool // a seed
	Full      bool // closes after PEERS
	Observer  bool // no member: asks, never holds
	Lingering bool // holds everything and stays for others

	Zone   uint32           // ZoneOf our label, 0: none
	Member string           // ValidMember
	Listen netip.AddrPort   // port 0: cannot be dialed
	Header *blocks.Header   // nil if not known yet, or left out of an answer; the session compares its ID
	Form   BitfieldForm     // None if the Header isn't known
	Bits   *blocks.Bitfield // for Raw, as long as Header.Blocks; else nil
	Peers  []Peer           // at most MaxPeers are sent
}

// Append appends a HELLO frame.
func (m Hello) Append(b []byte) []byte {
	if m.Form == Raw && m.Header != nil && m.Bits.Len() != m.Header.Blocks {
		panic("wire: HELLO's bitfield isn't its Header's")
	}
	b, mark := begin(b, THello)
	b = binary.BigEndian.AppendUint16(b, m.flags())
	b = binary.BigEndian.AppendUint32(b, m.Zone)
	b = appendMember(b, m.Member)
	b = appendAddr(b, m.Listen)
	b = appendFlag(b, m.Header != nil)
	if m.Header != nil {
		b = m.Header.Append(b)
	}
	b = append(b, byte(m.Form))
	if m.Form == Raw {
		b = binary.BigEndian.AppendUint32(b, m.Bits.Len())
		b = m.Bits.Append(b)
	}
	b, _ = appendPeerList(b, m.Peers)
	return finish(b, mark)
}

func (m Hello) flags() uint16 {
	var f uint16
	put := func(set bool, bit uint16) {
		if set {
			f |= bit
		}
	}
	put(m.Seed, helloSeed)
	put(m.Full, helloFull)
	put(m.Observer, helloObserver)
	put(m.Lingering, helloLingering)
	return f
}

// ParseHello reads a HELLO's payload. In an answer known is the Header that our own HELLO told and this one leaves out; else nil. Nothing in
// the result aliases p.
func ParseHello(p []byte, known *blocks.Header) (Hello, error) {
	d := decoder{p: p}
	f := d.u16()
	d.check(f&^uint16(helloFlags) == 0, "unknown flags")
	m := Hello{
		Seed: f&helloSeed != 0, Full: f&helloFull != 0, Observer: f&helloObserver != 0,
		Lingering: f&helloLingering != 0,
		Zone:      d.u32(),
		Member:    d.member(),
		Listen:    d.addr(),
		Header:    known,
	}
	if err := d.header(&m); err != nil {
		return Hello{}, err
	}
	if err := d.bitfield(&m); err != nil {
		return Hello{}, err
	}
	m.Peers = d.peers()
	if err := d.end(THello); err != nil {
		return Hello{}, err
	}
	return m, nil
}

func (d *decoder) header(m *Hello) error {
	if !d.flag("bad header flag") {
		return nil
	}
	raw := d.bytes(blocks.HeaderSize)
	if !d.ok() {
		return nil
	}
	h, err := blocks.ParseHeader(raw)
	if err != nil {
		return fmt.Errorf("%w: HELLO: %w", ErrProtocol, err)
	}
	m.Header = &h
	return nil
}

func (d *decoder) bitfield(m *Hello) error {
	m.Form = BitfieldForm(d.u8())
	d.check(m.Form <= Raw, "unknown form of bitfield")
	d.check(m.Form == None || m.Header != nil, "bitfield without header")
	if m.Form != Raw {
		return nil
	}
	n := d.u32()
	d.check(d.ok() && n == m.Header.Blocks, "bitfield of another length than the header's")
	if !d.ok() {
		return nil
	}
	raw := d.bytes(int((uint64(n) + 7) / 8))
	if !d.ok() {
		return nil
	}
	bits, err := blocks.ParseBitfield(n, raw)
	if err != nil {
		return fmt.Errorf("%w: HELLO: %w", ErrProtocol, err)
	}
	m.Bits = bits
	return nil
}
