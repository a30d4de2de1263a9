package wire

import (
	"encoding/binary"
	"net/netip"
)

// MaxPeers is the most peers in a PEERS or HELLO frame.
const MaxPeers = 512

// Bits of a Peer's flags.
const (
	peerSeed = 1 << iota
	peerGone
	peerZone
	peerFlags = 1<<iota - 1
)

// peerMin is the shortest Peer: flags, a name of one letter, an IPv4 address.
const peerMin = 1 + 2 + 7

// Peer tells of a member: where it listens, or that it is gone.
//
//	| flags   | 1 byte               | bit 0 seed, 1 gone, 2 zone follows   |
//	| member  | 1 byte length, bytes | 1..80, printable ASCII without space |
//	| address | address              | port 0: cannot be dialed             |
//	| zone    | 4 bytes, if flagged  | hash of the zone's label, not 0      |
type Peer struct {
	Seed, Gone bool
	Member     string
	Addr       netip.AddrPort
	Zone       uint32 // ZoneOf its label, 0: none
}

// AppendPeers appends PEERS: 2 bytes count, then each Peer. More than MaxPeers take several frames. A Peer whose name can't
// be a member's is left out, since names come from others too.
func AppendPeers(b []byte, peers []Peer) []byte {
	for {
		var mark int
		b, mark = begin(b, TPeers)
		b, peers = appendPeerList(b, peers)
		b = finish(b, mark)
		if len(peers) == 0 {
			return b
		}
	}
}

// appendPeerList appends the first MaxPeers valid ones, and returns those that had no room.
func appendPeerList(b []byte, peers []Peer) (out []byte, rest []Peer) {
	mark, n := len(b), 0
	b = append(b, 0, 0)
	for k, p := range peers {
		if !ValidMember(p.Member) {
			continue
		}
		if n == MaxPeers {
			rest = peers[k:]
			break
		}
		b = p.append(b)
		n++
	}
	binary.BigEndian.PutUint16(b[mark:], uint16(n))
	return b, rest
}

func (m Peer) append(b []byte) []byte {
	var f byte
	if m.Seed {
		f |= peerSeed
	}
	if m.Gone {
		f |= peerGone
	}
	if m.Zone != 0 {
		f |= peerZone
	}
	b = appendAddr(appendMember(append(b, f), m.Member), m.Addr)
	if m.Zone != 0 {
		b = binary.BigEndian.AppendUint32(b, m.Zone)
	}
	return b
}

// ParsePeers reads a PEERS payload.
func ParsePeers(p []byte) ([]Peer, error) {
	d := decoder{p: p}
	peers := d.peers()
	if err := d.end(TPeers); err != nil {
		return nil, err
	}
	return peers, nil
}

func (d *decoder) peers() []Peer {
	n := int(d.u16())
	d.check(n <= MaxPeers, "too many peers")
	d.check(n*peerMin <= len(d.p), "cut short")
	if !d.ok() || n == 0 {
		return nil
	}
	peers := make([]Peer, n)
	for k := range peers {
		f := d.u8()
		d.check(f&^byte(peerFlags) == 0, "unknown flags of a peer")
		peers[k] = Peer{Seed: f&peerSeed != 0, Gone: f&peerGone != 0, Member: d.member(), Addr: d.addr()}
		if f&peerZone != 0 {
			peers[k].Zone = d.u32()
			d.check(peers[k].Zone != 0, "a zone of 0 is none")
		}
	}
	return peers
}
