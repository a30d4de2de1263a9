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

// peerList is a peerSet in the order in which its members came.
type peerList struct {
	set   peerSet
	order []uint8
}

func (l *peerList) add(at int) {
	if !l.set.has(at) {
		l.set.put(at, true)
		l.order = append(l.order, uint8(at))
	}
}

func (l *peerList) clear() { l.set, l.order = 0, l.order[:0] }

// remove takes a place out, as that of a peerSet does.
func (l *peerList) remove(at int) {
	l.set.remove(at)
	kept := l.order[:0]
	for _, k := range l.order {
		switch {
		case int(k) < at:
			kept = append(kept, k)
		case int(k) > at:
			kept = append(kept, k-1)
		}
	}
	l.order = kept
}
