package blocks

import (
	"hash/maphash"
	"math/bits"
)

// originals tells for each Entry which one is laid out for its bytes: the first with the same Root, itself if it is the
// first, and -1 if it has no bytes.
//
// A table of Entry numbers instead of a map: 8 bytes an Entry at most instead of 50, and no copy of any Root. The hash is seeded
// because Roots are whatever the sender wrote, so that they can't be chosen to collide.
func originals(entries []Entry) []int32 {
	size := 1 << bits.Len(uint(len(entries)+len(entries)/3)) // always a free place, at most 3/4 full
	table := make([]int32, size)                             // number + 1; 0 is free
	seed := maphash.MakeSeed()
	first := make([]int32, len(entries))
	for i := range entries {
		e := &entries[i]
		first[i] = -1
		if e.Kind != File || e.Size == 0 {
			continue
		}
		at := int(maphash.Bytes(seed, e.Root[:])) & (size - 1)
		for table[at] != 0 && entries[table[at]-1].Root != e.Root {
			at = (at + 1) & (size - 1)
		}
		if table[at] == 0 {
			table[at] = int32(i + 1)
		}
		first[i] = table[at] - 1
	}
	return first
}
