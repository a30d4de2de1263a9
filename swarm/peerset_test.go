package swarm

import (
	"math/bits"
	"slices"
	"testing"
)

func TestPeerSet(t *testing.T) {
	var s peerSet
	for _, at := range []int{0, 3, 4, 63} {
		s.put(at, true)
		s.put(at, true)
	}
	s.put(9, true)
	s.put(9, false)
	if s.count() != 4 || !s.has(63) || s.has(9) {
		t.Errorf("%b", s)
	}
	var all []int
	for rest := s; rest != 0; {
		all = append(all, rest.next())
	}
	if !slices.Equal(all, []int{0, 3, 4, 63}) {
		t.Errorf("members %v", all)
	}
	for _, c := range []struct {
		at   int
		list []uint8
	}{{3, []uint8{0, 3, 62}}, {1, []uint8{0, 2, 3, 62}}, {63, []uint8{0, 3, 4}}, {0, []uint8{2, 3, 62}}} {
		var l peerList
		for _, at := range append(all, 0, 63) {
			l.add(at)
		}
		l.remove(c.at)
		left := l.set
		if !slices.Equal(l.order, c.list) || bits.OnesCount64(uint64(left)) != len(c.list) {
			t.Errorf("without %d: %v, %b; want %v", c.at, l.order, left, c.list)
		}
		for _, at := range c.list {
			if !left.has(int(at)) {
				t.Errorf("without %d: %b lacks %d", c.at, left, at)
			}
		}
	}
}
