package swarm

import "math/bits"

// maxPeers is how many sessions a core has at most: a peerSet is one word.
const maxPeers = 64

// peerSet is a set of a core's peers, by their places in Core.peers: what concerns a few of them needn't look at all.
type peerSet uint64

func (s peerSet) has(at int) bool { return s>>at&1 != 0 }

// put makes the peer at a place a member, or takes it out.
func (s *peerSet) put(at int, in bool) {
	*s &^= 1 << at
	if in {
		*s |= 1 << at
	}
}

func (s peerSet) count() uint16 { return uint16(bits.OnesCount64(uint64(s))) }

// next takes the first member out: for s != 0 { at := s.next() }.
func (s *peerSet) next() int {
	at := bits.TrailingZeros64(uint64(*s))
	*s &= *s - 1
	return at
}

// remove takes a place out: those behind it move up.
func (s *peerSet) remove(at int) {
	low := peerSet(1)<<at - 1
	*s = *s&low | *s>>1&^low
}

// without is remove for a list of places.
func without(list []uint8, at int) []uint8 {
	kept := list[:0]
	for _, k := range list {
		switch {
		case int(k) < at:
			kept = append(kept, k)
		case int(k) > at:
			kept = append(kept, k-1)
		}
	}
	return kept
}
