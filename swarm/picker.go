package swarm

import (
	"math/bits"
	"math/rand/v2"

	"p2pcp/blocks"
)

// picker is a ranked set of Blocks: which may be chosen, and how rare each is. It picks a member of the lowest rank, ties
// broken at random: order within a rank is random, and kept so by swaps. Changing a rank by one, and taking a Block out, move
// one element per rank passed; nothing allocates after newPicker.
//
// order is cut into maxRank runs, one a rank, and a last run of Blocks that are not in the set:
//
//	order[start[r]:start[r+1]]  members of rank r (the last rank holds all higher ones too)
//	order[start[maxRank]:]      not in the set
type picker struct {
	order []uint32 // every Block once
	rows  []row    // of every Block
	words []uint64 // bit i of words[w]: Block 64*w+i is in the set
	start [maxRank + 1]uint32
	rng   *rand.Rand
}

// row is what a core knows of a Block, in one place: thousands of simulated nodes wait for memory alone.
type row struct {
	holders peerSet // who holds it
	pos     uint32  // order[pos] is it
	rank    uint16  // whether in the set or not, not clamped
	flight  uint8   // our Requests and Grants for it
	late    uint8   // of flight, those at overdue peers
}

// probes are the random tries in a rank before anything is scanned: enough to find, with 98 %, a peer's Block where it holds
// an eighth of the rank.
const probes = 32

func newPicker(n uint32, rng *rand.Rand) picker {
	p := picker{
		order: make([]uint32, n), rows: make([]row, n), words: make([]uint64, (uint64(n)+63)/64), rng: rng,
	}
	for i := range p.order {
		p.order[i] = uint32(i)
	}
	rng.Shuffle(len(p.order), func(a, b int) { p.order[a], p.order[b] = p.order[b], p.order[a] })
	for at, i := range p.order {
		p.rows[i].pos = uint32(at)
	}
	return p
}

// count is the number of members.
func (p *picker) count() uint32 { return p.start[maxRank] }

// atLeast is the number of members of rank r and above.
func (p *picker) atLeast(r int) uint32 { return p.start[maxRank] - p.start[r] }

func (p *picker) has(i blocks.Index) bool { return p.words[i/64]>>(i%64)&1 != 0 }

func clampRank(r uint16) int { return int(min(r, maxRank-1)) }

// set puts i into the set or takes it out; false if it was so already.
func (p *picker) set(i blocks.Index, in bool) bool {
	if p.has(i) == in {
		return false
	}
	p.words[i/64] ^= 1 << (i % 64)
	if in {
		p.sink(i, maxRank, clampRank(p.rows[i].rank))
	} else {
		p.rise(i, clampRank(p.rows[i].rank), maxRank)
	}
	return true
}

// setRank changes how rare i is.
func (p *picker) setRank(i blocks.Index, rank uint16) {
	from, to := clampRank(p.rows[i].rank), clampRank(rank)
	p.rows[i].rank = rank
	if !p.has(i) {
		return
	}
	p.sink(i, from, to)
	p.rise(i, from, to)
}

// sink moves i down from run to run: it becomes the last of each.
func (p *picker) sink(i blocks.Index, from, to int) {
	for r := from; r > to; r-- {
		p.swap(p.rows[i].pos, p.start[r])
		p.start[r]++
	}
}

// rise moves i up from run to run: it becomes the first of each.
func (p *picker) rise(i blocks.Index, from, to int) {
	for r := from; r < to; r++ {
		p.start[r+1]--
		p.swap(p.rows[i].pos, p.start[r+1])
	}
}

func (p *picker) swap(a, b uint32) {
	i, j := p.order[a], p.order[b]
	p.order[a], p.order[b] = j, i
	p.rows[i].pos, p.rows[j].pos = b, a
}

// any picks a random member of the lowest rank.
func (p *picker) any() (blocks.Index, bool) {
	if p.count() == 0 {
		return 0, false
	}
	for r := range maxRank {
		if k := p.start[r+1] - p.start[r]; k > 0 {
			return blocks.Index(p.order[p.start[r]+p.rng.Uint32N(k)]), true
		}
	}
	return 0, false
}

// below picks a random member of the lowest rank among the first n Blocks.
func (p *picker) below(n uint32) (blocks.Index, bool) { return p.scan(nil, n) }

// from picks a random member of the lowest rank among the Blocks that held has. common is how many members held has: where
// they are few all are looked at, else each rank is probed and then searched until that costs as much as looking at
// all.
func (p *picker) from(held []uint64, common uint32) (blocks.Index, bool) {
	if common == 0 {
		return 0, false
	}
	cost := uint32(len(p.words)) + common
	if common < probes {
		return p.scan(held, uint32(len(p.order)))
	}
	for r, spent := 0, uint32(0); r < maxRank; r++ {
		first, k := p.start[r], p.start[r+1]-p.start[r]
		if k == 0 {
			continue
		}
		for range min(k, probes) {
			if i := p.order[first+p.rng.Uint32N(k)]; held[i/64]>>(i%64)&1 != 0 {
				return blocks.Index(i), true
			}
		}
		if spent += k; spent > cost {
			break
		}
		if i, ok := p.search(held, first, k); ok {
			return i, true
		}
	}
	return p.scan(held, uint32(len(p.order)))
}

// search goes round a run from a random place.
func (p *picker) search(held []uint64, first, k uint32) (blocks.Index, bool) {
	off := p.rng.Uint32N(k)
	for at := range k {
		if off+at == k {
			off -= k
		}
		if i := p.order[first+off+at]; held[i/64]>>(i%64)&1 != 0 {
			return blocks.Index(i), true
		}
	}
	return 0, false
}

// scan looks at every member below n that held (nil: everybody) has: once for the lowest rank, once for one of it.
func (p *picker) scan(held []uint64, n uint32) (blocks.Index, bool) {
	lowest, ties := maxRank, uint32(0)
	p.each(held, n, func(i uint32) bool {
		switch r := clampRank(p.rows[i].rank); {
		case r < lowest:
			lowest, ties = r, 1
		case r == lowest:
			ties++
		}
		return true
	})
	if ties == 0 {
		return 0, false
	}
	var found blocks.Index
	skip := p.rng.Uint32N(ties)
	p.each(held, n, func(i uint32) bool {
		if clampRank(p.rows[i].rank) != lowest {
			return true
		}
		if skip == 0 {
			found = blocks.Index(i)
			return false
		}
		skip--
		return true
	})
	return found, true
}

// each calls do for the members below n that held has, increasing, until it returns false.
func (p *picker) each(held []uint64, n uint32, do func(i uint32) bool) {
	for w := uint32(0); w < (n+63)/64; w++ {
		bitset := p.words[w]
		if held != nil {
			bitset &= held[w]
		}
		for ; bitset != 0; bitset &= bitset - 1 {
			i := 64*w + uint32(bits.TrailingZeros64(bitset))
			if i >= n || !do(i) {
				return
			}
		}
	}
}

// common counts the members that held has.
func (p *picker) common(held []uint64) uint32 {
	n := 0
	for w, b := range p.words {
		n += bits.OnesCount64(b & held[w])
	}
	return uint32(n)
}
